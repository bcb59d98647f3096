// What can be chosen about a training run, and what it tells while it runs.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tapeloom/core/nets/tensor_layout.h"
#include "tapeloom/runtime/execute/data_view.h"
#include "tapeloom/runtime/train/optimizer.h"
#include "tapeloom/runtime/train/shuffle.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// After the update by a mini-batch.
struct StepReport {
  std::uint64_t step = 0;   ///< updates so far, over all epochs
  std::size_t epoch = 0;    ///< from 1
  std::size_t batch = 0;    ///< of the epoch, from 1
  std::size_t batches = 0;  ///< of an epoch
  double loss = 0.0;        ///< of the mini-batch, before the update
  double learning_rate = 0.0;
  double gradient_norm = std::numeric_limits<double>::quiet_NaN();  ///< before clipping; NaN unless clipped by norm
};

/// After an epoch, and after its validation.
struct EpochReport {
  std::size_t epoch = 0;    ///< from 1
  std::uint64_t steps = 0;  ///< updates so far
  double loss = 0.0;        ///< mean of the steps' losses, weighted by their samples, each before its update
  double validation_loss = std::numeric_limits<double>::quiet_NaN();  ///< NaN if there is none
  std::vector<double> metrics;                                        ///< as FitOptions::metrics
  double learning_rate = 0.0;                                         ///< of the last update
  bool best = false;                                                  ///< so far, by what is monitored
};

/// A function of a report that returns false to stop the run, or nothing.
template <class Report>
class Callback {
 public:
  Callback() = default;
  template <class F>
  requires(!std::same_as<F, Callback> && std::invocable<F&, const Report&>) Callback(F function) {
    // A std::function or a pointer without a function is no callback.
    if constexpr (std::is_pointer_v<F> || requires { function.operator bool(); }) {
      if (!function) return;
    }
    function_ = [function = std::move(function)](const Report& report) mutable {
      if constexpr (std::is_void_v<std::invoke_result_t<F&, const Report&>>) {
        function(report);
        return true;
      } else {
        return static_cast<bool>(function(report));
      }
    };
  }

  /// Whether to go on.
  bool operator()(const Report& report) const { return !function_ || function_(report); }

 private:
  std::function<bool(const Report&)> function_;
};

/// A number to tell the quality of predictions by, such as accuracy.
struct Metric {
  std::string name;
  /// Of the outputs, samples x outputs and row-major, of the validation rows with these numbers.
  std::function<double(std::span<const double> outputs, std::span<const std::uint32_t> rows)> function;
};

struct FitOptions {
  std::size_t epochs = 10;
  /// Samples a step; the last step of an epoch takes what is left over.
  std::size_t batch = 32;
  OptimizerOptions optimizer = AdamOptions{};
  /// The learning rate of each update, by the number of updates before it: step 0, 1, ... Empty: the optimizer's.
  std::function<double(std::uint64_t step)> schedule = {};

  /// Of the order of the rows, of the split and of random numbers in the program.
  std::uint64_t seed = 0;
  /// False: rows are taken in the order of their numbers, in every epoch.
  bool shuffle = true;

  /// The part of the rows that is held back for validation, chosen by the seed.
  double validation_fraction = 0.0;
  /// Which rows are for what, in place of a fraction.
  Split split = {};
  /// Rows of their own to validate with, in place of a part of the data. Unless a predictor validates, they are bound
  /// and the data again by turns, so rows to train with that were bound by hand alone are refused.
  DataView validation_data = {};
  /// Computed after each epoch of the outputs for the validation rows (for all training rows if there are none).
  std::vector<Metric> metrics = {};

  /// Stop when the monitored number has not been better for that many epochs. 0: never.
  std::size_t patience = 0;
  /// By how much a number must be better to count as better.
  double min_delta = 0.0;
  /// With patience: leave the parameters of the best epoch behind, not of the last; also where the run diverges.
  bool restore_best = true;
  /// The name of the metric to monitor. Empty: the validation loss, or the training loss where nothing is validated.
  std::string monitor = {};
  /// Whether more of the metric is better, as of accuracy. Losses are better when smaller.
  bool more_is_better = true;

  /// Gradients longer than this are scaled down to it; 0: never. See clip_by_norm.
  double clip_norm = 0.0;
  /// Each gradient is put within plus and minus this; 0: never. Before clip_norm, if both are given.
  double clip_value = 0.0;

  /// For fit: a file the run is saved in after each epoch and when a callback stops it (see save_checkpoint), and where
  /// it goes on if the file is there already. A Trainer refuses it: there, save_checkpoint is called by hand. Empty:
  /// none.
  std::string checkpoint = {};
  /// The names and shapes of the parameters in that file. Empty: labelled_layout.
  TensorLayout layout = {};

  Callback<StepReport> on_step = {};
  Callback<EpochReport> on_epoch = {};
};

/// Why a run came to its end.
enum class FitEnd : std::uint8_t {
  not_yet,
  epochs,    ///< all of them are done
  patience,  ///< nothing got better any more
  callback,  ///< one returned false
  diverged,  ///< the loss or the gradients' norm was not finite; there was no update by it: see History::divergence
};

/// The step that ended a run because it was not finite, and what is to blame as far as can be told.
struct Divergence {
  std::uint64_t step = 0;  ///< from 1: it would have been this update
  std::size_t epoch = 0;   ///< from 1
  std::size_t batch = 0;   ///< of the epoch, from 1
  double loss = 0.0;
  double gradient_norm = std::numeric_limits<double>::quiet_NaN();  ///< NaN unless clipped by norm
  double learning_rate = 0.0;
  /// The batch's first row with a number that is not finite, or else the first that is not finite by itself.
  std::optional<std::uint32_t> row = {};
  std::string group = {};   ///< of that row, the input group with the number to blame. Empty: none is known
  std::size_t column = 0;   ///< of the group
  double value = 0.0;       ///< there
  std::size_t classes = 0;  ///< not 0: that is no number of a class, of which the program knows so many, from 0 on
  std::string what = {};    ///< all of it, in words
};

/// What became of each epoch.
struct History {
  std::vector<EpochReport> epochs;
  std::size_t best_epoch = 0;  ///< from 1; 0 before any
  FitEnd end = FitEnd::not_yet;
  /// Where `end` is FitEnd::diverged.
  std::optional<Divergence> divergence = {};
};

}  // namespace tapeloom::inline TAPELOOM_ABI
