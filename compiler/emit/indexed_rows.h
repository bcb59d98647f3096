// Which blocks are never computed, since what reads their rows reads them one by one where they come from.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tapeloom/compiler/emit/placed_parts.h"
#include "tapeloom/compiler/emit/sinks.h"
#include "tapeloom/compiler/graph/graph.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// The blocks that are not computed by an instruction of their own, as all that read them do so row by row. Concat
/// blocks, whose rows are read where they are: by elementwise blocks, sums of rows, and concat and assemble blocks. And
/// products of two blocks, row by row, which sums of rows and assemble blocks add up, or a total alone over the
/// samples. All in the tiles of one stage, and none of what is placed.
class IndexedRows {
 public:
  IndexedRows(const Graph& graph, const Sinks& sinks, const PlacedParts& placed);

  bool empty() const { return sources_.empty(); }
  bool contains(BlockId id) const { return !empty() && number_[id.index] != none; }
  /// The blocks whose rows a block of these has, each once, none of them one of these.
  std::span<const BlockId> sources(BlockId id) const { return sources_[number_[id.index]]; }

 private:
  static constexpr std::uint32_t none = SparseTable::none;

  SparseTable number_;  // of each block: which of the following it is, if any
  std::vector<std::vector<BlockId>> sources_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
