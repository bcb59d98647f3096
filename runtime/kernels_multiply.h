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

/// How a block finishes its sums before it stores them, where that takes a few instructions; else finish() does it.
enum class InRegisters { nothing, relu, relu_adjoint, tanh_adjoint };

/// A strip of k of a product, from one of its columns on.
template <class T>
struct Strip {
  std::size_t k;
  const T* a;
  std::size_t a_row_step, a_column_step;
  const T* b;
  std::size_t b_stride;
  T* c;
  std::size_t c_stride;
  std::size_t columns = 0;   ///< if they are less than a vector
  bool accumulate = false;   ///< to what is in C
  const T* start = nullptr;  ///< or to one number a row, if there are any
  std::size_t start_step = 0;
  InRegisters last = InRegisters::nothing;  ///< what then becomes of the sums, with
  const T* operand = nullptr;               ///< a number a lane, if it takes one
  std::size_t operand_step = 0;
};

/// Rows `row` to `row` + rows - 1 of C, for so many vectors of columns, or for the strip's last `columns`.
template <class T, std::size_t rows, std::size_t vectors, bool partial>
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
  [[maybe_unused]] const FirstLanes<T> columns(partial ? s.columns : width);
  const auto load = [&](const T* from) { return partial ? columns.load(from).v : Lanes<T>::load(from).v; };
  const std::size_t row_step = s.a_row_step, column_step = s.a_column_step;
  const T* a = s.a + row * row_step;
  const T* b = s.b;
  const std::size_t b_stride = s.b_stride;
  const auto step = [&] {
    Vector of_b[vectors];
#pragma GCC unroll 4
    for (std::size_t v = 0; v < vectors; ++v) of_b[v] = load(b + v * width);
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
  // Of row r and vector v: the sum, where it goes, and where its operand is.
  const auto each = [&](auto&& function) {
#pragma GCC unroll 12
    for (std::size_t r = 0; r < rows; ++r) {
#pragma GCC unroll 4
      for (std::size_t v = 0; v < vectors; ++v) {
        function(sums[r][v], s.c + (row + r) * s.c_stride + v * width,
                 s.operand + (row + r) * s.operand_step + v * width);
      }
    }
  };
  if (s.accumulate) each([&](Vector& sum, const T* c, const T*) { sum = sum + load(c); });
  const auto adjoint = [&]<class F>() {
    each([](Vector& sum, const T*, const T* operand) { sum = F::forward(Lanes<T>::load(operand), Lanes<T>(sum)).v; });
  };
  switch (s.last) {
    case InRegisters::nothing:
      break;
    case InRegisters::relu:
      each([](Vector& sum, const T*, const T*) { sum = ops::Relu::forward(Lanes<T>(sum)).v; });
      break;
    case InRegisters::relu_adjoint:
      adjoint.template operator()<ops::ReluAdjoint>();
      break;
    case InRegisters::tanh_adjoint:
      adjoint.template operator()<ops::TanhAdjoint>();
      break;
  }
  each([&](const Vector& sum, T* c, const T*) { partial ? columns.store(Lanes<T>(sum), c) : Lanes<T>(sum).store(c); });
}

/// multiply_block for 1, 2, ... rows. Blocks of `vectors` have at most so many.
template <class T>
struct BlockFunctions {
  std::size_t most_rows;
  void (*of_rows[8])(const Strip<T>&, std::size_t row);
};
template <class T, std::size_t vectors, bool partial, std::size_t... index>
constexpr BlockFunctions<T> block_functions(std::index_sequence<index...>) {
  return {sizeof...(index), {multiply_block<T, index + 1, vectors, partial>...}};
}
/// By the number of vectors; at 0, for the last columns.
template <class T, std::size_t... index>
constexpr auto all_block_functions(std::index_sequence<index...>) {
  struct Table {
    BlockFunctions<T> of_vectors[sizeof...(index) + 1];
  };
  return Table{{block_functions<T, 1, true>(std::make_index_sequence<block_rows(1)>()),
                block_functions<T, index + 1, false>(std::make_index_sequence<block_rows(index + 1)>())...}};
}

/// All rows of C, in blocks of about the same height.
template <class T>
void multiply_columns(const Strip<T>& strip, std::size_t m, const BlockFunctions<T>& functions) {
  if (m <= functions.most_rows) return functions.of_rows[m - 1](strip, 0);
  const auto rows = static_cast<std::uint32_t>(m), most = static_cast<std::uint32_t>(functions.most_rows);
  const std::uint32_t blocks = (rows + most - 1) / most, height = rows / blocks, higher = rows % blocks;
  std::size_t row = 0;
  for (std::uint32_t i = 0; i < blocks; ++i) {
    const std::uint32_t count = height + (i < higher ? 1 : 0);
    functions.of_rows[count - 1](strip, row);
    row += count;
  }
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

/// For the columns of one strip while they are in the first-level cache.
template <class T>
void finish(const Product<T>& p, const Finish<T>& f, std::size_t column, std::size_t columns) {
  static constexpr FinisherTable<T> finishers = make_finishers<T>();
  T* c = p.c + column;
  if (f.op != Op::constant) {
    const T* operand = f.operand + (f.per_lane ? column : 0);
    finishers.of[static_cast<std::size_t>(f.op)][f.per_lane](c, p.c_stride, p.m, columns, operand, f.step);
  }
  if (f.then != Op::constant)
    finishers.of[static_cast<std::size_t>(f.then)][0](c, p.c_stride, p.m, columns, nullptr, 0);
}

/// How many vectors of columns the next block takes of those left: as many as it can, but two halves rather than a
/// whole and little.
constexpr std::size_t next_vectors(std::size_t left) {
  if (left <= block_vectors) return left;
  return left + 1 < 2 * block_vectors ? (left + 1) / 2 : block_vectors;
}

/// What a block can do of f is put into the strip and taken out of f.
template <class T>
void finish_in_blocks(Finish<T>& f, Strip<T>& s) {
  if (f.op == Op::add && !f.per_lane) {
    s.start = f.operand, s.start_step = f.step;
    f.op = Op::constant;
  }
  const bool adjoint = f.op == Op::relu_adjoint || f.op == Op::tanh_adjoint;
  if (f.op == Op::constant && f.then == Op::relu) {
    s.last = InRegisters::relu;
    f.then = Op::constant;
  } else if (adjoint && f.per_lane) {
    s.last = f.op == Op::relu_adjoint ? InRegisters::relu_adjoint : InRegisters::tanh_adjoint;
    s.operand = f.operand, s.operand_step = f.step;
    f.op = Op::constant;
  }
}

/// All columns; at last f.
template <class T>
void multiply_strip(const Product<T>& p, Strip<T>& s, const Finish<T>& f) {
  static constexpr auto functions = all_block_functions<T>(std::make_index_sequence<block_vectors>());
  constexpr std::size_t width = Lanes<T>::count;
  const bool finishes = f.op != Op::constant || f.then != Op::constant;
  std::size_t column = 0;
  for (std::size_t left = p.n / width; left > 0;) {
    const std::size_t vectors = next_vectors(left), columns = vectors * width;
    multiply_columns<T>(s, p.m, functions.of_vectors[vectors]);
    if (finishes) finish(p, f, column, columns);
    column += columns, left -= vectors;
    s.b += columns, s.c += columns, s.operand += columns;
  }
  if (column == p.n) return;
  s.columns = p.n - column;
  multiply_columns<T>(s, p.m, functions.of_vectors[0]);
}

template <class T>
void multiply(const Product<T>& p) {
  for (std::size_t begin = 0; begin < p.k; begin += strip<T>) {
    const std::size_t count = p.k - begin < strip<T> ? p.k - begin : strip<T>;
    Strip<T> s{.k = count,
               .a = p.a.data + begin * p.a.column_step,
               .a_row_step = p.a.row_step,
               .a_column_step = p.a.column_step,
               .b = p.b + begin * p.b_stride,
               .b_stride = p.b_stride,
               .c = p.c,
               .c_stride = p.c_stride,
               .accumulate = p.accumulate || begin > 0,
               .operand = p.c};  // somewhere, if there is none
    Finish<T> f;
    if (begin + count == p.k) {
      f = p.finish;
      finish_in_blocks(f, s);
    }
    multiply_strip(p, s, f);
  }
}
