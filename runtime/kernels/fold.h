// The sum of the rows of a tile, and the largest or smallest of them and where it is; for implementation.h.
#pragma once

#include "tapeloom/runtime/kernels/lanes.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS {
namespace {

/// One after another; some vectors of lanes at a time, so that the additions of one need not wait for each other.
template <class T, std::size_t vectors>
inline void sum_rows_of(const T* x, std::size_t step, std::size_t rows, T* out) {
  Lanes<T> sums[vectors];
#pragma GCC unroll 4
  for (std::size_t v = 0; v < vectors; ++v) sums[v] = Lanes<T>::load(x + v * Lanes<T>::count);
  for (std::size_t r = 1; r < rows; ++r) {
    x += step;
#pragma GCC unroll 4
    for (std::size_t v = 0; v < vectors; ++v) sums[v] = sums[v] + Lanes<T>::load(x + v * Lanes<T>::count);
  }
#pragma GCC unroll 4
  for (std::size_t v = 0; v < vectors; ++v) sums[v].store(out + v * Lanes<T>::count);
}

template <class T>
void row_sum(const TileView<T>& view, const Instruction& i, const Shape& shape) {
  constexpr std::size_t width = Lanes<T>::count, most = 4 * width;
  const std::size_t step = shape.step[0] * view.stride;
  const T* x = view.tile + i.x[0] * view.stride;
  T* out = view.tile + i.out * view.stride;
  for (std::size_t n = 0; n < shape.terms; ++n, x += shape.rows * step, out += view.stride) {
    std::size_t l = 0;
    for (; l + most <= view.lanes; l += most) sum_rows_of<T, 4>(x + l, step, shape.rows, out + l);
    for (; l < view.lanes; l += width) sum_rows_of<T, 1>(x + l, step, shape.rows, out + l);
  }
}

/// The rows of operand 0, folded by F (ops::Max or ops::Min) for the lanes from `lane` on, and the index of the row
/// that gets the adjoint: F gives it all to one of its two operands. Indices are numbers, exact up to 2^24 rows.
template <class T, class F, bool uniform>
struct Extreme {
  Lanes<T> value, index = Lanes<T>(0.0);

  Extreme(const TileView<T>& view, const Instruction& i, const Shape& shape, std::size_t lane)
      : value(row(view, i, shape, 0, lane)) {
    for (std::size_t r = 1; r < shape.rows; ++r) {
      const Lanes<T> next = row(view, i, shape, r, lane), y = F::forward(value, next);
      const Lanes<T> to_next = F::reverse(value, next, y, Lanes<T>(1.0))[1];
      index = select(to_next != Lanes<T>(0.0), Lanes<T>(static_cast<double>(r)), index);
      value = y;
    }
  }

  static Lanes<T> row(const TileView<T>& view, const Instruction& i, const Shape& shape, std::size_t r,
                      std::size_t lane) {
    return Operand<T, uniform>(view, i.x[0] + r * shape.step[0]).at(lane);
  }
};

template <class T, class F>
void row_extreme_of(const TileView<T>& view, const Instruction& i, const Shape& shape) {
  T* out = view.tile + i.out * view.stride;
  for (std::size_t l = 0; l < view.lanes; l += Lanes<T>::count)
    Extreme<T, F, false>(view, i, shape, l).value.store(out + l);
}

template <class T, class F, unsigned mask>
void row_extreme_reverse_of(const TileView<T>& view, const Instruction& i, const Shape& shape) {
  T* out = view.tile + i.out * view.stride;
  const Operand<T, (mask & 2) != 0> adjoint(view, i.x[1]);
  for (std::size_t l = 0; l < view.lanes; l += Lanes<T>::count) {
    const Lanes<T> index = Extreme<T, F, (mask & 1) != 0>(view, i, shape, l).index;
    for (std::size_t r = 0; r < shape.rows; ++r) {
      const LaneMask<T> here = index == Lanes<T>(static_cast<double>(r));
      select(here, adjoint.at(l), Lanes<T>(0.0)).store(out + r * view.stride + l);
    }
  }
}

template <class T, class F>
void row_extreme_reverse_of(const TileView<T>& view, const Instruction& i, const Shape& shape) {
  if (i.uniform_mask == 1) return row_extreme_reverse_of<T, F, 1>(view, i, shape);
  if (i.uniform_mask == 2) return row_extreme_reverse_of<T, F, 2>(view, i, shape);
  row_extreme_reverse_of<T, F, 0>(view, i, shape);
}

template <class T>
void row_extreme(const TileView<T>& view, const Instruction& i, const Shape& shape) {
  if (i.op == Op::max) return row_extreme_of<T, ops::Max>(view, i, shape);
  row_extreme_of<T, ops::Min>(view, i, shape);
}

template <class T>
void row_extreme_reverse(const TileView<T>& view, const Instruction& i, const Shape& shape) {
  if (i.op == Op::max) return row_extreme_reverse_of<T, ops::Max>(view, i, shape);
  row_extreme_reverse_of<T, ops::Min>(view, i, shape);
}

}  // namespace
}  // namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS
