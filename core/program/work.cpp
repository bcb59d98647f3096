#include "tapeloom/core/program/work.h"

#include "tapeloom/core/program/instructions.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

using instructions::Operand;
using instructions::Result;
using instructions::Source;
using instructions::Target;

/// How many numbers operand k is.
std::uint64_t numbers_read(const Instruction& i, const Shape& shape, const Operand& operand, std::size_t k,
                           bool in_tile) {
  switch (operand.source) {
    case Source::matrix:
      return in_tile ? 0 : operand.count;
    case Source::lists:
    case Source::batch:
      return operand.count;
    case Source::numbers:
    case Source::mixed:
    case Source::lanes:
      break;
  }
  if (in_tile && i.is_uniform(k)) return 0;
  return shape.step[k] == 0 ? 1 : operand.count;
}

std::uint64_t numbers_written(const Result& result) {
  switch (result.target) {
    case Target::guard:
    case Target::total_rows:
    case Target::total_entries:
      return 0;
    case Target::rows:
    case Target::entries:
    case Target::batch:
    case Target::output:
    case Target::input_gradient:
      break;
  }
  return result.adds ? 2 * result.count : result.count;
}

}  // namespace

InstructionWork work_of(const Program& program, const Instruction& instruction, bool in_tile) {
  const Shape& shape = program.shapes[instruction.shape];
  const instructions::Facts facts = instructions::facts_of(instruction, shape);
  std::uint64_t numbers = numbers_written(facts.result);
  for (std::size_t k = 0; k < facts.operands.size(); ++k) {
    numbers += numbers_read(instruction, shape, facts.operands[k], k, in_tile);
  }
  const auto [rows, terms] = facts.extent;
  return {instructions::title_of(instruction, shape), rows, terms, facts.flops, numbers, facts.matrix_product};
}

}  // namespace tapeloom::inline TAPELOOM_ABI
