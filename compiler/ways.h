// Compiling in one of the ways that compile() chooses from, for tests.
#pragma once

#include "tapeloom/compiler/compile.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Rolled by classes of level, also where classes by history are better: see levels.h.
Program compile_by_level(Value loss, const CompileOptions& options);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
