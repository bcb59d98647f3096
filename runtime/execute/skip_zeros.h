// Kernels for a step that is repeated because its gradients had NaN: whatever an adjoint is multiplied with, zero is
// zero. They are loops over numbers; a step that needs none of them does not pay for them.
#pragma once

#include <cstddef>

#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// A table like `fast` whose elementwise kernels of OpKind::adjoint give zero for an adjoint of zero.
template <class T>
KernelTable<T> skipping_zeros(const KernelTable<T>& fast);

/// As KernelTable::plan and plan_sums, one call each, for those that have adjoints on a side.
template <class T>
std::size_t plan_skipping_zeros(const Product<T>& product, KernelCall<T>* calls);
template <class T>
std::size_t plan_skipping_zeros(const Sums& sums, KernelCall<T>* calls);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
