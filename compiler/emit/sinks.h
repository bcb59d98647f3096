// What happens to values besides being operands: totals, guards, outputs, spills.
#pragma once

#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/graph/schedule.h"
#include "tapeloom/compiler/graph/tables.h"
#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// What happens to a value besides being an operand of a block of its phase: it is added up, guarded, stored or
/// spilled, right after it is computed.
struct Sink {
  InstructionKind kind;
  View rows;           ///< what is consumed; of a total, its first operand
  std::uint32_t out;   ///< the first guard; output, input or batch slot
  BlockId total;       ///< of reduce and reduce_outer
  std::uint32_t next;  ///< the next sink of the same block
};

/// The sinks of all blocks, as linked lists.
struct Sinks {
  static constexpr std::uint32_t none = SparseTable::none;

  LargeVector<Sink> list;
  SparseTable first;       ///< of each block
  SparseTable batch_slot;  ///< of each block that a later stage reads
  std::uint32_t batch_slots = 0;
};

/// Of folded samples there are `recorded_samples` guards for each guarded row that varies, else one.
/// requires: a schedule of this graph.
Sinks find_sinks(const Graph& graph, const Schedule& schedule, std::uint32_t recorded_samples);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
