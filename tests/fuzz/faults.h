// Mistakes to plant into what is compared: if the comparison does not notice them, it notices nothing.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "fuzz/check.h"

namespace tapeloom::test::fuzz {

struct Fault {
  const char* name;
  RecordingFault recording = RecordingFault::none;
  /// Changes a program; false if it has no place for the fault.
  bool (*program)(Program&) = nullptr;
};

std::span<const Fault> faults();

}  // namespace tapeloom::test::fuzz
