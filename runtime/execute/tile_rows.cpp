#include "tapeloom/runtime/execute/tile_rows.h"

#include <algorithm>

#include "tapeloom/core/base/check.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

template <class T>
void copy(const Instruction& i, const Shape& s, const TileView<T>& view) {
  const bool uniform = i.is_uniform(0);
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

/// The rows of an operand, one after the other.
template <class T>
class RowsOf {
 public:
  RowsOf() = default;
  RowsOf(const Instruction& i, const Shape& s, std::size_t k, const TileView<T>& view) {
    const bool uniform = i.is_uniform(k);
    const bool by_index = !uniform && s.step[k] == Shape::by_index;
    row_ = uniform ? view.uniform_slot(i.x[k]) : view.tile + (by_index ? 0 : i.x[k] * view.stride);
    step_ = uniform ? s.step[k] : view.stride * (by_index ? 1 : s.step[k]);
    if (by_index) index_ = view.indices + i.x[k];
  }
  const T* next() {
    if (index_ != nullptr) return row_ + *index_++ * step_;
    const T* row = row_;
    row_ += step_;
    return row;
  }

 private:
  const T* row_ = nullptr;
  std::size_t step_ = 0;
  const std::uint32_t* index_ = nullptr;
};

template <class T>
void elementwise(const Instruction& i, const Shape& s, const KernelTable<T>& kernels, const TileView<T>& view) {
  const Elementwise<T> kernel = kernels.elementwise[static_cast<std::size_t>(i.op)][i.uniform_mask];
  RowsOf<T> x(i, s, 0, view), y, z;
  if (op_arity(i.op) > 1) y = RowsOf<T>(i, s, 1, view);
  if (op_arity(i.op) > 2) z = RowsOf<T>(i, s, 2, view);
  T* out = view.tile + i.out * view.stride;
  for (std::size_t r = 0; r < s.rows; ++r, out += view.stride) kernel(out, x.next(), y.next(), z.next(), view.lanes);
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

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
