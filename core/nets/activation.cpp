#include "tapeloom/core/nets/activation.h"

#include <numbers>

namespace tapeloom::inline TAPELOOM_ABI {

Value gelu(Value x) {
  // erfc and not 1 + erf, which would cancel where x is negative.
  const Value twice_phi = erfc(x * (-1.0 / std::numbers::sqrt2));
  return 0.5 * x * twice_phi;
}

Value silu(Value x) { return x * sigmoid(x); }

namespace {

/// exp(x) - 1 for negative x, and 0 with the derivative 0 for others: expm1 never overflows.
Value negative_part(Value x) { return expm1(min(x, 0.0)); }

}  // namespace

Value elu(Value x) {
  const Value positive = relu(x);
  return positive + negative_part(x);
}
Value elu(Value x, Value alpha) {
  const Value positive = relu(x);
  return positive + alpha * negative_part(x);
}

}  // namespace tapeloom::inline TAPELOOM_ABI
