#include "tapeloom/core/program/work.h"

#include "tapeloom/core/base/check.h"

namespace tapeloom::inline TAPELOOM_ABI {

InstructionWork work_of(const Program& program, const Instruction& instruction, bool in_tile) {
  const Shape& shape = program.shapes[instruction.shape];
  const std::uint64_t rows = shape.rows, terms = shape.terms, places = shape.places;
  const auto read = [&](std::size_t k, std::uint64_t count) -> std::uint64_t {
    if (in_tile && (instruction.uniform_mask >> k & 1) != 0) return 0;
    return shape.step[k] == 0 ? 1 : count;
  };
  const bool has_op = instruction.op != Op::constant, has_then = instruction.then != Op::constant;
  std::string finish;
  if (has_op) finish += std::string(", ") + op_name(instruction.op);
  if (has_then) finish += std::string(", ") + op_name(instruction.then);
  const auto finish_flops = [&](std::uint64_t count) { return count * (has_op + has_then); };
  const auto finish_reads = [&](std::uint64_t count) { return has_op ? read(2, count) : 0; };
  const std::uint64_t weights = in_tile ? 0 : places * rows * terms;
  switch (instruction.kind) {
    case InstructionKind::elementwise: {
      InstructionWork work{op_name(instruction.op), rows, 1, rows, rows};
      for (std::size_t k = 0; k < op_arity(instruction.op); ++k) work.numbers += read(k, rows);
      return work;
    }
    case InstructionKind::row_sum:
      return {"row sum", rows * terms, 1, (rows - 1) * terms, terms + read(0, rows * terms)};
    case InstructionKind::row_extreme:
      return {std::string("row ") + op_name(instruction.op), rows * terms, 1, (rows - 1) * terms,
              terms + read(0, rows * terms)};
    case InstructionKind::row_extreme_reverse:
      return {std::string("row ") + op_name(instruction.op) + " reverse", rows * terms, 1, (rows - 1) * terms,
              rows * terms + read(0, rows * terms) + read(1, terms)};
    case InstructionKind::copy:
      return {"copy", rows, 1, 0, rows + read(0, rows)};
    case InstructionKind::zero:
      return {"zero", rows, 1, 0, rows};
    case InstructionKind::add_at:
      return {"add at", rows, terms, rows * terms, 2 * rows * terms + read(0, rows * terms)};
    case InstructionKind::gather:
      return {"gather", rows, 1, instruction.x[1] - rows, instruction.x[1] + rows};
    case InstructionKind::dense:
      return {"dense" + finish,
              places * rows,
              terms,
              places * 2 * rows * terms + finish_flops(places * rows),
              places * rows + read(1, places * terms) + finish_reads(places * rows) + weights,
              true};
    case InstructionKind::dense_reverse:
      return {"dense reverse" + finish,
              places * rows,
              terms,
              places * 2 * rows * terms + finish_flops(places * terms),
              places * terms + read(1, places * rows) + finish_reads(places * terms) + weights,
              true};
    case InstructionKind::outer:
      return {"outer",
              places * rows,
              terms,
              places * rows * terms,
              places * rows * terms + read(0, places * rows) + read(1, places * terms),
              true};
    case InstructionKind::reduce:
      return {"total", rows, 1, rows, read(0, rows)};
    case InstructionKind::reduce_products:
      return {"total of products", rows, 1, 2 * rows, read(0, rows) + read(1, rows)};
    case InstructionKind::reduce_outer:
      return {"total outer",
              places * rows,
              terms,
              places * 2 * rows * terms,
              read(0, places * rows) + read(1, places * terms),
              true};
    case InstructionKind::guard:
      return {"guard", 1, 1, 0, read(0, 1)};
    case InstructionKind::spill:
      return {"spill", rows, 1, 0, rows + read(0, rows)};
    case InstructionKind::reload:
      return {"reload", rows, 1, 0, 2 * rows};
    case InstructionKind::store_output:
    case InstructionKind::store_sample:
      return {"store output", 1, 1, 0, 1 + read(0, 1)};
    case InstructionKind::store_input_gradient:
      return {"store input gradient", rows, 1, 0, rows + read(0, rows)};
  }
  fail_check("an instruction kind", __FILE__, __LINE__);
}

}  // namespace tapeloom::inline TAPELOOM_ABI
