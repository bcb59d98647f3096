#include "tapeloom/compiler/emit/emit.h"

#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>

#include "tapeloom/compiler/emit/indexed_rows.h"
#include "tapeloom/compiler/emit/instruction_writer.h"
#include "tapeloom/compiler/emit/sinks.h"
#include "tapeloom/compiler/emit/slot_pool.h"
#include "tapeloom/compiler/emit/totals.h"
#include "tapeloom/core/base/check.h"
#include "tapeloom/core/base/memory.h"
#include "tapeloom/core/program/instructions.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

constexpr std::uint32_t none = Sinks::none;
constexpr std::uint32_t to_the_end = UINT32_MAX - 1;
// Uniform rows are computed in whole vectors, so they need room for one at their end.
constexpr std::uint32_t uniform_unit = 16;

class Emitter {
 public:
  Emitter(const Graph& graph, Schedule schedule, const EmitOptions& options, Program& program)
      : g_(graph),
        s_(std::move(schedule)),
        p_(program),
        totals_(place_totals(graph, s_, !program.exact)),
        sinks_(find_sinks(graph, s_, program.recorded_samples)),
        indexed_(graph, s_, sinks_),
        options_(options),
        uniforms_(0, options.reuse_slots),
        writer_(graph, slot_, program) {
    s_.phase = {};  // nothing below asks for it, and the tables below need room
  }

  void run() {
    place_leaves();
    p_.batch_slots = sinks_.batch_slots;
    find_last_uniform_uses();
    p_.instructions.reserve(most_instructions(g_, p_.exact) + sinks_.list.size());
    use_large_pages(p_.instructions.data(), p_.instructions.capacity() * sizeof(Instruction));
    for (std::size_t k = 0; k < s_.phases.size(); k += 2) emit_stage(k);
    p_.uniform_slots = uniforms_.size();
    place_roots();
  }

 private:
  bool is_leaf(BlockId id) const { return g_.operands(id).empty(); }
  bool total(BlockId id) const { return is_total(g_, id); }
  /// True for a uniform block that has slots of its own to give back.
  bool owns_uniform_slots(BlockId id) const { return !is_leaf(id) && !total(id) && !lies_on_totals(id); }
  /// True for an assemble block, or a sum, that was placed on its totals.
  bool lies_on_totals(BlockId id) const { return !g_[id].varying && totals_.first_of.contains(id.index); }
  std::uint32_t uniform_length(BlockId id) const {
    const std::uint32_t rows = g_[id].rows;
    return rows == 1 ? 1 : (rows + uniform_unit - 1) / uniform_unit * uniform_unit;
  }

  // --- leaves and roots ---------------------------------------------------------------------------------------------

  void place_leaves() {
    slot_.assign(g_.size(), none);
    place_constants(g_, slot_, p_);
    for (std::size_t i = 0; i < g_.size(); ++i) {
      const Block block = g_[BlockId(i)];
      if (block.kind == BlockKind::parameter) slot_[i] = block.payload;
      if (block.kind == BlockKind::uniform_input) slot_[i] = p_.first_uniform_input() + block.payload;
      if (block.kind == BlockKind::samples) slot_[i] = p_.samples_slot();
    }
    p_.total_count = totals_.count;
    for (std::size_t i = 0; i < g_.size(); ++i) {
      const BlockId id(i);
      if (total(id)) slot_[i] = p_.first_total() + totals_.of_block.at(id.index).first;
      if (lies_on_totals(id)) slot_[i] = p_.first_total() + totals_.first_of.at(id.index);
    }
    uniforms_ = SlotPool(p_.first_computed(), options_.reuse_slots);
  }

  void place_roots() {
    const auto slot = [&](const View& root) { return slot_[root.block.index] + root.row; };
    if (g_.roots.loss != nothing) p_.loss_slot = slot(g_.roots.loss);
    for (const Roots::Gradient& gradient : g_.roots.gradients) {
      if (gradient.value.step == 1 || gradient.value.rows == 1) {
        p_.gradients.push_back({ParameterId(gradient.first), gradient.value.rows, slot(gradient.value)});
        continue;
      }
      for (std::uint32_t r = 0; r < gradient.value.rows; ++r) {
        p_.gradients.push_back({ParameterId(gradient.first + r), 1, slot(gradient.value.part(r, 1))});
      }
    }
    for (std::size_t i = 0; i < g_.roots.outputs.size(); ++i) {
      p_.outputs[i].varying = g_.varying(g_.roots.outputs[i]);
      p_.outputs[i].slot = p_.outputs[i].varying ? none : slot(g_.roots.outputs[i]);
    }
  }

  // --- what is used where -------------------------------------------------------------------------------------------

  /// As positions in the schedule's order. What is consumed per sample, or read at the end, lives to the end.
  void find_last_uniform_uses() {
    last_use_.assign(g_.size(), none);
    of_phase_.assign(g_.size(), false);
    const auto use = [&](const View& x, std::uint32_t at) {
      if (!g_.varying(x)) last_use_[x.block.index] = at;
    };
    for (std::uint32_t i = 0; i < s_.order.size(); ++i) {
      for (const View& x : g_.operands(s_.order[i])) use(x, i);
    }
    for (std::size_t i = 0; i < g_.size(); ++i) {
      if (!g_[BlockId(i)].varying && sinks_.first[i] != none) last_use_[i] = to_the_end;
    }
    const auto keep = [&](const View& root) { use(root, to_the_end); };
    if (g_.roots.loss != nothing) keep(g_.roots.loss);
    for (const Roots::Gradient& root : g_.roots.gradients) keep(root.value);
    for (const View& root : g_.roots.outputs) keep(root);
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
    stage.inputs = {loads, count(p_.loads)};
    stage.totals = totals_.stages[uniform_phase / 2];
    p_.stages.push_back(stage);
  }

  void emit_uniform(Range phase) {
    for (std::uint32_t i = phase.begin; i < phase.end; ++i) {
      const BlockId id = s_.order[i];
      if (!is_leaf(id) && !total(id)) {
        const bool early = releases_before_taking(id);
        if (early) release_uniforms(id, i);
        if (owns_uniform_slots(id)) slot_[id.index] = uniforms_.take(uniform_length(id));
        emit_block(id, slot_[id.index]);
        if (!early) release_uniforms(id, i);
      }
      // Guards on uniform values are checked at once; whatever else consumes one works per sample.
      emitted_.clear();
      emit_sinks(id, emitted_);
      for (const Instruction& sink : emitted_) {
        (sink.kind == InstructionKind::guard ? p_.instructions : deferred_).push_back(sink);
      }
      if (last_use_[id.index] == none && owns_uniform_slots(id)) {
        uniforms_.give_back(slot_[id.index], uniform_length(id));
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
        const bool early = releases_before_taking(id);
        if (!early && !indexed_.contains(id)) slot_[id.index] = tiles.take(g_[id].rows);
        emit_block(id, slot_[id.index]);
        release_tiles(id, i, tiles);
        if (early) p_.instructions.back().out = slot_[id.index] = tiles.take(g_[id].rows);
        release_uniforms(id, i);
      }
      emit_sinks(id, p_.instructions);
      release_sink_operands(id, i, tiles);
      if (last_use_[id.index] == none) release_tile(id, tiles);
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
      for (std::uint32_t at = sinks_.first[id.index]; at != none; at = sinks_.list[at].next) {
        if (sinks_.list[at].kind != InstructionKind::reduce_outer) continue;
        for (const View& x : g_.operands(sinks_.list[at].total)) use(x, i);
      }
    }
    mark(false);
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
        return add(InstructionKind::dense, InstructionWriter::of_weights(g_.weights(id)), x, out);
      case BlockKind::dense_reverse:
        return add(InstructionKind::dense_reverse, InstructionWriter::of_weights(g_.weights(id)), x, out);
      case BlockKind::outer:
        return add(InstructionKind::outer, InstructionWriter::of_weights(g_.weights(id)), x, out);
      case BlockKind::concat:
        if (indexed_.contains(id)) return writer_.list_rows(id);
        if (writer_.gathers(id)) return writer_.add_gather(id, out);
        for (const View& part : x) {
          add(InstructionKind::copy, {.rows = part.rows}, std::array{part}, std::exchange(out, out + part.rows));
        }
        return;
      case BlockKind::assemble: {
        std::vector<std::size_t> added;
        for (std::size_t k = 0; k < x.size(); ++k) {
          if (!lies_on_totals(id) || !lies_in(id, x[k])) added.push_back(k);
        }
        if (!p_.exact && (block.varying || writer_.better_as_lists(id, added, options_.parts_by_cost))) {
          return writer_.add_assembled(id, added, lies_on_totals(id), out);
        }
        if (!lies_on_totals(id)) add(InstructionKind::zero, {.rows = block.rows}, std::array<View, 0>{}, out);
        for (std::size_t k : added) {
          const Destination& to_row = g_.destination(id, k);
          add(InstructionKind::add_at, InstructionWriter::of_matrix(to_row.shape), std::array{x[k]}, out + to_row.row);
        }
        return;
      }
      case BlockKind::constant:
      case BlockKind::parameter:
      case BlockKind::input:
      case BlockKind::uniform_input:
      case BlockKind::samples:
      case BlockKind::batch_sum:
        break;
    }
    fail_check("a block with an instruction", __FILE__, __LINE__);
  }

  /// True if those totals were placed inside the assemble block.
  bool lies_in(BlockId assemble, const View& x) const {
    if (!total(x.block) && !lies_on_totals(x.block)) return false;
    const std::uint32_t place = slot_[x.block.index], begin = slot_[assemble.index];
    return place >= begin && place < begin + g_[assemble].rows;
  }

  void emit_sinks(BlockId id, std::vector<Instruction>& to) {
    for (std::uint32_t at = sinks_.first[id.index]; at != none; at = sinks_.list[at].next) {
      const Sink& sink = sinks_.list[at];
      if (sink.kind == InstructionKind::reduce || sink.kind == InstructionKind::reduce_outer) {
        const TotalSlots& total_slots = totals_.of_block.at(sink.total.index);
        const Instruction* before = p_.instructions.size() > tile_begin_ ? &p_.instructions.back() : nullptr;
        to.push_back(writer_.of_total(sink, total_slots, !started_.insert(total_slots.first).second, before));
      } else {
        to.push_back(writer_.of_sink(sink));
      }
    }
  }

  // --- giving slots back --------------------------------------------------------------------------------------------

  /// The result may take the slots of an operand that is read row by row in the same order, and of nothing else.
  bool releases_before_taking(BlockId id) const {
    if (g_[id].kind != BlockKind::elementwise || indexed_.contains(id)) return false;
    for (const View& x : g_.operands(id)) {
      if (indexed_.contains(x.block) || (g_[x.block].rows > 1 && x != g_.all(x.block))) return false;
    }
    return true;
  }

  void release_uniforms(BlockId user, std::uint32_t position) {
    for (const View& x : g_.operands(user)) {
      if (g_.varying(x) || !owns_uniform_slots(x.block) || last_use_[x.block.index] != position) continue;
      last_use_[x.block.index] = to_the_end;  // an operand that stands twice is given back once
      uniforms_.give_back(slot_[x.block.index], uniform_length(x.block));
    }
  }

  void release_tiles(BlockId user, std::uint32_t position, SlotPool& tiles) {
    const auto release = [&](BlockId x) {
      if (last_use_[x.index] == position && !waits_for_sink(user, x)) release_tile(x, tiles);
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

  /// True if a total that is added up right after `user` still reads the block.
  bool waits_for_sink(BlockId user, BlockId block) const {
    for (std::uint32_t at = sinks_.first[user.index]; at != none; at = sinks_.list[at].next) {
      if (sinks_.list[at].kind != InstructionKind::reduce_outer) continue;
      for (const View& x : g_.operands(sinks_.list[at].total)) {
        if (x.block == block) return true;
      }
    }
    return false;
  }

  void release_sink_operands(BlockId after, std::uint32_t position, SlotPool& tiles) {
    for (std::uint32_t at = sinks_.first[after.index]; at != none; at = sinks_.list[at].next) {
      if (sinks_.list[at].kind != InstructionKind::reduce_outer) continue;
      for (const View& x : g_.operands(sinks_.list[at].total)) {
        if (last_use_[x.block.index] == position) release_tile(x.block, tiles);
      }
    }
  }

  void release_tile(BlockId id, SlotPool& tiles) {
    if (slot_[id.index] == none) return;
    tiles.give_back(slot_[id.index], g_[id].rows);
    slot_[id.index] = none;
  }

  const Graph& g_;
  Schedule s_;
  Program& p_;
  Totals totals_;
  Sinks sinks_;
  IndexedRows indexed_;
  EmitOptions options_;
  SlotPool uniforms_;
  LargeVector<std::uint32_t> slot_;      // of each block: uniform, or of the tile where it varies
  LargeVector<std::uint32_t> last_use_;  // likewise: as a position in the order, of a block that varies in this phase
  LargeVector<bool> of_phase_;           // which blocks are of the phase that is entered
  InstructionWriter writer_;
  std::size_t tile_begin_ = 0;                 // the first instruction of the stage's tiles
  std::unordered_set<std::uint32_t> started_;  // places of totals that something has been added to
  std::vector<Instruction> emitted_;           // sinks of the uniform value at hand
  std::vector<Instruction> deferred_;          // sinks of uniform values, for the stage's tiles
};

}  // namespace

void emit(const Graph& graph, Schedule schedule, const EmitOptions& options, Program& program) {
  Emitter(graph, std::move(schedule), options, program).run();
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
