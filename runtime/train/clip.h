// Gradient clipping.
#pragma once

#include <span>

#include "tapeloom/core/base/export.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// sqrt(g0^2 + g1^2 + ...), added up in double in an order that depends on the length only.
TAPELOOM_API double gradient_norm(std::span<const float> gradients);
TAPELOOM_API double gradient_norm(std::span<const double> gradients);

/// Multiplies all gradients with max_norm / norm where the norm is above max_norm, which gives them that norm and keeps
/// their direction: Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", ICML 2013,
/// algorithm 1. Returns the norm they had; one that is not finite changes nothing.
TAPELOOM_API double clip_by_norm(std::span<float> gradients, double max_norm);
TAPELOOM_API double clip_by_norm(std::span<double> gradients, double max_norm);

/// Each gradient to within [-limit, limit]. NaN stays.
TAPELOOM_API void clip_by_value(std::span<float> gradients, double limit);
TAPELOOM_API void clip_by_value(std::span<double> gradients, double limit);

}  // namespace tapeloom::inline TAPELOOM_ABI
