// The kernels an interpreter calls: one table for each instruction set and number type. Every table is made from the
// same source (kernels_impl.h), compiled with that instruction set's flags, and chosen when an executor is made.
#pragma once

#include <cstddef>

#include "tapeloom/core/op.h"
#include "tapeloom/core/program.h"

namespace tapeloom::runtime {

/// Where a tile instruction finds its numbers: slot s of the tile is tile[s * stride, ...), one number a lane.
template <class T>
struct TileView {
  T* tile;
  const T* uniform;
  std::size_t stride;
  std::size_t lanes;  ///< to be computed; a whole number of vectors
};

template <class T>
struct KernelTable {
  using Elementwise = void (*)(const TileView<T>&, const Instruction&);

  const char* name;
  std::size_t vector_lanes;
  /// By op and Instruction::uniform_mask. The result may be the same slot as an operand.
  Elementwise elementwise[op_count][8];
  /// `total` (ignored if `first`) plus the sum of x[0, samples), in an order that depends on `samples` alone.
  T (*reduce)(T total, bool first, const T* x, std::size_t samples);
};

/// The fastest table this processor can run. The environment variable TAPELOOM_ISA (baseline, avx2, avx512) forces
/// one; throws BindError if the processor or the build does not have it.
template <class T>
const KernelTable<T>& kernels();

/// Scalar libm, samples added one after another: what exact mode promises.
const KernelTable<double>& exact_kernels();

/// Computes one uniform instruction: slots[i.out] = op(slots[i.x[0]], ...).
template <class T>
void run_uniform(const Instruction& instruction, T* slots);

}  // namespace tapeloom::runtime
