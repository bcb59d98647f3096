// L-BFGS: minimises a loss over a whole batch, with second-order convergence at the cost of gradients.
#pragma once

#include <cstddef>
#include <optional>

#include "tapeloom/core/base/export.h"
#include "tapeloom/runtime/execute/data_view.h"
#include "tapeloom/runtime/execute/executor.h"
#include "tapeloom/runtime/train/fit_options.h"
#include "tapeloom/runtime/train/solver.h"

namespace tapeloom::inline TAPELOOM_ABI {

struct LbfgsOptions {
  /// How many of the last iterations the inverse of the Hessian is estimated from. Each takes two numbers a parameter.
  std::size_t history = 10;
  std::size_t max_iterations = 15000;
  /// Of the loss and its gradients. The last line search is ended by it, too.
  std::size_t max_evaluations = 20000;
  /// Stop when the largest gradient, by absolute value, is this small a part of the largest at the start. 0: never.
  double gradient_tolerance = 1e-8;
  /// Stop when an iteration has decreased the loss by this small a part of it. 0: never.
  double loss_tolerance = 1e-9;
  Callback<SolverReport> on_iteration = {};
};

struct LbfgsResult {
  double loss = 0.0;
  double gradient = 0.0;  ///< the largest, by absolute value
  std::size_t iterations = 0;
  std::size_t evaluations = 0;
  SolverEnd end = SolverEnd::iterations;
  /// Where `end` is SolverEnd::diverged: what is to blame, as far as can be told.
  std::optional<Divergence> divergence = {};
};

/// Minimises the loss of a program that was compiled with gradients over all rows of the data, by the executor's
/// parameters that are not frozen, from where they are: Nocedal & Wright, "Numerical Optimization", 2006, algorithm
/// 7.5, with a line search (3.5 and 3.6) to the strong Wolfe conditions by safeguarded cubic interpolation. The loss
/// must be smooth and the same at every step, so there are no mini-batches.
///
///   fit(model, data, {.epochs = 200, .batch = 256});  // Adam, to come near
///   const LbfgsResult result = lbfgs(model, data);    // and then this
///
/// Afterwards the executor has the parameters of the last iteration and the results for them; no iteration increases
/// the loss, but for rounding. The bits are the same in every run. Data may be left out for a program without
/// inputs. Trial steps to where the loss is not finite, or where a recorded guard fails, are
/// taken back. Throws BindError for options out of range, for a program without gradients, and as Executor::step does,
/// such as for more rows than max_samples; GuardError where a guard fails at the start.
template <class T>
TAPELOOM_API LbfgsResult lbfgs(Executor<T>& executor, const DataView& data = {}, const LbfgsOptions& options = {});

}  // namespace tapeloom::inline TAPELOOM_ABI
