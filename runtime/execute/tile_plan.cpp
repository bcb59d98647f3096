#include "tapeloom/runtime/execute/tile_plan.h"

#include <algorithm>

#include "tapeloom/core/program/instructions.h"
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

bool dots_are_cheaper(std::size_t rows, std::size_t terms, std::size_t samples, std::size_t vector_lanes,
                      bool transposes) {
  const auto vectors_of = [&](std::size_t numbers) { return (numbers + vector_lanes - 1) / vector_lanes; };
  const std::size_t dots = rows * terms * (vectors_of(samples) + 14);
  const std::size_t product = (rows + (transposes ? 4 : 0)) * vectors_of(terms) * samples + 60;
  return dots <= product;
}

std::vector<std::uint32_t> find_loaded_operands(const Program& program) {
  std::vector<std::uint32_t> loaded(program.instructions.size(), no_load);
  for (const Stage& stage : program.stages) {
    for (std::uint32_t at = stage.inputs.begin; at < stage.inputs.end; ++at) {
      const Load& load = program.loads[at];
      const std::uint64_t begin = load.slot, end = begin + load.count;
      for (std::uint32_t n = stage.tile.begin; n < stage.tile.end; ++n) {
        const Instruction& i = program.instructions[n];
        const Shape& shape = program.shapes[i.shape];
        if (i.kind == InstructionKind::reduce_outer && !i.is_uniform(1) && shape.step[1] == 1 && i.x[1] >= begin &&
            i.x[1] + std::uint64_t{shape.places} * shape.terms <= end) {
          loaded[n] = at;
        }
        const instructions::Result result = facts_of(i, shape).result;
        if (result.target == instructions::Target::rows && i.out < end && i.out + result.count > begin) break;
      }
    }
  }
  return loaded;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
