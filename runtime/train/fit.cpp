#include "tapeloom/runtime/train/fit.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "tapeloom/runtime/train/checkpoint.h"

namespace tapeloom::inline TAPELOOM_ABI {

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

template History fit(Executor<float>&, const DataView&, const FitOptions&, Executor<float>*);
template History fit(Executor<double>&, const DataView&, const FitOptions&, Executor<double>*);
template Fitted<float> fit(Program, const DataView&, const FitOptions&);
template Fitted<double> fit(Program, const DataView&, const FitOptions&);

}  // namespace tapeloom::inline TAPELOOM_ABI
