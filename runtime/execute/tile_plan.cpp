#include "tapeloom/runtime/execute/tile_plan.h"

#include <algorithm>

#include "tapeloom/core/base/check.h"
#include "tapeloom/runtime/execute/arena.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

std::size_t scratch_numbers(const Program& program, std::size_t tile_samples) {
  std::size_t terms = 0;
  for (const Instruction& i : program.instructions) {
    const Shape& shape = program.shapes[i.shape];
    if (i.kind != InstructionKind::reduce_outer) continue;
    terms = std::max({terms, std::size_t{shape.rows}, std::size_t{shape.terms}});
  }
  return terms > 1 ? round_up(terms, lane_unit) * tile_samples : 0;
}

std::size_t slot_stride(std::size_t tile_samples, std::size_t number_size) {
  return tile_samples * number_size % 1024 == 0 ? tile_samples + lane_unit : tile_samples;
}

Instruction at_place(Instruction i, const Shape& s, std::uint32_t place) {
  if (i.kind == InstructionKind::reduce_outer) {
    i.x[0] += place * s.rows * s.step[0], i.x[1] += place * s.terms * s.step[1], i.out += place * s.place_step;
    return i;
  }
  const bool reverse = i.kind == InstructionKind::dense_reverse;
  const std::uint32_t results = reverse ? s.terms : s.rows, terms = reverse ? s.rows : s.terms;
  i.x[0] += place * s.place_step, i.x[1] += place * terms * s.step[1], i.x[2] += place * results * s.step[2];
  i.out += place * results;
  return i;
}

bool dots_are_cheaper(std::size_t rows, std::size_t terms, std::size_t samples, std::size_t vector_lanes,
                      bool transposes) {
  const auto vectors_of = [&](std::size_t numbers) { return (numbers + vector_lanes - 1) / vector_lanes; };
  const std::size_t dots = rows * terms * (vectors_of(samples) + 14);
  const std::size_t product = (rows + (transposes ? 4 : 0)) * vectors_of(terms) * samples + 60;
  return dots <= product;
}

namespace {

/// One more than the last tile slot that an instruction may write from Instruction::out on; 0 if it writes none.
std::uint64_t written_slots(const Instruction& i, const Shape& s) {
  switch (i.kind) {
    case InstructionKind::elementwise:
    case InstructionKind::copy:
    case InstructionKind::gather:
    case InstructionKind::reload:
      return s.rows;
    case InstructionKind::dense:
      return std::uint64_t{s.places} * s.rows;
    case InstructionKind::dense_reverse:
      return std::uint64_t{s.places} * s.terms;
    case InstructionKind::row_sum:
    case InstructionKind::row_extreme:
      return s.terms;
    case InstructionKind::row_extreme_reverse:
      return std::uint64_t{s.rows} * s.terms;
    case InstructionKind::zero:
    case InstructionKind::add_at:
    case InstructionKind::outer:
    case InstructionKind::reduce:
    case InstructionKind::reduce_products:
    case InstructionKind::reduce_outer:
    case InstructionKind::guard:
    case InstructionKind::spill:
    case InstructionKind::store_output:
    case InstructionKind::store_sample:
    case InstructionKind::store_input_gradient:
      return 0;
  }
  fail_check("an instruction kind", __FILE__, __LINE__);
}

}  // namespace

std::vector<std::uint32_t> find_loaded_operands(const Program& program) {
  std::vector<std::uint32_t> loaded(program.instructions.size(), no_load);
  for (const Stage& stage : program.stages) {
    for (std::uint32_t at = stage.inputs.begin; at < stage.inputs.end; ++at) {
      const Load& load = program.loads[at];
      const std::uint64_t begin = load.slot, end = begin + load.count;
      for (std::uint32_t n = stage.tile.begin; n < stage.tile.end; ++n) {
        const Instruction& i = program.instructions[n];
        const Shape& shape = program.shapes[i.shape];
        if (i.kind == InstructionKind::reduce_outer && (i.uniform_mask & 2) == 0 && shape.step[1] == 1 &&
            i.x[1] >= begin && i.x[1] + std::uint64_t{shape.places} * shape.terms <= end) {
          loaded[n] = at;
        }
        const std::uint64_t written = written_slots(i, shape);
        if (written > 0 && i.out < end && i.out + written > begin) break;
      }
    }
  }
  return loaded;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
