// What is computed where it is put together: the parts of the gradients of a layer's weights, of the adjoints of rows
// that many read, or of what is one list because a product reads it.
#pragma once

#include <span>
#include <vector>

#include "tapeloom/compiler/emit/totals.h"
#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/graph/schedule.h"
#include "tapeloom/compiler/graph/tables.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// What is written where an assemble or concat block has its rows, or is added to what is there, and needs no rows of
/// its own.
struct PlacedParts {
  struct Part {
    BlockId assembled;
    Destination to;
    bool adds = false;
    bool exact = false;  ///< see Instruction::exact_rows
  };
  struct Assembled {
    bool has_parts = false;
    bool zeros = false;          ///< begins as zeros, since not every row is first written as a whole
    bool may_be_listed = false;  ///< the operands that are no parts, since there is something in every row before them
    std::vector<bool> is_put;    ///< of each operand that is no part: its rows are put there, and not added
  };

  // By the index of a block.
  PartialTable<Part> parts;
  PartialTable<Assembled> assembled;

  const Part* part(BlockId id) const { return parts.find(id.index); }
  /// Null for an assemble block that begins as zeros, to which all operands are added, or that is a list.
  const Assembled* plan(BlockId id) const { return assembled.find(id.index); }
  bool has_parts(BlockId id) const { return plan(id) != nullptr && plan(id)->has_parts; }
  /// Whose slots a block's rows are in: its own, if it is no part.
  BlockId holder(BlockId id) const {
    for (const Part* placed = part(id); placed != nullptr; placed = part(id)) id = placed->assembled;
    return id;
  }
  /// Whether operand x is computed there already when the block is.
  bool is_in_place(const View& x, BlockId assemble) const {
    const Part* placed = part(x.block);
    return placed != nullptr && placed->assembled == assemble;
  }
};

/// Of what does not lie on totals. In tiles, and of concat blocks, either all operands are parts or none. requires: a
/// schedule of this graph, its totals, and how often each block is used.
PlacedParts place_parts(const Graph& graph, const Schedule& schedule, const Totals& totals,
                        std::span<const std::uint32_t> uses);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
