#include "tapeloom/runtime/execute/tile_plan.h"

#include <algorithm>
#include <bit>

#include "tapeloom/core/program/cost.h"
#include "tapeloom/core/program/instructions.h"
#include "tapeloom/runtime/execute/arena.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

constexpr std::size_t most_tile_samples = 512, most_samples_for_weights = 128;
// Tile slots that are swept together should stay in little more than half of a 1 MiB second-level cache.
constexpr std::size_t tile_bytes = 576 * 1024;
// Where that leaves few samples, instructions of a few rows take longer to start than to run. Reading slots from the
// third-level cache takes less.
constexpr std::size_t most_tile_bytes = 16 * 1024 * 1024, most_samples_to_start = 128;
constexpr std::size_t most_group_totals = std::size_t{1} << 24;

/// So many that an instruction computes `numbers_worth_a_start` on average each time it is started, within limits.
std::size_t samples_worth_starting(const Program& program) {
  std::size_t starts = 0, rows = 0;
  for (const Stage& stage : program.stages) {
    for (std::uint32_t at = stage.tile.begin; at < stage.tile.end; ++at) {
      const Instruction& i = program.instructions[at];
      const Shape& shape = program.shapes[i.shape];
      starts += cost::starts(i, shape), rows += std::size_t{shape.rows} * shape.places;
    }
  }
  return rows == 0 ? 0 : std::min(cost::numbers_worth_a_start * starts / rows, most_samples_to_start);
}

}  // namespace

std::size_t preferred_tile_samples(const Program& program, std::size_t number_size) {
  const std::size_t slots = std::max<std::size_t>(program.tile_slots, 1);
  // Groups of least_group_samples go through in equal parts, so a tile between a whole one and half of one would leave
  // gaps between its slots, which takes up to twice as long where they are read from the third-level cache.
  const std::size_t affordable = most_tile_bytes / (slots * number_size);
  const std::size_t started = std::bit_floor(std::min(samples_worth_starting(program), affordable));
  const std::size_t fitting = std::max(tile_bytes / (slots * number_size), started) / lane_unit * lane_unit;
  // Each tile reads all weights, and adds to all of their gradients. Where they are more than what a tile computes, it
  // is better to read them less often.
  const std::size_t weights = program.parameters.size() / (2 * slots) / lane_unit * lane_unit;
  return std::clamp(fitting, std::clamp(weights, lane_unit, most_samples_for_weights), most_tile_samples);
}

std::size_t most_groups(const Program& program) {
  constexpr std::size_t most = 8;
  if (program.exact) return 1;
  const std::size_t fitting = std::max<std::size_t>(most_group_totals / (program.total_count + 1), 2);
  return std::min(most, fitting);
}

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

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
