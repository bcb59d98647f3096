#include "tapeloom/runtime/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <string>
#include <system_error>
#include <utility>

#include "tapeloom/core/base/error.h"
#include "tapeloom/runtime/execute/parameter_buffer.h"
#include "tapeloom/runtime/kernels/kernels.h"
#include "tapeloom/runtime/train/checkpoint.h"
#include "tapeloom/runtime/train/divergence.h"
#include "tapeloom/runtime/train/optimizer.h"
#include "tapeloom/runtime/train/option_checks.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

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

/// The best parameters and the last ones.
template <class T>
void exchange(std::span<T> parameters, std::vector<T>& spare) {
  std::swap_ranges(spare.begin(), spare.end(), parameters.begin());
}

}  // namespace

template <class T>
Trainer<T>::Trainer(Executor<T>& executor, const DataView& data, const FitOptions& options, Executor<T>* predictor)
    : Trainer(executor, data, options, make_optimizer<T>(options.optimizer), predictor) {}

template <class T>
Trainer<T>::Trainer(Executor<T>& executor, const DataView& data, const FitOptions& options,
                    std::unique_ptr<Optimizer<T>> optimizer, Executor<T>* predictor)
    : executor_(&executor),
      predictor_(predictor == &executor ? nullptr : predictor),
      data_(data),
      options_(options),
      optimizer_(std::move(optimizer)),
      monitored_metric_(find_metric(options)) {
  check_options();
  configured_rate_ = optimizer_->learning_rate();
  executor.shared_parameters()->chosen = true;  // to be trained from what they are
  choose_rows();
  check_validates_inference();
  const std::size_t parameters = executor.parameters().size();
  order_ = split_.training;
  if (options_.patience > 0) spare_.resize(parameters);
  if (options_.clip_norm > 0.0 || options_.clip_value > 0.0) clipped_.resize(parameters);
  if (!options_.metrics.empty()) outputs_.resize(evaluated_rows().size() * model().program().outputs.size());
  settle();
}

template <class T>
void Trainer<T>::check_options() const {
  runtime::check_trainable(executor_->program());
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
  runtime::check_not_negative("FitOptions::clip_norm", options_.clip_norm);
  runtime::check_not_negative("FitOptions::clip_value", options_.clip_value);
  runtime::check_not_negative("FitOptions::min_delta", options_.min_delta);
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

/// What is validated must not have dropout, nor statistics of the rows it is validated with.
template <class T>
void Trainer<T>::check_validates_inference() const {
  const bool validates = !split_.validation.empty() || !options_.metrics.empty();
  if (!validates || !model().program().is_of_training) return;
  throw BindError(
      "this program computes something else in training than in inference, as dropout and batch normalisation do, so "
      "it cannot validate; give a predictor that shares its parameters, whose program is compiled by "
      "compile_inference, or by compile(loss, {.gradients = false}) if its loss is wanted");
}

template <class T>
void Trainer<T>::choose_rows() {
  data_.bind(*executor_);
  data_.check_complete(executor_->program());
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
    if (data_.empty() && predictor_ == nullptr) {
      throw BindError(
          "FitOptions::validation_data would be bound in place of the rows that are, which are in no DataView to be "
          "bound again; give them as data, or a predictor that validates");
    }
    options_.validation_data.bind(model());
    then_bind_training_data([&] {
      options_.validation_data.check_complete(model().program());
      split_.validation.resize(model().bound_rows());
      std::iota(split_.validation.begin(), split_.validation.end(), std::uint32_t{0});
    });
  } else if (predictor_ != nullptr) {
    data_.bind(*predictor_, rows);  // it may read fewer groups than the executor
    data_.check_complete(predictor_->program());
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
  report.loss = static_cast<double>(train_on(rows));
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

/// Random numbers are those of the update that follows, wherever the run has begun.
template <class T>
T Trainer<T>::train_on(std::span<const std::uint32_t> rows) {
  executor_->seed_random(options_.seed, optimizer_->steps());
  return executor_->step(rows);
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
  train_on(rows);  // its results are there to be looked at
  if (has_spare_ && options_.restore_best && !restored_) {
    exchange(executor_->parameters(), spare_);
    restored_ = true;
  }
}

/// What is done while rows of their own to validate with are bound in their place; also where it throws.
template <class T>
void Trainer<T>::then_bind_training_data(const std::function<void()>& use) const {
  const auto bind = [&] {
    if (predictor_ == nullptr && !options_.validation_data.empty()) data_.bind(*executor_);
  };
  try {
    use();
  } catch (...) {
    bind();
    throw;
  }
  bind();
}

template <class T>
void Trainer<T>::begin_epoch() {
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
  // A run that goes on from a state has another predictor, which has not run before.
  executor.seed_random(options_.seed, optimizer_->steps());
  then_bind_training_data([&] {
    for (std::size_t first = 0; first < rows.size(); first += executor.max_samples()) {
      const std::size_t count = std::min(executor.max_samples(), rows.size() - first);
      executor.step(rows.subspan(first, count));
      if (validates_loss()) loss += static_cast<double>(executor.loss()) * static_cast<double>(count);
      if (options_.metrics.empty()) continue;
      for (T output : executor.outputs()) outputs_[outputs++] = static_cast<double>(output);
    }
  });
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
    exchange(executor_->parameters(), spare_);
    restored_ = wants_best;
  }
}

template <class T>
History fit(Executor<T>& executor, const DataView& data, const FitOptions& options, Executor<T>* predictor) {
  if (options.checkpoint.empty()) return Trainer<T>(executor, data, options, predictor).run();
  FitOptions saving = options;
  saving.checkpoint.clear();
  const Trainer<T>* running = nullptr;
  const auto save = [&] { save_checkpoint(options.checkpoint, *running, options.layout); };
  saving.on_epoch = [&](const EpochReport& report) {
    save();
    return options.on_epoch(report);
  };
  Trainer<T> trainer(executor, data, saving, predictor);
  running = &trainer;
  // Where it cannot be told, as in a folder that may not be looked into, reading says why.
  std::error_code unknown;
  if (std::filesystem::exists(options.checkpoint, unknown) || unknown) {
    load_checkpoint(options.checkpoint, trainer, options.layout);
  }
  trainer.run();
  if (trainer.history().end == FitEnd::callback) save();
  return trainer.history();
}

template <class T>
Fitted<T> fit(Program program, const DataView& data, const FitOptions& options) {
  Executor<T> executor(std::move(program), {.max_samples = std::max(options.batch, ExecutorOptions{}.max_samples)});
  History history = fit(executor, data, options);
  return {std::move(executor), std::move(history)};
}

template class Trainer<float>;
template class Trainer<double>;
template History fit(Executor<float>&, const DataView&, const FitOptions&, Executor<float>*);
template History fit(Executor<double>&, const DataView&, const FitOptions&, Executor<double>*);
template Fitted<float> fit(Program, const DataView&, const FitOptions&);
template Fitted<double> fit(Program, const DataView&, const FitOptions&);

}  // namespace tapeloom::inline TAPELOOM_ABI
