// The text dump of a recording, for reading and for tests. The same recording always gives the same text; numbers have
// as many digits as it takes to read them back exactly.
#pragma once

#include <string>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/record/tape.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// A line for each node (%2 = mul %0 %1, its number, whether it varies, its label), then the input groups and guards.
TAPELOOM_API std::string to_string(const Tape& tape);

}  // namespace tapeloom::inline TAPELOOM_ABI
