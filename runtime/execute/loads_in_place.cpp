#include "tapeloom/runtime/execute/loads_in_place.h"

#include <algorithm>

#include "tapeloom/core/program/cost.h"
#include "tapeloom/core/program/instructions.h"
#include "tapeloom/core/program/loaded_slots.h"
#include "tapeloom/core/program/matrix.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

using instructions::LoadedSlots;
using instructions::Matrix;
using instructions::Operand;
using instructions::Source;

/// What reads a load: products, in multiplications of vectors, or something else.
struct Readers {
  std::size_t in_place = 0, in_tile = 0;
  bool others = false;
};

/// Its vector is columns of a load, side by side, as are the terms of its matrix.
std::uint32_t load_of(const Instruction& i, const Shape& s, const LoadedSlots& loaded) {
  const bool may = i.kind == InstructionKind::dense && s.places == 1 && s.term_step == 1 && s.step[1] == 1;
  return may && !i.is_uniform(1) ? loaded.load_of(i.x[1], s.terms) : LoadedSlots::no_load;
}

bool may_read_load(const Instruction& i, const Shape& s) {
  return i.kind == InstructionKind::reduce_outer && instructions::ReduceOuter{i, s}.may_read_load();
}

/// Calls f(first, count) for the slots of the tile that operand k is in.
template <class F>
void each_read(const Program& program, const Instruction& i, const Shape& s, const Operand& operand, std::size_t k,
               F&& f) {
  const auto word = [&](std::uint64_t n) { return program.indices[i.x[k] + n]; };
  switch (operand.source) {
    case Source::numbers:
    case Source::mixed:
    case Source::lanes:
      if (s.step[k] != Shape::by_index) return f(i.x[k], (operand.count - 1) * s.step[k] + 1);
      for (std::uint64_t n = 0; n < operand.count; ++n) f(word(n), 1);
      return;
    case Source::lists:
      for (std::uint64_t n = 0; n < operand.count; ++n) {
        if ((word(n) & Program::uniform_slot) == 0) f(Program::slot_of(word(n)), 1);
      }
      return;
    case Source::matrix:
    case Source::batch:
      return;
  }
}

}  // namespace

LoadsInPlace::LoadsInPlace(const Program& program, std::size_t vector_lanes) {
  const auto is_dense = [](const Instruction& i) { return i.kind == InstructionKind::dense; };
  if (program.loads.empty() || std::ranges::none_of(program.instructions, is_dense)) return;
  constexpr std::size_t samples = 64;  // which are alike
  std::vector<Readers> readers(program.loads.size());
  LoadedSlots loaded(program);
  for (const Stage& stage : program.stages) {
    loaded.begin(stage);
    for (std::uint32_t at = stage.tile.begin; at < stage.tile.end; ++at) {
      const Instruction& i = program.instructions[at];
      const Shape& s = program.shapes[i.shape];
      const instructions::Facts facts = instructions::facts_of(i, s);
      const std::uint32_t load = load_of(i, s, loaded);
      if (load != LoadedSlots::no_load) {
        const Matrix w(i, s);
        readers[load].in_place += cost::dots_of_rows(samples, w.results, w.terms, vector_lanes);
        readers[load].in_tile += w.terms * w.results * cost::vectors_of(samples, vector_lanes);
        read_by_[at] = load;
      }
      for (std::size_t k = 0; k < facts.operands.size(); ++k) {
        const bool may_stay = k == 1 && (load != LoadedSlots::no_load || may_read_load(i, s));
        if (may_stay || i.is_uniform(k)) continue;
        each_read(program, i, s, facts.operands[k], k, [&](std::uint64_t first, std::uint64_t count) {
          loaded.each_in(first, count, [&](std::uint32_t other) { readers[other].others = true; });
        });
      }
      if (facts.result.target == instructions::Target::rows) loaded.overwrite(i.out, facts.result.count);
    }
  }
  if (read_by_.empty()) return;
  for (std::size_t load = 0; load < readers.size(); ++load) {
    const Readers& of = readers[load];
    const std::size_t transposing = cost::transposing_rows(samples, program.loads[load].count, vector_lanes);
    const bool bound = program.loads[load].first.index < program.input_count;  // and not random
    of_load_.push_back(bound && !of.others && of.in_place > 0 && of.in_place < of.in_tile + transposing);
  }
  std::erase_if(read_by_, [&](const auto& read) { return !of_load_[read.second]; });
}

std::uint32_t LoadsInPlace::read_by(std::uint32_t at) const {
  const auto read = read_by_.find(at);
  return read == read_by_.end() ? LoadedSlots::no_load : read->second;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
