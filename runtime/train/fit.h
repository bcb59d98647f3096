// fit: trains a program on data, from the first epoch to the last.
#pragma once

#include "tapeloom/core/base/export.h"
#include "tapeloom/runtime/train/trainer.h"

namespace tapeloom::inline TAPELOOM_ABI {

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

extern template History fit(Executor<float>&, const DataView&, const FitOptions&, Executor<float>*);
extern template History fit(Executor<double>&, const DataView&, const FitOptions&, Executor<double>*);
extern template Fitted<float> fit(Program, const DataView&, const FitOptions&);
extern template Fitted<double> fit(Program, const DataView&, const FitOptions&);

}  // namespace tapeloom::inline TAPELOOM_ABI
