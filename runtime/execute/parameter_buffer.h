// The numbers of a program's parameters, of which several executors may share one set; and which sets were trained.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tapeloom/core/program/program.h"
#include "tapeloom/runtime/execute/arena.h"
#include "tapeloom/runtime/execute/tile_plan.h"

namespace tapeloom::inline TAPELOOM_ABI {

class Tape;

namespace runtime {

/// What others may ask about a set of numbers while its owner is at work on them. All that live know of one another.
class TrainingRecord {
 public:
  /// `recording` as Program::recording; 0: nobody asks.
  explicit TrainingRecord(std::uint64_t recording);
  ~TrainingRecord();
  TrainingRecord(const TrainingRecord&) = delete;
  TrainingRecord& operator=(const TrainingRecord&) = delete;

  std::uint64_t recording() const { return recording_; }
  /// Whether the numbers became others than the recording's.
  bool trained() const { return trained_.load(std::memory_order_relaxed); }
  void set_trained(bool trained = true);

 private:
  std::uint64_t recording_;
  std::atomic<bool> trained_{false};
};

/// Whether a live set of numbers for that recording was trained.
bool any_trained(std::uint64_t recording);
/// Changes when any_trained() of some recording may have changed.
std::uint64_t training_changes();

}  // namespace runtime

template <class T>
class ParameterBuffer {
  runtime::Arena<T> arena_;  // so that they begin on a cache line: each update reads and writes all of them

 public:
  /// With the numbers and labels of the program's parameters.
  explicit ParameterBuffer(const Program& program) : record(program.recording) {
    // Matrices are read in whole vectors.
    const std::size_t piece = arena_.plan(program.parameters.size() + runtime::lane_unit);
    arena_.allocate();
    numbers = {arena_.data(piece), program.parameters.size()};
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      numbers[i] = static_cast<T>(program.parameters[i].initial);
      labels.push_back(program.parameters[i].label);
    }
  }

  /// Whether they are others than the program's initial ones.
  bool changed(const Program& program) const {
    for (std::size_t i = 0; i < program.parameters.size(); ++i) {
      if (numbers[i] != static_cast<T>(program.parameters[i].initial)) return true;
    }
    return false;
  }

  std::span<T> numbers;             ///< in recorded order
  std::vector<std::string> labels;  ///< of the same parameters, to tell whose they are
  /// Set as a whole, if only to what they were, or shared: another thread may be about to.
  std::atomic<bool> chosen{false};
  runtime::TrainingRecord record;
};

namespace runtime {

/// Throws BindError unless the program's parameters are the first of the buffer: it may know fewer, if more were
/// recorded after it, but not others.
template <class T>
void check_same_parameters(const Program& program, const ParameterBuffer<T>& buffer);
/// See Executor::copy_parameters_to.
template <class T>
void copy_parameters(const Program& program, const ParameterBuffer<T>& buffer, Tape& tape);
/// Throws BindError if the numbers are the recording's while other executors have trained theirs: who asks for `what`
/// then has forgotten to share them.
template <class T>
void check_not_forgotten(const char* what, const Program& program, const ParameterBuffer<T>& buffer);
/// The same of a program by itself, whose numbers are always the recording's.
void check_not_forgotten(const Program& program);

extern template void check_same_parameters(const Program&, const ParameterBuffer<float>&);
extern template void check_same_parameters(const Program&, const ParameterBuffer<double>&);
extern template void copy_parameters(const Program&, const ParameterBuffer<float>&, Tape&);
extern template void copy_parameters(const Program&, const ParameterBuffer<double>&, Tape&);
extern template void check_not_forgotten(const char*, const Program&, const ParameterBuffer<float>&);
extern template void check_not_forgotten(const char*, const Program&, const ParameterBuffer<double>&);

/// What an executor's steps have to look at because of whose numbers it has; most have nothing.
template <class T>
class ParameterWatch {
 public:
  /// Both must outlive it.
  ParameterWatch(const Program& program, ParameterBuffer<T>& buffer)
      : program_(program), buffer_(buffer), if_given_(program.recording == 0 ? 0 : may_have_changed) {}

  /// Of an executor that shares nobody's numbers: without gradients, it cannot have trained them.
  void watch_forgotten() {
    const bool cannot_train = !program_.has_gradients && !program_.parameters.empty();
    if (cannot_train && program_.recording != 0) watched_ |= may_be_forgotten;
  }
  /// Somebody is given the numbers, to write them.
  void given() { watched_ |= if_given_; }
  /// They were set as a whole.
  void chosen();
  /// Before a step. Throws BindError as check_not_forgotten.
  void check_step() {
    if (watched_ != 0) [[unlikely]]
      look();
  }

 private:
  enum Watched : std::uint8_t {
    may_be_forgotten = 1,  // a program without gradients, with initial parameters that nobody shares
    may_have_changed = 2,  // somebody was given the parameters to write, and they were not others yet
  };
  void look();

  const Program& program_;
  ParameterBuffer<T>& buffer_;
  std::uint8_t watched_ = 0;
  std::uint8_t if_given_;
  std::uint64_t seen_changes_ = 0;
};

extern template class ParameterWatch<float>;
extern template class ParameterWatch<double>;

}  // namespace runtime

}  // namespace tapeloom::inline TAPELOOM_ABI
