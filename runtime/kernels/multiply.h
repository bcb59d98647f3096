// Matrix products in registers.
//
// A product is cut into strips of k, so that a strip of B stays in the second-level cache; a strip into panels, a few
// vectors of columns wide; a panel into blocks of C that fit the registers: `rows` x `vectors`. That is planned once. A
// block reads a vector of B and a broadcast number of A for each step of k, does rows * vectors multiplications and
// additions with them, and finishes its sums before it stores them, if arithmetic alone does it.
#pragma once

#include "tapeloom/runtime/kernels/rows.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS {
namespace {

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

/// Ops of a sum and of an operand with a number for each lane that blocks do.
constexpr bool is_done_in_registers(Op op) {
#define TAPELOOM_ADJOINT(name, Struct) || op == Op::name
  return op == Op::add
#include "tapeloom/core/ops/ops.def"
      ;
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
template <class T, std::size_t rows, std::size_t vectors, bool small>
inline void store_finished(typename Lanes<T>::Vector (&sums)[rows][vectors], T* c, std::size_t c_stride,
                           const Finish<T>& finish, const T* operand) {
  if (operand != nullptr) {
    if (finish.op == Op::add) apply_to_sums<T, ops::Add>(sums, operand, finish.step);
#define TAPELOOM_ADJOINT(name, Struct) \
  if (finish.op == Op::name) apply_to_sums<T, ops::Struct>(sums, operand, finish.step);
#include "tapeloom/core/ops/ops.def"
  }
  const auto then = [&]<class F>(F) {
#pragma GCC unroll 16
    for (std::size_t r = 0; r < rows; ++r) {
#pragma GCC unroll 8
      for (std::size_t v = 0; v < vectors; ++v) sums[r][v] = F::forward(Lanes<T>(sums[r][v])).v;
    }
  };
  if (finish.then == Op::relu) then(ops::Relu());
  if constexpr (small) {
    if (finish.then == Op::tanh) then(ops::Tanh());
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

/// Sums of A's rows beside the products: in the lane after B's columns, B is 1.
template <class T, std::size_t rows>
void multiply_and_sum_rows(const KernelCall<T>& p, const T* a, const T* b, T* c, bool accumulate) {
  using Vector = typename Lanes<T>::Vector;
  using Mask = typename Lanes<T>::Mask;
  const FirstLanes<T> columns(p.last_columns), stored(p.last_columns + 1);
  const Lanes<T> one =
      first_lanes(Lanes<T>(), p.last_columns, first_lanes(Lanes<T>(1.0), p.last_columns + 1, Lanes<T>()));
  const std::size_t three_rows = 3 * p.a_row_step;
  Vector sums[rows][1] = {};
  std::size_t k = p.k;
  do {
    const Vector of_b = (Vector)((Mask)columns.load(b).v | (Mask)one.v);
#pragma GCC unroll 4
    for (std::size_t r = 0; r < rows; ++r) sums[r][0] += a[r == 3 ? three_rows : r * p.a_row_step] * of_b;
    a += p.a_column_step, b += p.b_stride;
  } while (--k != 0);
  store_columns<T, rows, 1>(sums, c, p.c_stride, stored, accumulate);
}

/// Blocks one below the other. `whole`: so are all their vectors. `small`: one block of one vector.
template <class T, std::size_t rows, std::size_t vectors, bool whole, bool small = false>
void multiply_blocks(const KernelCall<T>& p, const T* first_a, const T* first_b, T* c, bool accumulate) {
  using Vector = typename Lanes<T>::Vector;
  const std::size_t row_step = p.a_row_step, column_step = p.a_column_step, b_stride = p.b_stride;
  const std::size_t c_stride = p.c_stride;
  const FirstLanes<T> last(whole ? 0 : p.last_columns);
  std::size_t three_rows = 3 * row_step;
  here(three_rows);
  const T* start = whole ? p.start : nullptr;
  accumulate |= p.continues;
  const T* operand = !whole ? nullptr : accumulate ? c : p.finish.operand;
  std::size_t blocks = p.blocks;
  // Numbers of A that are far apart are not foreseen by the processor: those of the next block, which end there, are
  // asked for. (64 bytes on, a quarter of the blocks of six doubles waited: 67% of the peak at 1024 x 1024, now 84%.)
  const bool far_apart = rows * vectors >= accumulators / 2 && row_step == 1 && column_step >= 128;
  do {
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
    const T* b = first_b;
    std::size_t k = p.k;
    if (far_apart) {
      do {
        __builtin_prefetch(a + (2 * rows - 1));
        add_products<T, rows, vectors, whole>(sums, a, row_step, three_rows, b, last);
        a += column_step, b += b_stride;
      } while (--k != 0);
    } else {
      do {
        add_products<T, rows, vectors, whole>(sums, a, row_step, three_rows, b, last);
        a += column_step, b += b_stride;
      } while (--k != 0);
    }
    if constexpr (whole) {
      store_finished<T, rows, vectors, small>(sums, c, c_stride, p.finish, operand);
      if (operand != nullptr) operand += rows * p.finish.step;
    } else {
      store_columns<T, rows, vectors>(sums, c, c_stride, last, accumulate);
    }
    first_a += rows * row_step, c += rows * c_stride;
  } while (!small && --blocks != 0);
}

/// multiply_blocks by vectors - 1, whether all are whole, and rows - 1, as far as they occur.
template <class T>
struct BlocksTable {
  RunCall<T> of[most_vectors][2][most_block_rows];
  RunCall<T> small[2][most_small_rows];         ///< by whether they are whole, and rows - 1
  RunCall<T> small_sums_rows[most_small_rows];  ///< likewise
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
  [&]<std::size_t... row>(std::index_sequence<row...>) {
    ((table.small[0][row] = multiply_blocks<T, row + 1, 1, false, true>), ...);
    ((table.small[1][row] = multiply_blocks<T, row + 1, 1, true, true>), ...);
    ((table.small_sums_rows[row] = multiply_and_sum_rows<T, row + 1>), ...);
  }
  (std::make_index_sequence<most_small_rows>());
  return table;
}

/// Cuts a product into calls.
template <class T>
class Planner {
 public:
  Planner(const Product<T>& product, KernelCall<T>* calls) : p_(product), calls_(calls) {
    const Finish<T>& f = p_.finish;
    const bool multiplies = p_.k > 0;
    starts_ = multiplies && f.op == Op::add && !f.per_lane;
    // Later strips are added to C in the same way, and leave the rest.
    in_registers_ = multiplies && f.per_lane && is_done_in_registers(f.op) && p_.k <= strip<T>;
    op_left_ = starts_ || in_registers_ ? no_op : f.op;
    small_ = p_.m <= most_small_rows && p_.n <= width && p_.k <= strip<T>;
    static_assert(most_small_terms <= strip<T>);
    then_in_registers_ = multiplies && (f.then == Op::relu || (f.then == Op::tanh && small_)) && op_left_ == no_op;
    then_left_ = then_in_registers_ ? no_op : f.then;
    while (p_.n % width == 0 && widest_ < most_vectors && p_.m <= block_rows[widest_]) ++widest_;
  }

  std::size_t plan() {
    if (p_.k == 0) finish_panel(0, p_.m, 0, p_.n);
    for (std::size_t begin = 0; begin < p_.k; begin += strip<T>) {
      const std::size_t k = p_.k - begin < strip<T> ? p_.k - begin : strip<T>;
      const std::size_t most_rows = p_.n > widest_ * width ? rows_in_cache(k) : p_.m;
      for (std::size_t row = 0; row < p_.m; row += most_rows) {
        add_strip(begin, k, row, p_.m - row < most_rows ? p_.m - row : most_rows);
      }
    }
    return count_;
  }

 private:
  static constexpr std::size_t width = Lanes<T>::count;

  /// A is read once for each panel. If it is too large for the second-level cache, as many rows as leave room there for
  /// a strip of B take their turn with all panels.
  std::size_t rows_in_cache(std::size_t k) const {
    constexpr std::size_t cache = 1024 * 1024 / sizeof(T);
    if (p_.m * k <= cache) return p_.m;
    const std::size_t height = block_rows[widest_ - 1], blocks = cache * 3 / 8 / (k * height);
    return (blocks > 0 ? blocks : 1) * height;
  }

  /// Rows [row, row + rows) with [begin, begin + k) of k.
  void add_strip(std::size_t begin, std::size_t k, std::size_t row, std::size_t rows) {
    const Finish<T>& f = p_.finish;
    const bool is_last = begin + k == p_.k;
    KernelCall<T> call{.run = nullptr,
                       .a_offset = begin * p_.a_column_step + row * p_.a_row_step,
                       .a_row_step = p_.a_row_step,
                       .a_column_step = p_.a_column_step,
                       .b_stride = p_.b_stride,
                       .c_stride = p_.c_stride,
                       .k = k,
                       .continues = begin > 0};
    // What a block is added to is its operand then.
    call.finish.op = in_registers_ ? f.op : Op::add, call.finish.step = in_registers_ ? f.step : p_.c_stride;
    if (is_last && then_in_registers_) call.finish.then = f.then;
    if (is_last && starts_) call.start = f.operand + row * f.step, call.start_step = f.step;
    for (std::size_t column = 0, vectors = (p_.n + width - 1) / width; vectors > 0;) {
      // A panel of one vector beside wide ones would be slow.
      const std::size_t count = vectors <= widest_ ? vectors : vectors < 2 * widest_ ? (vectors + 1) / 2 : widest_;
      vectors -= count;
      const std::size_t columns = vectors == 0 ? p_.n - column : count * width;
      call.b_offset = begin * p_.b_stride + column, call.c_offset = row * p_.c_stride + column;
      call.last_columns = columns - (count - 1) * width;
      if (in_registers_) call.finish.operand = f.operand + row * f.step + column;
      add_panel(call, count, rows);
      if (is_last) finish_panel(row, rows, column, columns);
      column += columns;
    }
  }

  /// Blocks of all rows together, whose heights differ by one at most.
  void add_panel(KernelCall<T> call, std::size_t vectors, std::size_t rows) {
    static constexpr BlocksTable<T> table = make_blocks<T>();
    const bool whole = call.last_columns == width;
    const RunCall<T>* of_rows = p_.sums_rows ? table.small_sums_rows
                                : small_     ? table.small[whole]
                                             : table.of[vectors - 1][whole];
    const std::size_t most = block_rows[vectors - 1], blocks = (rows + most - 1) / most;
    const std::size_t least = rows / blocks, higher = rows % blocks;
    const auto add_blocks = [&](std::size_t height, std::size_t number) {
      call.run = of_rows[height - 1], call.blocks = number;
      add(call);
      const std::size_t done = height * number;
      call.a_offset += done * call.a_row_step, call.c_offset += done * call.c_stride;
      if (call.start != nullptr) call.start += done * call.start_step;
      if (call.finish.operand != nullptr) call.finish.operand += done * call.finish.step;
    };
    if (higher > 0) add_blocks(least + 1, higher);
    add_blocks(least, blocks - higher);
  }

  /// What is left to be done for columns of C, while they are in the first-level cache.
  void finish_panel(std::size_t row, std::size_t rows, std::size_t column, std::size_t columns) {
    static constexpr FinisherTable<T> finishers = make_finishers<T>();
    const auto add_finisher = [&](Op op, const Finish<T>& finish) {
      if (op == no_op) return;
      KernelCall<T> call{.run = finishers.of[static_cast<std::size_t>(op)][finish.per_lane],
                         .c_offset = row * p_.c_stride + column,
                         .c_stride = p_.c_stride,
                         .blocks = rows,
                         .last_columns = columns,
                         .finish = finish};
      if (finish.operand != nullptr) call.finish.operand += row * finish.step + (finish.per_lane ? column : 0);
      add(call);
    };
    add_finisher(op_left_, p_.finish);
    add_finisher(then_left_, {});
  }

  void add(const KernelCall<T>& call) {
    if (calls_ != nullptr) calls_[count_] = call;
    ++count_;
  }

  const Product<T>& p_;
  KernelCall<T>* calls_;
  std::size_t count_ = 0;
  std::size_t widest_ = block_vectors;  // panel, in vectors
  bool small_, starts_, in_registers_, then_in_registers_;
  Op op_left_, then_left_;
};

template <class T>
std::size_t plan(const Product<T>& product, KernelCall<T>* calls) {
  return Planner<T>(product, calls).plan();
}

}  // namespace
}  // namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS
