#pragma once

#include "tapeloom/core/program/program.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// Runs one instruction whose operands and result are uniform slots (every kind but guards and products).
template <class T>
void run_uniform(const Program& program, const Instruction& instruction, const KernelTable<T>& kernels, T* slots);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
