// Levenberg-Marquardt: fits parameters by least squares, with their standard errors.
#pragma once

#include <cstddef>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/runtime/execute/data_view.h"
#include "tapeloom/runtime/execute/executor.h"
#include "tapeloom/runtime/train/fit_options.h"
#include "tapeloom/runtime/train/solver.h"

namespace tapeloom::inline TAPELOOM_ABI {

struct LeastSquaresOptions {
  std::size_t max_iterations = 1000;
  /// Of all residuals and their derivatives.
  std::size_t max_evaluations = 2000;
  /// Stop when the sum of squares decreased, and could be expected to decrease, by this small a part of it. 0: never.
  double decrease_tolerance = 1e-15;
  /// Stop when no step is longer than this part of the parameters, both scaled by the derivatives. 0: never.
  double step_tolerance = 1e-12;
  /// Stop when the cosine of the angle between the residuals and their derivatives by any parameter is this small. 0:
  /// never.
  double gradient_tolerance = 1e-12;
  /// How long the first step may be, as a multiple of the parameters (of 1 where these are all 0), both scaled by the
  /// derivatives; and a thousandth of the residuals at least. Smaller ones, down to 0.1, keep a fit near where it
  /// starts.
  double first_step = 100.0;
  Callback<SolverReport> on_iteration = {};
};

struct LeastSquaresResult {
  double sum_of_squares = 0.0;
  double gradient = 0.0;           ///< the largest cosine between the residuals and their derivatives by a parameter
  std::size_t residuals = 0;       ///< of all samples
  std::size_t rank = 0;            ///< how many combinations of parameters the residuals determine
  std::size_t degrees_of_freedom;  ///< residuals - rank
  /// sqrt(sum_of_squares / degrees_of_freedom); NaN without any.
  double residual_standard_deviation = 0.0;
  /// One a parameter of the program, in recorded order; zero for frozen ones. All others are NaN if the rank is less
  /// than their number, or without degrees of freedom.
  std::vector<double> standard_errors;
  /// Of the parameters, row-major, likewise: residual_standard_deviation^2 (J^T J)^-1.
  std::vector<double> covariance;
  std::size_t iterations = 0;
  std::size_t evaluations = 0;
  SolverEnd end = SolverEnd::iterations;
};

/// Minimises the sum of the squares of the residuals of all rows, by the parameters that are not frozen, from where
/// they are. The program is one of compile_residuals:
///
///   Executor<double> model(compile_residuals(y - a * exp(-b * x)));
///   const LeastSquaresResult fit = least_squares(model, data);
///
/// The algorithm is that of MINPACK's lmder: Moré, "The Levenberg-Marquardt algorithm: implementation and theory",
/// 1978. Rows go through the executor max_samples at a time and are folded into a triangle, so that memory grows with
/// the square of the parameters and not with the rows. Afterwards the executor has the parameters of the best
/// iteration. The bits are the same in every run.
///
/// Trial steps to where something is not finite, or where a recorded guard fails, are taken back. Throws BindError for
/// options out of range, for another program, for fewer residuals than parameters, and for residuals or derivatives
/// that are not finite at the start; GuardError where a guard fails there; and as Executor::step does.
TAPELOOM_API LeastSquaresResult least_squares(Executor<double>& executor, const DataView& data = {},
                                              const LeastSquaresOptions& options = {});

}  // namespace tapeloom::inline TAPELOOM_ABI
