// Runs lists of calls: what runs once a step, over the uniform slots, and one worker's tiles of samples, over its own.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "tapeloom/core/program/program.h"
#include "tapeloom/runtime/execute/arena.h"
#include "tapeloom/runtime/execute/binding.h"
#include "tapeloom/runtime/execute/calls.h"
#include "tapeloom/runtime/execute/frequent.h"
#include "tapeloom/runtime/execute/held_products.h"
#include "tapeloom/runtime/execute/profile.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// Times what stands between two moments of one thread; if it is off, costs nothing.
template <bool on>
class Stopwatch {
 public:
  /// Adds the time since the last lap, or since it was made.
  void lap(InstructionTime& time) {
    const Clock::time_point now = Clock::now();
    time.seconds += std::chrono::duration<double>(now - last_).count();
    ++time.runs;
    last_ = now;
  }
  void lap(std::vector<InstructionTime>& times, std::size_t index) { lap(times[index]); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
};
template <>
class Stopwatch<false> {
 public:
  void lap(InstructionTime&) {}
  void lap(std::vector<InstructionTime>&, std::size_t) {}
};

/// The first guard, as they were recorded, that failed in a step, and its first sample.
struct GuardFailure {
  std::size_t number = SIZE_MAX;  ///< on the tape
  std::size_t sample = SIZE_MAX;
  std::size_t guard = SIZE_MAX;  ///< of the program

  bool any() const { return guard != SIZE_MAX; }
  void add(const GuardFailure& other) {
    if (other.number < number || (other.number == number && other.sample < sample)) *this = other;
  }
};

/// The samples [begin, begin + count) of the batch.
struct Tile {
  std::size_t begin, count;
};

/// What all runners share.
template <class T>
struct StepBuffers {
  T* uniform = nullptr;
  const T* parameters = nullptr;  ///< the first uniform slots, where they really are
  T* totals = nullptr;            ///< of the first group
  T* batch = nullptr;
  std::size_t batch_lanes = 0;  ///< between two batch slots
  T* outputs = nullptr;
  T* input_gradients = nullptr;
  const T* expected = nullptr;  ///< of each guard: 1 or 0
};

/// One lane whose slots lie side by side from `tile` on.
template <class T>
TileView<T> view_of_one(const Program& program, const StepBuffers<T>& buffers, T* tile) {
  return {.tile = tile,
          .uniform = buffers.uniform,
          .stride = 1,
          .lanes = 1,
          .parameters = buffers.parameters,
          .parameter_count = program.parameters.size(),
          .indices = program.indices.data(),
          .index_count = program.indices.size()};
}

/// What both have: a view, and the loop over a list of calls. The program and the buffers must outlive it and stay
/// where they are. With `profiled` it takes times.
template <class T>
class Runner {
 public:
  void start() { failure_ = {}; }
  /// Since start().
  const GuardFailure& failure() const { return failure_; }
  /// Adds what it has spent since it was made.
  void add_times(Profile& profile) const;

 protected:
  /// `row_kernels` are those of rows, for the view's lanes.
  Runner(const Program& program, const KernelTable<T>& kernels, const KernelTable<T>& row_kernels,
         const StepBuffers<T>& buffers, bool profiled);

  /// Calls run(stopwatch), which is on if instructions are timed.
  template <class Run>
  void timed(const Run& run) const {
    times_.empty() ? run(Stopwatch<false>()) : run(Stopwatch<true>());
  }
  /// Runs them for a tile; adds to `totals`, or starts them if `first`.
  template <bool profiled>
  void run_calls(std::span<const Call<T>> list, const Tile& tile, T* totals, bool first,
                 Stopwatch<profiled>& stopwatch);
  /// One that is no product and no sum; in rows.cpp, as are the functions it calls.
  void run_instruction(const Instruction& i, const Tile& tile, T* totals, bool first,
                       std::span<const instructions::AlikeLists> alike = {});

  const Program& program_;
  const KernelTable<T>& kernels_;
  const KernelTable<T>& row_kernels_;
  StepBuffers<T> buffers_;
  TileView<T> view_{};
  std::vector<SampleRows<T>> sample_rows_;  // of each load: its rows of this tile, sample by sample, if they are
  std::vector<InstructionTime> times_;      // of each instruction, if it is profiled
  InstructionTime load_time_;
  FrequentFunctions<RunCall<T>> frequent_products_;
  bool found_infinite_ = false;  // by a check

 private:
  template <bool profiled>
  void run_rows(const Call<T>& call, const Tile& tile, T* totals, bool first, Stopwatch<profiled>& stopwatch);
  template <bool profiled>
  void run_chains(const Call<T>& call, Stopwatch<profiled>& stopwatch);
  void elementwise(const Instruction& i, const Shape& s);
  void elementwise_once(const Instruction& i, const Shape& s);
  void extremes_once(const Instruction& i, const Shape& s);
  void copy(const Instruction& i, const Shape& s);
  void add_at(const Instruction& i, const Shape& s);
  void reduce_uniform(const Instruction& i, const Shape& s, const Tile& tile, T* totals, bool first);
  void check_guards(const Instruction& i, const Shape& s, const Tile& tile);
  void add_failures(const T* conditions, std::size_t guard, std::size_t guard_step, const Tile& tile);
  void store(const Instruction& i, const Shape& s, const Tile& tile, T* rows, std::size_t row_length);

  GuardFailure failure_;
};

/// Runs what runs once a step, planned when it is made. Its tile is one lane, the uniform slots: the rows of an
/// instruction lie side by side there, like samples, and kernels take them as their lanes.
template <class T>
class OnceRunner : public Runner<T> {
 public:
  /// With `skip_zeros` an adjoint of zero contributes nothing to products.
  OnceRunner(const Program& program, const KernelTable<T>& kernels, const StepBuffers<T>& buffers, bool profiled,
             bool skip_zeros);
  /// Takes the calls that form these products out of the stages, and returns them; those products that come down to
  /// something else stay, and are taken out of the list.
  std::vector<Call<T>> take_calls(std::vector<HeldProduct>& products);
  /// Whether results of products with gaps are looked at; and whether one was infinite, or not a number, since this was
  /// asked last.
  bool has_checks() const { return has_checks_; }
  bool take_found_infinite() { return std::exchange(this->found_infinite_, false); }
  /// A stage's instructions.
  void run(std::size_t stage) {
    const Chained& chained = chained_[stage];
    if (!chained.is_all) return run_list(stage);
    chained.chains.run(1);
  }

 private:
  /// What a stage computes in chains. Mostly that is all, a few numbers, and to go through a list of calls for them
  /// took 5% of a step of a net four wide.
  struct Chained {
    bool is_all;  ///< and is not timed
    Chains<T> chains = {};
  };
  void run_list(std::size_t stage);

  CallPlanner<T> planner_;
  CallList<T> calls_;
  bool has_checks_ = false;
  std::vector<Chained> chained_;  // of each stage
};

/// Runs tiles of samples, in tile slots of its own; what it runs is planned when a size of tiles is first seen.
template <class T>
class TileRunner : public Runner<T> {
 public:
  /// For tiles of at most so many samples. For `skip_zeros` see CallPlanner.
  TileRunner(const Program& program, const KernelTable<T>& kernels, const StepBuffers<T>& buffers,
             std::size_t most_samples, bool profiled, bool skip_zeros);
  TileRunner(TileRunner&&) = default;

  /// Reads a tile of the batch and runs the stage's instructions on it; adds to `totals`, or starts them if `first`.
  void run(std::size_t stage, const Binding& binding, const BatchRows& batch, const Tile& tile, T* totals, bool first);
  std::size_t bytes() const { return arena_.bytes(); }
  /// Where its tiles are, which nobody reads after a step.
  std::span<T> slots() {
    auto all = arena_.view(tile_);
    return {all.data(), static_cast<std::size_t>(all.size())};
  }

 private:
  /// Of a load of the program's.
  struct LoadedRows {
    std::uint32_t slot, columns;  ///< no columns are brought to the slots if nobody reads them there
    std::size_t gathered;  ///< where its rows are copied to that do not lie side by side: a piece of the arena, or none
  };

  void load(Range loads, const Binding& binding, const BatchRows& batch, const Tile& tile);
  const CallList<T>& calls_for(std::size_t samples, const Binding& binding, const BatchRows& batch);
  void find_strides(const Binding& binding, const BatchRows& batch);
  bool fits(const CallList<T>& calls, std::size_t samples) const;

  Arena<T> arena_;
  std::size_t tile_, scratch_;
  std::vector<LoadedRows> loads_;
  std::optional<CallPlanner<T>> planner_;
  std::array<CallList<T>, 4> plans_;  // for the latest sizes of tiles; a batch is cut into few
  std::size_t plan_ = 0;              // the latest
  bool rows_moved_ = false;           // since then, the samples of a load got another stride
};

extern template class OnceRunner<float>;
extern template class OnceRunner<double>;
extern template class TileRunner<float>;
extern template class TileRunner<double>;

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
