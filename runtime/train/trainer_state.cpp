// What a training run is saved as and goes on from, and whether it is the same run: by fingerprints of its data.
#include <algorithm>
#include <string>
#include <utility>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/hash.h"
#include "tapeloom/runtime/train/trainer.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

/// Never 0, which is for none.
std::uint64_t fingerprint(const Hash& hash) { return std::max<std::uint64_t>(hash.value(), 1); }

/// Of rows of what the executor is bound to. The samples of a recording without inputs are in its program.
template <class T>
std::uint64_t fingerprint(const Executor<T>& executor, std::span<const std::uint32_t> rows) {
  Hash result;
  for (const double number : executor.program().recorded_rows) result.add(number);
  const bool has_inputs = executor.program().recorded_samples == 0 && executor.program().input_count > 0;
  for (const std::uint32_t row : rows) {
    result.add(std::uint64_t{row});
    if (!has_inputs) continue;
    for (const double number : executor.bound_row(row)) result.add(number);
  }
  return fingerprint(result);
}

std::uint64_t fingerprint(std::span<const Range> trained) {
  Hash result;
  for (const Range range : trained) result.add(std::uint64_t{range.begin} << 32 | range.end);
  return fingerprint(result);
}

}  // namespace

template <class T>
void Trainer<T>::compute_fingerprints() const {
  if (fingerprints_) return;
  data_.bind(*executor_);
  Fingerprints found{.training = fingerprint(*executor_, split_.training), .validation = 0};
  const bool own_data = !options_.validation_data.empty();
  if (own_data) options_.validation_data.bind(model());
  then_bind_training_data([&] {
    if (!split_.validation.empty()) found.validation = fingerprint(own_data ? model() : *executor_, split_.validation);
  });
  fingerprints_ = found;
}

template <class T>
TrainerState<T> Trainer<T>::state() const {
  compute_fingerprints();
  TrainerState<T> state;
  state.parameters.assign(executor_->parameters().begin(), executor_->parameters().end());
  state.optimizer = optimizer_->state();
  state.epoch = epoch_;
  state.position = position_;
  state.loss_sum = loss_sum_;
  if (has_spare_) state.spare = spare_;
  state.restored = restored_;
  state.best = best_;
  state.best_epoch = history_.best_epoch;
  state.epochs = history_.epochs;
  state.batch = options_.batch;
  state.seed = options_.seed;
  state.training_rows = split_.training.size();
  state.validation_rows = split_.validation.size();
  state.shuffle = options_.shuffle;
  state.training_data = fingerprints_->training;
  state.validation_data = fingerprints_->validation;
  state.frozen = fingerprint(executor_->trained());
  if (!options_.schedule) state.configured_rate = configured_rate_;
  return state;
}

template <class T>
void Trainer<T>::check_state(const TrainerState<T>& state) const {
  const auto same = [](const char* what, std::uint64_t theirs, std::uint64_t ours) {
    if (theirs == ours) return;
    throw BindError(std::string("the saved run has another ") + what + ": " + std::to_string(theirs) + ", not " +
                    std::to_string(ours));
  };
  same("number of parameters", state.parameters.size(), executor_->parameters().size());
  same("batch size", state.batch, options_.batch);
  same("seed", state.seed, options_.seed);
  same("number of rows to train with", state.training_rows, split_.training.size());
  same("number of rows to validate with", state.validation_rows, split_.validation.size());
  if (state.shuffle != options_.shuffle)
    throw BindError("of the saved run and this one, one shuffles and one does not");
  const auto alike = [](std::uint64_t theirs, std::uint64_t ours, const char* what) {
    if (theirs != 0 && theirs != ours) throw BindError(what);
  };
  compute_fingerprints();
  alike(state.training_data, fingerprints_->training,
        "the saved run was trained on other data: as many rows, but not the same ones or not with the same numbers. To "
        "begin a new run with its weights, use import_weights");
  alike(state.validation_data, fingerprints_->validation,
        "the saved run was validated on other data: as many rows, but not the same ones or not with the same numbers");
  alike(state.frozen, fingerprint(executor_->trained()),
        "in the saved run other parameters are frozen; freeze the same ones by Executor::set_frozen before going on");
  const auto fits = [&](const std::vector<T>& numbers) {
    return numbers.empty() || numbers.size() == state.parameters.size();
  };
  bool good = fits(state.spare) && state.position <= state.training_rows &&
              (state.position % state.batch == 0 || state.position == state.training_rows) &&
              state.epochs.size() == state.epoch && state.best_epoch <= state.epoch &&
              !(state.restored && state.spare.empty());
  for (const auto& [name, numbers] : state.optimizer.moments) good = good && fits(numbers);
  for (const EpochReport& report : state.epochs) good = good && report.metrics.size() == options_.metrics.size();
  if (!good) throw BindError("the state does not fit together, or to the metrics of this run");
}

template <class T>
void Trainer<T>::restore(const TrainerState<T>& state) {
  check_state(state);
  std::vector<T> spare = state.spare;
  History history = {.epochs = state.epochs, .best_epoch = state.best_epoch};
  optimizer_->restore(state.optimizer);
  // Nothing below throws: everything is changed, or nothing.
  // A rate that a schedule has left is nobody's choice.
  if (state.configured_rate != configured_rate_) optimizer_->set_learning_rate(configured_rate_);
  executor_->set_parameters(state.parameters);
  epoch_ = state.epoch;
  position_ = state.position;
  loss_sum_ = state.loss_sum;
  ordered_ = false;
  has_spare_ = !spare.empty();
  if (has_spare_) spare_ = std::move(spare);
  restored_ = state.restored;
  best_ = state.best;
  history_ = std::move(history);
  settle();
  if (options_.patience == 0) has_spare_ = false;
}

#define TAPELOOM_TRAINER_STATE(T)                                      \
  template void Trainer<T>::compute_fingerprints() const;              \
  template TrainerState<T> Trainer<T>::state() const;                  \
  template void Trainer<T>::check_state(const TrainerState<T>&) const; \
  template void Trainer<T>::restore(const TrainerState<T>&);
TAPELOOM_TRAINER_STATE(float)
TAPELOOM_TRAINER_STATE(double)
#undef TAPELOOM_TRAINER_STATE

}  // namespace tapeloom::inline TAPELOOM_ABI
