#include "tapeloom/compiler/emit/emit.h"

#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>

#include "tapeloom/compiler/emit/ends.h"
#include "tapeloom/compiler/emit/indexed_rows.h"
#include "tapeloom/compiler/emit/instruction_writer.h"
#include "tapeloom/compiler/emit/last_uses.h"
#include "tapeloom/compiler/emit/placed_parts.h"
#include "tapeloom/compiler/emit/sinks.h"
#include "tapeloom/compiler/emit/slot_pool.h"
#include "tapeloom/compiler/emit/totals.h"
#include "tapeloom/core/base/check.h"
#include "tapeloom/core/base/memory.h"
#include "tapeloom/core/program/instructions.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

constexpr std::uint32_t none = Sinks::none;

class Emitter {
 public:
  Emitter(const Graph& graph, Schedule schedule, const EmitOptions& options, Program& program)
      : g_(graph),
        s_(std::move(schedule)),
        p_(program),
        uses_(count_uses(graph)),
        totals_(place_totals(graph, s_, uses_, !program.exact)),
        sinks_(find_sinks(graph, s_, program.recorded_samples)),
        placed_(program.exact ? PlacedParts() : place_parts(graph, s_, totals_, uses_)),
        indexed_(graph, sinks_, placed_),
        options_(options),
        uniforms_(0, options.reuse_slots),
        writer_(graph, slot_, program) {
    s_.phase = {}, uses_ = {};  // nothing below asks for them, and the tables below need room
  }

  void run() {
    place_leaves();
    p_.batch_slots = sinks_.batch_slots;
    last_use_ = find_last_uniform_uses(g_, s_, sinks_);
    if (!placed_.parts.empty()) {
      for (const BlockId id : s_.order) pass_on_use(id);
    }
    of_phase_.assign(g_.size(), false);
    p_.instructions.reserve(most_instructions(g_, p_.exact) + sinks_.list.size());
    use_large_pages(p_.instructions.data(), p_.instructions.capacity() * sizeof(Instruction));
    for (std::size_t k = 0; k < s_.phases.size(); k += 2) emit_stage(k);
    p_.uniform_slots = uniforms_.size();
    place_roots(g_, slot_, p_);
  }

 private:
  bool is_leaf(BlockId id) const { return g_.operand_blocks(id).empty(); }
  bool total(BlockId id) const { return is_total(g_, id); }
  /// True for a uniform block that has slots of its own to give back.
  bool owns_uniform_slots(BlockId id) const {
    return !is_leaf(id) && !total(id) && !lies_on_totals(id) && placed_.part(id) == nullptr;
  }
  /// True for an assemble block, or a sum, that was placed on its totals.
  bool lies_on_totals(BlockId id) const { return totals_.first_of.contains(id.index) && !g_.varying(id); }
  std::uint32_t uniform_length(BlockId id) const {
    const std::uint32_t rows = g_.rows(id);
    return padded(rows) + (rows > 1 && placed_.has_parts(id) ? uniform_unit : 0);
  }

  // --- leaves and totals --------------------------------------------------------------------------------------------

  void place_leaves() {
    slot_.assign(g_.size(), none);
    compiler::place_leaves(g_, slot_, p_);
    p_.total_count = totals_.count;
    for (std::size_t i = 0; totals_.count > 0 && i < g_.size(); ++i) {
      const BlockId id(i);
      if (total(id)) slot_[i] = p_.first_total() + totals_.of_block.find(id.index)->first;
      if (lies_on_totals(id)) slot_[i] = p_.first_total() + *totals_.first_of.find(id.index);
    }
    uniforms_ = SlotPool(p_.first_computed(), options_.reuse_slots, uniform_unit, p_.first_total());
    for (std::size_t i = 0; i < g_.size(); ++i) {
      const BlockId id(i);
      if (g_.kind(id) != BlockKind::row) continue;
      slot_[i] = uniforms_.take(uniform_length(id));
      writer_.add_load(id, slot_[i]);
      p_.one_row = true;
    }
  }

  // --- stages -------------------------------------------------------------------------------------------------------

  static std::uint32_t count(const auto& list) { return static_cast<std::uint32_t>(list.size()); }

  void emit_stage(std::size_t uniform_phase) {
    Stage stage;
    const std::uint32_t before = count(p_.instructions);
    deferred_.clear();
    emit_uniform(s_.phases[uniform_phase]);
    const std::uint32_t between = count(p_.instructions);
    const std::uint32_t loads = count(p_.loads);
    emit_tile(s_.phases[uniform_phase + 1]);
    stage.uniform = {before, between};
    stage.tile = {between, count(p_.instructions)};
    if (!p_.one_row) stage.inputs = {loads, count(p_.loads)};
    stage.totals = totals_.stages[uniform_phase / 2];
    p_.stages.push_back(stage);
  }

  void emit_uniform(Range phase) {
    for (std::uint32_t i = phase.begin; i < phase.end; ++i) {
      const BlockId id = s_.order[i];
      if (!is_leaf(id) && !total(id)) {
        bool any_left = true;
        if (placed_.part(id) != nullptr) {
          place_part(id, uniforms_);
        } else if (!lies_on_totals(id) && !placed_.has_parts(id)) {
          if (may_be_in_place(id)) any_left = release_uniforms(id, i, true);
          slot_[id.index] = uniforms_.take(uniform_length(id));
        }
        emit_block(id, slot_[id.index]);
        if (any_left) release_uniforms(id, i);
      }
      // Guards on uniform values are checked at once; whatever else consumes one works per sample.
      emitted_.clear();
      emit_sinks(id, emitted_);
      for (const Instruction& sink : emitted_) {
        (sink.kind == InstructionKind::guard ? p_.instructions : deferred_).push_back(sink);
      }
    }
  }

  void emit_tile(Range phase) {
    SlotPool tiles(0, options_.reuse_slots);
    tile_begin_ = p_.instructions.size();
    enter_tile(phase, tiles);
    p_.instructions.insert(p_.instructions.end(), deferred_.begin(), deferred_.end());
    for (std::uint32_t i = phase.begin; i < phase.end; ++i) {
      const BlockId id = s_.order[i];
      if (!is_leaf(id)) {
        // Slots are read until the instruction is emitted, and only then forgotten.
        const bool is_part = placed_.part(id) != nullptr, in_place = !is_part && may_be_in_place(id);
        if (is_part) {
          place_part(id, tiles);
        } else if (!in_place && !indexed_.contains(id) && !placed_.has_parts(id)) {
          slot_[id.index] = tiles.take(g_[id].rows);
        }
        emit_block(id, slot_[id.index]);
        if (in_place) {
          release_tiles(id, i, tiles, true);
          p_.instructions.back().out = slot_[id.index] = tiles.take(g_[id].rows);
        }
        release_tiles(id, i, tiles);
        release_uniforms(id, i);
      }
      emit_sinks(id, p_.instructions);
      release_sink_operands(id, i, tiles);
      if (is_read_no_more(id, i) && placed_.part(id) == nullptr) release_tile(id, tiles);
    }
    p_.tile_slots = std::max(p_.tile_slots, tiles.size());
  }

  /// Finds the last uses within the phase, and reads what it needs from the bound rows and from earlier stages.
  void enter_tile(Range phase, SlotPool& tiles) {
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
      if (g_[id].kind == BlockKind::input) outside.push_back(id);
      for (const View& x : g_.operands(id)) {
        use(x, i);
        for (BlockId source : sources(x)) use(g_.all(source), i);
      }
      each_factor_of_total(id, [&](const View& x) { use(x, i); });
    }
    mark(false);
    for (std::uint32_t i = phase.begin; i < phase.end; ++i) pass_on_use(s_.order[i]);
    for (BlockId id : outside) {
      const Block block = g_[id];
      const bool input = block.kind == BlockKind::input;
      if (input && last_use_[id.index] == none && sinks_.first[id.index] == none) continue;
      slot_[id.index] = tiles.take(block.rows);
      if (input) {
        writer_.add_load(id, slot_[id.index]);
      } else {
        Instruction reload{.kind = InstructionKind::reload, .out = slot_[id.index]};
        reload.x[0] = sinks_.batch_slot[id.index];
        reload.shape = writer_.shape({.rows = block.rows});
        p_.instructions.push_back(reload);
      }
    }
  }

  // --- instructions -------------------------------------------------------------------------------------------------

  void emit_block(BlockId id, std::uint32_t out) {
    const Block block = g_[id];
    auto add = [&, counted = false](InstructionKind kind, Shape with, const auto& operands, std::uint32_t at) mutable {
      Instruction instruction{.kind = kind, .op = block.op, .then = block.then, .out = at};
      for (std::size_t k = 0; k < operands.size(); ++k) writer_.set_operand(instruction, with, k, operands[k]);
      instruction.shape = writer_.shape(with);
      instruction.nodes = std::exchange(counted, true) ? 0 : writer_.nodes_of(id);
      p_.instructions.push_back(instruction);
    };
    const OperandList x = g_.operands(id);
    switch (block.kind) {
      case BlockKind::elementwise:
        if (lies_on_totals(id)) return;
        if (indexed_.contains(id)) return writer_.list_products(id);
        if (const PlacedParts::Part* part = placed_.part(id)) return writer_.add_elementwise_part(id, *part);
        if (block.rows == 1) return writer_.add_scalar(id, out);
        return add(InstructionKind::elementwise, {.rows = block.rows}, x, out);
      case BlockKind::row_sum:
        if (writer_.is_listed(x[0])) return writer_.add_sums(id, out);
        return add(InstructionKind::row_sum, instructions::Folds::shape(block.rows, x[0].rows), x, out);
      case BlockKind::row_extreme:
        return add(InstructionKind::row_extreme, instructions::Folds::shape(block.rows, x[0].rows), x, out);
      case BlockKind::row_extreme_reverse:
        return add(InstructionKind::row_extreme_reverse, instructions::Folds::shape(x[1].rows, x[0].rows), x, out);
      case BlockKind::dense:
        return add(InstructionKind::dense, writer_.of_terms(g_.weights(id)), x, out);
      case BlockKind::dense_reverse:
        return add(InstructionKind::dense_reverse, InstructionWriter::of_weights(g_.weights(id)), x, out);
      case BlockKind::outer:
        return add(InstructionKind::outer, of_outer(id), x, out);
      case BlockKind::concat:
        if (placed_.has_parts(id)) return;
        if (indexed_.contains(id)) return writer_.list_rows(id);
        if (writer_.gathers(id)) return writer_.add_gather(id, out);
        for (const View& part : x) {
          add(InstructionKind::copy, {.rows = part.rows}, std::array{part}, std::exchange(out, out + part.rows));
        }
        return;
      case BlockKind::assemble:
        return emit_assembled(id, out);
      case BlockKind::constant:
      case BlockKind::parameter:
      case BlockKind::input:
      case BlockKind::row:
      case BlockKind::uniform_input:
      case BlockKind::samples:
      case BlockKind::batch_sum:
        break;
    }
    fail_check("a block with an instruction", __FILE__, __LINE__);
  }

  Shape of_outer(BlockId id) {
    Shape shape = writer_.of_terms(g_.weights(id));
    const PlacedParts::Part* part = placed_.part(id);
    if (part == nullptr) return shape;
    shape.row_step = part->to.shape.row_step, shape.term_step = part->to.shape.term_step;
    return shape;
  }

  /// What is not in its place already is added, or put there.
  void emit_assembled(BlockId id, std::uint32_t out) {
    const bool begun = lies_on_totals(id) || placed_.has_parts(id);
    const PlacedParts::Assembled* plan = placed_.plan(id);
    std::vector<std::size_t> others;
    for (std::size_t k = 0; k < g_.operands(id).size(); ++k) {
      if (!lies_in(id, g_.operand(id, k))) others.push_back(k);
    }
    if (begun && others.empty()) return;
    const bool may_be_listed = !p_.exact && (plan == nullptr || plan->may_be_listed);
    if (may_be_listed && (g_[id].varying || writer_.better_as_lists(id, others, options_.parts_by_cost))) {
      return writer_.add_assembled(id, others, begun, out);
    }
    const std::uint32_t nodes = writer_.nodes_of(id);
    if (!begun && (plan == nullptr || plan->zeros)) writer_.add_zeros(id, out);
    for (const std::size_t k : others) writer_.add_part(id, k, plan == nullptr || !plan->is_put[k], out);
    p_.instructions.back().nodes = nodes;
  }

  /// True if those rows are computed inside the assemble block: totals, or what was placed there.
  bool lies_in(BlockId assemble, const View& x) const {
    if (placed_.is_in_place(x, assemble)) return true;
    if (!lies_on_totals(assemble) || (!total(x.block) && !lies_on_totals(x.block))) return false;
    const std::uint32_t place = slot_[x.block.index], begin = slot_[assemble.index];
    return place >= begin && place < begin + g_[assemble].rows;
  }

  /// Before the first of its parts that is computed in place, a block gets its slots; it may be a part itself.
  void place_part(BlockId id, SlotPool& pool) {
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
        slot_[at.index] = pool.take(g_[at].varying ? g_[at].rows : uniform_length(at));
      }
      const PlacedParts::Assembled* plan = placed_.plan(at);
      if (i > 0 && !is_there && plan != nullptr && plan->zeros) writer_.add_zeros(at, slot_[at.index]);
    }
  }

  void emit_sinks(BlockId id, std::vector<Instruction>& to) {
    for (std::uint32_t at = sinks_.first[id.index]; at != none; at = sinks_.list[at].next) {
      const Sink& sink = sinks_.list[at];
      if (sink.kind == InstructionKind::reduce || sink.kind == InstructionKind::reduce_outer) {
        const TotalSlots& total_slots = *totals_.of_block.find(sink.total.index);
        const Instruction* before = p_.instructions.size() > tile_begin_ ? &p_.instructions.back() : nullptr;
        to.push_back(writer_.of_total(sink, total_slots, !started_.insert(total_slots.first).second, before));
      } else {
        to.push_back(writer_.of_sink(sink));
      }
    }
  }

  /// Calls f(operand) for the products that are added up over the samples right after a block.
  template <class F>
  void each_factor_of_total(BlockId after, F&& f) const {
    for (std::uint32_t at = sinks_.first[after.index]; at != none; at = sinks_.list[at].next) {
      if (sinks_.list[at].kind != InstructionKind::reduce_outer) continue;
      for (const View& x : g_.operands(sinks_.list[at].total)) f(x);
    }
  }

  // --- giving slots back --------------------------------------------------------------------------------------------

  /// The result may take the slots of operands that are read row by row in the same order.
  bool may_be_in_place(BlockId id) const {
    if (g_.kind(id) != BlockKind::elementwise) return false;
    if (indexed_.empty()) return true;
    if (indexed_.contains(id)) return false;
    const OperandList all = g_.operands(id);
    return std::none_of(all.begin(), all.end(), [&](const View& x) { return indexed_.contains(x.block); });
  }
  /// What is part of another block is needed as long as that, and the other way round.
  void pass_on_use(BlockId id) {
    const PlacedParts::Part* part = placed_.part(id);
    if (part == nullptr || last_use_[id.index] == none) return;
    std::uint32_t& last = last_use_[part->assembled.index];
    last = last == none ? last_use_[id.index] : std::max(last, last_use_[id.index]);
  }

  /// After its own position, where it may have been put together of parts.
  bool is_read_no_more(BlockId id, std::uint32_t position) const {
    return last_use_[id.index] == none || last_use_[id.index] == position;
  }

  /// Whether the slots that a block's rows are in may be given back, or taken by the result, `in_order` with them.
  bool may_release(BlockId holder, BlockId user, std::uint32_t position, bool in_order) const {
    if (last_use_[holder.index] != position || holder == user) return false;
    return !in_order || (!placed_.has_parts(holder) && reads_in_order(g_, user, holder));
  }

  /// With `in_order`, those that the result may take. Whether there are others, to be given back after it.
  bool release_uniforms(BlockId user, std::uint32_t position, bool in_order = false) {
    if (!options_.reuse_slots) return false;
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
  bool is_read_for_total(BlockId user, BlockId holder) const {
    bool is_read = false;
    each_factor_of_total(user, [&](const View& x) { is_read |= placed_.holder(x.block) == holder; });
    return is_read;
  }

  void release_tiles(BlockId user, std::uint32_t position, SlotPool& tiles, bool in_order = false) {
    const auto release = [&](BlockId x) {
      const BlockId holder = placed_.holder(x);
      if (is_read_for_total(user, holder) || !may_release(holder, user, position, in_order)) return;
      release_tile(holder, tiles);
    };
    for (const View& x : g_.operands(user)) {
      if (g_.varying(x)) release(x.block);
      for (BlockId source : sources(x)) release(source);
    }
  }

  /// The blocks whose rows an operand reads one by one, if it does.
  std::span<const BlockId> sources(const View& x) const {
    return indexed_.contains(x.block) ? indexed_.sources(x.block) : std::span<const BlockId>();
  }

  void release_sink_operands(BlockId after, std::uint32_t position, SlotPool& tiles) {
    each_factor_of_total(after, [&](const View& x) {
      const BlockId holder = placed_.holder(x.block);
      if (last_use_[holder.index] == position) release_tile(holder, tiles);
    });
  }

  void release_tile(BlockId id, SlotPool& tiles) {
    if (slot_[id.index] == none) return;
    tiles.give_back(slot_[id.index], g_[id].rows);
    slot_[id.index] = none;
  }

  const Graph& g_;
  Schedule s_;
  Program& p_;
  LargeVector<std::uint32_t> uses_;  // of each block
  Totals totals_;
  Sinks sinks_;
  PlacedParts placed_;
  IndexedRows indexed_;
  EmitOptions options_;
  SlotPool uniforms_;
  LargeVector<std::uint32_t> slot_;      // of each block: uniform, or of the tile where it varies
  LargeVector<std::uint32_t> last_use_;  // likewise: as a position in the order, of a block that varies in this phase
  LargeVector<bool> of_phase_;           // which blocks are of the phase that is entered
  InstructionWriter writer_;
  std::size_t tile_begin_ = 0;                 // the first instruction of the stage's tiles
  std::unordered_set<std::uint32_t> started_;  // places of totals that something has been added to
  std::vector<BlockId> chain_;                 // a part, what it is part of, and so on
  std::vector<Instruction> emitted_;           // sinks of the uniform value at hand
  std::vector<Instruction> deferred_;          // sinks of uniform values, for the stage's tiles
};

}  // namespace

void emit(const Graph& graph, Schedule schedule, const EmitOptions& options, Program& program) {
  Emitter(graph, std::move(schedule), options, program).run();
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
