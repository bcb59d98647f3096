// Matrix products in registers; part of kernels_impl.h, inside its namespace.
//
// A product is cut into strips of k, so that a strip of B stays in the first-level cache; within a strip, into blocks
// of C that fit the registers: `rows` x `vectors`. A block reads a vector of B and a broadcast number of A for each
// step of k and does rows * vectors multiplications and additions with them.

// 16 registers below AVX-512, 32 with it: the accumulators, `vectors` of B and one of A must fit.
#if TAPELOOM_VECTOR_BYTES == 64
inline constexpr std::size_t block_vectors = 4, accumulators = 24;
#elif TAPELOOM_VECTOR_BYTES == 32
inline constexpr std::size_t block_vectors = 3, accumulators = 12;
#else
inline constexpr std::size_t block_vectors = 2, accumulators = 8;
#endif
/// The most rows of a block of so many vectors.
constexpr std::size_t block_rows(std::size_t vectors) {
  return accumulators / vectors < 8 ? accumulators / vectors : 8;
}

// Numbers of k in a strip: with `block_vectors` vectors of B, a strip takes a quarter of a 1 MiB second-level cache,
// from where it streams.
template <class T>
inline constexpr std::size_t strip = 256 * 1024 / (block_vectors * TAPELOOM_VECTOR_BYTES);

/// A strip of k of a product, for the columns of one block.
template <class T>
struct Strip {
  std::size_t k;
  Entries<T> a;
  const T* b;
  std::size_t b_stride;
  T* c;
  std::size_t c_stride;
  bool accumulate;  ///< to what is in C
  const T* start;   ///< or to one number a row, if there are any
  std::size_t start_step;
};

template <class T, std::size_t rows, std::size_t vectors>
void multiply_block(const Strip<T>& s, std::size_t row) {
  constexpr std::size_t width = Lanes<T>::count;
  using Vector = typename Lanes<T>::Vector;
  Vector sums[rows][vectors] = {};
  if (s.start != nullptr) {
#pragma GCC unroll 12
    for (std::size_t r = 0; r < rows; ++r) {
#pragma GCC unroll 4
      for (std::size_t v = 0; v < vectors; ++v) sums[r][v] = s.start[(row + r) * s.start_step] - Vector{};
    }
  }
  const T* a = s.a.data + row * s.a.row_step;
  const std::size_t row_step = s.a.row_step, column_step = s.a.column_step;
  const T* b = s.b;
  const std::size_t b_stride = s.b_stride;
  const auto step = [&] {
    Vector of_b[vectors];
#pragma GCC unroll 4
    for (std::size_t v = 0; v < vectors; ++v) of_b[v] = Lanes<T>::load(b + v * width).v;
#pragma GCC unroll 12
    for (std::size_t r = 0; r < rows; ++r) {
      const T of_a = a[r * row_step];
#pragma GCC unroll 4
      for (std::size_t v = 0; v < vectors; ++v) sums[r][v] += of_a * of_b[v];
    }
    b += b_stride, a += column_step;
  };
  // The end of a short loop is foreseen by the processor, that of a long one is not.
  std::size_t k = s.k;
  for (; k >= 4; k -= 4) step(), step(), step(), step();
  for (; k > 0; --k) step();
  const bool accumulate = s.accumulate;
  T* c = s.c + row * s.c_stride;
#pragma GCC unroll 12
  for (std::size_t r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (std::size_t v = 0; v < vectors; ++v) {
      T* to = c + r * s.c_stride + v * width;
      Lanes<T> sum(sums[r][v]);
      if (accumulate) sum = sum + Lanes<T>::load(to);
      sum.store(to);
    }
  }
}

template <class T>
using BlockFunction = void (*)(const Strip<T>&, std::size_t row);

/// multiply_block for 1, 2, ... rows.
template <class T, std::size_t vectors, std::size_t... index>
constexpr auto block_functions(std::index_sequence<index...>) {
  struct Functions {
    BlockFunction<T> of_rows[sizeof...(index)];
  };
  return Functions{{multiply_block<T, index + 1, vectors>...}};
}

/// Calls f(multiply_block of so many rows, first row, rows) for blocks of about the same height that make up m rows.
template <class T, std::size_t vectors, class F>
void each_block(std::size_t m, F&& f) {
  constexpr std::size_t most = block_rows(vectors);
  static constexpr auto functions = block_functions<T, vectors>(std::make_index_sequence<most>());
  for (std::size_t row = 0, blocks = (m + most - 1) / most; blocks > 0; --blocks) {
    const std::size_t rows = (m - row + blocks - 1) / blocks;
    f(functions.of_rows[rows - 1], row, rows);
    row += rows;
  }
}

template <class T, std::size_t vectors>
void multiply_columns(const Strip<T>& strip, std::size_t m) {
  each_block<T, vectors>(m, [&](BlockFunction<T> block, std::size_t row, std::size_t) { block(strip, row); });
}

/// The last columns of C, fewer than a vector has lanes: whole vectors beside C, from which they are copied.
template <class T>
void multiply_last_columns(const Strip<T>& strip, std::size_t m, std::size_t columns) {
  constexpr std::size_t width = Lanes<T>::count;
  each_block<T, 1>(m, [&](BlockFunction<T> block, std::size_t row, std::size_t rows) {
    T beside[block_rows(1) * width];
    Strip<T> whole = strip;
    whole.a.data += row * strip.a.row_step;
    whole.c = beside, whole.c_stride = width, whole.accumulate = false;
    if (whole.start != nullptr) whole.start += row * strip.start_step;
    block(whole, 0);
    for (std::size_t r = 0; r < rows; ++r) {
      T* c = strip.c + (row + r) * strip.c_stride;
      for (std::size_t i = 0; i < columns; ++i) c[i] = beside[r * width + i] + (strip.accumulate ? c[i] : T(0));
    }
  });
}

/// Applies op(operand, c) or then(c) to rows of C.
template <class T>
using Finisher = void (*)(T* c, std::size_t c_stride, std::size_t rows, std::size_t lanes, const T* operand,
                          std::size_t step);

template <class T, class F, bool per_lane>
void finish_rows(T* c, std::size_t c_stride, std::size_t rows, std::size_t lanes, const T* operand, std::size_t step) {
  for (std::size_t r = 0; r < rows; ++r, c += c_stride) {
    if constexpr (F::arity == 1) {
      for (std::size_t l = 0; l < lanes; l += Lanes<T>::count) F::forward(Lanes<T>::load(c + l)).store(c + l);
    } else {
      const T* x = operand + r * step;
      for (std::size_t l = 0; l < lanes; l += Lanes<T>::count) {
        const Lanes<T> of_x = per_lane ? Lanes<T>::load(x + l) : Lanes<T>(static_cast<double>(*x));
        F::forward(of_x, Lanes<T>::load(c + l)).store(c + l);
      }
    }
  }
}

/// By op, and whether the operand has a number for each lane.
template <class T>
struct FinisherTable {
  Finisher<T> of[op_count][2];
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
#include "tapeloom/core/ops.def"
  return table;
}

/// What the blocks have not done, for the columns of one strip while they are in the first-level cache.
template <class T>
void finish(const Product<T>& p, bool started, std::size_t column, std::size_t columns) {
  static constexpr FinisherTable<T> finishers = make_finishers<T>();
  const Finish<T>& f = p.finish;
  T* c = p.c + column;
  if (f.op != Op::constant && !started) {
    const T* operand = f.operand + (f.per_lane ? column : 0);
    finishers.of[static_cast<std::size_t>(f.op)][f.per_lane](c, p.c_stride, p.m, columns, operand, f.step);
  }
  if (f.then != Op::constant)
    finishers.of[static_cast<std::size_t>(f.then)][0](c, p.c_stride, p.m, columns, nullptr, 0);
}

template <class T, std::size_t vectors = block_vectors>
void multiply_strips(const Product<T>& p, Strip<T> strip, bool is_last, std::size_t column = 0) {
  constexpr std::size_t width = Lanes<T>::count, columns = vectors * width;
  for (; column + columns <= p.n; column += columns, strip.b += columns, strip.c += columns) {
    multiply_columns<T, vectors>(strip, p.m);
    if (is_last) finish(p, strip.start != nullptr, column, columns);
  }
  if (column == p.n) return;
  if constexpr (vectors > 1) {
    multiply_strips<T, vectors - 1>(p, strip, is_last, column);
  } else {
    multiply_last_columns(strip, p.m, p.n - column);  // of totals, which are not finished
  }
}

template <class T>
void multiply(const Product<T>& p) {
  const Finish<T>& f = p.finish;
  const bool starts = f.op == Op::add && !f.per_lane;
  for (std::size_t begin = 0; begin < p.k; begin += strip<T>) {
    const std::size_t count = p.k - begin < strip<T> ? p.k - begin : strip<T>;
    const bool is_last = begin + count == p.k;
    multiply_strips<T>(p,
                       {count,
                        {p.a.data + begin * p.a.column_step, p.a.row_step, p.a.column_step},
                        p.b + begin * p.b_stride,
                        p.b_stride,
                        p.c,
                        p.c_stride,
                        p.accumulate || begin > 0,
                        starts && is_last ? f.operand : nullptr,
                        f.step},
                       is_last);
  }
}
