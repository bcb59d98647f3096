#include "tapeloom/compiler/emit/block_slots.h"

#include <algorithm>

#include "tapeloom/compiler/emit/ends.h"
#include "tapeloom/compiler/emit/last_uses.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

BlockSlots::BlockSlots(const Graph& graph, const Schedule& schedule, const Totals& totals, const Sinks& sinks,
                       const PlacedParts& placed, const IndexedRows& indexed, bool reuse)
    : g_(graph),
      s_(schedule),
      totals_(totals),
      sinks_(sinks),
      placed_(placed),
      indexed_(indexed),
      reuse_(reuse),
      uniforms_(0, reuse),
      tiles_(0, reuse) {}

void BlockSlots::place_leaves(Program& program) {
  slot_.assign(g_.size(), none);
  compiler::place_leaves(g_, slot_, program);
  program.total_count = totals_.count;
  for (std::size_t i = 0; totals_.count > 0 && i < g_.size(); ++i) {
    const BlockId id(i);
    if (is_total(g_, id)) slot_[i] = program.first_total() + totals_.of_block.find(id.index)->first;
    if (lies_on_totals(id)) slot_[i] = program.first_total() + *totals_.first_of.find(id.index);
  }
  uniforms_ = SlotPool(program.first_computed(), reuse_, uniform_unit, program.first_total());
}

void BlockSlots::find_last_uniform_uses() {
  last_use_ = compiler::find_last_uniform_uses(g_, s_, sinks_);
  if (!placed_.parts.empty()) {
    for (const BlockId id : s_.order) pass_on_use(id);
  }
  of_phase_.assign(g_.size(), false);
}

std::vector<BlockId> BlockSlots::enter_tile(Range phase) {
  tiles_ = SlotPool(0, reuse_);
  const auto mark = [&](bool entered) {
    for (std::uint32_t i = phase.begin; i < phase.end; ++i) of_phase_[s_.order[i].index] = entered;
  };
  mark(true);
  std::vector<BlockId> outside;
  const auto use = [&](const View& x, std::uint32_t position) {
    if (!g_.varying(x)) return;
    std::uint32_t& last = last_use_[x.block.index];
    const bool new_here = last == none || last < phase.begin;
    if (new_here && !of_phase_[x.block.index]) outside.push_back(x.block);
    last = position;
  };
  for (std::uint32_t i = phase.begin; i < phase.end; ++i) {
    const BlockId id = s_.order[i];
    last_use_[id.index] = none;
    if (g_.kind(id) == BlockKind::input) outside.push_back(id);
    for (const View& x : g_.operands(id)) {
      use(x, i);
      for (BlockId source : sources(x)) use(g_.all(source), i);
    }
    each_factor_of_total(id, [&](const View& x) { use(x, i); });
  }
  mark(false);
  for (std::uint32_t i = phase.begin; i < phase.end; ++i) pass_on_use(s_.order[i]);
  std::erase_if(outside, [&](BlockId id) {
    return g_.kind(id) == BlockKind::input && last_use_[id.index] == none && sinks_.first[id.index] == none;
  });
  return outside;
}

/// Calls f(operand) for the products that are added up over the samples right after a block.
template <class F>
void BlockSlots::each_factor_of_total(BlockId after, F&& f) const {
  for (std::uint32_t at = sinks_.first[after.index]; at != none; at = sinks_.list[at].next) {
    if (sinks_.list[at].kind != InstructionKind::reduce_outer) continue;
    for (const View& x : g_.operands(sinks_.list[at].total)) f(x);
  }
}

/// True for a uniform block that has slots of its own to give back.
bool BlockSlots::owns_uniform_slots(BlockId id) const {
  const bool is_leaf = g_.operand_blocks(id).empty();
  return !is_leaf && !is_total(g_, id) && !lies_on_totals(id) && placed_.part(id) == nullptr;
}

/// What is part of another block is needed as long as that, and the other way round.
void BlockSlots::pass_on_use(BlockId id) {
  const PlacedParts::Part* part = placed_.part(id);
  if (part == nullptr || last_use_[id.index] == none) return;
  std::uint32_t& last = last_use_[part->assembled.index];
  last = last == none ? last_use_[id.index] : std::max(last, last_use_[id.index]);
}

bool BlockSlots::may_be_in_place(BlockId id) const {
  if (g_.kind(id) != BlockKind::elementwise) return false;
  if (indexed_.empty()) return true;
  if (indexed_.contains(id)) return false;
  const OperandList all = g_.operands(id);
  return std::none_of(all.begin(), all.end(), [&](const View& x) { return indexed_.contains(x.block); });
}

/// Whether the slots that a block's rows are in may be given back, or taken by the result, `in_order` with them.
bool BlockSlots::may_release(BlockId holder, BlockId user, std::uint32_t position, bool in_order) const {
  if (last_use_[holder.index] != position || holder == user) return false;
  return !in_order || (!placed_.has_parts(holder) && reads_in_order(g_, user, holder));
}

bool BlockSlots::release_uniforms(BlockId user, std::uint32_t position, bool in_order) {
  if (!reuse_) return false;
  bool any_left = false;
  for (const BlockId x : g_.operand_blocks(user)) {
    const BlockId holder = placed_.holder(x);
    if (last_use_[holder.index] != position || g_.varying(x) || !owns_uniform_slots(holder)) continue;
    if (may_release(holder, user, position, in_order)) {
      last_use_[holder.index] = to_the_end;  // an operand that stands twice is given back once
      uniforms_.give_back(slot_[holder.index], uniform_length(holder));
    } else {
      any_left = true;
    }
  }
  return any_left;
}

/// Whether a total that is added up right after `user` still reads rows there.
bool BlockSlots::is_read_for_total(BlockId user, BlockId holder) const {
  bool is_read = false;
  each_factor_of_total(user, [&](const View& x) { is_read |= placed_.holder(x.block) == holder; });
  return is_read;
}

void BlockSlots::release_tiles(BlockId user, std::uint32_t position, bool in_order) {
  const auto release = [&](BlockId x) {
    const BlockId holder = placed_.holder(x);
    if (is_read_for_total(user, holder) || !may_release(holder, user, position, in_order)) return;
    release_tile(holder);
  };
  for (const View& x : g_.operands(user)) {
    if (g_.varying(x)) release(x.block);
    for (BlockId source : sources(x)) release(source);
  }
}

void BlockSlots::release_after_sinks(BlockId id, std::uint32_t position) {
  each_factor_of_total(id, [&](const View& x) {
    const BlockId holder = placed_.holder(x.block);
    if (last_use_[holder.index] == position) release_tile(holder);
  });
  // After its own position, where it may have been put together of parts.
  const bool is_read_no_more = last_use_[id.index] == none || last_use_[id.index] == position;
  if (is_read_no_more && placed_.part(id) == nullptr) release_tile(id);
}

void BlockSlots::release_tile(BlockId id) {
  if (slot_[id.index] == none) return;
  tiles_.give_back(slot_[id.index], g_.rows(id));
  slot_[id.index] = none;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
