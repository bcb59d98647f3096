// The order in which the blocks of a graph are computed.
#pragma once

#include <vector>

#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// True for a block that is added up over the samples while they are swept, and there once they all are.
inline bool is_total(const Graph& graph, BlockId id) {
  const BlockKind kind = graph.kind(id);
  if (kind == BlockKind::batch_sum) return true;
  return kind == BlockKind::outer && graph.varying(graph.operand(id, 0));
}

/// The blocks in the order in which they are computed, cut into phases U0 V0 U1 V1 ...: phase 2k holds the uniform
/// blocks behind k totals, phase 2k + 1 the varying ones. Within a phase the totals come first (they are
/// there before anything else of the phase), then the others by id.
struct Schedule {
  LargeVector<BlockId> order;
  LargeVector<std::uint32_t> phase;  ///< of each block
  std::vector<Range> phases;         ///< ranges of `order`; an even number of them

  /// Whether anything varies, or is added up over the samples.
  bool varies() const { return phases.size() > 2 || phases[1].size() > 0; }
  /// The phase in which a total is added up: the varying one before its own.
  std::uint32_t summing_phase(BlockId total) const { return phase[total.index] - 1; }
};

/// The phase of each block.
LargeVector<std::uint32_t> find_phases(const Graph& graph);

/// requires: a valid graph. maintains: operands come before their users, and totals after the phase that sums them.
Schedule schedule(const Graph& graph);

/// Single rows of an irregular computation that varies over the samples are computed in another order, alike ones after
/// one another: a processor that guesses what an instruction is followed by does so more often. A thousand operations
/// take 0.9 times as long in tiles of 240 samples, and 0.7 times in tiles of 16. Totals of several such rows may be
/// added up in another order.
/// requires: the schedule of that graph. maintains: operands come before their users.
void put_alike_together(const Graph& graph, Schedule& schedule);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
