#include "tapeloom/runtime/train/trainer.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/number_text.h"
#include "tapeloom/runtime/execute/parameter_buffer.h"
#include "tapeloom/runtime/kernels/kernels.h"
#include "tapeloom/runtime/train/clip.h"
#include "tapeloom/runtime/train/divergence.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

template <class T>
std::unique_ptr<Optimizer<T>> make_optimizer(const FitOptions& options) {
  if (const auto* sgd = std::get_if<SgdOptions>(&options.optimizer)) return std::make_unique<Sgd<T>>(*sgd);
  return std::make_unique<Adam<T>>(std::get<AdamOptions>(options.optimizer));
}

void check_limit(const char* option, double number) {
  if (number >= 0.0 && std::isfinite(number)) return;
  throw BindError(std::string("FitOptions::") + option + " must be a finite number, zero or more; it is " +
                  number_text(number));
}

void check_rows(const char* option, std::span<const std::uint32_t> rows, std::size_t count) {
  const auto wrong = std::find_if(rows.begin(), rows.end(), [count](std::uint32_t row) { return row >= count; });
  if (wrong == rows.end()) return;
  throw BindError(std::string("FitOptions::split.") + option + " names row " + std::to_string(*wrong) +
                  "; the data have " + std::to_string(count));
}

std::size_t find_metric(const FitOptions& options) {
  std::size_t found = 0;
  while (found < options.metrics.size() && options.metrics[found].name != options.monitor) ++found;
  if (options.monitor.empty()) return options.metrics.size();
  if (found == options.metrics.size()) {
    throw BindError("FitOptions::monitor: there is no metric \"" + options.monitor + "\"");
  }
  return found;
}

/// Mixes numbers, one after another, into one.
class Fingerprint {
 public:
  void add(std::uint64_t number) {
    state_ = (state_ ^ number) * 0x9e3779b97f4a7c15;  // 2^64 divided by the golden ratio
    state_ ^= state_ >> 32;
  }
  void add(double number) { add(std::bit_cast<std::uint64_t>(number)); }
  /// Never 0, which is for none.
  std::uint64_t number() const { return state_ == 0 ? 1 : state_; }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325;
};

/// Of rows of what the executor is bound to. The samples of a recording without inputs are in its program.
template <class T>
std::uint64_t fingerprint(const Executor<T>& executor, std::span<const std::uint32_t> rows) {
  Fingerprint result;
  for (const double number : executor.program().recorded_rows) result.add(number);
  const bool has_inputs = executor.program().recorded_samples == 0 && executor.program().input_count > 0;
  for (const std::uint32_t row : rows) {
    result.add(std::uint64_t{row});
    if (!has_inputs) continue;
    for (const double number : executor.bound_row(row)) result.add(number);
  }
  return result.number();
}

std::uint64_t fingerprint(std::span<const Range> trained) {
  Fingerprint result;
  for (const Range range : trained) result.add(std::uint64_t{range.begin} << 32 | range.end);
  return result.number();
}

}  // namespace

template <class T>
Trainer<T>::Trainer(Executor<T>& executor, const DataView& data, const FitOptions& options, Executor<T>* predictor)
    : Trainer(executor, data, options, make_optimizer<T>(options), predictor) {}

template <class T>
Trainer<T>::Trainer(Executor<T>& executor, const DataView& data, const FitOptions& options,
                    std::unique_ptr<Optimizer<T>> optimizer, Executor<T>* predictor)
    : executor_(&executor),
      predictor_(predictor),
      data_(data),
      options_(options),
      optimizer_(std::move(optimizer)),
      monitored_metric_(find_metric(options)) {
  check_options();
  configured_rate_ = optimizer_->learning_rate();
  executor.shared_parameters()->chosen = true;  // to be trained from what they are
  choose_rows();
  const std::size_t parameters = executor.parameters().size();
  order_ = split_.training;
  if (options_.patience > 0) spare_.resize(parameters);
  if (options_.clip_norm > 0.0 || options_.clip_value > 0.0) clipped_.resize(parameters);
  if (!options_.metrics.empty()) outputs_.resize(evaluated_rows().size() * model().program().outputs.size());
  settle();
}

template <class T>
void Trainer<T>::check_options() const {
  if (executor_->program().gradients.empty()) {
    throw BindError("the program to train computes no gradients: it was compiled for inference or without them");
  }
  if (!optimizer_) throw BindError("a trainer needs an optimizer");
  if (!options_.checkpoint.empty()) {
    throw BindError(
        "FitOptions::checkpoint is for fit, which saves the run there and goes on from it; a Trainer is saved by "
        "save_checkpoint(path, trainer) and goes on by load_checkpoint(path, trainer)");
  }
  if (options_.batch == 0) throw BindError("FitOptions::batch is 0; a step needs at least one sample");
  if (options_.batch > executor_->max_samples()) {
    throw BindError(
        "FitOptions::batch is " + std::to_string(options_.batch) +
        ", more than the executor's ExecutorOptions::max_samples = " + std::to_string(executor_->max_samples()));
  }
  check_limit("clip_norm", options_.clip_norm);
  check_limit("clip_value", options_.clip_value);
  check_limit("min_delta", options_.min_delta);
  if (predictor_ != nullptr && predictor_->shared_parameters() != executor_->shared_parameters()) {
    throw BindError("the predictor must share the parameters of the executor that is trained");
  }
  for (const Metric& metric : options_.metrics) {
    if (!metric.function) throw BindError("the metric \"" + metric.name + "\" has no function");
    if (model().program().outputs.empty()) {
      throw BindError("the metric \"" + metric.name + "\" needs outputs, and the program was compiled without any");
    }
  }
}

template <class T>
void Trainer<T>::choose_rows() {
  data_.bind(*executor_);
  const std::size_t rows = executor_->bound_rows();
  const bool given = !options_.split.training.empty() || !options_.split.validation.empty();
  if (given && options_.validation_fraction != 0.0) {
    throw BindError("FitOptions::split and validation_fraction exclude each other");
  }
  split_ = given ? options_.split : split_rows(rows, options_.validation_fraction, options_.seed);
  check_rows("training", split_.training, rows);
  check_rows("validation", split_.validation, rows);
  if (split_.training.empty()) throw BindError("there are no rows to train with");
  if (!options_.validation_data.empty()) {
    if (!split_.validation.empty()) {
      throw BindError("FitOptions::validation_data takes the place of a part of the data; give one of them");
    }
    options_.validation_data.bind(model());
    split_.validation.resize(model().bound_rows());
    std::iota(split_.validation.begin(), split_.validation.end(), std::uint32_t{0});
  } else if (predictor_ != nullptr) {
    data_.bind(*predictor_, rows);  // it may read fewer groups than the executor
  }
  if (options_.patience > 0 && options_.monitor.empty() && !split_.validation.empty() && !validates_loss()) {
    throw BindError("the predictor was compiled without a loss, so FitOptions::monitor must name a metric");
  }
}

template <class T>
bool Trainer<T>::step() {
  if (history_.end == FitEnd::callback) history_.end = FitEnd::not_yet;
  // A run may have been stopped between an epoch's last step and its end.
  if (history_.end == FitEnd::not_yet && position_ == order_.size()) end_epoch();
  if (history_.end != FitEnd::not_yet) return false;
  if (!ordered_) begin_epoch();

  const std::size_t count = std::min(options_.batch, order_.size() - position_);
  if (options_.schedule) optimizer_->set_learning_rate(options_.schedule(optimizer_->steps()));
  StepReport report{.epoch = epoch_ + 1,
                    .batch = position_ / options_.batch + 1,
                    .batches = (order_.size() + options_.batch - 1) / options_.batch,
                    .learning_rate = optimizer_->learning_rate()};
  const std::span<const std::uint32_t> rows = std::span(order_).subspan(position_, count);
  report.loss = static_cast<double>(executor_->step(rows));
  if (!std::isfinite(report.loss) || !update(report)) {
    diverge(report, rows);
    return false;
  }
  position_ += count;
  loss_sum_ += report.loss * static_cast<double>(count);
  report.step = optimizer_->steps();
  if (!options_.on_step(report)) {
    history_.end = FitEnd::callback;
  } else if (position_ == order_.size()) {
    end_epoch();
  }
  return history_.end == FitEnd::not_yet;
}

template <class T>
const History& Trainer<T>::run() {
  while (step()) {
  }
  return history_;
}

/// False if the gradients, clipped or not, are not finite; then nothing is updated.
template <class T>
bool Trainer<T>::update(StepReport& report) {
  std::span<const T> gradients = executor_->gradients();
  if (!clipped_.empty()) {
    std::copy(gradients.begin(), gradients.end(), clipped_.begin());
    gradients = clipped_;
    if (options_.clip_value > 0.0) clip_by_value(clipped_, options_.clip_value);
    if (options_.clip_norm > 0.0) {
      report.gradient_norm = clip_by_norm(clipped_, options_.clip_norm);
      if (!std::isfinite(report.gradient_norm)) return false;
    }
  }
  static const runtime::KernelTable<T>& kernels = runtime::kernels<T>();
  if (!kernels.all_finite(gradients.data(), gradients.size())) return false;
  optimizer_->update(*executor_, gradients);
  return true;
}

template <class T>
void Trainer<T>::diverge(const StepReport& report, std::span<const std::uint32_t> rows) {
  history_.end = FitEnd::diverged;
  history_.divergence = runtime::find_divergence(*executor_, rows,
                                                 {.step = optimizer_->steps() + 1,
                                                  .epoch = report.epoch,
                                                  .batch = report.batch,
                                                  .loss = report.loss,
                                                  .gradient_norm = report.gradient_norm,
                                                  .learning_rate = report.learning_rate});
  data_.bind(*executor_);
  executor_->step(rows);  // its results are there to be looked at
}

template <class T>
void Trainer<T>::begin_epoch() {
  if (predictor_ == nullptr && !options_.validation_data.empty()) data_.bind(*executor_);
  // Of the epoch's number only, so that a run can go on in the middle of one.
  std::copy(split_.training.begin(), split_.training.end(), order_.begin());
  if (options_.shuffle) shuffle_rows(order_, options_.seed, epoch_);
  ordered_ = true;
}

template <class T>
void Trainer<T>::end_epoch() {
  EpochReport report{.epoch = epoch_ + 1,
                     .steps = optimizer_->steps(),
                     .loss = loss_sum_ / static_cast<double>(order_.size()),
                     .metrics = {},
                     .learning_rate = optimizer_->learning_rate()};
  validate(report);
  const double now = monitored(report);
  const bool more = monitored_metric_ < options_.metrics.size() && options_.more_is_better;
  report.best = history_.best_epoch == 0 ? !std::isnan(now)
                                         : (more ? now > best_ + options_.min_delta : now < best_ - options_.min_delta);
  if (report.best) {
    best_ = now;
    history_.best_epoch = report.epoch;
    if (options_.patience > 0) {
      std::copy(executor_->parameters().begin(), executor_->parameters().end(), spare_.begin());
      has_spare_ = true;
    }
  }
  ++epoch_;
  position_ = 0;
  loss_sum_ = 0.0;
  ordered_ = false;
  history_.epochs.push_back(std::move(report));
  settle();
  if (!options_.on_epoch(history_.epochs.back()) && history_.end == FitEnd::not_yet) history_.end = FitEnd::callback;
}

template <class T>
void Trainer<T>::validate(EpochReport& report) {
  if (split_.validation.empty() && options_.metrics.empty()) return;
  Executor<T>& executor = model();
  if (predictor_ == nullptr && !options_.validation_data.empty()) options_.validation_data.bind(executor);
  const std::span<const std::uint32_t> rows = evaluated_rows();
  double loss = 0.0;
  std::size_t outputs = 0;
  for (std::size_t first = 0; first < rows.size(); first += executor.max_samples()) {
    const std::size_t count = std::min(executor.max_samples(), rows.size() - first);
    executor.step(rows.subspan(first, count));
    if (validates_loss()) loss += static_cast<double>(executor.loss()) * static_cast<double>(count);
    if (options_.metrics.empty()) continue;
    for (T output : executor.outputs()) outputs_[outputs++] = static_cast<double>(output);
  }
  if (validates_loss() && !split_.validation.empty()) report.validation_loss = loss / static_cast<double>(rows.size());
  for (const Metric& metric : options_.metrics) report.metrics.push_back(metric.function(outputs_, rows));
}

template <class T>
double Trainer<T>::monitored(const EpochReport& report) const {
  if (monitored_metric_ < report.metrics.size()) return report.metrics[monitored_metric_];
  return split_.validation.empty() ? report.loss : report.validation_loss;
}

/// Finds out whether the run is at its end, and sees to it that the parameters are those that belong there.
template <class T>
void Trainer<T>::settle() {
  const bool tired = options_.patience > 0 && epoch_ - history_.best_epoch >= options_.patience;
  history_.end = epoch_ >= options_.epochs ? FitEnd::epochs : tired ? FitEnd::patience : FitEnd::not_yet;
  const bool wants_best = history_.end != FitEnd::not_yet && options_.patience > 0 && options_.restore_best;
  if (has_spare_ && wants_best != restored_) {
    const std::span<T> parameters = executor_->parameters();
    std::swap_ranges(spare_.begin(), spare_.end(), parameters.begin());
    restored_ = wants_best;
  }
}

template <class T>
void Trainer<T>::compute_fingerprints() const {
  if (fingerprints_) return;
  data_.bind(*executor_);
  Fingerprints found{.training = fingerprint(*executor_, split_.training), .validation = 0};
  const bool own_data = !options_.validation_data.empty();
  if (own_data) options_.validation_data.bind(model());
  if (!split_.validation.empty()) found.validation = fingerprint(own_data ? model() : *executor_, split_.validation);
  if (own_data && predictor_ == nullptr) data_.bind(*executor_);
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

template class Trainer<float>;
template class Trainer<double>;

}  // namespace tapeloom::inline TAPELOOM_ABI
