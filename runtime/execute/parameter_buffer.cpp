#include "tapeloom/runtime/execute/parameter_buffer.h"

#include <pthread.h>

#include <algorithm>
#include <mutex>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/record/tape.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

// There before anything runs: made at its first use, a mutex looks like a race to programs with ThreadSanitizer that
// are linked with a library without.
constinit std::mutex live_mutex;
constinit std::atomic<std::uint64_t> live_changes{1};

/// Under the mutex. Never destroyed, since executors may be static.
std::vector<const TrainingRecord*>& live() {
  static auto& records = *new std::vector<const TrainingRecord*>;
  return records;
}

void unlock() { live_mutex.unlock(); }
// From before anybody can be at work on them: a fork waits for those who are. The child, which has no other threads,
// would wait for ever.
[[maybe_unused]] const int fork_waits = pthread_atfork([] { live_mutex.lock(); }, unlock, unlock);

}  // namespace

TrainingRecord::TrainingRecord(std::uint64_t recording) : recording_(recording) {
  if (recording == 0) return;
  const std::lock_guard lock(live_mutex);
  live().push_back(this);
}

TrainingRecord::~TrainingRecord() {
  if (recording_ == 0) return;
  const std::lock_guard lock(live_mutex);
  std::erase(live(), this);
}

void TrainingRecord::set_trained(bool trained) {
  if (trained_.exchange(trained, std::memory_order_relaxed) == trained) return;
  live_changes.fetch_add(1, std::memory_order_relaxed);
}

bool any_trained(std::uint64_t recording) {
  const std::lock_guard lock(live_mutex);
  return std::any_of(live().begin(), live().end(), [recording](const TrainingRecord* record) {
    return record->recording() == recording && record->trained();
  });
}

std::uint64_t training_changes() { return live_changes.load(std::memory_order_relaxed); }

template <class T>
void check_same_parameters(const Program& program, const ParameterBuffer<T>& buffer) {
  if (program.parameters.size() > buffer.numbers.size()) {
    throw BindError("the program has " + std::to_string(program.parameters.size()) +
                    " parameters, but the executor to share with has " + std::to_string(buffer.numbers.size()));
  }
  for (std::size_t i = 0; i < program.parameters.size(); ++i) {
    if (program.parameters[i].label != buffer.labels[i]) {
      throw BindError("parameter " + std::to_string(i) + " is \"" + program.parameters[i].label +
                      "\" in the program, but \"" + buffer.labels[i] + "\" in the executor to share with");
    }
  }
}

template <class T>
void copy_parameters(const Program& program, const ParameterBuffer<T>& buffer, Tape& tape) {
  const auto& own = program.parameters;
  const Tape::Mark compiled{.generation = program.generation, .tape = program.tape};
  const auto refuse = [&](std::size_t i, const std::string& why) {
    throw BindError("copy_parameters_to: parameter " + std::to_string(i) + " of the program, \"" + own[i].label +
                    "\", " + why);
  };
  for (std::size_t i = 0; compiled.tape == tape.mark().tape && i < own.size(); ++i) {
    if (tape.holds(own[i].node, compiled)) continue;
    refuse(i,
           "was dropped or moved by a rewind or a compaction of the tape after the program was compiled; copy before "
           "that, rewind to a mark() that is taken after the parameters, or compile again");
  }
  for (std::size_t i = 0; i < own.size(); ++i) {
    if (i >= tape.parameters().size() || tape.parameters()[i].node != own[i].node ||
        tape.label(own[i].node) != own[i].label) {
      refuse(i, "is not parameter " + std::to_string(i) + " of this tape");
    }
  }
  for (std::size_t i = 0; i < own.size(); ++i) tape.set_data(own[i].node, static_cast<double>(buffer.numbers[i]));
}

template <class T>
void check_not_forgotten(const char* what, const Program& program, const ParameterBuffer<T>& buffer) {
  if (program.recording == 0 || program.parameters.empty()) return;
  if (buffer.chosen || buffer.record.trained() || !any_trained(program.recording) || buffer.changed(program)) return;
  throw BindError(
      std::string(what) +
      ": this executor has the initial numbers of the recording, and another executor for the same tape has "
      "trained its own. Share them, as in Executor<float> predictor(program, trained), in Python by "
      "parameters_of=trained, or copy them by set_parameters, in Python by executor.parameters = trained.parameters; "
      "either of these with the initial numbers, too, says that those are meant");
}

void check_not_forgotten(const Program& program) {
  if (program.recording == 0 || program.parameters.empty() || !any_trained(program.recording)) return;
  throw BindError(
      "save_program: a program has the initial numbers of its recording, and an executor has trained others. "
      "save_program(path, executor) saves those; to save the initial ones, do it before training, or set "
      "Program::recording of a copy to 0");
}

template <class T>
void ParameterWatch<T>::chosen() {
  buffer_.chosen = true, watched_ = 0;
  buffer_.record.set_trained(buffer_.changed(program_));
  if_given_ = program_.recording == 0 || buffer_.record.trained() ? 0 : may_have_changed;
}

template <class T>
void ParameterWatch<T>::look() {
  if ((watched_ & may_have_changed) != 0 && buffer_.changed(program_)) {
    buffer_.record.set_trained();
    watched_ = if_given_ = 0;
  }
  if ((watched_ & may_be_forgotten) == 0) return;
  const std::uint64_t changes = training_changes();
  if (changes == seen_changes_) return;
  check_not_forgotten("step", program_, buffer_);
  seen_changes_ = changes;
}

template class ParameterWatch<float>;
template class ParameterWatch<double>;
template void check_same_parameters(const Program&, const ParameterBuffer<float>&);
template void check_same_parameters(const Program&, const ParameterBuffer<double>&);
template void copy_parameters(const Program&, const ParameterBuffer<float>&, Tape&);
template void copy_parameters(const Program&, const ParameterBuffer<double>&, Tape&);
template void check_not_forgotten(const char*, const Program&, const ParameterBuffer<float>&);
template void check_not_forgotten(const char*, const Program&, const ParameterBuffer<double>&);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
