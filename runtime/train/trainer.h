// Training runs: Trainer, with mini-batches, epochs, validation and early stopping, and fit, the short way to it.
#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/runtime/train/fit_options.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// Everything that decides how a run goes on, besides its data and options: given back to a Trainer with the same ones,
/// it goes on bit for bit as if it had not been interrupted.
template <class T>
struct TrainerState {
  std::vector<T> parameters;
  OptimizerState<T> optimizer;
  std::size_t epoch = 0;     ///< complete ones
  std::size_t position = 0;  ///< rows of the epoch under way that were trained on
  double loss_sum = 0.0;     ///< of them
  std::vector<T> spare;      ///< the best parameters so far; once they are restored, the last ones. Empty: none yet
  bool restored = false;
  double best = 0.0;                ///< what is monitored, of the best epoch
  std::size_t best_epoch = 0;       ///< from 1; 0: none yet
  std::vector<EpochReport> epochs;  ///< of the history

  // What must be the same when the run goes on.
  std::size_t batch = 0;
  std::uint64_t seed = 0;
  std::size_t training_rows = 0, validation_rows = 0;
  bool shuffle = true;
  /// Fingerprints of the chosen rows and the numbers bound for them, as they are when a run is first asked for its
  /// state or given one, and of what is frozen. 0: not known, and not compared.
  std::uint64_t training_data = 0, validation_data = 0, frozen = 0;
  /// The learning rate that the options gave the optimizer. NaN: not known, or a schedule changed it.
  double configured_rate = std::numeric_limits<double>::quiet_NaN();
};

/// A training run. The executor, the predictor and the rows must outlive it; while it runs, nobody else binds them.
template <class T>
class TAPELOOM_API Trainer {
 public:
  /// `predictor` runs the validation; it shares the executor's parameters (see Executor's constructors) and may be
  /// compiled without gradients. Without one, the executor itself validates. Throws BindError for options that do not
  /// fit the program, each other or the data.
  Trainer(Executor<T>& executor, const DataView& data, const FitOptions& options, Executor<T>* predictor = nullptr);
  /// With an optimizer of your own in place of the options'.
  Trainer(Executor<T>& executor, const DataView& data, const FitOptions& options,
          std::unique_ptr<Optimizer<T>> optimizer, Executor<T>* predictor = nullptr);

  /// Trains on the next mini-batch and, after an epoch's last, validates. Returns false once the run is at its end;
  /// after a callback's stop, it goes on.
  bool step();
  /// Runs to the end, or until a callback stops it; then it can be called again. Throws what Executor::step does.
  const History& run();

  const History& history() const { return history_; }
  Executor<T>& executor() const { return *executor_; }
  Optimizer<T>& optimizer() const { return *optimizer_; }
  std::span<const std::uint32_t> training_rows() const { return split_.training; }
  /// Of the validation data, or of the training data where there is none.
  std::span<const std::uint32_t> validation_rows() const { return split_.validation; }

  TrainerState<T> state() const;
  /// Goes on where the other run stood. Throws BindError for a state of another run: other rows or other numbers in
  /// them, batches, seed, parameters, frozen ones or optimizer. Whatever it throws, nothing is changed. The learning
  /// rate is the state's, unless there is a schedule or this run's options give another one than that run's did: then
  /// theirs holds from here on.
  void restore(const TrainerState<T>& state);

 private:
  void check_options() const;
  void choose_rows();
  void check_state(const TrainerState<T>& state) const;
  void check_validates_inference() const;
  T train_on(std::span<const std::uint32_t> rows);
  bool update(StepReport& report);
  void diverge(const StepReport& report, std::span<const std::uint32_t> rows);
  void compute_fingerprints() const;
  void then_bind_training_data(const std::function<void()>& use) const;
  void begin_epoch();
  void end_epoch();
  void validate(EpochReport& report);
  double monitored(const EpochReport& report) const;
  void settle();

  /// What validates.
  Executor<T>& model() const { return predictor_ != nullptr ? *predictor_ : *executor_; }
  bool validates_loss() const { return model().program().loss_slot != Program::no_slot; }
  std::span<const std::uint32_t> evaluated_rows() const {
    return split_.validation.empty() ? split_.training : split_.validation;
  }

  Executor<T>* executor_;
  Executor<T>* predictor_;
  DataView data_;
  FitOptions options_;
  std::unique_ptr<Optimizer<T>> optimizer_;
  Split split_;
  std::size_t monitored_metric_;  // none: the number of metrics

  History history_;
  std::vector<std::uint32_t> order_;  // of the rows in this epoch
  bool ordered_ = false;              // whether it is there
  std::size_t epoch_ = 0, position_ = 0;
  double loss_sum_ = 0.0;
  double best_ = 0.0;
  // The best parameters; once they are the executor's, those of the last step.
  std::vector<T> spare_;
  bool has_spare_ = false, restored_ = false;
  double configured_rate_ = 0.0;  // the optimizer's when the run was made
  struct Fingerprints {
    std::uint64_t training, validation;
  };
  mutable std::optional<Fingerprints> fingerprints_;  // of the data, once they are asked for
  std::vector<T> clipped_;                            // gradients
  std::vector<double> outputs_;                       // of the evaluated rows
};

extern template class Trainer<float>;
extern template class Trainer<double>;

/// Trains the executor's parameters, as Trainer does:
///
///   Executor<float> model(compile(loss, {.outputs = logits}));
///   const History history = fit(model, data, {.epochs = 20, .validation_fraction = 0.1, .patience = 3});
///   if (history.divergence) std::puts(history.divergence->what.c_str());
template <class T>
TAPELOOM_API History fit(Executor<T>& executor, const DataView& data, const FitOptions& options = {},
                         Executor<T>* predictor = nullptr);

/// A trained executor, bound to the data it was trained on, and how it came about.
template <class T>
struct Fitted {
  Executor<T> executor;
  History history;
};

/// Makes an executor for the program and trains it.
template <class T = float>
[[nodiscard]] TAPELOOM_API Fitted<T> fit(Program program, const DataView& data, const FitOptions& options = {});

}  // namespace tapeloom::inline TAPELOOM_ABI
