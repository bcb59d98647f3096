// Executor: runs a Program. Owns every buffer; a step allocates nothing.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <ranges>
#include <span>
#include <string_view>
#include <type_traits>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/base/ids.h"
#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI {

class DataView;
class Tape;
struct Profile;

struct ParameterTensor;

/// The trained numbers of one or more executors, in the order in which the parameters were recorded.
template <class T>
class ParameterBuffer;

/// An rvalue that holds the numbers itself, such as a vector that a function returns: a span of it shows memory that is
/// freed at the end of the statement. Spans and other views (std::ranges::borrowed_range) are none, wherever they come
/// from.
template <class Rows>
concept ExpiringRows =
    !std::is_lvalue_reference_v<Rows> && !std::ranges::borrowed_range<Rows> &&
    (std::convertible_to<Rows, std::span<const float>> || std::convertible_to<Rows, std::span<const double>>);

struct ExecutorOptions {
  /// The most samples one step may have. With 1, a program may have faster instructions: Program::of_one_sample.
  std::size_t max_samples = 1024;
  /// How many threads may work on a step; 0: as many as the machine runs at once. A step that is too small to gain by
  /// it is run by the caller alone, and so are steps for a while after one that other threads made longer, as on a
  /// machine whose processors are taken. If the system starts fewer threads, those do. The results are the same bits
  /// for every number.
  std::size_t threads = 0;
  /// Refuse NaN and infinity while binding; for float also what is too large to be one.
  bool check_finite = false;
  /// Time every instruction, for profile(). Without, nothing is timed and no time lost.
  bool profile = false;
};

/// T is float or double. One step computes the outputs, the loss and the gradients over a batch of the bound rows;
/// updating the parameters is the optimizer's. An executor is used by one thread at a time. In a process that forks,
/// the child may go on with it, on the thread that does, with the same bits; executors made in the child have threads
/// again.
template <class T>
class TAPELOOM_API Executor {
 public:
  /// Allocates all buffers. Parameters start at the numbers they had on the tape, also where another executor has
  /// trained its own: those are shared by the constructors below. Throws BindError for max_samples = 0, for more of
  /// them than there is memory for, and for an exact program with T = float.
  explicit Executor(std::shared_ptr<const Program> program, const ExecutorOptions& options = {});
  explicit Executor(Program program, const ExecutorOptions& options = {});
  /// Shares the parameters of an executor whose program came from the same tape: what trains one is seen by the other.
  template <class U>
  requires std::is_same_v<T, U> Executor(Program program, const Executor<U>& parameters_of,
                                         const ExecutorOptions& options = {})
      : Executor(std::make_shared<const Program>(std::move(program)), parameters_of.shared_parameters(), options) {}
  Executor(std::shared_ptr<const Program> program, std::shared_ptr<ParameterBuffer<T>> parameters,
           const ExecutorOptions& options = {});
  /// A moved-from executor can only be assigned to or destroyed.
  Executor(Executor&&) noexcept;
  Executor& operator=(Executor&&) noexcept;
  ~Executor();

  // --- binding ----------------------------------------------------------------------------------------------------
  // Rows are row-major, one a sample, and are read in place: the span must stay alive and unchanged in length until it
  // is bound again. A `row_stride` larger than the group's count skips numbers between rows.

  /// The rows of the input group of that name. Throws BindError for an unknown name or a length that is no whole number
  /// of rows.
  void bind(std::string_view group, std::span<const float> rows, std::size_t row_stride = 0);
  void bind(std::string_view group, std::span<const double> rows, std::size_t row_stride = 0);
  /// The rows of all groups side by side, in recorded order. Where the program does not read all groups, `row_stride`
  /// must say how many numbers a row has: those of the groups it reads, which are then side by side without the others,
  /// or as many as all groups have, or more. Throws BindError without it, since rows of one kind could pass for more or
  /// fewer rows of the other.
  void bind(std::span<const float> rows, std::size_t row_stride = 0);
  void bind(std::span<const double> rows, std::size_t row_stride = 0);
  /// Numbers that are gone before the step.
  template <ExpiringRows Rows>
  void bind(std::string_view group, Rows&& rows, std::size_t row_stride = 0) = delete;
  template <ExpiringRows Rows>
  void bind(Rows&& rows, std::size_t row_stride = 0) = delete;
  /// The rows that every used group has. Throws BindError if their numbers differ or one is not bound. A program that
  /// uses no inputs has one.
  std::size_t bound_rows() const;
  /// The numbers bound for a row: of all inputs, in recorded order; zero for groups that the program does not read.
  /// Throws BindError for a row that is not there.
  std::vector<double> bound_row(std::size_t row) const;
  /// The number of a uniform input, from the next step on.
  void set_uniform_input(std::string_view name, double number);
  /// The next step has the random numbers of that step of that seed, and those after it the ones that follow: see
  /// Tape::randoms. Without, a first step is step 0 of seed 0. A Trainer says it before each step, with
  /// FitOptions::seed and the number of the optimizer's updates. A step that a guard fails counts. Numbers do not
  /// depend on the number of threads, and all steps of executors with one seed have the same.
  void seed_random(std::uint64_t seed, std::uint64_t step = 0);

  // --- running ----------------------------------------------------------------------------------------------------
  // Throws BindError if a used group is not bound, the batch is empty or larger than max_samples, or a row does not
  // exist (a program without inputs has only row 0, everything recorded); GuardError if a recorded branch goes the
  // other way. Then there are no results until the next good step, and the parameters are untouched.
  //
  // A step of a program without gradients whose parameters are the recording's is refused, too, while an executor for
  // the same tape is there that has trained others: to share them was forgotten. So are predict, save_program and
  // export_weights, of any program, unless executors share the parameters: then those are meant.

  /// All bound rows (one sample for a program without inputs). Returns the loss, zero without one.
  T step();
  /// Rows first, ..., first + count - 1.
  T step(std::size_t first, std::size_t count);
  /// The rows of these numbers, in this order; a row may come more than once.
  T step(std::span<const std::uint32_t> rows);

  // Results of the last step. Throws BindError if it failed, or if the program was not compiled for them.

  T loss() const;
  /// samples x outputs, row-major.
  std::span<const T> outputs() const;
  /// One number a parameter, in recorded order; zero for frozen ones. The same memory after every step.
  std::span<const T> gradients() const;
  /// parameters() -= rate * gradients() of the last step, which is what Sgd does without momentum or decay. Where a
  /// step has one sample and weights are many it takes less time than to look at gradients(), since these are never
  /// formed; the results may differ by a rounding.
  void descend(T rate);
  /// samples x inputs, row-major.
  std::span<const T> input_gradients() const;

  // --- parameters -------------------------------------------------------------------------------------------------

  std::span<const T> parameters() const;
  /// The same, to be written.
  std::span<T> parameters();
  void set_parameters(std::span<const T> numbers);
  const std::shared_ptr<ParameterBuffer<T>>& shared_parameters() const;
  /// Excludes parameters from training, or includes them again: of frozen ones gradients() has zeros from now on, and
  /// optimizers leave them alone, moments and decay included. Executors that share the parameters do not share this. A
  /// parameter that was frozen when the program was compiled has no derivatives and stays frozen. Throws BindError for
  /// an attempt to thaw one, for a parameter the program does not have, and if it computes no gradients; then nothing
  /// is changed.
  ///
  ///   executor.set_frozen(tensor_layout(network.layers()[0]));
  void set_frozen(std::span<const ParameterId> parameters, bool frozen = true);
  void set_frozen(const std::vector<ParameterTensor>& layout, bool frozen = true);
  /// The parameters that are not frozen, ascending.
  std::span<const Range> trained() const;
  /// Puts into the frozen parameters that the program keeps from step to step (see Tape::assign) what the last step
  /// computed for them; nothing if it keeps none. Optimizers do so with each update; who updates parameters by hand
  /// calls it. Throws BindError if the last step failed.
  void apply_assignments();
  /// Writes the trained numbers back into the leaves of the tape the program was recorded on, or of one recorded alike.
  /// Throws BindError if its parameters are not the program's, and if the program's were dropped by a rewind, or any
  /// compaction of the tape happened, after it was compiled: others may stand in their places.
  void copy_parameters_to(Tape& tape) const;

  /// As it was compiled: its parameters have their initial numbers, and what was frozen then. Use save_program(path,
  /// executor) to save the trained ones.
  const Program& program() const;
  std::size_t max_samples() const;
  /// Bytes of all buffers, and samples in a tile.
  std::size_t arena_bytes() const;
  std::size_t tile_samples() const;
  /// Where the time of all steps so far went (profile.h). Throws BindError unless ExecutorOptions::profile asked for
  /// it.
  Profile profile() const;

 private:
  friend class DataView;
  /// Throws what bind does, and binds nothing. Without a name: of all groups.
  void check_bind(std::string_view group, std::span<const float> rows, std::size_t row_stride) const;
  void check_bind(std::string_view group, std::span<const double> rows, std::size_t row_stride) const;

  struct TAPELOOM_INTERNAL State;
  std::unique_ptr<State> state_;
};

extern template class Executor<float>;
extern template class Executor<double>;

}  // namespace tapeloom::inline TAPELOOM_ABI
