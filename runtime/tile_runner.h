// One worker's part of a step: its own tile slots, and the loop over a stage's instructions for one tile of samples.
#pragma once

#include <cstdint>
#include <vector>

#include "tapeloom/core/program.h"
#include "tapeloom/runtime/arena.h"
#include "tapeloom/runtime/binding.h"
#include "tapeloom/runtime/kernels.h"
#include "tapeloom/runtime/planned_product.h"
#include "tapeloom/runtime/profile.h"
#include "tapeloom/runtime/tile_plan.h"

namespace tapeloom::inline v0_1::runtime {

/// The first guard that failed in a step, and its first sample.
struct GuardFailure {
  std::size_t guard = SIZE_MAX;
  std::size_t sample = SIZE_MAX;

  void add(const GuardFailure& other) {
    if (other.guard < guard || (other.guard == guard && other.sample < sample)) *this = other;
  }
};

/// The samples [begin, begin + count) of the batch.
struct Tile {
  std::size_t begin, count;
};

/// What all workers share.
template <class T>
struct StepBuffers {
  const T* uniform = nullptr;
  const T* parameters = nullptr;  ///< the first uniform slots, where they really are
  T* batch = nullptr;
  std::size_t batch_lanes = 0;  ///< between two batch slots
  T* outputs = nullptr;
  T* input_gradients = nullptr;
};

/// A dense or dense_reverse instruction: a product whose columns are a tile's lanes.
template <class T>
struct TileProduct {
  Product<T> product;
  const T* a;
  const T* b;
  T* c;
  PlannedProduct<T> planned;
};

/// A reduce_outer instruction: sums of products over the samples, one by one or as a matrix product, whichever is
/// faster for a tile's samples.
template <class T>
struct Outer {
  Sums<T> sums;
  Product<T> product;  ///< whose k are the samples
  const T* a;
  const T* rows;  ///< of B transposed
  std::size_t rows_step;
  bool scattered;      ///< the totals do not lie as a product's result
  std::uint32_t load;  ///< whose rows are the product's B, sample by sample; or none
  std::uint32_t out;
  PlannedProduct<T> first = {}, later = {};  ///< totals begin at zero, or go on
  std::uint32_t load_column = 0;
  bool one_by_one = false;

  void plan() {
    product.accumulate = false;
    first.plan(product);
    product.accumulate = true;
    later.plan(product);
  }
};

template <class T>
class TileRunner {
 public:
  /// `loaded` is find_loaded_operands(program). The program and the buffers must outlive the runner and stay where they
  /// are. With `profiled` it takes times.
  TileRunner(const Program& program, const KernelTable<T>& kernels, const StepBuffers<T>& buffers,
             const std::vector<std::uint32_t>& loaded, std::size_t tile_samples, bool profiled);
  TileRunner(TileRunner&&) = default;

  void start() { failure_ = {}; }
  /// Reads a tile of the batch and runs the stage's instructions on it; adds to `totals`, or starts them if `first`.
  void run(const Stage& stage, const Binding& binding, const BatchRows& batch, const Tile& tile, T* totals, bool first);
  /// Since start().
  const GuardFailure& failure() const { return failure_; }
  std::size_t bytes() const { return arena_.bytes(); }
  /// Adds what it has spent since it was made.
  void add_times(Profile& profile) const;

 private:
  /// Operand k of a tile instruction: its first number, and how far apart its rows and its lanes are.
  struct Rows {
    const T* data;
    std::size_t step, lane_step;
    const T* row(std::size_t r) const { return data + r * step; }
  };
  Rows operand(const Instruction& i, const Shape& shape, std::size_t k = 0) const {
    if ((i.uniform_mask >> k & 1) != 0) return {view_.uniform_slot(i.x[k]), shape.step[k], 0};
    return {view_.tile + i.x[k] * view_.stride, shape.step[k] * view_.stride, 1};
  }
  template <bool profiled>
  void run_as(const Stage& stage, const Binding& binding, const BatchRows& batch, const Tile& tile, T* totals,
              bool first);
  void load(const Stage& stage, const Binding& binding, const BatchRows& batch, const Tile& tile);
  void bind(const std::vector<std::uint32_t>& loaded);
  void plan(std::size_t samples);
  TileProduct<T> bound_product(const Instruction& i, const Shape& shape) const;
  Sums<T> bound_sums(const Instruction& i, const Shape& shape) const;
  Outer<T> bound_outer(const Instruction& i, const Shape& shape, std::uint32_t load) const;
  void reduce(const Instruction& i, std::uint32_t bound, const Shape& shape, const Tile& tile, T* totals, bool first);
  void reduce_outer(Outer<T>& outer, const Tile& tile, T* totals, bool first);
  void check_guard(const Instruction& i, const Tile& tile);
  void store(const Instruction& i, const Shape& shape, const Tile& tile, T* rows, std::size_t row_length);

  const Program& program_;
  const KernelTable<T>& kernels_;
  StepBuffers<T> buffers_;
  Arena<T> arena_;
  std::size_t tile_, scratch_;
  std::vector<std::size_t> gathered_;       // of each load: its piece of the arena, or none
  std::vector<SampleRows<T>> sample_rows_;  // of each load: its rows of this tile, sample by sample, if they are
  TileView<T> view_{};
  std::vector<std::uint32_t> bound_;  // of each instruction: which of the following it is, if any
  std::vector<TileProduct<T>> products_;
  std::vector<Sums<T>> sums_;
  std::vector<Outer<T>> outers_;
  std::size_t planned_samples_ = 0;
  GuardFailure failure_;
  std::vector<InstructionTime> times_;  // of each instruction, if it is profiled
  InstructionTime load_time_;
};

extern template class TileRunner<float>;
extern template class TileRunner<double>;

}  // namespace tapeloom::inline v0_1::runtime
