#pragma once

#include <vector>

#include "tapeloom/compiler/graph.h"
#include "tapeloom/core/program.h"

namespace tapeloom::compiler {

/// The blocks in the order in which they are computed, cut into phases U0 V0 U1 V1 ...: phase 2k holds the uniform
/// blocks behind k batch sums, phase 2k + 1 the varying ones. Within a phase the batch sums come first (their totals are
/// there before anything else of the phase), then the others by id.
struct Schedule {
  std::vector<BlockId> order;
  std::vector<std::uint32_t> phase;  ///< of each block
  std::vector<Range> phases;         ///< ranges of `order`; an even number of them

  /// The phase in which a batch sum's operand is added up: the varying one before the total.
  std::uint32_t summing_phase(BlockId batch_sum) const { return phase[batch_sum.index] - 1; }
};

/// requires: a valid graph. maintains: operands come before their users, and totals after the phase that sums them.
Schedule schedule(const Graph& graph);

}  // namespace tapeloom::compiler
