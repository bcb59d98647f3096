// Activations that are written with ops, under PyTorch's names and with its defaults. tanh, relu, leaky_relu, sigmoid
// and softplus are ops themselves.
#pragma once

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// x Phi(x) with the distribution function of the normal distribution; no approximation by tanh. Hendrycks & Gimpel,
/// "Gaussian Error Linear Units (GELUs)", 2016. NaN at minus infinity.
TAPELOOM_API Value gelu(Value x);

/// x sigmoid(x). NaN at minus infinity.
TAPELOOM_API Value silu(Value x);

/// x where that is positive, alpha (exp(x) - 1) elsewhere; alpha is 1 unless given. The derivative at 0 is alpha.
TAPELOOM_API Value elu(Value x);
TAPELOOM_API Value elu(Value x, Value alpha);

}  // namespace tapeloom::inline TAPELOOM_ABI
