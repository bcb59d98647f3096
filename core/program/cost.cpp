#include "tapeloom/core/program/cost.h"

#include <algorithm>

#include "tapeloom/core/program/instructions.h"

namespace tapeloom::inline TAPELOOM_ABI::cost {

namespace {

bool has_rows_apart(const Instruction& i, const Shape& shape) {
  const bool by_index = std::find(shape.step.begin(), shape.step.end(), Shape::by_index) != shape.step.end();
  return i.kind == InstructionKind::gather || (i.kind == InstructionKind::elementwise && by_index);
}

}  // namespace

std::size_t starts(const Instruction& i, const Shape& shape) { return has_rows_apart(i, shape) ? shape.rows : 1; }

double seconds_a_tile(const Instruction& i, const Shape& shape, std::size_t samples, std::size_t number_size) {
  const instructions::Facts facts = instructions::facts_of(i, shape);
  const auto flops = static_cast<double>(facts.flops);
  const auto numbers = static_cast<double>(std::max(facts.flops, facts.extent[0]));
  const double a_sample = facts.matrix_product ? flops / flops_a_second : numbers / numbers_a_second;
  const double in_float = a_sample * static_cast<double>(samples);
  const double apart = has_rows_apart(i, shape) ? row_apart * shape.rows : 0.0;
  return start + apart + in_float * static_cast<double>(number_size) / sizeof(float);
}

double seconds_a_sample(const Program& program, std::size_t tile_samples, std::size_t number_size) {
  double seconds = 0.0;
  instructions::each(program, &Stage::tile, [&](std::uint32_t, const Instruction& i, const Shape& s) {
    seconds += seconds_a_tile(i, s, tile_samples, number_size);
  });
  return seconds / static_cast<double>(tile_samples);
}

double seconds_a_step(const Program& program, std::size_t samples) {
  return seconds_once(program) + seconds_a_sample(program, samples, sizeof(double)) * static_cast<double>(samples);
}

double seconds_once(const Program& program) {
  double seconds = 0.0;
  instructions::each(program, &Stage::uniform, [&](std::uint32_t, const Instruction& i, const Shape& s) {
    seconds += seconds_a_tile(i, s, 1, sizeof(double));
  });
  return seconds;
}

std::size_t dots(std::size_t rows, std::size_t terms, std::size_t samples, std::size_t vector_lanes) {
  constexpr std::size_t adding_lanes = 4;  // of each
  return rows * terms * (vectors_of(samples, vector_lanes) + adding_lanes);
}

std::size_t product_over_samples(std::size_t rows, std::size_t terms, std::size_t samples, std::size_t vector_lanes,
                                 std::size_t transposed) {
  constexpr std::size_t starting = 60, transposing = 4;  // the latter as many rows
  const auto times = [&](std::size_t numbers) { return vectors_of(numbers, vector_lanes) * samples; };
  return rows * times(terms) + transposing * times(transposed) + starting;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::cost
