#include "tapeloom/core/record/functions.h"

#include <limits>

#include "tapeloom/core/base/error.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Without a derivative: whatever is subtracted from all makes no difference in the end, so nothing is lost.
Value largest(std::span<const Value> z) {
  Value found = z[0];
  for (const Value& next : z.subspan(1)) found = max(found, next);
  return stop_gradient(found);
}

detail::Shifted shift(std::span<const Value> z, Value by) {
  detail::Shifted result;
  std::vector<Value> exponentials;
  for (const Value& each : z) {
    result.shifted.push_back(each - by);
    exponentials.push_back(exp(result.shifted.back()));
  }
  result.log_sum = log(sum(exponentials));
  return result;
}

}  // namespace

Value clamp(Value x, Value low, Value high) { return min(max(x, low), high); }

Value fmax(Value a, Value b) {
  const Condition greater = b > a;
  return where(greater | isnan(a), b, a);
}
Value fmin(Value a, Value b) {
  const Condition less = b < a;
  return where(less | isnan(a), b, a);
}

Condition isnan(Value x) { return x != x; }
Condition isinf(Value x) { return abs(x) == infinity; }
Condition isfinite(Value x) { return abs(x) < infinity; }
Condition signbit(Value x) { return copysign(1.0, x) < 0.0; }

detail::Shifted detail::shift_by_largest(ValueSpan z) { return shift(z, largest(z)); }

Value logsumexp(ValueSpan z) {
  if (z.empty()) throw RecordingError("logsumexp of an empty list");
  const Value most = largest(z);
  // An infinite one would be subtracted from itself.
  const Value by = where(isfinite(most), most, 0.0);
  return shift(z, by).log_sum + by;
}

std::vector<Value> log_softmax(ValueSpan z) {
  if (z.empty()) throw RecordingError("log_softmax of an empty list");
  auto [result, log_sum] = detail::shift_by_largest(z);
  for (Value& each : result) each -= log_sum;
  return result;
}

std::vector<Value> softmax(ValueSpan z) {
  if (z.empty()) throw RecordingError("softmax of an empty list");
  const Value most = largest(z);
  std::vector<Value> result;
  for (const Value& each : z) result.push_back(exp(each - most));
  const Value total = sum(result);
  for (Value& each : result) each /= total;
  return result;
}

}  // namespace tapeloom::inline TAPELOOM_ABI
