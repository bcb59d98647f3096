// The runner of steps that have fewer samples than a tile.
#pragma once

#include <optional>
#include <utility>

#include "tapeloom/runtime/execute/runner.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// In a tile that is not full the rows of an instruction lie apart, and each is a call of its own. So steps of one tile
/// get a runner whose tiles are as large as they are, when a size comes the second time in a row: mini-batches do, and
/// the last one of an epoch, which is smaller, does not. Five steps of a grid of 8 x 8 with 8 samples take 0.5 times as
/// long so in an executor made for 1,024. Results are the same.
template <class T>
class ShortTiles {
 public:
  ShortTiles(const Program& program, const KernelTable<T>& kernels, const StepBuffers<T>& buffers, bool profiled,
             bool skip_zeros)
      : program_(program), kernels_(kernels), buffers_(buffers), profiled_(profiled), skip_zeros_(skip_zeros) {}

  struct Choice {
    TileRunner<T>& runner;
    bool is_final;  ///< also for the next step of as many samples
  };
  /// For a step of so many samples, of which `whole` has at most `most` in a tile.
  Choice choose(TileRunner<T>& whole, std::size_t most, std::size_t samples, std::optional<Profile>& profile) {
    const std::size_t lanes = kernels_.vector_lanes, size = round_up(samples, lanes);
    const bool comes_again = std::exchange(latest_, size) == size;
    if (size == size_) return {*runner_, true};
    if (size == round_up(most, lanes)) return {whole, true};
    if (!comes_again) return {whole, false};
    if (runner_ && profile) runner_->add_times(*profile);
    size_ = 0;  // if there is no memory
    runner_.emplace(program_, kernels_, buffers_, size, profiled_, skip_zeros_);
    size_ = size;
    return {*runner_, true};
  }

  /// Null if there is none.
  TileRunner<T>* runner() { return runner_ ? &*runner_ : nullptr; }
  const TileRunner<T>* runner() const { return runner_ ? &*runner_ : nullptr; }

 private:
  const Program& program_;
  const KernelTable<T>& kernels_;
  StepBuffers<T> buffers_;
  bool profiled_, skip_zeros_;
  std::optional<TileRunner<T>> runner_;
  std::size_t size_ = 0, latest_ = 0;  // of its tiles, and of the step before
};

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
