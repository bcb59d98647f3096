#include "tapeloom/runtime/execute/program_cost.h"

#include <algorithm>

#include "tapeloom/core/program/instructions.h"
#include "tapeloom/core/program/work.h"
#include "tapeloom/runtime/execute/arena.h"
#include "tapeloom/runtime/execute/tile_plan.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

double operations_of(const Program& program, Range range, bool in_tile) {
  double operations = 0.0;
  for (std::uint32_t at = range.begin; at < range.end; ++at) {
    const InstructionWork work = work_of(program, program.instructions[at], in_tile);
    operations += static_cast<double>(work.flops) + static_cast<double>(work.numbers);
  }
  return operations;
}

/// Of the lists of calls that a product or sums are cut into: 0.6 to 0.8 KB a place, 18 bytes a total of products and
/// 42 bytes a total of rows, measured for a million of each.
double call_bytes(const Instruction& i, const Shape& s) {
  constexpr double place = 1024.0, product = 32.0, row = 64.0;
  const instructions::Facts facts = instructions::facts_of(i, s);
  double bytes = facts.matrix_product ? place * s.places : 0.0;
  if (facts.result.target == instructions::Target::total_rows) bytes += row * s.rows;
  if (facts.result.target == instructions::Target::total_entries) bytes += product * s.rows * s.terms;
  return bytes;
}

double bytes_of(const Program& p, std::size_t samples) {
  const std::size_t tile = std::min(preferred_tile_samples(p, sizeof(double)), round_up(samples, lane_unit));
  const double stride = static_cast<double>(slot_stride(tile, sizeof(double)));
  // Once; and for each group of samples, each sample of a batch, each sample of a tile.
  double numbers = 2.0 * static_cast<double>(p.parameters.size()) + p.uniform_slots;
  numbers += static_cast<double>(most_groups(p) - 1) * p.total_count;
  const double outputs = static_cast<double>(p.outputs.size());
  const double gradients = p.has_input_gradients ? p.input_count : 0.0;
  numbers += static_cast<double>(samples) * (p.batch_slots + outputs + gradients);
  numbers += stride * p.tile_slots + static_cast<double>(scratch_numbers(p, tile));
  for (const Load& load : p.loads) numbers += stride * load.count;
  double bytes = sizeof(double) * numbers;
  for (const Instruction& i : p.instructions) bytes += call_bytes(i, p.shapes[i.shape]);
  return bytes;
}

}  // namespace

ProgramCost cost_of(const Program& program, std::size_t samples) {
  const std::size_t recorded = program.recorded_samples;
  ProgramCost cost{.bytes = bytes_of(program, std::max(samples, recorded))};
  if (recorded > 0) samples = recorded;
  for (const Stage& stage : program.stages) {
    cost.operations += operations_of(program, stage.uniform, false);
    cost.operations += static_cast<double>(samples) * operations_of(program, stage.tile, true);
  }
  return cost;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
