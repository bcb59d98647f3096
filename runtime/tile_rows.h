#pragma once

#include "tapeloom/core/program.h"
#include "tapeloom/runtime/kernels.h"

namespace tapeloom::inline v0_1::runtime {

/// Runs a tile's instruction that works row by row: elementwise, row_sum, row_extreme and its reverse, copy or gather.
template <class T>
void run_rows(const Program& program, const Instruction& instruction, const KernelTable<T>& kernels,
              const TileView<T>& view);

}  // namespace tapeloom::inline v0_1::runtime
