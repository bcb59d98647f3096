// TAPELOOM_CHECK: a promise inside the library that, broken, aborts the program. The user's mistakes are in error.h.
#pragma once

#include "tapeloom/version.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// Prints the message with its place and aborts. For broken promises inside the library, never for input.
[[noreturn]] void fail_check(const char* condition, const char* file, int line);

/// Whether graphs and programs are checked as they are made, which takes time: where the library was built without
/// NDEBUG, and in tests of any build, which say so before they make any.
bool development_checks();
void set_development_checks(bool checked);

}  // namespace tapeloom::inline TAPELOOM_ABI

#define TAPELOOM_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::tapeloom::fail_check(#condition, __FILE__, __LINE__))
