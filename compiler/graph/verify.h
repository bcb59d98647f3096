#pragma once

#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Checks a graph from first principles, sharing no code with the passes; aborts with the pass's name on a broken
/// promise. parameters, inputs and uniform inputs are the numbers of leaves on the tape.
struct LeafCounts {
  std::size_t parameters, inputs, uniform_inputs;
};
void verify(const Graph& graph, const LeafCounts& leaves, const char* after_pass);

/// Likewise checks what was made of the last graph: a program that would read or write where nothing is aborts.
void verify(const Program& program);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
