// What layers do with the lists that they are given.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// The list itself, or a copy in `storage` in which plain numbers are constants on the tape: recorded once for all
/// that read them.
inline std::span<const Value> recorded(std::span<const Value> x, Tape& tape, std::vector<Value>& storage) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!x[i].is_plain()) continue;
    if (storage.empty()) storage.assign(x.begin(), x.end());
    storage[i] = x[i].on(tape);
  }
  return storage.empty() ? x : std::span<const Value>(storage);
}

/// `what` has an article: "a neuron".
inline void check_inputs(const char* what, std::size_t given, std::size_t expected) {
  if (given == expected) return;
  throw RecordingError(std::string(what) + " with " + std::to_string(expected) +
                       (expected == 1 ? " input" : " inputs") + " was given " + std::to_string(given));
}

}  // namespace tapeloom::inline TAPELOOM_ABI
