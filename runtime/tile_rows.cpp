#include "tapeloom/runtime/tile_rows.h"

#include <algorithm>

#include "tapeloom/core/check.h"

namespace tapeloom::inline v0_1::runtime {

namespace {

template <class T>
void copy(const Instruction& i, const Shape& s, const TileView<T>& view) {
  const bool uniform = (i.uniform_mask & 1) != 0;
  T* to = view.tile + i.out * view.stride;
  for (std::size_t r = 0; r < s.rows; ++r, to += view.stride) {
    const std::size_t slot = i.x[0] + r * s.step[0];
    if (uniform) {
      std::fill_n(to, view.lanes, *view.uniform_slot(slot));
    } else {
      std::copy_n(view.tile + slot * view.stride, view.lanes, to);
    }
  }
}

/// Row by row.
template <class T>
void elementwise(const Instruction& i, const Shape& s, const KernelTable<T>& kernels, const TileView<T>& view) {
  const Elementwise<T> kernel = kernels.elementwise[static_cast<std::size_t>(i.op)][i.uniform_mask];
  const std::size_t arity = op_arity(i.op);
  for (std::size_t r = 0; r < s.rows; ++r) {
    const T* x[3] = {};
    for (std::size_t k = 0; k < arity; ++k) {
      const bool uniform = (i.uniform_mask >> k & 1) != 0;
      const std::size_t at = i.x[k] + r * s.step[k];
      x[k] = uniform ? view.uniform_slot(at)
                     : view.tile + (s.step[k] == Shape::by_index ? view.indices[i.x[k] + r] : at) * view.stride;
    }
    kernel(view.tile + (i.out + r) * view.stride, x[0], x[1], x[2], view.lanes);
  }
}

/// One after another.
template <class T>
void extremes(Instruction i, const Shape& s, const TileView<T>& view, typename KernelTable<T>::Rows kernel,
              std::uint32_t rows_of_result) {
  for (std::uint32_t n = 0; n < s.terms; ++n) {
    kernel(view, i, s);
    i.out += rows_of_result;
    i.x[0] += s.rows * s.step[0], i.x[1] += s.step[1];
  }
}

}  // namespace

template <class T>
void run_rows(const Program& program, const Instruction& i, const KernelTable<T>& kernels, const TileView<T>& view) {
  const Shape& shape = program.shapes[i.shape];
  switch (i.kind) {
    case InstructionKind::elementwise:
      return elementwise(i, shape, kernels, view);
    case InstructionKind::copy:
      return copy(i, shape, view);
    case InstructionKind::row_sum:
      return kernels.row_sum(view, i, shape);
    case InstructionKind::gather:
      return kernels.gather(view, i, shape);
    case InstructionKind::row_extreme:
      return extremes(i, shape, view, kernels.row_extreme, 1);
    case InstructionKind::row_extreme_reverse:
      return extremes(i, shape, view, kernels.row_extreme_reverse, shape.rows);
    case InstructionKind::zero:
    case InstructionKind::add_at:
    case InstructionKind::dense:
    case InstructionKind::dense_reverse:
    case InstructionKind::outer:
    case InstructionKind::reduce:
    case InstructionKind::reduce_products:
    case InstructionKind::reduce_outer:
    case InstructionKind::guard:
    case InstructionKind::spill:
    case InstructionKind::reload:
    case InstructionKind::store_output:
    case InstructionKind::store_sample:
    case InstructionKind::store_input_gradient:
      break;
  }
  fail_check("an instruction that moves rows", __FILE__, __LINE__);
}

template void run_rows(const Program&, const Instruction&, const KernelTable<float>&, const TileView<float>&);
template void run_rows(const Program&, const Instruction&, const KernelTable<double>&, const TileView<double>&);

}  // namespace tapeloom::inline v0_1::runtime
