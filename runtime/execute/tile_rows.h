#pragma once

#include "tapeloom/core/program/program.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// Runs a tile's instruction that works row by row: elementwise, row_sum, row_extreme and its reverse, copy or gather.
template <class T>
void run_rows(const Program& program, const Instruction& instruction, const KernelTable<T>& kernels,
              const TileView<T>& view);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
