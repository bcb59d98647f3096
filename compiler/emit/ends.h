// Where a program's leaves and results lie.
#pragma once

#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Puts a graph's constants into a program, each single number once, and sets the slots of its leaves in `slot`, but
/// for rows and inputs, which are loaded.
void place_leaves(const Graph& graph, LargeVector<std::uint32_t>& slot, Program& program);

/// Says in a program where the loss, the gradients and the outputs are, whose slots are in `slot`.
void place_roots(const Graph& graph, const LargeVector<std::uint32_t>& slot, Program& program);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
