#include "tapeloom/compiler/emit/emit.h"

#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>

#include "tapeloom/compiler/emit/block_slots.h"
#include "tapeloom/compiler/emit/ends.h"
#include "tapeloom/compiler/emit/indexed_rows.h"
#include "tapeloom/compiler/emit/instruction_writer.h"
#include "tapeloom/compiler/emit/placed_parts.h"
#include "tapeloom/compiler/emit/sinks.h"
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
        slots_(graph, s_, totals_, sinks_, placed_, indexed_, options.reuse_slots),
        options_(options),
        writer_(graph, slots_.all(), program) {
    s_.phase = {}, uses_ = {};  // nothing below asks for them, and the tables below need room
  }

  void run() {
    place_leaves();
    p_.batch_slots = sinks_.batch_slots;
    slots_.find_last_uniform_uses();
    p_.instructions.reserve(most_instructions(g_, p_.exact) + sinks_.list.size());
    use_large_pages(p_.instructions.data(), p_.instructions.capacity() * sizeof(Instruction));
    for (std::size_t k = 0; k < s_.phases.size(); k += 2) emit_stage(k);
    p_.uniform_slots = slots_.uniform_size();
    place_roots(g_, slots_.all(), p_);
  }

 private:
  bool is_leaf(BlockId id) const { return g_.operand_blocks(id).empty(); }
  /// Rows of the only sample that there is are loaded once.
  void place_leaves() {
    slots_.place_leaves(p_);
    for (std::size_t i = 0; i < g_.size(); ++i) {
      const BlockId id(i);
      if (g_.kind(id) != BlockKind::row) continue;
      slots_.take(id);
      writer_.add_load(id, slots_[id]);
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
      if (!is_leaf(id) && !is_total(g_, id)) {
        bool any_left = true;
        if (placed_.part(id) != nullptr) {
          place_part(id);
        } else if (!slots_.lies_on_totals(id) && !placed_.has_parts(id)) {
          if (slots_.may_be_in_place(id)) any_left = slots_.release_uniforms(id, i, true);
          slots_.take(id);
        }
        emit_block(id, slots_[id]);
        if (any_left) slots_.release_uniforms(id, i);
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
    tile_begin_ = p_.instructions.size();
    for (const BlockId id : slots_.enter_tile(phase)) read_before_tile(id);
    p_.instructions.insert(p_.instructions.end(), deferred_.begin(), deferred_.end());
    for (std::uint32_t i = phase.begin; i < phase.end; ++i) {
      const BlockId id = s_.order[i];
      if (!is_leaf(id)) {
        // Slots are read until the instruction is emitted, and only then forgotten.
        const bool is_part = placed_.part(id) != nullptr, in_place = !is_part && slots_.may_be_in_place(id);
        if (is_part) {
          place_part(id);
        } else if (!in_place && !indexed_.contains(id) && !placed_.has_parts(id)) {
          slots_.take(id);
        }
        emit_block(id, slots_[id]);
        if (in_place) {
          slots_.release_tiles(id, i, true);
          slots_.take(id);
          p_.instructions.back().out = slots_[id];
        }
        slots_.release_tiles(id, i);
        slots_.release_uniforms(id, i);
      }
      emit_sinks(id, p_.instructions);
      slots_.release_after_sinks(id, i);
    }
    p_.tile_slots = std::max(p_.tile_slots, slots_.tile_size());
  }

  /// From the bound rows, or from an earlier stage.
  void read_before_tile(BlockId id) {
    slots_.take(id);
    if (g_.kind(id) == BlockKind::input) return writer_.add_load(id, slots_[id]);
    Instruction reload{.kind = InstructionKind::reload, .out = slots_[id]};
    reload.x[0] = sinks_.batch_slot[id.index];
    reload.shape = writer_.shape({.rows = g_.rows(id)});
    p_.instructions.push_back(reload);
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
        if (slots_.lies_on_totals(id)) return;
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
    const bool begun = slots_.lies_on_totals(id) || placed_.has_parts(id);
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
    const bool on_totals = is_total(g_, x.block) || slots_.lies_on_totals(x.block);
    if (!slots_.lies_on_totals(assemble) || !on_totals) return false;
    const std::uint32_t place = slots_[x.block], begin = slots_[assemble];
    return place >= begin && place < begin + g_[assemble].rows;
  }

  /// Gets its slots, and so does what it is a part of, which may have to begin as zeros.
  void place_part(BlockId id) {
    slots_.take_part(id, [&](BlockId assembled) {
      const PlacedParts::Assembled* plan = placed_.plan(assembled);
      if (plan != nullptr && plan->zeros) writer_.add_zeros(assembled, slots_[assembled]);
    });
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

  const Graph& g_;
  Schedule s_;
  Program& p_;
  LargeVector<std::uint32_t> uses_;  // of each block
  Totals totals_;
  Sinks sinks_;
  PlacedParts placed_;
  IndexedRows indexed_;
  BlockSlots slots_;
  EmitOptions options_;
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
