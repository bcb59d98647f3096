// What a tile's instructions come down to: a list of kernel calls, worked out once for all tiles of one size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tapeloom/core/program.h"
#include "tapeloom/runtime/binding.h"
#include "tapeloom/runtime/kernels.h"
#include "tapeloom/runtime/planned_calls.h"
#include "tapeloom/runtime/tile_plan.h"

namespace tapeloom::inline v0_1::runtime {

/// An operand of a tile's instruction: its first number, and how far apart its rows and its lanes are.
template <class T>
struct TileOperand {
  const T* data;
  std::size_t step, lane_step;

  TileOperand(const TileView<T>& view, const Instruction& i, const Shape& shape, std::size_t k = 0)
      : data(view.uniform_slot(i.x[k])), step(shape.step[k]), lane_step(0) {
    if ((i.uniform_mask >> k & 1) != 0) return;
    data = view.tile + i.x[k] * view.stride, step *= view.stride, lane_step = 1;
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
  PlannedCalls<T> calls;
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
  PlannedCalls<T> calls = {};
  // As a matrix product. The terms of a sample lie side by side in its B: these are bound rows, or it is a transpose.
  bool may_multiply = false;
  Product<T> product = {};
  const T* product_a = nullptr;
  const T* rows = nullptr;  ///< of B transposed
  std::size_t rows_step = 0;
  std::uint32_t load = no_load;  ///< whose rows they are, if any
  std::uint32_t load_column = 0;
};

/// One call, or what is done for an instruction that is none.
template <class T>
struct TileTask {
  enum class Kind : std::uint8_t {
    elementwise,   ///< a kernel that reads the instruction
    product,       ///< a call with result c
    sums,          ///< a call with result totals + out
    rows,          ///< finds or transposes the rows that ...
    rows_product,  ///< ... a call multiplies, with result totals + out
    other,
  };
  struct Whole {
    typename KernelTable<T>::Elementwise kernel;
    const Instruction* instruction;
    const Shape* shape;
  };
  struct Call {
    const KernelCall<T>* call;
    const T* a;
    const T* b;
    T* c;
  };

  Kind kind;
  bool begins = false;    ///< of sums and products of rows: the first that is added to these totals in the stage
  std::uint32_t at;       ///< the instruction's index
  std::uint32_t out = 0;  ///< the first total
  union {
    Whole whole;
    Call call;
    const TileTotals<T>* totals;
  };
};

template <class T>
class TileTasks {
 public:
  /// `loaded` is find_loaded_operands(program). The view's slots, and the program, stay where they are.
  TileTasks(const Program& program, const KernelTable<T>& kernels, const TileView<T>& view,
            const std::vector<std::uint32_t>& loaded);
  TileTasks(TileTasks&&) = default;

  /// For tiles of so many samples, when the loads' rows lie as these do. A program has one or two sizes of tiles,
  /// mostly. Allocates nothing.
  void plan(std::size_t samples, std::span<const SampleRows<T>> loaded_rows);
  /// The samples of the plan.
  std::size_t samples() const { return samples_; }
  /// Of one of the program's stages.
  std::span<const TileTask<T>> of(const Stage& stage) const {
    const auto index = static_cast<std::size_t>(&stage - program_.stages.data());
    return {tasks_.data() + stage_begins_[index], tasks_.data() + stage_begins_[index + 1]};
  }

 private:
  void add_product(std::uint32_t at, TileProduct<T>& product);
  void add_totals(std::uint32_t at, TileTotals<T>& totals, std::span<const SampleRows<T>> loaded_rows);
  TileProduct<T> bound_product(const TileView<T>& view, const Instruction& i, const Shape& shape) const;
  TileTotals<T> bound_sums(const TileView<T>& view, const Instruction& i, const Shape& shape) const;
  TileTotals<T> bound_outer(const TileView<T>& view, const Instruction& i, const Shape& shape,
                            std::uint32_t load) const;

  const Program& program_;
  const KernelTable<T>& kernels_;
  std::vector<TileProduct<T>> products_;  // in the order of their instructions
  std::vector<TileTotals<T>> totals_;     // likewise
  std::vector<TileTask<T>> tasks_;
  std::vector<std::size_t> stage_begins_;
  std::size_t samples_ = 0;
};

extern template class TileTasks<float>;
extern template class TileTasks<double>;

}  // namespace tapeloom::inline v0_1::runtime
