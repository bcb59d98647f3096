#pragma once

#include "tapeloom/compiler/graph.h"

namespace tapeloom::inline v0_1::compiler {

/// Checks a graph from first principles, sharing no code with the passes; aborts with the pass's name on a broken
/// promise. parameters, inputs and uniform inputs are the numbers of leaves on the tape.
struct LeafCounts {
  std::size_t parameters, inputs, uniform_inputs;
};
void verify(const Graph& graph, const LeafCounts& leaves, const char* after_pass);

}  // namespace tapeloom::inline v0_1::compiler
