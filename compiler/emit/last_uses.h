// How long what is computed once a step is needed.
#pragma once

#include "tapeloom/compiler/emit/sinks.h"
#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/graph/schedule.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// A position behind all.
inline constexpr std::uint32_t to_the_end = UINT32_MAX - 1;

/// Of each uniform block the position in the schedule's order of the last one that reads it, or Sinks::none. What is
/// consumed for each sample, or read at the end, lives to the end.
LargeVector<std::uint32_t> find_last_uniform_uses(const Graph& graph, const Schedule& schedule, const Sinks& sinks);

/// Whether every operand of `user` that reads the block reads all its rows, one by one in their order, or its only one.
bool reads_in_order(const Graph& graph, BlockId user, BlockId block);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
