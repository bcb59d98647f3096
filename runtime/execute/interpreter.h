// The interpreter: what all samples of one running program share, and the loop over stages, groups and tiles.
#pragma once

#include <algorithm>
#include <atomic>
#include <compare>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "tapeloom/core/program/instructions.h"
#include "tapeloom/core/program/program.h"
#include "tapeloom/runtime/execute/arena.h"
#include "tapeloom/runtime/execute/binding.h"
#include "tapeloom/runtime/execute/held_products.h"
#include "tapeloom/runtime/execute/row_runner.h"
#include "tapeloom/runtime/execute/runner.h"
#include "tapeloom/runtime/execute/thread_pool.h"
#include "tapeloom/runtime/execute/tile_plan.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// Where to look, after a step, for gradients that are not finite. Not all of them need to be looked at. Entry (i, j)
/// of the total of a product of rows, sum_s y_i(s) x_j(s), is NaN because y_i or x_j is not finite for some sample, and
/// then entry (i, 0) or (0, j) is not finite either: the first row and the first column stand for the matrix, and for
/// the sums of the y_i, which a layer's biases have; unless something else is added to them. (Where finite numbers
/// overflow, it is not found; a step with products that skip zeros would not change that.)
class GradientWatch {
 public:
  /// Not at those that are held.
  GradientWatch(const Program& program, std::span<const HeldProduct> held);

  /// Of the uniform slots after a step: false if a gradient is NaN for another reason than overflow of a sum, or is
  /// infinite.
  template <class T>
  bool all_finite(const KernelTable<T>& kernels, const T* uniform) const {
    for (const Run& run : runs_) {
      if (run.step == 1) {
        if (!kernels.all_finite(uniform + run.slot, run.count)) return false;
        continue;
      }
      T nothing(0);  // stays that, or becomes NaN
      const T* number = uniform + run.slot;
      for (std::uint32_t n = 0; n < run.count; ++n, number += run.step) nothing += *number - *number;
      if (nothing != T(0)) return false;
    }
    return true;
  }

 private:
  /// Uniform slots, `step` apart.
  struct Run {
    std::uint32_t slot, count, step;
    friend auto operator<=>(const Run&, const Run&) = default;
  };

  void watch(std::uint32_t slot);
  void watch_product(const instructions::MatrixProduct& product, std::uint32_t slot, std::vector<bool>& watched);
  void watch_products(const Program& program, std::vector<bool>& watched);
  void watch_products_once(const Program& program, std::span<const HeldProduct> held, std::vector<bool>& watched);
  static void watch_additions(const Program& program, std::vector<bool>& watched);

  std::vector<Run> runs_;
};

template <class T>
class OneByOne;

template <class T>
class Interpreter {
 public:
  /// `parameters` are the program's, in recorded order, and stay where they are. At most `threads` threads work on a
  /// step, and one alone where that is faster. With `profiled` it takes times.
  /// For `skip_zeros` see CallPlanner.
  Interpreter(const Program& program, std::span<const T> parameters, std::size_t max_samples, std::size_t threads,
              bool profiled, bool skip_zeros = false);
  ~Interpreter();

  /// Computes everything for a batch whose rows were checked.
  GuardFailure run(const Binding& binding, const BatchRows& batch);

  /// From the next step on: results of the last one may be where it lies.
  void set_uniform_input(std::size_t index, double number);
  /// By which parameters gradients() has derivatives, also those of the last step; zero by the others.
  void set_trained(std::span<const Range> trained);

  T loss() const { return loss_; }
  /// What the last step computed for one of Program::assignments.
  T assigned(const ProgramAssignment& assignment) const { return uniform_[assignment.slot]; }
  /// From the first time on, every step puts them there.
  std::span<const T> gradients();
  /// parameters -= rate * gradients(), of those that are trained.
  void descend(T rate, T* parameters);
  std::span<const T> outputs(std::size_t samples) { return {arena_.data(outputs_), samples * program_.outputs.size()}; }
  std::span<const T> input_gradients(std::size_t samples) {
    return {arena_.data(input_gradients_), samples * program_.input_count};
  }
  std::size_t arena_bytes() const;
  std::size_t tile_samples() const { return tile_samples_; }
  Profile profile() const;

 private:
  // Of one_by_one.cpp.
  GuardFailure run_one_by_one(const Binding& binding, const BatchRows& batch);
  // Of repeated_steps.cpp.
  void find_weights_with_gaps();
  GuardFailure run_step(const Binding& binding, const BatchRows& batch);
  void put_uniform_inputs();
  GuardFailure run_prepared(const Binding& binding, const BatchRows& batch);
  GuardFailure run_profiled(const Binding& binding, const BatchRows& batch);
  GuardFailure run_stages(const Binding& binding, const BatchRows& batch);
  void start_runners();
  GuardFailure first_failure() const;
  T* gradients_data() { return gradients_in_place_ ? uniform_ + program_.gradients[0].slot : arena_.data(gradients_); }
  void sweep(std::size_t stage, const Binding& binding, const BatchRows& batch);
  void sweep_group(std::size_t stage, const Binding& binding, const BatchRows& batch, std::size_t group,
                   std::size_t groups, TileRunner<T>& runner);
  std::size_t groups_of(std::size_t samples) const {
    return std::clamp<std::size_t>(samples / least_group_samples, 1, most_groups_);
  }
  std::size_t threads_worth(std::size_t samples) const;
  template <class Task>
  void run_tasks(std::size_t count, std::size_t threads, const Task& task);
  void add_groups(Range totals, std::size_t groups);
  bool gradients_have_nan(std::size_t samples);
  Interpreter& again();
  GuardFailure run_again(const Binding& binding, const BatchRows& batch);
  void repeat_for_nan(const Binding& binding, const BatchRows& batch);
  void take_gradients(const BatchRows& batch);
  void collect_outputs(std::size_t samples);
  // Of frozen_gradients.cpp.
  bool gradients_are_in_place() const;
  bool hides_frozen() const;
  /// Calls function(begin, end) for the ranges that are not trained; some are empty.
  template <class F>
  void each_frozen(const F& function) const {
    std::uint32_t begin = 0;
    for (const Range trained : trained_) {
      function(begin, trained.begin);
      begin = trained.end;
    }
    function(begin, static_cast<std::uint32_t>(program_.parameters.size()));
  }
  void hide_frozen();
  void show_frozen();

  void finish_gradients();
  void form_gradients();
  void collect_gradients();
  /// Where the totals of a group are added up: the first group's are the uniform slots themselves.
  T* totals_of(std::size_t group) {
    return group == 0 ? first_totals_ : arena_.data(totals_) + (group - 1) * program_.total_count;
  }

  const Program& program_;
  std::span<const T> parameters_;
  std::unique_ptr<const KernelTable<T>> own_kernels_;  // those that skip zeros
  const KernelTable<T>& kernels_;
  const KernelTable<T>& descending_kernels_;  // however few the samples are
  std::size_t max_samples_;
  std::size_t tile_samples_;
  std::size_t batch_lanes_;  // between two batch slots
  std::size_t most_groups_;
  std::size_t threads_;
  double seconds_a_sample_;               // estimated
  std::size_t single_tile_;               // the most samples that are one tile of one group
  std::vector<Range> copied_parameters_;  // to the uniform slots, for the instructions that run once a step
  std::vector<Range> trained_;
  // The uniform slots have them side by side. Never changes, since who has looked at them once may still have the span.
  bool gradients_in_place_ = false;
  Arena<T> arena_;
  T* uniform_ = nullptr;     // slot 0
  std::vector<T> expected_;  // see StepBuffers
  std::vector<T> uniform_inputs_;
  bool is_prepared_ = false;  // the next step is: see run_prepared()
  std::size_t batch_, totals_, outputs_, input_gradients_, gradients_;
  T* samples_ = nullptr;       // the uniform slot that has their number
  T* first_totals_ = nullptr;  // the uniform slots that have the first group's
  std::optional<OnceRunner<T>> once_;
  std::vector<TileRunner<T>> runners_;  // one a thread
  FewSamples by_rows_;
  std::unique_ptr<RowRunner<T>> rows_;  // for steps of so few samples
  FewSamples by_ones_;
  std::unique_ptr<OneByOne<T>> one_by_one_;  // for those
  std::unique_ptr<ThreadPool> pool_;         // if there is more than one
  ThreadGain gain_;
  std::optional<HeldProducts<T>> held_;  // and its program trains all parameters that it is of
  std::mutex forming_;
  std::atomic<bool> formed_ = true;              // gradients() has those of the last step
  bool always_formed_ = false;                   // by every step
  bool descends_by_held_ = false;                // after the last step
  std::optional<GradientWatch> watch_;           // of a program whose steps may be repeated
  std::unique_ptr<Interpreter> skipping_zeros_;  // from the first step on that is repeated
  std::vector<Range> weights_with_gaps_;         // parameters: where one is not finite, gaps have to be left out
  bool may_run_again_ = false;
  T loss_ = T(0);
  std::optional<Profile> profile_;  // without what the runners have
};

extern template class Interpreter<float>;
extern template class Interpreter<double>;

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
