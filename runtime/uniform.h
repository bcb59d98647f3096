#pragma once

#include "tapeloom/core/program.h"
#include "tapeloom/runtime/kernels.h"

namespace tapeloom::inline v0_1::runtime {

/// Runs one instruction whose operands and result are uniform slots (every kind but guards and products).
template <class T>
void run_uniform(const Program& program, const Instruction& instruction, const KernelTable<T>& kernels, T* slots);

}  // namespace tapeloom::inline v0_1::runtime
