// Outer products that are computed where they are assembled, as the gradients of a layer's weights in what runs once a
// step.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "tapeloom/compiler/emit/totals.h"
#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/graph/schedule.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// What is written where its only reader, an assemble block, has its rows, and not copied there.
struct PlacedParts {
  struct Part {
    BlockId assembled;
    Destination to;
  };
  /// How an assemble block comes about. In `whole` ones every row is written by one operand, so that none of them is
  /// added to; the others begin as zeros.
  struct Assembled {
    bool whole = false, has_parts = false;
  };

  // By the index of a block; looked up, never walked.
  std::unordered_map<std::uint32_t, Part> parts;
  std::unordered_map<std::uint32_t, Assembled> assembled;

  bool is_part(BlockId id) const { return parts.contains(id.index); }
  bool has_parts(BlockId id) const { return assembled.contains(id.index) && assembled.at(id.index).has_parts; }
  bool is_whole(BlockId id) const { return assembled.contains(id.index) && assembled.at(id.index).whole; }
  /// Whether operand x is computed there already when the block is.
  bool is_in_place(const View& x, BlockId assemble) const {
    const auto at = parts.find(x.block.index);
    return at != parts.end() && at->second.assembled == assemble;
  }
};

/// Of what runs once a step and does not lie on totals. requires: a schedule of this graph, and its totals.
PlacedParts place_parts(const Graph& graph, const Schedule& schedule, const Totals& totals);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
