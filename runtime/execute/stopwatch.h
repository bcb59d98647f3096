// Times what stands between two moments of one thread; if it is off, costs nothing.
#pragma once

#include <chrono>

#include "tapeloom/runtime/execute/profile.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

template <bool on>
class Stopwatch {
 public:
  /// Adds the time since the last lap, or since it was made.
  void lap(InstructionTime& time) {
    const Clock::time_point now = Clock::now();
    time.seconds += std::chrono::duration<double>(now - last_).count();
    ++time.runs;
    last_ = now;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
};

template <>
class Stopwatch<false> {};

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
