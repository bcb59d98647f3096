// What a tile's products and sums come down to: a list of kernel calls, worked out once for all tiles of one size.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tapeloom/core/program/instructions.h"
#include "tapeloom/core/program/program.h"
#include "tapeloom/runtime/execute/binding.h"
#include "tapeloom/runtime/execute/planned_calls.h"
#include "tapeloom/runtime/execute/tile_plan.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

inline constexpr std::uint32_t no_load = instructions::ReduceOuter::no_load;

/// An operand of a tile's instruction: its first number, and how far apart its rows and its lanes are.
template <class T>
struct TileOperand {
  const T* data;
  std::size_t step, lane_step;

  TileOperand(const TileView<T>& view, const Instruction& i, const Shape& shape, std::size_t k = 0) {
    const bool uniform = i.is_uniform(k);
    data = uniform ? view.uniform_slot(i.x[k]) : view.tile + i.x[k] * view.stride;
    step = uniform ? shape.step[k] : shape.step[k] * view.stride;
    lane_step = uniform ? 0 : 1;
  }
  const T* row(std::size_t r) const { return data + r * step; }
};

/// A dense or dense_reverse instruction at one of its places: a product whose columns are a tile's lanes.
template <class T>
struct TileProduct {
  Product<T> product;
  const T* a;
  const T* b;
  T* c;
};

/// A reduce or reduce_outer instruction at one of its places: sums over the samples. Those of products of rows may be
/// one matrix product, whose k are the samples, if that is faster for a tile's samples.
template <class T>
struct TileTotals {
  Sums sums;
  const T* a;
  const T* b = nullptr;  ///< of products of rows
  std::uint32_t out;
  bool begins = false;  ///< no instruction of the stage has added to these totals before
  // As a matrix product. The terms of a sample lie side by side in its B: these are bound rows, or it is a transpose.
  bool may_multiply = false;
  bool follows_row_sums = false;  ///< the totals before are the sums of A's rows, and lie in column n of C
  Product<T> product = {};
  const T* product_a = nullptr;
  const T* rows = nullptr;  ///< of B's transpose
  std::size_t rows_step = 0;
  std::uint32_t load = no_load;  ///< whose rows they are, if any; then B is where they were bound
  std::uint32_t load_column = 0;
};

/// Rows of a tile, whose transpose becomes rows of samples.
template <class T>
struct TileTranspose {
  const T* from;
  T* to;
  std::size_t from_stride, columns, to_stride;
};

/// An instruction that is no product and no sum. If it is elementwise, and its rows and its operands' lie like one long
/// row each in a tile whose lanes are its stride, it is one kernel call there.
template <class T>
struct RowCall {
  Elementwise<T> run = nullptr;
  T* out = nullptr;
  std::array<const T*, 3> x = {};
  std::uint32_t rows = 0;  ///< 0 if it is not; 1 is one call in every tile
};

/// One call, or what is done in its place.
template <class T>
struct TileCall {
  enum class Kind : std::uint8_t {
    instructions,  ///< [at, end), which `rows` has
    product,       ///< runs `call`
    sums,          ///< runs it with result c in the first group's totals, those of another lie elsewhere
    sums_of_load,  ///< the same with b in the rows of a load where they were bound
    transpose,     ///< of what later calls read
  };

  Kind kind;
  bool adds = false;       ///< to what is in these totals: an instruction of the stage has been there before
  std::uint32_t at;        ///< the instruction's index
  std::uint32_t end = 0;   ///< of instructions
  std::uint32_t load = 0;  ///< of sums_of_load
  const T* a = nullptr;    ///< of the call; so are b and c
  const T* b = nullptr;
  T* c = nullptr;
  union {
    KernelCall<T> call;
    TileTranspose<T> transpose;
    const RowCall<T>* rows;
  };
};

/// For tiles of so many samples, when the loads' rows are so far apart.
template <class T>
struct TileCalls {
  std::size_t samples = 0;
  std::vector<std::size_t> load_strides;
  std::vector<TileCall<T>> calls;         ///< of all stages
  std::vector<std::size_t> stage_begins;  ///< and the end

  std::span<const TileCall<T>> of_stage(std::size_t stage) const {
    return std::span(calls).subspan(stage_begins[stage], stage_begins[stage + 1] - stage_begins[stage]);
  }
};

template <class T>
class TilePlanner {
 public:
  /// `totals` are the first group's, and `scratch` has scratch_numbers(...). These, the view's slots and the program
  /// stay where they are. With `skip_zeros` an adjoint of zero contributes nothing to products and sums.
  TilePlanner(const Program& program, const KernelTable<T>& kernels, const TileView<T>& view, T* totals, T* scratch,
              bool skip_zeros);

  /// Nothing planned yet, with room for everything.
  TileCalls<T> make_room() const;
  /// Works the calls out. Allocates nothing.
  void plan(std::size_t samples, std::span<const SampleRows<T>> loaded_rows, TileCalls<T>& calls);

 private:
  void add_product(std::uint32_t at, TileProduct<T>& product, TileCalls<T>& calls);
  void add_totals(std::uint32_t at, TileTotals<T>& totals, TileCalls<T>& calls);
  bool multiplies(const TileTotals<T>& totals, std::size_t samples) const;
  bool sums_rows(const TileTotals<T>& totals, std::size_t samples) const;
  TileProduct<T> bound_product(const TileView<T>& view, const Instruction& i, const Shape& shape) const;
  RowCall<T> bound_rows(const TileView<T>& view, const Instruction& i, const Shape& shape) const;
  TileTotals<T> bound_sums(const TileView<T>& view, const Instruction& i, const Shape& shape) const;
  TileTotals<T> bound_outer(const TileView<T>& view, const Instruction& i, const Shape& shape) const;

  const Program& program_;
  const KernelTable<T>& kernels_;
  T* first_totals_;
  T* scratch_;
  bool skip_zeros_;
  std::vector<TileProduct<T>> products_;  // in the order of their instructions
  std::vector<TileTotals<T>> totals_;     // likewise
  std::vector<RowCall<T>> rows_;          // likewise
  PlannedCalls<T> planned_;               // of one product or some sums
  std::size_t most_calls_ = 0;
};

extern template class TilePlanner<float>;
extern template class TilePlanner<double>;

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
