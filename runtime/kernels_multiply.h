// Matrix products in registers; part of kernels_impl.h, inside its namespace.
//
// A product is cut into strips of k, so that a strip of B stays in the second-level cache; a strip into panels, a few
// vectors of columns wide; a panel into blocks of C that fit the registers: `rows` x `vectors`. A block reads a vector
// of B and a broadcast number of A for each step of k, does rows * vectors multiplications and additions with them, and
// finishes its sums before it stores them, if arithmetic alone does it.

// 16 registers below AVX-512, 32 with it: the accumulators, `vectors` of B and one of A must fit.
#if TAPELOOM_VECTOR_BYTES == 64
inline constexpr std::size_t block_vectors = 4, accumulators = 24, most_block_rows = 16;
#elif TAPELOOM_VECTOR_BYTES == 32
inline constexpr std::size_t block_vectors = 3, accumulators = 12, most_block_rows = 10;
#else
inline constexpr std::size_t block_vectors = 2, accumulators = 8, most_block_rows = 8;
#endif
/// Of products that have so few rows that a block needs more vectors to be busy; whole ones alone.
inline constexpr std::size_t most_vectors = 8;

/// By vectors - 1: the most rows of a block.
inline constexpr auto block_rows = [] {
  std::array<std::size_t, most_vectors> list{};
  for (std::size_t v = 1; v <= most_vectors; ++v) {
    list[v - 1] = accumulators / v < most_block_rows ? accumulators / v : most_block_rows;
  }
  return list;
}();

// Numbers of k in a strip: with `block_vectors` vectors of B, a strip takes a quarter of a 1 MiB second-level cache,
// from where it streams.
template <class T>
inline constexpr std::size_t strip = 256 * 1024 / (block_vectors * TAPELOOM_VECTOR_BYTES);

/// Columns of a strip of k, as many as a block has.
template <class T>
struct Panel {
  std::size_t k;
  Entries<T> a;
  const T* b;
  std::size_t b_stride;
  T* c;
  std::size_t c_stride;
  std::size_t last_columns;  ///< of the last vector; the others are whole
  bool accumulate;           ///< to what is in C; of whole vectors, `finish` says it
  const T* start;            ///< the sums start at one number a row, or at 0 if this is null
  std::size_t start_step;
  Finish<T> finish;  ///< what is done in registers
};

/// Ops of a sum and of an operand with a number for each lane that blocks do.
constexpr bool is_done_in_registers(Op op) {
#define TAPELOOM_ADJOINT(name, Struct) || op == Op::name
  return op == Op::add
#include "tapeloom/core/ops.def"
      ;
}

/// Keeps the compiler from computing addresses earlier than they are needed: for all rows of a block, and for all ways
/// to finish it, they are more than there are registers.
template <class P>
inline void here(P& address) {
  asm("" : "+r"(address));
}

/// sums = F(operand, sums).
template <class T, class F, std::size_t rows, std::size_t vectors>
inline void apply_to_sums(typename Lanes<T>::Vector (&sums)[rows][vectors], const T* operand, std::size_t step) {
#pragma GCC unroll 16
  for (std::size_t r = 0; r < rows; ++r, operand += step) {
    here(operand);
#pragma GCC unroll 8
    for (std::size_t v = 0; v < vectors; ++v) {
      sums[r][v] = F::forward(Lanes<T>::load(operand + v * Lanes<T>::count), Lanes<T>(sums[r][v])).v;
    }
  }
}

/// Finishes and stores the sums of a block.
template <class T, std::size_t rows, std::size_t vectors>
inline void store_finished(typename Lanes<T>::Vector (&sums)[rows][vectors], T* c, std::size_t c_stride,
                           const Finish<T>& finish, const T* operand) {
  if (operand != nullptr) {
    if (finish.op == Op::add) apply_to_sums<T, ops::Add>(sums, operand, finish.step);
#define TAPELOOM_ADJOINT(name, Struct) \
  if (finish.op == Op::name) apply_to_sums<T, ops::Struct>(sums, operand, finish.step);
#include "tapeloom/core/ops.def"
  }
  if (finish.then == Op::relu) {
#pragma GCC unroll 16
    for (std::size_t r = 0; r < rows; ++r) {
#pragma GCC unroll 8
      for (std::size_t v = 0; v < vectors; ++v) sums[r][v] = ops::Relu::forward(Lanes<T>(sums[r][v])).v;
    }
  }
#pragma GCC unroll 16
  for (std::size_t r = 0; r < rows; ++r, c += c_stride) {
    here(c);
#pragma GCC unroll 8
    for (std::size_t v = 0; v < vectors; ++v) Lanes<T>(sums[r][v]).store(c + v * Lanes<T>::count);
  }
}

/// Stores the sums of a block whose last vector is not whole, or adds them to what is there.
template <class T, std::size_t rows, std::size_t vectors>
inline void store_columns(typename Lanes<T>::Vector (&sums)[rows][vectors], T* c, std::size_t c_stride,
                          const FirstLanes<T>& last, bool accumulate) {
  constexpr std::size_t width = Lanes<T>::count;
#pragma GCC unroll 16
  for (std::size_t r = 0; r < rows; ++r, c += c_stride) {
    here(c);
#pragma GCC unroll 8
    for (std::size_t v = 0; v < vectors; ++v) {
      T* to = c + v * width;
      const bool is_last = v + 1 == vectors;
      Lanes<T> sum(sums[r][v]);
      if (accumulate) sum = sum + (is_last ? last.load(to) : Lanes<T>::load(to));
      is_last ? last.store(sum, to) : sum.store(to);
    }
  }
}

/// One step of k: sums(r, v) += a[r * row_step] * vector v of b. Of the last vector only what is there is read.
template <class T, std::size_t rows, std::size_t vectors, bool whole>
inline void add_products(typename Lanes<T>::Vector (&sums)[rows][vectors], const T* a, std::size_t row_step,
                         std::size_t three_rows, const T* b, const FirstLanes<T>& last) {
  using Vector = typename Lanes<T>::Vector;
  if constexpr (vectors > block_vectors) {
    Vector of_a[rows];
#pragma GCC unroll 4
    for (std::size_t r = 0; r < rows; ++r) of_a[r] = a[r * row_step] - Vector{};
#pragma GCC unroll 8
    for (std::size_t v = 0; v < vectors; ++v) {
      const Vector of_b = Lanes<T>::load(b + v * Lanes<T>::count).v;
#pragma GCC unroll 4
      for (std::size_t r = 0; r < rows; ++r) sums[r][v] += of_a[r] * of_b;
    }
  } else {
    Vector of_b[vectors];
#pragma GCC unroll 4
    for (std::size_t v = 0; v < vectors; ++v) {
      const T* from = b + v * Lanes<T>::count;
      of_b[v] = whole || v + 1 < vectors ? Lanes<T>::load(from).v : last.load(from).v;
    }
#pragma GCC unroll 16
    for (std::size_t r = 0; r < rows; ++r) {
      // An address every four rows, and three steps from it, which are one register each.
      if (r > 0 && r % 4 == 0) a += 4 * row_step, here(a);
      const T number = a[r % 4 == 3 ? three_rows : r % 4 * row_step];
#pragma GCC unroll 4
      for (std::size_t v = 0; v < vectors; ++v) sums[r][v] += number * of_b[v];
    }
  }
}

/// `blocks` blocks one below the other, from `row` on. `whole`: so are all their vectors.
template <class T, std::size_t rows, std::size_t vectors, bool whole>
void multiply_blocks(const Panel<T>& p, std::size_t row, std::size_t blocks) {
  using Vector = typename Lanes<T>::Vector;
  const std::size_t row_step = p.a.row_step, column_step = p.a.column_step, b_stride = p.b_stride;
  const std::size_t c_stride = p.c_stride;
  const FirstLanes<T> last(whole ? 0 : p.last_columns);
  std::size_t three_rows = 3 * row_step;
  here(three_rows);
  const T* first_a = p.a.data + row * row_step;
  T* c = p.c + row * c_stride;
  const T* start = whole && p.start != nullptr ? p.start + row * p.start_step : nullptr;
  const T* operand = whole && p.finish.operand != nullptr ? p.finish.operand + row * p.finish.step : nullptr;
  for (; blocks > 0; --blocks) {
    Vector sums[rows][vectors] = {};
    if (start != nullptr) {
#pragma GCC unroll 16
      for (std::size_t r = 0; r < rows; ++r, start += p.start_step) {
        here(start);
        const Vector number = *start - Vector{};
#pragma GCC unroll 8
        for (std::size_t v = 0; v < vectors; ++v) sums[r][v] = number;
      }
    }
    const T* a = first_a;
    const T* b = p.b;
    std::size_t k = p.k;
    do {
      add_products<T, rows, vectors, whole>(sums, a, row_step, three_rows, b, last);
      a += column_step, b += b_stride;
    } while (--k != 0);
    if constexpr (whole) {
      store_finished<T, rows, vectors>(sums, c, c_stride, p.finish, operand);
      if (operand != nullptr) operand += rows * p.finish.step;
    } else {
      store_columns<T, rows, vectors>(sums, c, c_stride, last, p.accumulate);
    }
    first_a += rows * row_step, c += rows * c_stride;
  }
}

template <class T>
using BlocksFunction = void (*)(const Panel<T>&, std::size_t row, std::size_t blocks);

/// multiply_blocks by vectors - 1, whether all are whole, and rows - 1, as far as they occur.
template <class T>
struct BlocksTable {
  BlocksFunction<T> of[most_vectors][2][most_block_rows];
};
template <class T>
constexpr BlocksTable<T> make_blocks() {
  BlocksTable<T> table{};
  const auto enter = [&]<std::size_t vectors, std::size_t... row>(std::index_sequence<row...>) {
    if constexpr (vectors <= block_vectors) {
      ((table.of[vectors - 1][0][row] = multiply_blocks<T, row + 1, vectors, false>), ...);
    }
    ((table.of[vectors - 1][1][row] = multiply_blocks<T, row + 1, vectors, true>), ...);
  };
  [&]<std::size_t... index>(std::index_sequence<index...>) {
    (enter.template operator()<index + 1>(std::make_index_sequence<block_rows[index]>()), ...);
  }
  (std::make_index_sequence<most_vectors>());
  return table;
}

/// In blocks of m rows together, whose heights differ by one at most.
template <class T>
inline void multiply_panel(const Panel<T>& panel, std::size_t vectors, std::size_t m) {
  static constexpr BlocksTable<T> table = make_blocks<T>();
  const auto& of_rows = table.of[vectors - 1][panel.last_columns == Lanes<T>::count];
  const std::size_t most = block_rows[vectors - 1];
  if (m <= most) return of_rows[m - 1](panel, 0, 1);
  const auto blocks = static_cast<std::uint32_t>((m + most - 1) / most);
  const std::uint32_t rows = static_cast<std::uint32_t>(m) / blocks, higher = static_cast<std::uint32_t>(m) % blocks;
  if (higher > 0) of_rows[rows](panel, 0, higher);
  of_rows[rows - 1](panel, higher * (rows + 1), blocks - higher);
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

/// What is left to be done for columns of C, while they are in the first-level cache.
template <class T>
void finish_panel(const Product<T>& p, Op op, Op then, std::size_t column, std::size_t columns) {
  static constexpr FinisherTable<T> finishers = make_finishers<T>();
  const Finish<T>& f = p.finish;
  T* c = p.c + column;
  if (op != Op::constant) {
    const T* operand = f.operand + (f.per_lane ? column : 0);
    finishers.of[static_cast<std::size_t>(op)][f.per_lane](c, p.c_stride, p.m, columns, operand, f.step);
  }
  if (then != Op::constant) finishers.of[static_cast<std::size_t>(then)][0](c, p.c_stride, p.m, columns, nullptr, 0);
}

template <class T>
void multiply(const Product<T>& p) {
  constexpr std::size_t width = Lanes<T>::count;
  const Finish<T>& f = p.finish;
  const bool starts = f.op == Op::add && !f.per_lane;
  // Later strips are added to C in the same way, and leave the rest.
  const bool in_registers = f.per_lane && is_done_in_registers(f.op) && p.k <= strip<T> && !p.accumulate;
  const Op op_left = starts || in_registers ? Op::constant : f.op;
  const bool then_in_registers = f.then == Op::relu && op_left == Op::constant;
  const Op then_left = then_in_registers ? Op::constant : f.then;

  std::size_t widest = block_vectors;
  while (p.n % width == 0 && widest < most_vectors && p.m <= block_rows[widest]) ++widest;

  Panel<T> panel;
  panel.a = p.a, panel.b_stride = p.b_stride, panel.c_stride = p.c_stride;
  panel.start = nullptr, panel.start_step = f.step;
  panel.finish.operand = nullptr;
  for (std::size_t begin = 0; begin < p.k; begin += strip<T>) {
    panel.k = p.k - begin < strip<T> ? p.k - begin : strip<T>;
    panel.a.data = p.a.data + begin * p.a.column_step;
    panel.accumulate = p.accumulate || begin > 0;
    const bool is_last = begin + panel.k == p.k;
    if (panel.accumulate) {
      panel.finish.op = Op::add, panel.finish.step = p.c_stride;
    } else if (in_registers) {
      panel.finish.op = f.op, panel.finish.step = f.step;
    }
    if (is_last && starts) panel.start = f.operand;
    if (is_last && then_in_registers) panel.finish.then = f.then;
    const T* b = p.b + begin * p.b_stride;
    for (std::size_t column = 0, vectors = (p.n + width - 1) / width; vectors > 0;) {
      // A panel of one vector beside wide ones would be slow.
      const std::size_t count = vectors <= widest ? vectors : vectors < 2 * widest ? (vectors + 1) / 2 : widest;
      vectors -= count;
      const std::size_t columns = vectors == 0 ? p.n - column : count * width;
      panel.b = b + column, panel.c = p.c + column;
      panel.last_columns = columns - (count - 1) * width;
      if (panel.accumulate) {
        panel.finish.operand = panel.c;
      } else if (in_registers) {
        panel.finish.operand = f.operand + column;
      }
      multiply_panel(panel, count, p.m);
      if (is_last && (op_left != Op::constant || then_left != Op::constant)) {
        finish_panel(p, op_left, then_left, column, columns);
      }
      column += columns;
    }
  }
}
