// Runs the tiles of steps of few samples with the rows of a block as lanes: see row_plan.h.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <span>

#include "tapeloom/core/program/cost.h"
#include "tapeloom/runtime/execute/row_plan.h"
#include "tapeloom/runtime/execute/runner.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// The numbers of samples, up to cost::most_few_samples, of which a step takes less time so. Depends on nothing but the
/// program and the size of a number.
using FewSamples = std::bitset<cost::most_few_samples + 1>;
FewSamples samples_by_rows(const Program& program, std::size_t most_samples, std::size_t number_size);

/// While one lives, for tests, it is all of these numbers of samples of which a step can be computed so, for executors
/// that are made in its thread.
class ByRowsAlways {
 public:
  ByRowsAlways() { ++living(); }
  ByRowsAlways(const ByRowsAlways&) = delete;
  ~ByRowsAlways() { --living(); }
  static int& living();
};

template <class T>
class RowRunner : public Runner<T> {
 public:
  /// For steps of those numbers of samples. `room`, on a cache line, is used if it is large enough; between steps
  /// anybody may write there.
  RowRunner(const Program& program, const KernelTable<T>& kernels, const StepBuffers<T>& buffers,
            const FewSamples& samples, bool profiled, std::span<T> room);
  RowRunner(RowRunner&&) = delete;  // plans have its slots

  /// Reads the batch and runs the stage's instructions on it; starts its totals.
  void run(std::size_t stage, const Binding& binding, const BatchRows& batch);
  std::size_t bytes() const { return arena_.bytes(); }

 private:
  const CallList<T>& calls_for(std::size_t samples);
  void run_step(const RowStep<T>& step, std::size_t samples);
  void vectors(const RowStep<T>& step, std::size_t samples) const;
  void gathered(const RowStep<T>& step, std::size_t samples) const;
  const T* operand(const RowStep<T>& step, std::size_t k, std::size_t sample, std::size_t begin, std::size_t count,
                   T* numbers) const;
  void totals(const RowStep<T>& step, std::size_t samples) const;
  void totals_of_products(const RowStep<T>& step, std::size_t samples) const;
  void lists(const RowStep<T>& step, std::size_t samples) const;

  Arena<T> arena_;
  RowPlanner<T> planner_;
  T* slots_;
  std::size_t apart_;                 // from a sample's slots to the next's
  std::array<CallList<T>, 2> plans_;  // a batch, and what is left for the last one
  std::size_t plan_ = 0;              // the latest
};

extern template class RowRunner<float>;
extern template class RowRunner<double>;

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
