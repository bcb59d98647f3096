// The kernels an interpreter calls: one table for each instruction set and number type. Every table is made from the
// same source (implementation.h), compiled with that instruction set's flags, and chosen when an executor is made.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tapeloom/core/ops/op.h"
#include "tapeloom/core/program/lists.h"
#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// Where an instruction finds its numbers: slot s of the tile is tile[s * stride, ...), one number a lane.
template <class T>
struct TileView {
  T* tile;
  const T* uniform;
  std::size_t stride;
  std::size_t lanes;  ///< to be computed; a whole number of vectors
  /// The first uniform slots, where they really are.
  const T* parameters = nullptr;
  std::size_t parameter_count = 0;
  const std::uint32_t* indices = nullptr;  ///< Program::indices
  std::size_t index_count = 0;

  /// What runs once a step has a tile of one lane: the uniform slots, side by side.
  bool once() const { return tile == uniform; }
  const T* uniform_slot(std::size_t slot) const { return (slot < parameter_count ? parameters : uniform) + slot; }
};

/// What becomes of a product p: then(op(operand(r), p)), row by row; no_op leaves either out. The operand's rows
/// are `step` numbers apart and have a number for each lane, or one for all.
template <class T>
struct Finish {
  Op op = no_op, then = no_op;
  const T* operand = nullptr;
  std::size_t step = 0;
  bool per_lane = false;
};

/// Which factor of a product is an adjoint, where those that are zero contribute nothing, whatever they meet.
enum class Adjoints : std::uint8_t { none, a, b };

/// Which of the multiplications for C contribute nothing, whatever their factors are: see instructions::Gaps. Number k
/// of those for entry (i, j) has the bit first + i * row_step + j * column_step + k * term_step.
struct ProductGaps {
  const std::uint32_t* words;
  std::size_t first, row_step = 0, column_step = 0, term_step = 0;
};

/// C (m x n) = A (m x k) B (k x n), or += if it is not finished; wherever the matrices are. Entry (i, j) of A is
/// a[i * a_row_step + j * a_column_step]; rows of B and C are b_stride and c_stride numbers apart, and nothing after
/// column n - 1 is touched. A product that is finished has whole vectors. With k = 0, C is what it is and is finished.
template <class T>
struct Product {
  std::size_t m, n, k;
  std::size_t a_row_step, a_column_step;
  std::size_t b_stride, c_stride;
  Finish<T> finish = {};
  bool sums_rows = false;  ///< column n of C gets the sums of A's rows, too; of products that can_sum_rows alone
  Adjoints adjoints = Adjoints::none;  ///< see plan_skipping; KernelTable::plan takes none
  const ProductGaps* gaps = nullptr;   ///< likewise
};

/// The most rows of a product that is one block of one vector of columns, where every instruction around it counts.
inline constexpr std::size_t most_small_rows = 4, most_small_terms = 1024;

/// Whether a product of so many rows and columns can do it at the same time: one such block has a column left.
inline bool can_sum_rows(std::size_t m, std::size_t n, std::size_t k, std::size_t vector_lanes) {
  return m <= most_small_rows && n < vector_lanes && k <= most_small_terms;
}

/// Sums over the samples, in an order that depends on their number alone: c[i * c_row_step + j * c_column_step] = or +=
/// the sum of row i of A times row j of B, or of row i of A if there are no rows of B. Rows have one number a sample.
/// It takes less where there are at least as many rows of A as of B. All this at some places, whose sums are added up.
struct Sums {
  std::size_t a_rows = 1, a_stride = 0;
  std::size_t b_rows = 0, b_stride = 0;
  std::size_t c_row_step = 0, c_column_step = 0;
  std::size_t samples = 0;
  std::size_t places = 1, a_place_step = 0, b_place_step = 0;
  Adjoints adjoints = Adjoints::none;  ///< likewise
  const ProductGaps* gaps = nullptr;   ///< likewise
};

/// One call of the few or many that a product, or sums, take. They run one after another, as KernelTable::plan puts
/// them.
template <class T>
struct KernelCall {
  /// Of the call's parts of the matrices, which begin at its offsets; `accumulate` to C.
  void (*run)(const KernelCall& call, const T* a, const T* b, T* c, bool accumulate);
  std::size_t a_offset = 0, a_row_step = 0, a_column_step = 0;
  std::size_t b_offset = 0, b_stride = 0;
  std::size_t c_offset = 0, c_stride = 0, c_column_step = 1;
  std::size_t k = 0;             ///< multiplications for each number of C
  std::size_t blocks = 0;        ///< one below the other; or rows; of sums, places, a_column_step and start_step apart
  std::size_t last_columns = 0;  ///< of the last vector of a block, the others are whole; or all columns
  bool continues = false;        ///< what earlier calls have put in C
  const T* start = nullptr;      ///< the sums start at one number a row, or at 0 if this is null
  std::size_t start_step = 0;
  Finish<T> finish = {};  ///< its operand is that of the call's first number
  const ProductGaps* gaps = nullptr;

  /// Of the whole matrices.
  void operator()(const T* a, const T* b, T* c, bool accumulate) const {
    run(*this, a + a_offset, b + b_offset, c + c_offset, accumulate);
  }
};

template <class T>
using RunCall = decltype(KernelCall<T>::run);

/// See KernelTable::elementwise.
template <class T>
using Elementwise = void (*)(T* out, const T* x, const T* y, const T* z, std::size_t lanes);

/// A row, or with `x_is_one` a number, times a row, which is added or subtracted.
template <class T>
struct RowProduct {
  const T* x;
  const T* y;
  bool x_is_one, negative;
};

/// A short vector, which functions of all instruction sets pass in a register.
template <class T>
struct FewOf {
  typedef T Type __attribute__((vector_size(16)));
};
template <class T>
using Few = typename FewOf<T>::Type;
template <class T>
inline constexpr std::size_t few_rows = sizeof(Few<T>) / sizeof(T);

/// One of a chain of elementwise instructions. `run` computes it and then calls the next link's in place of returning,
/// so that each is guessed from what came before it, until one that end_of_chain() has put there returns where it goes
/// on. `last` is the latest result that was one number, `rows` the latest of few_rows at most: what follows from them
/// need not wait until it can be read from memory. `lanes` are those of a row.
template <class T>
struct Link {
  using Run = const Link* (*)(const Link* link, T last, Few<T> rows, std::size_t lanes);
  Run run = nullptr;
  T* out = nullptr;
  std::array<const T*, 3> x = {};
  std::size_t rows = 0;  ///< of KernelTable::link, one after another
};
/// *out = op(*x[0], ...), through the scalar functions, with `last` for the operands whose bit is set.
template <class T>
typename Link<T>::Run scalar_link(Op op, unsigned last_mask);
template <class T>
Link<T> end_of_chain();
/// So many at most are chained: compilers that do not optimise have as many on the stack.
inline constexpr std::size_t most_chained = 64;

template <class T>
struct KernelTable {
  using Rows = void (*)(const TileView<T>&, const Instruction&, const Shape&);

  const char* name;
  std::size_t vector_lanes;
  /// By op and Instruction::uniform_mask: out[l] = op(x[l], y[l], z[l]) for whole vectors of lanes, one at least.
  /// Operands of the mask are one number for all, those that the op does not have are not read. The result may be
  /// where an operand is.
  Elementwise<T> elementwise[op_count][8];
  /// The same as links, of all lanes of Link::rows and of one vector.
  typename Link<T>::Run link[op_count][8], link_of_one[op_count][8];
  /// Of few_rows at most, which takes the operands of `last_mask` from the link before. Null for ops beside which it
  /// counts for little, and where link_of_one hands no rows on.
  typename Link<T>::Run (*link_of_last)(Op op, unsigned uniform_mask, unsigned last_mask);
  /// Cuts a product into calls, which are written to `calls` unless that is null; returns how many. Of columns that are
  /// whole vectors it takes twice as many at most as the same product with more columns or a larger k.
  std::size_t (*plan)(const Product<T>& product, KernelCall<T>* calls);
  /// Likewise; how many calls sums take does not depend on the samples.
  std::size_t (*plan_sums)(const Sums& sums, KernelCall<T>* calls);
  /// Instructions of these kinds. The rows of a row_sum or row_extreme vary, and one operand of its reverse at least.
  Rows row_sum;
  /// Of the program's find_alike_lists(), of which that of scalar_kernels() makes no use.
  void (*gather)(const TileView<T>& view, const Instruction& i, const Shape& shape,
                 const instructions::AlikeLists* runs, std::size_t run_count);
  /// An instruction of that kind, for so many samples; added to its totals, which are at `totals`, or put there.
  void (*reduce_products)(const TileView<T>& view, const Instruction& i, const Shape& shape, std::size_t samples,
                          T* totals, bool accumulate);
  Rows row_extreme, row_extreme_reverse;
  /// The max or min of so many numbers, vector_lanes at least; of zeros, any of them. Null in scalar_kernels().
  T (*extreme)(Op op, const T* numbers, std::size_t count);
  /// to[0, count) += from[0, count).
  void (*add)(T* to, const T* from, std::size_t count);
  /// to[0, count) = from[0, count) and the products, one after another. None of their factors is in `to`, `from` may
  /// be.
  void (*add_products)(T* to, const T* from, const RowProduct<T>* products, std::size_t product_count,
                       std::size_t count);
  /// Rows of a gather, which are numbers side by side from `to` on, as sums of those from `from` on; or zeros. These
  /// are read up to a whole vector after them. Null in scalar_kernels().
  void (*sum_runs)(const instructions::ListRun* runs, std::size_t run_count, const std::uint32_t* indices,
                   const T* from, T* to);
  /// to[0, count) -= factor * from[0, count).
  void (*subtract_scaled)(T* to, T factor, const T* from, std::size_t count);
  /// to (columns x rows, to_stride apart) = the transpose of from (rows x columns, from_stride apart). Rows of `to` are
  /// written in whole vectors: after their end rows of `from` are repeated.
  void (*transpose)(std::size_t rows, std::size_t columns, const T* from, std::size_t from_stride, T* to,
                    std::size_t to_stride);
  /// Whether none is infinite or NaN.
  bool (*all_finite)(const T* numbers, std::size_t count);
  /// Whether each of so many numbers is zero exactly where expected[i * step] is; the step is 0 or 1.
  bool (*come_out)(const T* numbers, const T* expected, std::size_t step, std::size_t count);
  /// to[i] = to_unit_interval(random_bits(stream, first + i)), up to a whole vector.
  void (*random_numbers)(std::uint64_t stream, std::uint64_t first, std::size_t count, T* to);
};

/// The fastest table this processor can run, for steps of at most so many samples: vectors of AVX-512 that are not even
/// half full are slower than those of AVX2. The environment variable TAPELOOM_ISA (baseline, avx2, avx512) forces one;
/// throws BindError if the processor or the build does not have it.
template <class T>
const KernelTable<T>& kernels(std::size_t most_samples = SIZE_MAX);

/// One number at a time, through the scalar functions, samples added one after another: what exact mode promises. The
/// kernels of rows are for tiles of one lane whose slots lie side by side, all operands in the tile.
template <class T>
const KernelTable<T>& scalar_kernels();

/// A table like `fast` whose elementwise kernels of OpKind::adjoint give zero for an adjoint of zero: for a step that
/// is repeated because its gradients had NaN.
template <class T>
KernelTable<T> skipping_zeros(const KernelTable<T>& fast);
/// As KernelTable::plan and plan_sums, one call each, for those that have adjoints on a side, or gaps.
template <class T>
std::size_t plan_skipping(const Product<T>& product, KernelCall<T>* calls);
template <class T>
std::size_t plan_skipping(const Sums& sums, KernelCall<T>* calls);

/// A product or sums that one call does, row after row. Not for kernels of an instruction set: what their sources
/// instantiate must be their own.
template <class T>
KernelCall<T> whole_call(const Product<T>& p, RunCall<T> run) {
  return {.run = run,
          .a_row_step = p.a_row_step,
          .a_column_step = p.a_column_step,
          .b_stride = p.b_stride,
          .c_stride = p.c_stride,
          .k = p.k,
          .blocks = p.m,
          .last_columns = p.n,
          .finish = p.finish,
          .gaps = p.gaps};
}
template <class T>
KernelCall<T> whole_call(const Sums& s, RunCall<T> run) {
  return {.run = run,
          .a_row_step = s.a_stride,
          .b_stride = s.b_stride,
          .c_stride = s.c_row_step,
          .c_column_step = s.c_column_step,
          .k = s.samples,
          .blocks = s.a_rows,
          .last_columns = s.b_rows,
          .gaps = s.gaps};
}

/// As KernelTable::elementwise, through the scalar functions, for any number of lanes.
template <class T>
Elementwise<T> scalar_elementwise(Op op, unsigned uniform_mask);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
