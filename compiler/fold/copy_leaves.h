// The parameters and uniform inputs of a tape, for the recording that is to stand for it.
#pragma once

#include "tapeloom/core/record/tape.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Records them anew, in order; calls made(node, value) for each.
template <class Made>
void copy_parameters(const Tape& from, Tape& to, const Made& made) {
  for (const ParameterRecord& parameter : from.parameters()) {
    const Value value = to.parameter(from.data(parameter.node));
    to.set_frozen(value, parameter.frozen);
    made(parameter.node, value);
  }
}

inline Value copy_uniform_input(const Tape& from, Tape& to, const UniformInputRecord& input) {
  return input.training ? to.training() : to.uniform_input(from.data(input.node), input.name);
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
