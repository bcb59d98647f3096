// One worker's part of a step: its own tile slots, and the loop over a stage's instructions for one tile of samples.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "tapeloom/core/program/program.h"
#include "tapeloom/runtime/execute/arena.h"
#include "tapeloom/runtime/execute/binding.h"
#include "tapeloom/runtime/execute/profile.h"
#include "tapeloom/runtime/execute/stopwatch.h"
#include "tapeloom/runtime/execute/tile_calls.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

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
  T* totals = nullptr;            ///< of the first group
  T* batch = nullptr;
  std::size_t batch_lanes = 0;  ///< between two batch slots
  T* outputs = nullptr;
  T* input_gradients = nullptr;
};

template <class T>
class TileRunner {
 public:
  /// For tiles of at most so many samples. The program and the buffers must outlive the runner and stay where they are.
  /// With `profiled` it takes times; for `skip_zeros` see TilePlanner.
  TileRunner(const Program& program, const KernelTable<T>& kernels, const StepBuffers<T>& buffers,
             std::size_t most_samples, bool profiled, bool skip_zeros);
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
  template <bool profiled>
  void run_as(const Stage& stage, const Binding& binding, const BatchRows& batch, const Tile& tile, T* totals,
              bool first);
  void load(const Stage& stage, const Binding& binding, const BatchRows& batch, const Tile& tile);
  const TileCalls<T>& calls_for(std::size_t samples);
  bool fits(const TileCalls<T>& calls, std::size_t samples) const;
  template <bool profiled>
  void run_instructions(const TileCall<T>& list, const Tile& tile, T* totals, bool first,
                        Stopwatch<profiled>& stopwatch);
  void run_other(const Instruction& i, const Tile& tile, T* totals, bool first);
  void reduce_uniform(const Instruction& i, const Shape& shape, const Tile& tile, T* totals, bool first);
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
  std::optional<TilePlanner<T>> planner_;
  std::array<TileCalls<T>, 4> plans_;  // for the latest sizes of tiles; a batch is cut into few
  std::size_t plan_ = 0;               // the latest
  bool rows_moved_ = false;            // since then, the samples of a load got another stride
  GuardFailure failure_;
  std::vector<InstructionTime> times_;  // of each instruction, if it is profiled
  InstructionTime load_time_;
};

extern template class TileRunner<float>;
extern template class TileRunner<double>;

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
