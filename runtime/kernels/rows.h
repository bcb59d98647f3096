// Rows of a tile, or of a product: functions of them, their sums and copies, sums of products of rows, and the largest
// or smallest of them and where it is.
#pragma once

#include "tapeloom/runtime/kernels/functions.h"
#include "tapeloom/runtime/kernels/reduce.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS {
namespace {

/// An operand of one row: a number for each lane, or one for all.
template <class T, bool uniform>
struct Operand {
  const T* lanes;
  explicit Operand(const T* row) : lanes(row) {}
  Operand(const TileView<T>& view, std::size_t slot) : Operand(view.tile + slot * view.stride) {}
  Lanes<T> at(std::size_t lane) const { return Lanes<T>::load(lanes + lane); }
};
template <class T>
struct Operand<T, true> {
  Lanes<T> number;
  explicit Operand(const T* one) : number(static_cast<double>(*one)) {}
  Operand(const TileView<T>& view, std::size_t slot) : Operand(view.uniform_slot(slot)) {}
  Lanes<T> at(std::size_t) const { return number; }
};

template <class T, class F, unsigned mask>
void elementwise(T* out, const T* x, const T* y, const T* z, std::size_t lanes) {
  const auto each = [&](auto&& at) {
    std::size_t l = 0;
    do at(l).store(out + l);
    while ((l += Lanes<T>::count) < lanes);
  };
  const Operand<T, (mask & 1) != 0> a(x);
  if constexpr (F::arity == 1) {
    each([&](std::size_t l) { return F::forward(a.at(l)); });
  } else {
    const Operand<T, (mask & 2) != 0> b(y);
    if constexpr (F::arity == 2) {
      each([&](std::size_t l) { return F::forward(a.at(l), b.at(l)); });
    } else {
      const Operand<T, (mask & 4) != 0> c(z);
      each([&](std::size_t l) { return F::forward(a.at(l), b.at(l), c.at(l)); });
    }
  }
}

/// then(c) or op(operand, c) for rows of C.
template <class T, class F, bool per_lane>
void finish_rows(const KernelCall<T>& p, const T*, const T*, T* c, bool) {
  const std::size_t columns = p.last_columns;
  [[maybe_unused]] const T* x = p.finish.operand;
  for (std::size_t r = 0; r < p.blocks; ++r, c += p.c_stride) {
    if constexpr (F::arity == 1) {
      for (std::size_t l = 0; l < columns; l += Lanes<T>::count) F::forward(Lanes<T>::load(c + l)).store(c + l);
    } else {
      for (std::size_t l = 0; l < columns; l += Lanes<T>::count) {
        const Lanes<T> of_x = per_lane ? Lanes<T>::load(x + l) : Lanes<T>(static_cast<double>(*x));
        F::forward(of_x, Lanes<T>::load(c + l)).store(c + l);
      }
      x += p.finish.step;
    }
  }
}

/// By op, and whether the operand has a number for each lane.
template <class T>
struct FinisherTable {
  RunCall<T> of[op_count][2];
};
template <class T>
constexpr FinisherTable<T> make_finishers() {
  FinisherTable<T> table{};
  const auto enter = [&]<class F>(Op op) {
    if constexpr (F::arity < 3) {
      table.of[static_cast<std::size_t>(op)][0] = finish_rows<T, F, false>;
      table.of[static_cast<std::size_t>(op)][1] = finish_rows<T, F, true>;
    }
  };
#define TAPELOOM_OP(name, Struct) enter.template operator()<ops::Struct>(Op::name);
#include "tapeloom/core/ops/ops.def"
  return table;
}

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

/// The rows of operand 0 for result n, folded by F (ops::Max or ops::Min) for the lanes from `lane` on, and the index
/// of the row that gets the adjoint: F gives it all to one of its two operands. Indices are numbers, exact up to 2^24
/// rows.
template <class T, class F, bool uniform>
struct Extreme {
  Lanes<T> value, index = Lanes<T>(0.0);

  Extreme(const TileView<T>& view, const Instruction& i, const Shape& shape, std::size_t n, std::size_t lane)
      : value(row(view, i, shape, n * shape.rows, lane)) {
    for (std::size_t r = 1; r < shape.rows; ++r) {
      const Lanes<T> next = row(view, i, shape, n * shape.rows + r, lane), y = F::forward(value, next);
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
  for (std::size_t n = 0; n < shape.terms; ++n, out += view.stride) {
    for (std::size_t l = 0; l < view.lanes; l += Lanes<T>::count) {
      Extreme<T, F, false>(view, i, shape, n, l).value.store(out + l);
    }
  }
}

template <class T, class F, unsigned mask>
void row_extreme_reverse_of(const TileView<T>& view, const Instruction& i, const Shape& shape) {
  T* out = view.tile + i.out * view.stride;
  for (std::size_t n = 0; n < shape.terms; ++n, out += shape.rows * view.stride) {
    const Operand<T, (mask & 2) != 0> adjoint(view, i.x[1] + n * shape.step[1]);
    for (std::size_t l = 0; l < view.lanes; l += Lanes<T>::count) {
      const Lanes<T> index = Extreme<T, F, (mask & 1) != 0>(view, i, shape, n, l).index;
      for (std::size_t r = 0; r < shape.rows; ++r) {
        const LaneMask<T> here = index == Lanes<T>(static_cast<double>(r));
        select(here, adjoint.at(l), Lanes<T>(0.0)).store(out + r * view.stride + l);
      }
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

/// So many vectors from `lane` on, in registers. Behind the last one's `last` numbers is written what is there: a
/// vector of which a part alone is written has to be in memory before it can be read again.
template <class T, std::size_t vectors>
inline void add_products_of(T* to, const T* from, const RowProduct<T>* products, std::size_t product_count,
                            std::size_t lane, std::size_t last) {
  constexpr std::size_t width = Lanes<T>::count;
  Lanes<T> sums[vectors];
#pragma GCC unroll 4
  for (std::size_t v = 0; v < vectors; ++v) sums[v] = Lanes<T>::load(from + lane + v * width);
  for (const RowProduct<T>*p = products, *end = products + product_count; p != end; ++p) {
    const T* y = p->y + lane;
    if (p->x_is_one) {
      const Lanes<T> x(static_cast<double>(p->negative ? -*p->x : *p->x));
#pragma GCC unroll 4
      for (std::size_t v = 0; v < vectors; ++v) sums[v] = rounded(x * Lanes<T>::load(y + v * width)) + sums[v];
      continue;
    }
    const T* x = p->x + lane;
#pragma GCC unroll 4
    for (std::size_t v = 0; v < vectors; ++v) {
      const Lanes<T> a = Lanes<T>::load(x + v * width), b = Lanes<T>::load(y + v * width);
      sums[v] = p->negative ? sums[v] - rounded(a * b) : rounded(a * b) + sums[v];
    }
  }
#pragma GCC unroll 4
  for (std::size_t v = 0; v + 1 < vectors; ++v) sums[v].store(to + lane + v * width);
  T* end = to + lane + (vectors - 1) * width;
  if (last < width) sums[vectors - 1] = first_lanes(sums[vectors - 1], last, Lanes<T>::load(end));
  sums[vectors - 1].store(end);
}

template <class T>
void add_products(T* to, const T* from, const RowProduct<T>* products, std::size_t product_count, std::size_t count) {
  constexpr std::size_t width = Lanes<T>::count, most = 4 * width;
  std::size_t lane = 0;
  for (; lane + most <= count; lane += most) add_products_of<T, 4>(to, from, products, product_count, lane, width);
  if (lane == count) return;
  const std::size_t vectors = (count - lane + width - 1) / width, last = count - lane - (vectors - 1) * width;
  if (vectors == 1) return add_products_of<T, 1>(to, from, products, product_count, lane, last);
  if (vectors == 2) return add_products_of<T, 2>(to, from, products, product_count, lane, last);
  if (vectors == 3) return add_products_of<T, 3>(to, from, products, product_count, lane, last);
  add_products_of<T, 4>(to, from, products, product_count, lane, last);
}

/// The sums over the samples of `rows` products of rows from `row` on.
template <class T, std::size_t rows>
inline void sum_products(const TileView<T>& view, const Instruction& i, const Shape& shape, std::size_t row,
                         std::size_t samples, T* totals, bool accumulate) {
  constexpr std::size_t width = Lanes<T>::count;
  const auto operand = [&](std::size_t k, std::size_t r) {
    const bool indexed = shape.step[k] == Shape::by_index;
    return view.tile + (indexed ? view.indices[i.x[k] + r] : i.x[k] + r * shape.step[k]) * view.stride;
  };
  VectorOf<T> sums[rows];
  for (std::size_t r = 0; r < rows; ++r) {
    const T *a = operand(0, row + r), *b = operand(1, row + r);
    Lanes<T> sum;
    std::size_t l = 0;
    for (; l + width <= samples; l += width) sum = sum + Lanes<T>::load(a + l) * Lanes<T>::load(b + l);
    if (l < samples) {
      const Lanes<T> product = Lanes<T>::load(a + l) * Lanes<T>::load(b + l);
      sum = sum + first_lanes(product, samples - l, Lanes<T>(0.0));
    }
    sums[r] = sum.v;
  }
  store_sums<T, rows, 1>(sums, totals + row * shape.row_step, shape.row_step, 0, accumulate);
}

template <class T>
void reduce_products(const TileView<T>& view, const Instruction& i, const Shape& shape, std::size_t samples, T* totals,
                     bool accumulate) {
  std::size_t r = 0;
  for (; r + most_sums <= shape.rows; r += most_sums)
    sum_products<T, most_sums>(view, i, shape, r, samples, totals, accumulate);
  for (; r < shape.rows; ++r) sum_products<T, 1>(view, i, shape, r, samples, totals, accumulate);
}

}  // namespace
}  // namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS
