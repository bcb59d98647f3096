// Sums of rows of a tile, of products of rows, and copies of rows; for implementation.h.
#pragma once

#include "tapeloom/runtime/kernels/lanes.h"
#include "tapeloom/runtime/kernels/reduce.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS {
namespace {

/// What is added up: a row, or one number for all lanes, times `factor` if there is one.
template <class T>
struct RowTerm {
  const T* row;
  const T* factor = nullptr;
  bool uniform = false;
};

/// The sums of so many vectors of rows, from `lane` on, in registers: each(add) calls add(term) for each term.
template <class T, std::size_t vectors, class Each>
inline void sum_vectors(Each&& each, std::size_t lane, T* out) {
  constexpr std::size_t width = Lanes<T>::count;
  Lanes<T> sums[vectors];
  bool first = true;
  const auto add_all = [&](auto&& next) {
#pragma GCC unroll 8
    for (std::size_t v = 0; v < vectors; ++v) {
      const std::size_t l = lane + v * width;
      sums[v] = first ? next(l) : sums[v] + next(l);
    }
  };
  each([&](const RowTerm<T>& term) {
    const auto lanes = [](const T* row, std::size_t l) { return Lanes<T>::load(row + l); };
    if (term.uniform) {
      const Lanes<T> number(static_cast<double>(*term.row));
      if (term.factor == nullptr) {
        add_all([&](std::size_t) { return number; });
      } else {
        add_all([&](std::size_t l) { return number * lanes(term.factor, l); });
      }
    } else if (term.factor == nullptr) {
      add_all([&](std::size_t l) { return lanes(term.row, l); });
    } else {
      add_all([&](std::size_t l) { return lanes(term.row, l) * lanes(term.factor, l); });
    }
    first = false;
  });
#pragma GCC unroll 8
  for (std::size_t v = 0; v < vectors; ++v) sums[v].store(out + lane + v * width);
}

/// All lanes of a row that is a sum of rows.
template <class T, class Each>
inline void sum_lanes(Each&& each, std::size_t lanes, T* out) {
  constexpr std::size_t width = Lanes<T>::count;
  std::size_t lane = 0;
  for (; lane + 8 * width <= lanes; lane += 8 * width) sum_vectors<T, 8>(each, lane, out);
  if (lane + 4 * width <= lanes) sum_vectors<T, 4>(each, lane, out), lane += 4 * width;
  if (lane + 2 * width <= lanes) sum_vectors<T, 2>(each, lane, out), lane += 2 * width;
  if (lane < lanes) sum_vectors<T, 1>(each, lane, out);
}

template <class T>
void gather(const TileView<T>& view, const Instruction& i, const Shape& shape) {
  constexpr std::uint32_t last = Program::last_slot, uniform = Program::uniform_slot, times = Program::times_next;
  const std::uint32_t* word = view.indices + i.x[0];
  const auto row = [&](std::uint32_t of) { return view.tile + Program::slot_of(of) * view.stride; };
  T* out = view.tile + i.out * view.stride;
  for (std::size_t r = 0; r < shape.rows; ++r, out += view.stride) {
    const std::uint32_t first = *word;
    if (first == (last | Program::empty_list)) {
      const Lanes<T> zero;
      for (std::size_t l = 0; l < view.lanes; l += Lanes<T>::count) zero.store(out + l);
      ++word;
    } else if ((first & (last | uniform | times)) == last) {
      const T* from = row(first);
      std::size_t l = 0;
      do Lanes<T>::load(from + l).store(out + l);
      while ((l += Lanes<T>::count) < view.lanes);
      ++word;
    } else {
      const std::uint32_t* end = word;
      const auto each = [&](auto&& add) {
        const std::uint32_t* at = word;
        for (bool more = true; more;) {
          const std::uint32_t of = *at++;
          more = (of & last) == 0;
          RowTerm<T> term{(of & uniform) != 0 ? view.uniform_slot(Program::slot_of(of)) : row(of)};
          term.uniform = (of & uniform) != 0;
          if ((of & times) != 0) term.factor = row(*at++);
          add(term);
        }
        end = at;
      };
      sum_lanes<T>(each, view.lanes, out);
      word = end;
    }
  }
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
  Lanes<T> sums[rows];
  for (std::size_t r = 0; r < rows; ++r) {
    const T *a = operand(0, row + r), *b = operand(1, row + r);
    Lanes<T> sum;
    std::size_t l = 0;
    for (; l + width <= samples; l += width) sum = sum + Lanes<T>::load(a + l) * Lanes<T>::load(b + l);
    if (l < samples) {
      const Lanes<T> product = Lanes<T>::load(a + l) * Lanes<T>::load(b + l);
      sum = sum + first_lanes(product, samples - l, Lanes<T>(0.0));
    }
    sums[r] = sum;
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
