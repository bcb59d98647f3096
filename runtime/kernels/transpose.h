// Moving numbers between the lanes of registers.
#pragma once

#include "tapeloom/runtime/kernels/lanes.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS {
namespace {

/// Lanes of two vectors by constant indices: 0 to width - 1 are of a, the others of b.
template <class T, std::size_t... index>
inline Lanes<T> shuffle(Lanes<T> a, Lanes<T> b, std::index_sequence<index...>) {
  return Lanes<T>(__builtin_shufflevector(a.v, b.v, static_cast<int>(index)...));
}
template <class Numbers, std::size_t... lane>
inline auto twice(Numbers numbers, std::index_sequence<lane...>) {
  return __builtin_shufflevector(numbers, numbers, static_cast<int>(lane)...);
}
/// Some numbers, again and again. Registers of twice the size one after another, since a compiler may go through memory
/// from four lanes to 16, which stalls.
template <class T, std::size_t count, class Numbers>
inline Lanes<T> repeated(Numbers numbers) {
  if constexpr (count == Lanes<T>::count) {
    return Lanes<T>(numbers);
  } else {
    return repeated<T, 2 * count>(twice(numbers, std::make_index_sequence<2 * count>()));
  }
}
/// Lane j of the result is a[j] where j has not the bit `distance`, else b[j - distance] ...
template <class T, std::size_t distance, std::size_t... lane>
inline Lanes<T> low_halves(Lanes<T> a, Lanes<T> b, std::index_sequence<lane...>) {
  constexpr std::size_t width = Lanes<T>::count;
  return shuffle(a, b, std::index_sequence<((lane & distance) == 0 ? lane : width + lane - distance)...>());
}
/// ... and a[j + distance] where j has not the bit, else b[j].
template <class T, std::size_t distance, std::size_t... lane>
inline Lanes<T> high_halves(Lanes<T> a, Lanes<T> b, std::index_sequence<lane...>) {
  constexpr std::size_t width = Lanes<T>::count;
  return shuffle(a, b, std::index_sequence<((lane & distance) == 0 ? lane + distance : width + lane)...>());
}

/// Swaps the off-diagonal quarters of every square of 2 * distance rows and lanes; with all distances in turn, a square
/// block of registers is transposed.
template <class T, std::size_t distance = 1>
inline void swap_quarters(Lanes<T>* rows) {
  constexpr std::size_t width = Lanes<T>::count;
  if constexpr (distance < width) {
#pragma GCC unroll 16
    for (std::size_t i = 0; i < width; ++i) {
      if ((i & distance) != 0) continue;
      const Lanes<T> a = rows[i], b = rows[i + distance];
      rows[i] = low_halves<T, distance>(a, b, std::make_index_sequence<width>());
      rows[i + distance] = high_halves<T, distance>(a, b, std::make_index_sequence<width>());
    }
    swap_quarters<T, distance * 2>(rows);
  }
}

/// A square block of registers; of the columns only the first `columns`, if they are less than a vector. After row
/// `last` comes that row again.
template <class T, bool partial, std::size_t... row>
inline void transpose_square(const T* from, std::size_t from_stride, std::size_t last, std::size_t columns, T* to,
                             std::size_t to_stride, std::index_sequence<row...>) {
  [[maybe_unused]] const FirstLanes<T> first(columns);
  const auto load = [&](std::size_t r) {
    const Lanes<T> lanes = partial ? first.load(from) : Lanes<T>::load(from);
    from += r < last ? from_stride : 0;
    return lanes;
  };
  Lanes<T> rows[] = {load(row)...};
  swap_quarters(rows);
  const auto store = [&](std::size_t c) {
    if (!partial || c < columns) rows[c].store(to);
    to += to_stride, here(to);
  };
  (store(row), ...);
}

/// One column; cheaper than a square for a few.
template <class T, std::size_t... row>
inline void transpose_column(const T* from, std::size_t from_stride, std::size_t last, T* to,
                             std::index_sequence<row...>) {
  using Vector = typename Lanes<T>::Vector;
  const bool whole = last + 1 >= sizeof...(row);
  Lanes<T>(whole ? Vector{from[row * from_stride]...} : Vector{from[(row < last ? row : last) * from_stride]...})
      .store(to);
}

/// Every other number of two vectors, from lane `first` of the first on.
template <class T, std::size_t first, std::size_t... lane>
inline Lanes<T> every_other(Lanes<T> a, Lanes<T> b, std::index_sequence<lane...>) {
  return shuffle(a, b, std::index_sequence<(2 * lane + first)...>());
}

/// Two columns with nothing between the rows, as many rows as lanes.
template <class T>
inline void transpose_pairs(const T* from, T* to, std::size_t to_stride) {
  constexpr auto all = std::make_index_sequence<Lanes<T>::count>();
  const Lanes<T> a = Lanes<T>::load(from), b = Lanes<T>::load(from + Lanes<T>::count);
  every_other<T, 0>(a, b, all).store(to);
  every_other<T, 1>(a, b, all).store(to + to_stride);
}

/// All columns of at most four rows, four numbers of each again and again.
template <class T>
void transpose_four_rows(std::size_t rows, std::size_t columns, const T* from, std::size_t from_stride, T* to,
                         std::size_t to_stride) {
  typedef T Four __attribute__((vector_size(4 * sizeof(T))));
  const T* second = rows > 1 ? from + from_stride : from;
  const T* third = rows > 2 ? second + from_stride : second;
  const T* fourth = rows > 3 ? third + from_stride : third;
  for (std::size_t c = 0; c < columns; ++c, to += to_stride) {
    repeated<T, 4>(Four{from[c], second[c], third[c], fourth[c]}).store(to);
  }
}

/// Numbers side by side are their own transpose.
template <class T>
void copy_column(std::size_t rows, const T* from, T* to) {
  constexpr std::size_t width = Lanes<T>::count;
  std::size_t r = 0;
  for (; r + width <= rows; r += width) Lanes<T>::load(from + r).store(to + r);
  if (r == rows) return;
  const Lanes<T> last(static_cast<double>(from[rows - 1]));
  first_lanes(FirstLanes<T>(rows - r).load(from + r), rows - r, last).store(to + r);
}

template <class T>
__attribute__((noinline)) void transpose_blocks(std::size_t rows, std::size_t columns, const T* from,
                                                std::size_t from_stride, T* to, std::size_t to_stride) {
  constexpr std::size_t width = Lanes<T>::count;
  constexpr auto all = std::make_index_sequence<width>();
  for (std::size_t r = 0; r < rows; r += width, from += width * from_stride, to += width) {
    const std::size_t last = rows - r - 1;
    if (columns == 2 && from_stride == 2 && last + 1 >= width) {
      transpose_pairs(from, to, to_stride);
      continue;
    }
    std::size_t c = 0;
    for (; c + width <= columns; c += width) {
      transpose_square<T, false>(from + c, from_stride, last, width, to + c * to_stride, to_stride, all);
    }
    if (columns - c > width / 4) {
      transpose_square<T, true>(from + c, from_stride, last, columns - c, to + c * to_stride, to_stride, all);
    } else {
      for (; c < columns; ++c) transpose_column(from + c, from_stride, last, to + c * to_stride, all);
    }
  }
}

/// After the last row comes that row again, up to a whole block.
template <class T>
void transpose(std::size_t rows, std::size_t columns, const T* from, std::size_t from_stride, T* to,
               std::size_t to_stride) {
  if (columns == 1 && from_stride == 1) return copy_column(rows, from, to);
  if constexpr (Lanes<T>::count > 4) {
    if (rows <= 4) return transpose_four_rows(rows, columns, from, from_stride, to, to_stride);
  }
  transpose_blocks(rows, columns, from, from_stride, to, to_stride);
}

}  // namespace
}  // namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS
