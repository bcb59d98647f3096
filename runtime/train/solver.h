// What the solvers, lbfgs and least_squares, tell: how far they are, and why they stopped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "tapeloom/core/base/export.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// Why a solver stopped.
enum class SolverEnd : std::uint8_t {
  gradient,     ///< it became as small as asked for
  decrease,     ///< an iteration decreased the loss, or the sum of squares, by no more than asked for
  step,         ///< the parameters moved by no more than asked for
  no_decrease,  ///< rounding leaves nothing to gain in the direction it had, or the loss is not what its gradient says
  iterations,   ///< there were as many as allowed
  evaluations,  ///< there were as many as allowed
  callback,     ///< it returned false
  diverged,     ///< the loss or its gradients are not finite where it was to begin, so it did not
};

/// Whether that is a minimum, as far as the tolerances tell.
constexpr bool converged(SolverEnd end) { return end <= SolverEnd::step; }

/// The enumerator's name in words, such as "no decrease".
TAPELOOM_API std::string to_string(SolverEnd end);

/// After an iteration. The executor has its parameters and its results.
struct SolverReport {
  std::size_t iteration = 0;    ///< from 1
  std::size_t evaluations = 0;  ///< of the loss and its gradients, or of all residuals and their derivatives, so far
  double loss = 0.0;            ///< or the sum of squares
  double gradient = 0.0;        ///< what the result of the same name is
};

}  // namespace tapeloom::inline TAPELOOM_ABI
