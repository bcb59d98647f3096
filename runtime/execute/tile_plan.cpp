#include "tapeloom/runtime/execute/tile_plan.h"

#include <algorithm>

#include "tapeloom/core/program/instructions.h"
#include "tapeloom/runtime/execute/arena.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

std::size_t scratch_numbers(const Program& program, std::size_t tile_samples) {
  std::size_t terms = 0;
  for (const Instruction& i : program.instructions) {
    if (i.kind != InstructionKind::reduce_outer) continue;
    const instructions::ReduceOuter outer{i, program.shapes[i.shape]};
    terms = std::max({terms, std::size_t{outer.rows()}, std::size_t{outer.columns()}});
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

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
