// What everything that trains refuses.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/number_text.h"
#include "tapeloom/core/program/program.h"
#include "tapeloom/runtime/execute/data_view.h"
#include "tapeloom/runtime/execute/executor.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

inline void check_not_negative(const std::string& option, double number) {
  if (number >= 0.0 && std::isfinite(number)) return;
  throw BindError(option + " must be a finite number, zero or more; it is " + number_text(number));
}

inline void check_trainable(const Program& program) {
  if (!program.gradients.empty()) return;
  throw BindError("the program to train computes no gradients: it was compiled for inference or without them");
}

/// Binds the rows for a solver, which may bind others while it looks for what is not finite.
template <class T>
void bind_all_rows(Executor<T>& executor, const DataView& data) {
  const Program& program = executor.program();
  const auto used = [](const ProgramInputGroup& group) { return group.used; };
  if (data.empty() && program.recorded_samples == 0 && std::ranges::any_of(program.input_groups, used)) {
    throw BindError("the program reads inputs, so their rows must be given, as a DataView");
  }
  data.bind(executor);
  data.check_complete(program);
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
