#include "tapeloom/runtime/execute/tile_plan.h"

#include <algorithm>
#include <bit>

#include "tapeloom/core/program/cost.h"
#include "tapeloom/core/program/instructions.h"
#include "tapeloom/core/program/matrix.h"
#include "tapeloom/core/program/work.h"
#include "tapeloom/runtime/execute/arena.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

constexpr std::size_t most_tile_samples = 512, most_samples_for_weights = 128;
// Tile slots that are swept together should stay in little more than half of a 1 MiB second-level cache.
constexpr std::size_t tile_bytes = 576 * 1024;
// Where that leaves few samples, instructions of a few rows take longer to start than to run. Reading slots from the
// third-level cache takes less: for 64 samples, and for 128 where most of the slots are in the second-level cache
// still. Of one to ten irregular expressions of 10,000 operations, all in one program, tiles chosen so were the best of
// 32, 64 and 128 samples, or took 1.06 times as long, in float and in double.
constexpr std::size_t most_tile_bytes = 16 * 1024 * 1024, samples_to_start = 64;
constexpr std::size_t nearer_bytes = 4 * 1024 * 1024, most_samples_to_start = 128;
// Of one vector of samples, a product reads a number of the matrix for each multiplication: a step of a convolutional
// net takes 1.15 times as long in tiles of 16 floats as in tiles of 32. Two of AVX-512, for every machine.
constexpr std::size_t two_vector_bytes = 128;
constexpr std::size_t most_group_totals = std::size_t{1} << 24;

/// How many numbers take as long as an instruction takes for a sample: a product computes each of its own from many,
/// and in double takes twice as long. With two padded layers of 8 channels on 16 x 16, for which rows alone gave 128
/// samples, 32 take 0.6 times as long in float, and 0.4 times in double.
std::size_t numbers_of(const Instruction& i, const Shape& shape, std::size_t number_size) {
  constexpr auto flops_a_number = static_cast<std::uint64_t>(cost::flops_a_second / cost::numbers_a_second);
  const std::size_t rows = std::size_t{shape.rows} * shape.places;
  const instructions::Facts facts = instructions::facts_of(i, shape);
  if (!facts.matrix_product) return rows;
  return std::max<std::size_t>(rows, facts.flops / flops_a_number * (number_size / sizeof(float)));
}

/// So many that an instruction computes `numbers_worth_a_start` on average each time it is started, within limits.
std::size_t samples_worth_starting(const Program& program, std::size_t number_size) {
  std::size_t starts = 0, numbers = 0;
  instructions::each(program, &Stage::tile, [&](std::uint32_t, const Instruction& i, const Shape& shape) {
    starts += cost::starts(i, shape), numbers += numbers_of(i, shape, number_size);
  });
  return numbers == 0 ? 0 : std::min(cost::numbers_worth_a_start * starts / numbers, most_samples_to_start);
}

bool has_products(const Program& program) {
  return std::ranges::any_of(program.stages, [&](const Stage& stage) {
    const auto at = program.instructions.begin();
    return std::any_of(at + stage.tile.begin, at + stage.tile.end,
                       [](const Instruction& i) { return instructions::is_product(i); });
  });
}

}  // namespace

std::size_t preferred_tile_samples(const Program& program, std::size_t number_size) {
  const std::size_t slots = std::max<std::size_t>(program.tile_slots, 1);
  // Groups of least_group_samples go through in equal parts, so a tile between a whole one and half of one would leave
  // gaps between its slots, which takes up to twice as long where they are read from the third-level cache.
  const std::size_t affordable = std::max(nearer_bytes / (slots * number_size),
                                          std::min(most_tile_bytes / (slots * number_size), samples_to_start));
  const std::size_t started = std::bit_floor(std::min(samples_worth_starting(program, number_size), affordable));
  const std::size_t multiplied = std::min(has_products(program) ? two_vector_bytes / number_size : 0, affordable);
  const std::size_t least = std::max(started, multiplied);
  const std::size_t fitting = std::max(tile_bytes / (slots * number_size), least) / lane_unit * lane_unit;
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
    const std::size_t places = std::min<std::size_t>(outer.places(), places_transposed_together);
    const std::size_t shared = outer.s.windows.step < outer.columns() ? (places - 1) * outer.s.windows.step : 0;
    terms = std::max({terms, std::size_t{outer.rows()}, shared + outer.columns()});
  }
  return terms > 1 ? round_up(terms, lane_unit) * tile_samples : 0;
}

SlotStride::SlotStride(const Program& program, std::size_t number_size)
    : number_size_(number_size), has_products_(has_products(program)) {}

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
/// 42 bytes a total or a sum of rows, measured for a million of each.
double call_bytes(const Instruction& i, const Shape& s) {
  constexpr double place = 1024.0, product = 32.0, row = 64.0;
  const instructions::Facts facts = instructions::facts_of(i, s);
  double bytes = facts.matrix_product ? place * s.places : 0.0;
  if (facts.result.target == instructions::Target::total_rows) bytes += row * s.rows;
  if (i.kind == InstructionKind::row_sum) bytes += row * s.terms;
  // Once a step they may be sums of products.
  if (instructions::is_product(i)) bytes += row * static_cast<double>(facts.result.count);
  if (facts.result.target == instructions::Target::total_entries) bytes += product * s.rows * s.terms;
  return bytes;
}

/// How many numbers of a matrix may be copied for a product that runs once a step, to lie side by side in whole
/// vectors.
double numbers_copied(const Instruction& i, const Shape& s) {
  if (i.kind == InstructionKind::outer) {
    const bool apart = s.step[0] > 1 || s.step[1] > 1;
    const std::size_t products = s.place_step == 0 ? s.places : 1;
    return apart ? static_cast<double>(products * round_up(std::max(s.rows, s.terms), lane_unit)) : 0.0;
  }
  if (!instructions::is_product(i) || s.place_step != 0) return 0.0;
  const instructions::Matrix w(i, s);
  return w.result_step == 1 ? 0.0 : static_cast<double>(w.terms * round_up(w.results, lane_unit));
}

double bytes_of(const Program& p, std::size_t samples) {
  const std::size_t tile = std::min(preferred_tile_samples(p, sizeof(double)), round_up(samples, lane_unit));
  const double stride = static_cast<double>(SlotStride(p, sizeof(double))(tile));
  // Once; and for each group of samples, each sample of a batch, each sample of a tile.
  double numbers = 2.0 * static_cast<double>(p.parameters.size()) + p.uniform_slots;
  numbers += static_cast<double>(most_groups(p) - 1) * p.total_count;
  const double outputs = static_cast<double>(p.outputs.size());
  const double gradients = p.has_input_gradients ? p.input_count : 0.0;
  numbers += static_cast<double>(samples) * (p.batch_slots + outputs + gradients);
  numbers += stride * p.tile_slots + static_cast<double>(scratch_numbers(p, tile));
  for (const Load& load : p.loads) numbers += stride * load.count;
  if (cost::may_have_rows_as_lanes(p)) {
    // Slots for each of few samples, and transposes of matrices.
    const std::size_t few = std::min(samples, cost::most_few_samples);
    numbers += static_cast<double>(few * round_up(p.tile_slots, lane_unit) + p.parameters.size());
  }
  double copied = 0.0;
  instructions::each(p, &Stage::uniform, [&](std::uint32_t, const Instruction& i, const Shape& s) {
    copied = std::max(copied, numbers_copied(i, s));
  });
  numbers += copied;
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
  if (program.of_one_sample != nullptr) {
    const ProgramCost one = cost_of(*program.of_one_sample, 1);
    cost.operations = std::max(cost.operations, one.operations), cost.bytes = std::max(cost.bytes, one.bytes);
  }
  return cost;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
