// Moving numbers between the lanes of registers; part of kernels_impl.h, inside its namespace.

/// Lanes of two vectors by constant indices: 0 to width - 1 are of a, the others of b.
template <class T, std::size_t... index>
inline Lanes<T> shuffle(Lanes<T> a, Lanes<T> b, std::index_sequence<index...>) {
  return Lanes<T>(__builtin_shufflevector(a.v, b.v, static_cast<int>(index)...));
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

template <class T, std::size_t... row>
inline void transpose_square(const T* from, std::size_t from_stride, T* to, std::size_t to_stride,
                             std::index_sequence<row...>) {
  Lanes<T> rows[] = {Lanes<T>::load(from + row * from_stride)...};
  swap_quarters(rows);
  (rows[row].store(to + row * to_stride), ...);
}

/// In square blocks of registers; what is left over at the edges, one by one.
template <class T>
void transpose(std::size_t rows, std::size_t columns, const T* from, std::size_t from_stride, T* to,
               std::size_t to_stride) {
  constexpr std::size_t width = Lanes<T>::count;
  const std::size_t whole_rows = rows / width * width, whole_columns = columns / width * width;
  for (std::size_t r = 0; r < whole_rows; r += width) {
    for (std::size_t c = 0; c < whole_columns; c += width) {
      transpose_square(from + r * from_stride + c, from_stride, to + c * to_stride + r, to_stride,
                       std::make_index_sequence<width>());
    }
  }
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = r < whole_rows ? whole_columns : 0; c < columns; ++c) {
      to[c * to_stride + r] = from[r * from_stride + c];
    }
  }
}
