// The numbers of a program's parameters, of which several executors may share one set; and which sets were trained.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tapeloom/core/program/program.h"
#include "tapeloom/runtime/execute/arena.h"

namespace tapeloom::inline TAPELOOM_ABI {

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
    const std::size_t piece = arena_.plan(program.parameters.size());
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
  bool chosen = false;              ///< set as a whole, if only to what they were
  runtime::TrainingRecord record;
};

namespace runtime {

/// Throws BindError if the numbers are the recording's while other executors have trained theirs: who asks for `what`
/// then has forgotten to share them.
template <class T>
void check_not_forgotten(const char* what, const Program& program, const ParameterBuffer<T>& buffer);
/// The same of a program by itself, whose numbers are always the recording's.
void check_not_forgotten(const Program& program);

extern template void check_not_forgotten(const char*, const Program&, const ParameterBuffer<float>&);
extern template void check_not_forgotten(const char*, const Program&, const ParameterBuffer<double>&);

}  // namespace runtime

}  // namespace tapeloom::inline TAPELOOM_ABI
