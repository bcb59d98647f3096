// Functions of Values that are written with ops, and of lists of them.
#pragma once

#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// min(max(x, low), high): NaN if any of them is, and `high` where low > high. At low and at high the derivative goes
/// to x.
TAPELOOM_API Value clamp(Value x, Value low, Value high);

/// The larger (smaller) of two as C has it: a NaN is passed over, unlike by max and min. Ties go to the first operand.
TAPELOOM_API Value fmax(Value a, Value b);
TAPELOOM_API Value fmin(Value a, Value b);
inline Value fabs(Value x) { return abs(x); }

/// Decided sample by sample where they stand in where(), and by a guard as a bool.
TAPELOOM_API Condition isnan(Value x);
TAPELOOM_API Condition isinf(Value x);
TAPELOOM_API Condition isfinite(Value x);
/// Of -0 as well. Of NaN it is the sign that it has, which no computation promises.
TAPELOOM_API Condition signbit(Value x);

/// log(sum_k exp(z_k)), computed with z_k - max(z) so that nothing overflows: finite for finite numbers, minus infinity
/// where all are that, infinite where one is. An empty list throws RecordingError.
TAPELOOM_API Value logsumexp(ValueSpan z);

/// z_k - logsumexp(z) for each k, the logarithm of softmax, finite for finite numbers; NaN for all if z is infinite at
/// all k, or somewhere plus infinity. An empty list throws RecordingError.
TAPELOOM_API std::vector<Value> log_softmax(ValueSpan z);

/// exp(z_k) / sum_k exp(z_k), computed with z_k - max(z) so that nothing overflows; NaN for all where log_softmax is.
/// For -log of one of them, log_softmax loses no digits. An empty list throws RecordingError.
TAPELOOM_API std::vector<Value> softmax(ValueSpan z);

namespace detail {

/// z_k - max(z), and log(sum_k exp(z_k - max(z))), which lies between 0 and log of their number.
struct Shifted {
  std::vector<Value> shifted;
  Value log_sum;
};
TAPELOOM_API Shifted shift_by_largest(ValueSpan z);

}  // namespace detail

}  // namespace tapeloom::inline TAPELOOM_ABI
