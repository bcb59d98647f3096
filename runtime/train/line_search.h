// A step along a descent direction that decreases a function enough, and its slope, too.
#pragma once

#include <cstddef>
#include <functional>
#include <utility>

#include "tapeloom/core/base/export.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// A function of the length of a step, at one length.
struct LinePoint {
  double step = 0.0;
  double value = 0.0;
  double slope = 0.0;
};

/// Finds a step to the strong Wolfe conditions: Nocedal & Wright, "Numerical Optimization", 2006, algorithms 3.5
/// and 3.6.
class LineSearch {
 public:
  /// `start` is at step 0, where the slope is negative. Differences between values as small as `noise` are rounding. If
  /// what `evaluate` returns is not finite, the step is too long.
  LineSearch(const LinePoint& start, double noise, std::function<LinePoint(double step)> evaluate)
      : start_(start), noise_(noise), evaluate_(std::move(evaluate)) {}

  /// Tries `first` and at most `most` steps in all. Returns a point that meets both conditions; where none is found,
  /// the lowest that decreases the function enough, which may be `start`.
  LinePoint run(double first, std::size_t most);

 private:
  LinePoint evaluate(double step);
  bool decreases_enough(const LinePoint& point) const;
  bool flat_enough(const LinePoint& point) const;
  LinePoint zoom(LinePoint low, LinePoint high);

  LinePoint start_;
  double noise_;
  std::function<LinePoint(double)> evaluate_;
  std::size_t left_ = 0;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
