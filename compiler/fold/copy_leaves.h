// The parameters and uniform inputs of a tape, for the recording that is to stand for it. Records are taken
// apart, all of their fields, so that one more does not compile until it is copied.
#pragma once

#include "tapeloom/core/record/tape.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Records them anew, in order; calls made(node, value) for each.
template <class Made>
void copy_parameters(const Tape& from, Tape& to, const Made& made) {
  for (const auto& [node, frozen] : from.parameters()) {
    const Value value = to.parameter(from.data(node));
    to.set_frozen(value, frozen);
    made(node, value);
  }
}

inline Value copy_uniform_input(const Tape& from, Tape& to, const UniformInputRecord& input) {
  const auto& [node, name, training] = input;
  return training ? to.training() : to.uniform_input(from.data(node), name);
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
