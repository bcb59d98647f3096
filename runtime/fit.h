// fit: trains a program on data, from the first epoch to the last.
#pragma once

#include <algorithm>
#include <utility>

#include "tapeloom/runtime/trainer.h"

namespace tapeloom::inline v0_1 {

/// Trains the executor's parameters, as Trainer does:
///
///   Executor<float> model(compile(loss, {.outputs = logits}));
///   const History history = fit(model, data, {.epochs = 20, .validation_fraction = 0.1, .patience = 3});
template <class T>
History fit(Executor<T>& executor, const DataView& data, const FitOptions& options = {},
            Executor<T>* predictor = nullptr) {
  return Trainer<T>(executor, data, options, predictor).run();
}

/// A trained executor, bound to the data it was trained on, and how it came about.
template <class T>
struct Fitted {
  Executor<T> executor;
  History history;
};

/// Makes an executor for the program and trains it.
template <class T = float>
Fitted<T> fit(Program program, const DataView& data, const FitOptions& options = {}) {
  Executor<T> executor(std::move(program), {.max_samples = std::max<std::size_t>(options.batch, 1024)});
  History history = fit(executor, data, options);
  return {std::move(executor), std::move(history)};
}

}  // namespace tapeloom::inline v0_1
