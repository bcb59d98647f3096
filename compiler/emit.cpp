#include "tapeloom/compiler/emit.h"

#include <bit>
#include <unordered_map>

#include "tapeloom/compiler/slot_pool.h"
#include "tapeloom/core/error.h"

namespace tapeloom::compiler {

namespace {

constexpr std::uint32_t none = UINT32_MAX;
constexpr std::uint32_t to_the_end = UINT32_MAX - 1;

/// What happens to a value besides being an operand: it is reduced, guarded, stored or spilled, right after it is
/// computed.
struct Sink {
  InstructionKind kind;
  std::uint32_t out;
  std::uint32_t next;
};

class Emitter {
 public:
  Emitter(const Graph& graph, const Schedule& schedule, bool reuse_slots, Program& program)
      : g_(graph), s_(schedule), p_(program), reuse_(reuse_slots), uniforms_(0, reuse_slots) {}

  void run() {
    place_leaves();
    find_sinks();
    find_last_uniform_uses();
    for (std::size_t k = 0; k < s_.phases.size(); k += 2) emit_stage(k);
    p_.uniform_slots = uniforms_.size();
    place_roots();
  }

 private:
  bool computed(BlockId id) const {
    return g_[id].kind == BlockKind::elementwise || g_[id].kind == BlockKind::batch_sum;
  }

  // --- leaves and roots ---------------------------------------------------------------------------------------------

  void place_leaves() {
    uniform_slot_.assign(g_.size(), none);
    tile_slot_.assign(g_.size(), none);
    std::unordered_map<std::uint64_t, std::uint32_t> known;
    for (std::size_t i = 0; i < g_.size(); ++i) {
      if (g_[BlockId(i)].kind != BlockKind::constant) continue;
      const double number = g_.constant(BlockId(i));
      const auto [at, is_new] =
          known.try_emplace(std::bit_cast<std::uint64_t>(number), static_cast<std::uint32_t>(p_.constants.size()));
      if (is_new) p_.constants.push_back(number);
      uniform_slot_[i] = p_.first_constant() + at->second;
    }
    for (std::size_t i = 0; i < g_.size(); ++i) {
      const Block& block = g_[BlockId(i)];
      if (block.kind == BlockKind::parameter) uniform_slot_[i] = block.payload;
      if (block.kind == BlockKind::uniform_input) uniform_slot_[i] = p_.first_uniform_input() + block.payload;
      if (block.kind == BlockKind::samples) uniform_slot_[i] = p_.samples_slot();
    }
    uniforms_ = SlotPool(p_.first_computed(), reuse_);
  }

  void place_roots() {
    const auto slot = [&](BlockId root) { return root == Roots::none ? none : uniform_slot_[root.index]; };
    p_.loss_slot = slot(g_.roots.loss);
    p_.gradient_slots.assign(p_.parameters.size(), none);
    for (std::size_t i = 0; i < g_.roots.gradients.size(); ++i) p_.gradient_slots[i] = slot(g_.roots.gradients[i]);
    for (std::size_t i = 0; i < g_.roots.outputs.size(); ++i) {
      p_.outputs[i].varying = g_[g_.roots.outputs[i]].varying;
      p_.outputs[i].slot = p_.outputs[i].varying ? none : slot(g_.roots.outputs[i]);
    }
  }

  // --- liveness -----------------------------------------------------------------------------------------------------

  void add_sink(BlockId block, InstructionKind kind, std::size_t out) {
    sinks_.push_back({kind, static_cast<std::uint32_t>(out), first_sink_[block.index]});
    first_sink_[block.index] = static_cast<std::uint32_t>(sinks_.size() - 1);
  }

  void find_sinks() {
    first_sink_.assign(g_.size(), none);
    std::vector<bool> spilled(g_.size(), false);
    for (std::size_t position = 0; position < s_.order.size(); ++position) {
      const BlockId id = s_.order[position];
      for (BlockId operand : g_.operands(id)) {
        if (g_[id].kind == BlockKind::batch_sum) {
          add_sink(operand, InstructionKind::reduce, p_.reductions.size());
          p_.reductions.push_back(none);
          sums_.push_back(id);
        } else if (g_[operand].varying && g_[operand].kind != BlockKind::input && !spilled[operand.index] &&
                   s_.phase[operand.index] != s_.phase[id.index]) {
          spilled[operand.index] = true;
          batch_slot_.resize(g_.size(), none);
          batch_slot_[operand.index] = p_.batch_slots;
          add_sink(operand, InstructionKind::spill, p_.batch_slots++);
        }
      }
    }
    for (std::size_t i = 0; i < g_.roots.guards.size(); ++i) add_sink(g_.roots.guards[i], InstructionKind::guard, i);
    for (std::size_t i = 0; i < g_.roots.outputs.size(); ++i) {
      if (g_[g_.roots.outputs[i]].varying) add_sink(g_.roots.outputs[i], InstructionKind::store_output, i);
    }
    for (std::size_t i = 0; i < g_.roots.input_gradients.size(); ++i) {
      const BlockId root = g_.roots.input_gradients[i];
      if (root != Roots::none) add_sink(root, InstructionKind::store_input_gradient, i);
    }
  }

  /// As positions in the schedule's order. A uniform sink of a varying phase (a reduction of something uniform, a
  /// gradient that is the same for every sample) is emitted in the varying phase of its own stage.
  void find_last_uniform_uses() {
    last_uniform_use_.assign(g_.size(), none);
    for (std::uint32_t position = 0; position < s_.order.size(); ++position) {
      for (BlockId operand : g_.operands(s_.order[position])) last_uniform_use_[operand.index] = position;
    }
    for (std::size_t i = 0; i < g_.size(); ++i) {
      if (!g_[BlockId(i)].varying && first_sink_[i] != none) last_uniform_use_[i] = to_the_end;
    }
    const auto keep = [&](BlockId root) {
      if (root != Roots::none) last_uniform_use_[root.index] = to_the_end;
    };
    keep(g_.roots.loss);
    for (BlockId root : g_.roots.gradients) keep(root);
    for (BlockId root : g_.roots.outputs) keep(root);
  }

  // --- instructions -------------------------------------------------------------------------------------------------

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
    // The totals of the next stage are this one's reductions; the schedule lists them first and in order.
    stage.reductions = {next_reduction_, next_reduction_};
    while (stage.reductions.end < sums_.size() &&
           s_.summing_phase(sums_[stage.reductions.end]) <= uniform_phase + 1) {
      ++stage.reductions.end;
    }
    next_reduction_ = stage.reductions.end;
    p_.stages.push_back(stage);
  }

  void emit_uniform(Range phase) {
    for (std::uint32_t i = phase.begin; i < phase.end; ++i) {
      const BlockId id = s_.order[i];
      if (g_[id].kind == BlockKind::elementwise) {
        Instruction instruction = elementwise(id);
        release_uniforms(id, i);
        instruction.out = uniform_slot_[id.index] = uniforms_.take();
        p_.instructions.push_back(instruction);
      } else if (g_[id].kind == BlockKind::batch_sum) {
        release_uniforms(id, i);
        uniform_slot_[id.index] = uniforms_.take();
        p_.reductions[sum_index_++] = uniform_slot_[id.index];
      }
      emit_uniform_sinks(id);
      if (computed(id) && last_uniform_use_[id.index] == none) uniforms_.give_back(uniform_slot_[id.index]);
    }
  }

  void emit_tile(Range phase) {
    SlotPool tiles(0, reuse_);
    enter_tile(phase, tiles);
    p_.instructions.insert(p_.instructions.end(), deferred_.begin(), deferred_.end());
    for (std::uint32_t i = phase.begin; i < phase.end; ++i) {
      const BlockId id = s_.order[i];
      if (g_[id].kind == BlockKind::elementwise) {
        Instruction instruction = elementwise(id);
        for (BlockId operand : g_.operands(id)) {
          if (g_[operand].varying && last_tile_use_[operand.index] == i) release_tile(operand, tiles);
        }
        release_uniforms(id, i);
        instruction.out = tile_slot_[id.index] = tiles.take();
        p_.instructions.push_back(instruction);
      }
      emit_sinks(id, tile_slot_[id.index], 0, p_.instructions);
      if (last_tile_use_[id.index] == none) release_tile(id, tiles);
    }
    p_.tile_slots = std::max(p_.tile_slots, tiles.size());
  }

  /// Finds the last uses within the phase, and reads what it needs from the bound rows and from earlier stages.
  void enter_tile(Range phase, SlotPool& tiles) {
    last_tile_use_.resize(g_.size(), none);
    std::vector<BlockId> from_outside;
    for (std::uint32_t i = phase.begin; i < phase.end; ++i) {
      const BlockId id = s_.order[i];
      last_tile_use_[id.index] = none;
      if (g_[id].kind == BlockKind::input) from_outside.push_back(id);
      for (BlockId operand : g_.operands(id)) {
        if (!g_[operand].varying) continue;
        const bool outside = s_.phase[operand.index] != s_.phase[id.index];
        if (outside && (last_tile_use_[operand.index] == none || last_tile_use_[operand.index] < phase.begin)) {
          from_outside.push_back(operand);
        }
        last_tile_use_[operand.index] = i;
      }
    }
    for (BlockId id : from_outside) {
      if (g_[id].kind == BlockKind::input && last_tile_use_[id.index] == none && first_sink_[id.index] == none) continue;
      tile_slot_[id.index] = tiles.take();
      if (g_[id].kind == BlockKind::input) {
        p_.loads.push_back({InputId(g_[id].payload), tile_slot_[id.index]});
      } else {
        Instruction reload{.kind = InstructionKind::reload, .out = tile_slot_[id.index]};
        reload.x[0] = batch_slot_[id.index];
        p_.instructions.push_back(reload);
      }
    }
  }

  Instruction elementwise(BlockId id) {
    Instruction instruction{.op = g_[id].op};
    for (std::size_t k = 0; k < g_[id].operand_count; ++k) {
      const BlockId operand = g_.operand(id, k);
      const bool uniform = !g_[operand].varying;
      instruction.x[k] = uniform ? uniform_slot_[operand.index] : tile_slot_[operand.index];
      TAPELOOM_CHECK(instruction.x[k] != none);
      instruction.uniform_mask = static_cast<std::uint8_t>(instruction.uniform_mask | (uniform ? 1u << k : 0u));
    }
    return instruction;
  }

  void emit_sinks(BlockId id, std::uint32_t slot, std::uint8_t uniform_mask, std::vector<Instruction>& out) {
    for (std::uint32_t at = first_sink_[id.index]; at != none; at = sinks_[at].next) {
      Instruction instruction{.kind = sinks_[at].kind, .uniform_mask = uniform_mask, .out = sinks_[at].out};
      instruction.x[0] = slot;
      out.push_back(instruction);
    }
  }

  /// Guards on uniform values are checked where they are computed; everything else that consumes one works per sample.
  void emit_uniform_sinks(BlockId id) {
    std::vector<Instruction> sinks;
    emit_sinks(id, uniform_slot_[id.index], 1, sinks);
    for (const Instruction& sink : sinks) {
      (sink.kind == InstructionKind::guard ? p_.instructions : deferred_).push_back(sink);
    }
  }

  void release_uniforms(BlockId user, std::uint32_t position) {
    for (BlockId operand : g_.operands(user)) {
      if (g_[operand].varying || !computed(operand) || last_uniform_use_[operand.index] != position) continue;
      last_uniform_use_[operand.index] = to_the_end;  // an operand that stands twice is given back once
      uniforms_.give_back(uniform_slot_[operand.index]);
    }
  }

  void release_tile(BlockId id, SlotPool& tiles) {
    if (tile_slot_[id.index] == none) return;
    tiles.give_back(tile_slot_[id.index]);
    tile_slot_[id.index] = none;
  }

  const Graph& g_;
  const Schedule& s_;
  Program& p_;
  bool reuse_;
  SlotPool uniforms_;
  std::vector<std::uint32_t> uniform_slot_, tile_slot_, batch_slot_;
  std::vector<std::uint32_t> last_uniform_use_, last_tile_use_;
  std::vector<Sink> sinks_;
  std::vector<std::uint32_t> first_sink_;
  std::vector<BlockId> sums_;          // batch sums in the order of Program::reductions
  std::uint32_t sum_index_ = 0;        // the next of them to get its uniform slot
  std::uint32_t next_reduction_ = 0;   // the first that no stage has added up yet
  std::vector<Instruction> deferred_;  // sinks of uniform values, for the stage's tiles
};

}  // namespace

void emit(const Graph& graph, const Schedule& schedule, bool reuse_slots, Program& program) {
  Emitter(graph, schedule, reuse_slots, program).run();
}

}  // namespace tapeloom::compiler
