// What a program says of what it was made from: its leaves, guards, outputs and options.
#pragma once

#include "tapeloom/compiler/compile.h"
#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/graph/guard_numbers.h"
#include "tapeloom/compiler/source.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Everything but what is emitted. Which of the recording's guards the graph has is said by `guards`.
void describe(const Source& source, const CompileOptions& options, const Graph& graph, const GuardNumbers& guards,
              Program& program);

/// The last outputs of a program that was emitted are what its parameters are assigned.
void separate_assignments(const Source& source, Program& program);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
