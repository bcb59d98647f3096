// Which slots the rows of each block are in, and until when.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tapeloom/compiler/emit/indexed_rows.h"
#include "tapeloom/compiler/emit/placed_parts.h"
#include "tapeloom/compiler/emit/sinks.h"
#include "tapeloom/compiler/emit/slot_pool.h"
#include "tapeloom/compiler/emit/totals.h"
#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/graph/schedule.h"
#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Hands out slots to blocks as they are computed, in the order of a schedule, and takes them back after the last that
/// reads them: uniform slots, and those of the tiles of one stage at a time.
class BlockSlots {
 public:
  static constexpr std::uint32_t none = Sinks::none;

  /// All these must outlive it.
  BlockSlots(const Graph& graph, const Schedule& schedule, const Totals& totals, const Sinks& sinks,
             const PlacedParts& placed, const IndexedRows& indexed, bool reuse);

  /// The first slot of each block, or none: uniform, or of the tile where it varies.
  const LargeVector<std::uint32_t>& all() const { return slot_; }
  std::uint32_t operator[](BlockId id) const { return slot_[id.index]; }
  /// One more than the highest that was ever handed out.
  std::uint32_t uniform_size() const { return uniforms_.size(); }
  std::uint32_t tile_size() const { return tiles_.size(); }

  /// True for an assemble block, or a sum, that was placed on its totals.
  bool lies_on_totals(BlockId id) const { return totals_.first_of.contains(id.index) && !g_.varying(id); }
  /// The blocks whose rows an operand reads one by one, if it does.
  std::span<const BlockId> sources(const View& x) const {
    return indexed_.contains(x.block) ? indexed_.sources(x.block) : std::span<const BlockId>();
  }

  /// Those of leaves, but for rows and inputs, which are loaded, and of totals.
  void place_leaves(Program& program);
  /// Finds out until when what is uniform is needed. requires: place_leaves().
  void find_last_uniform_uses();
  /// Begins the tiles of a stage: finds the last uses within that phase. Returns the blocks that have to be there
  /// before it, such as inputs, which have no slots yet.
  std::vector<BlockId> enter_tile(Range phase);

  void take(BlockId id) {
    slot_[id.index] = g_.varying(id) ? tiles_.take(g_.rows(id)) : uniforms_.take(uniform_length(id));
  }
  /// Of a block that is a part of another one. Before the first of its parts that is computed in place, a block gets
  /// its slots; it may be a part itself. Calls begins(block) for those that get them, but for the part.
  template <class F>
  void take_part(BlockId part, F&& begins);

  /// Whether the result may take the slots of operands, which are read row by row in the same order.
  bool may_be_in_place(BlockId id) const;
  /// Gives those back that the block at that position of the order is the last to read; with `in_order`, those that its
  /// result may take. Of uniform ones, returns whether there are others, to be given back after it.
  bool release_uniforms(BlockId user, std::uint32_t position, bool in_order = false);
  void release_tiles(BlockId user, std::uint32_t position, bool in_order = false);
  /// After all that happens to a block: what its totals read, and the block's own if nobody else reads it.
  void release_after_sinks(BlockId id, std::uint32_t position);

 private:
  std::uint32_t uniform_length(BlockId id) const {
    const std::uint32_t rows = g_.rows(id);
    return padded(rows) + (rows > 1 && placed_.has_parts(id) ? uniform_unit : 0);
  }
  bool owns_uniform_slots(BlockId id) const;
  void pass_on_use(BlockId id);
  bool may_release(BlockId holder, BlockId user, std::uint32_t position, bool in_order) const;
  bool is_read_for_total(BlockId user, BlockId holder) const;
  void release_tile(BlockId id);
  template <class F>
  void each_factor_of_total(BlockId after, F&& f) const;

  const Graph& g_;
  const Schedule& s_;
  const Totals& totals_;
  const Sinks& sinks_;
  const PlacedParts& placed_;
  const IndexedRows& indexed_;
  bool reuse_;
  SlotPool uniforms_, tiles_;
  LargeVector<std::uint32_t> slot_;      // of each block
  LargeVector<std::uint32_t> last_use_;  // likewise: as a position in the order, of a block that varies in this phase
  LargeVector<bool> of_phase_;           // which blocks are of the phase that is entered
  std::vector<BlockId> chain_;           // a part, what it is part of, and so on
};

template <class F>
void BlockSlots::take_part(BlockId id, F&& begins) {
  chain_.assign(1, id);
  for (const PlacedParts::Part* part = placed_.part(id); part != nullptr; part = placed_.part(chain_.back())) {
    chain_.push_back(part->assembled);
    if (slot_[part->assembled.index] != none) break;
  }
  for (std::size_t i = chain_.size(); i-- > 0;) {
    const BlockId at = chain_[i];
    const PlacedParts::Part* part = placed_.part(at);
    const bool is_there = slot_[at.index] != none;
    if (i + 1 < chain_.size()) {
      slot_[at.index] = slot_[part->assembled.index] + part->to.row;
    } else if (!is_there) {
      take(at);
    }
    if (i > 0 && !is_there) begins(at);
  }
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
