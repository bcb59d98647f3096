// The interpreter: all buffers of one running program, and the loop over stages, tiles and instructions.
#pragma once

#include <cstdint>

#include "tapeloom/core/program.h"
#include "tapeloom/runtime/arena.h"
#include "tapeloom/runtime/binding.h"
#include "tapeloom/runtime/kernels.h"

namespace tapeloom::inline v0_1::runtime {

/// The first guard that failed in a step, and its first sample.
struct GuardFailure {
  std::size_t guard = SIZE_MAX;
  std::size_t sample = SIZE_MAX;
};

/// How many samples go through a stage before the next: so many that the program's tile slots stay in a core's cache,
/// but never fewer than fill a vector. Depends on nothing but the program, so that sums are always split alike.
std::size_t preferred_tile_samples(const Program& program, std::size_t number_size);

/// Into how many groups the tiles of a batch are divided; each group adds up apart, and a tree adds the groups. Depends
/// on the program and the number of tiles only, never on threads. One in exact mode.
std::size_t group_count(const Program& program, std::size_t tiles);

template <class T>
class Interpreter {
 public:
  Interpreter(const Program& program, std::size_t max_samples);

  /// Computes everything for a batch whose rows were checked. `parameters` are the program's, in recorded order.
  GuardFailure run(const Binding& binding, const BatchRows& batch, std::span<const T> parameters);

  void set_uniform_input(std::size_t index, double number);
  /// Writes the first row of outputs `rows` times: of a program whose samples are recorded it is the only one.
  void repeat_outputs(std::size_t rows);

  T loss() const { return loss_; }
  std::span<const T> gradients() {
    const T* numbers =
        gradients_in_place_ ? arena_.data(uniform_) + program_.gradients[0].slot : arena_.data(gradients_);
    return {numbers, program_.parameters.size()};
  }
  std::span<const T> outputs(std::size_t samples) { return {arena_.data(outputs_), samples * program_.outputs.size()}; }
  std::span<const T> input_gradients(std::size_t samples) {
    return {arena_.data(input_gradients_), samples * program_.input_count};
  }
  std::size_t arena_bytes() const { return arena_.bytes(); }
  std::size_t tile_samples() const { return tile_samples_; }

 private:
  /// The samples [begin, begin + count) of the batch.
  struct Tile {
    std::size_t begin, count;
  };
  void run_uniform_instructions(Range range, GuardFailure& failure);
  void sweep(const Stage& stage, const Binding& binding, const BatchRows& batch, GuardFailure& failure);
  void run_tile(const Stage& stage, const Tile& tile, std::size_t group, bool first, GuardFailure& failure);
  void run_tile_block(const Instruction& i, const Shape& shape);
  void reduce(const Instruction& i, const Shape& shape, const Tile& tile, T* totals, bool first);
  void reduce_outer(const Instruction& i, const Shape& shape, const Tile& tile, T* totals, bool first);
  void check_guard(const Instruction& i, const Tile& tile, GuardFailure& failure) const;
  void store(const Instruction& i, const Shape& shape, const Tile& tile, T* rows, std::size_t row_length);
  void add_groups(Range totals, std::size_t groups);
  void collect(std::size_t samples);
  void collect_gradients();
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
  TileRows<T> rows(const Instruction& i, const Shape& shape, std::size_t k) const {
    return {view_.tile + i.x[k] * view_.stride, k == 0 ? shape.rows : shape.terms, shape.step[k] * view_.stride};
  }
  /// Where the totals of a group are added up: the first group's are the uniform slots themselves.
  T* totals_of(std::size_t group) {
    return group == 0 ? arena_.data(uniform_) + program_.first_total()
                      : arena_.data(totals_) + (group - 1) * program_.total_count;
  }

  const Program& program_;
  const KernelTable<T>& kernels_;
  std::size_t tile_samples_;
  std::size_t batch_lanes_;  // between two batch slots
  std::size_t max_groups_;
  bool copies_parameters_;   // to the uniform slots, for the instructions that run once a step
  bool gradients_in_place_;  // the uniform slots have them side by side
  Arena<T> arena_;
  std::size_t uniform_, tile_, batch_, totals_, scratch_, outputs_, input_gradients_, gradients_;
  TileView<T> view_{};
  T loss_ = T(0);
};

extern template class Interpreter<float>;
extern template class Interpreter<double>;

}  // namespace tapeloom::inline v0_1::runtime
