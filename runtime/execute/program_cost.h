// What running a program takes, before it is run: a short program may ask for much.
#pragma once

#include <cstddef>

#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

struct ProgramCost {
  /// Of a step: numbers read and written, and operations on them.
  double operations = 0.0;
  /// Of the buffers of an Executor<double> with one thread, about.
  double bytes = 0.0;
};

/// For steps of `samples` samples, or of as many as were recorded with their data. The program has no fault.
ProgramCost cost_of(const Program& program, std::size_t samples);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
