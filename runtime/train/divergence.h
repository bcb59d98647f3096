// Why a training step gave a loss, or gradients, that are not finite.
#pragma once

#include <cstdint>
#include <span>

#include "tapeloom/runtime/execute/executor.h"
#include "tapeloom/runtime/train/fit_options.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// Looks among the parameters, the batch's numbers and its rows one by one for what made the executor's last step, over
/// these rows, not finite; `known` is what is known of the step, which has number 0 where a solver was to begin. Steps
/// and binds the executor, which must be bound to its data again afterwards.
template <class T>
Divergence find_divergence(Executor<T>& executor, std::span<const std::uint32_t> batch, Divergence known);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
