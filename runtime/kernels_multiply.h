// Matrix products in registers; part of kernels_impl.h, inside its namespace.
//
// A product is cut into strips of k, so that a strip of B stays in the first-level cache; within a strip, into blocks
// of C that fit the registers: `rows` x `vectors`. A block reads a vector of B and a broadcast number of A for each
// step of k and does rows * vectors multiplications and additions with them.

// 16 registers below AVX-512, 32 with it: rows * vectors accumulators, `vectors` of B and one of A must fit.
#if TAPELOOM_VECTOR_BYTES == 64
inline constexpr std::size_t block_rows = 6, block_vectors = 4;
#elif TAPELOOM_VECTOR_BYTES == 32
inline constexpr std::size_t block_rows = 4, block_vectors = 3;
#else
inline constexpr std::size_t block_rows = 4, block_vectors = 2;
#endif
// Numbers of k in a strip: with `block_vectors` vectors of B, a strip takes half of a 48 KiB first-level cache.
template <class T>
inline constexpr std::size_t strip = 24 * 1024 / (block_vectors * TAPELOOM_VECTOR_BYTES);

/// Reads or writes the first `count` lanes only.
template <class T>
inline Lanes<T> load_part(const T* from, std::size_t count) {
  T parts[Lanes<T>::count] = {};
  for (std::size_t i = 0; i < count; ++i) parts[i] = from[i];
  return Lanes<T>::load(parts);
}
template <class T>
inline void store_part(Lanes<T> lanes, T* to, std::size_t count) {
  T parts[Lanes<T>::count];
  lanes.store(parts);
  for (std::size_t i = 0; i < count; ++i) to[i] = parts[i];
}

/// One block of C; its last vector has `last` lanes.
template <class T, std::size_t rows, std::size_t vectors>
void multiply_block(std::size_t k, Entries<T> a, const T* b, std::size_t b_stride, T* c, std::size_t c_stride,
                    std::size_t last, bool accumulate) {
  constexpr std::size_t width = Lanes<T>::count;
  using Vector = typename Lanes<T>::Vector;
  Vector sums[rows][vectors] = {};
  for (std::size_t step = 0; step < k; ++step) {
    Vector of_b[vectors];
#pragma GCC unroll 8
    for (std::size_t v = 0; v < vectors; ++v) of_b[v] = Lanes<T>::load(b + step * b_stride + v * width).v;
#pragma GCC unroll 8
    for (std::size_t r = 0; r < rows; ++r) {
      const T of_a = a.data[r * a.row_step + step * a.column_step];
#pragma GCC unroll 8
      for (std::size_t v = 0; v < vectors; ++v) sums[r][v] += of_a * of_b[v];
    }
  }
#pragma GCC unroll 8
  for (std::size_t r = 0; r < rows; ++r) {
#pragma GCC unroll 8
    for (std::size_t v = 0; v < vectors; ++v) {
      T* to = c + r * c_stride + v * width;
      if (v + 1 == vectors && last != width) {
        Lanes<T> sum(sums[r][v]);
        if (accumulate) sum = sum + load_part(static_cast<const T*>(to), last);
        store_part(sum, to, last);
      } else {
        Lanes<T> sum(sums[r][v]);
        if (accumulate) sum = sum + Lanes<T>::load(to);
        sum.store(to);
      }
    }
  }
}

/// All rows of C for one strip of columns.
template <class T, std::size_t vectors, std::size_t rows = block_rows>
void multiply_columns(std::size_t m, std::size_t k, Entries<T> a, const T* b, std::size_t b_stride, T* c,
                      std::size_t c_stride, std::size_t last, bool accumulate) {
  for (; m >= rows; m -= rows, a.data += rows * a.row_step, c += rows * c_stride) {
    multiply_block<T, rows, vectors>(k, a, b, b_stride, c, c_stride, last, accumulate);
  }
  if constexpr (rows > 1) {
    if (m > 0) multiply_columns<T, vectors, rows - 1>(m, k, a, b, b_stride, c, c_stride, last, accumulate);
  }
}

template <class T, std::size_t vectors = block_vectors>
void multiply_strip(std::size_t m, std::size_t n, std::size_t k, Entries<T> a, const T* b, std::size_t b_stride, T* c,
                    std::size_t c_stride, bool accumulate) {
  constexpr std::size_t width = Lanes<T>::count, columns = vectors * width;
  for (; n >= columns; n -= columns, b += columns, c += columns) {
    multiply_columns<T, vectors>(m, k, a, b, b_stride, c, c_stride, width, accumulate);
  }
  if constexpr (vectors > 1) {
    if (n > 0) multiply_strip<T, vectors - 1>(m, n, k, a, b, b_stride, c, c_stride, accumulate);
  } else {
    if (n > 0) multiply_columns<T, 1>(m, k, a, b, b_stride, c, c_stride, n, accumulate);
  }
}

template <class T>
void multiply(std::size_t m, std::size_t n, std::size_t k, Entries<T> a, const T* b, std::size_t b_stride, T* c,
              std::size_t c_stride, bool accumulate) {
  for (std::size_t begin = 0; begin < k; begin += strip<T>) {
    const std::size_t count = k - begin < strip<T> ? k - begin : strip<T>;
    const Entries<T> part{a.data + begin * a.column_step, a.row_step, a.column_step};
    multiply_strip<T>(m, n, count, part, b + begin * b_stride, b_stride, c, c_stride, accumulate || begin > 0);
  }
}

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
