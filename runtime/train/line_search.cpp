#include "tapeloom/runtime/train/line_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

// The constants of the Wolfe conditions that are usual for quasi-Newton directions: Nocedal & Wright, section 3.1.
constexpr double least_decrease = 1e-4;
constexpr double most_slope = 0.9;

/// How much longer the next step may be, while the function still falls.
constexpr double most_growth = 10.0, least_growth = 2.0;
/// What part of an interval is left out at both ends, so that it becomes shorter.
constexpr double margin = 0.1;
/// An interval that two steps leave longer than this part is halved: Moré & Thuente, ACM TOMS 20 (1994), 286-307.
constexpr double slow_shrinking = 0.66;

bool is_finite(const LinePoint& point) { return std::isfinite(point.value) && std::isfinite(point.slope); }

/// Where the cubic through both points with their slopes has its minimum; NaN if it has none.
double cubic_minimum(const LinePoint& a, const LinePoint& b) {
  const double width = b.step - a.step;
  const double mean = a.slope + b.slope - 3.0 * (b.value - a.value) / width;
  const double root = std::copysign(std::sqrt(mean * mean - a.slope * b.slope), width);
  return b.step - width * (b.slope + root - mean) / (b.slope - a.slope + 2.0 * root);
}

/// NaN becomes the middle.
double clamp_to(double step, double from, double to) {
  if (from > to) std::swap(from, to);
  return std::isnan(step) ? 0.5 * (from + to) : std::clamp(step, from, to);
}

}  // namespace

LinePoint LineSearch::evaluate(double step) {
  --left_;
  LinePoint point = evaluate_(step);
  // Above everything, so that whatever lies between there and a good point is looked for near that.
  if (!is_finite(point)) point.value = std::numeric_limits<double>::infinity();
  return point;
}

bool LineSearch::decreases_enough(const LinePoint& point) const {
  return point.value <= start_.value + least_decrease * point.step * start_.slope + noise_;
}

bool LineSearch::flat_enough(const LinePoint& point) const {
  return std::fabs(point.slope) <= most_slope * std::fabs(start_.slope);
}

LinePoint LineSearch::run(double first, std::size_t most) {
  left_ = most;
  LinePoint before = start_;
  double step = first;
  while (left_ > 0) {
    const LinePoint point = evaluate(step);
    const bool higher = before.step > 0.0 && point.value >= before.value;
    if (!decreases_enough(point) || higher) return zoom(before, point);
    if (flat_enough(point)) return point;
    if (point.slope >= 0.0) return zoom(point, before);
    step = clamp_to(cubic_minimum(before, point), least_growth * point.step, most_growth * point.step);
    before = point;
  }
  return before;
}

/// The function falls from `low`, the lowest point so far that decreases it enough, towards `high`, and between them
/// are steps that meet both conditions.
LinePoint LineSearch::zoom(LinePoint low, LinePoint high) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  double width = infinity, width_before = infinity;
  while (left_ > 0) {
    const double from = low.step, length = high.step - low.step;
    double step = from + 0.5 * length;
    if (!std::isfinite(high.value)) {
      step = from + margin * length;  // such as beyond a pole: as likely far away as near
    } else if (std::fabs(length) <= slow_shrinking * width_before) {
      step = clamp_to(cubic_minimum(low, high), from + margin * length, high.step - margin * length);
    }
    if (step == low.step || step == high.step) break;
    width_before = width;
    width = std::fabs(length);

    const LinePoint point = evaluate(step);
    if (!decreases_enough(point) || point.value >= low.value) {
      high = point;
      continue;
    }
    if (flat_enough(point)) return point;
    if (point.slope * length >= 0.0) high = low;
    low = point;
  }
  return low;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
