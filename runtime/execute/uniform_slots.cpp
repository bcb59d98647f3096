#include "tapeloom/runtime/execute/uniform_slots.h"

#include <algorithm>

#include "tapeloom/core/program/instructions.h"
#include "tapeloom/core/program/matrix.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

using instructions::Source;

/// Calls function(slot) for those that the operands are read from for which wanted(instruction, source).
template <class Wanted, class F>
void each_read(const Program& program, const Wanted& wanted, const F& function) {
  instructions::each(program, &Stage::uniform, [&](std::uint32_t, const Instruction& i, const Shape& s) {
    const instructions::Operands operands = instructions::facts_of(i, s).operands;
    for (std::size_t k = 0; k < operands.size(); ++k) {
      const Source source = operands[k].source;
      if (!wanted(i, source)) continue;
      if (source == Source::matrix) {
        each_entry(i.x[k], s, function);
      } else if (source == Source::lists) {
        for (std::uint32_t n = 0; n < i.x[1]; ++n) {
          const std::uint32_t slot = Program::slot_of(program.indices[i.x[0] + n]);
          if (slot != Program::empty_list) function(slot);
        }
      } else {
        for (std::uint64_t n = 0; n < operands[k].count; ++n)
          function(static_cast<std::uint32_t>(i.x[k] + n * s.step[k]));
      }
    }
  });
}

template <class F>
void each_result(const Program& program, const F& function) {
  for (const ProgramOutput& output : program.outputs) function(output.slot);
  for (const ProgramAssignment& assignment : program.assignments) function(assignment.slot);
  if (program.loss_slot != Program::no_slot) function(program.loss_slot);
}

/// Whether it reads its operand by OperandRows, and thus parameters where they really are.
bool reads_in_place(const Instruction& i, Source source) {
  if (source == Source::matrix || instructions::is_product(i)) return true;
  return i.kind == InstructionKind::elementwise || i.kind == InstructionKind::outer ||
         i.kind == InstructionKind::copy || i.kind == InstructionKind::add_at;
}

}  // namespace

std::vector<bool> find_reads(const Program& program) {
  std::vector<bool> read(program.uniform_slots, false);
  const auto mark = [&](std::uint32_t slot) { read[slot] = true; };
  each_read(
      program, [](const Instruction&, Source) { return true; }, mark);
  each_result(program, mark);
  return read;
}

std::vector<Range> find_copied_parameters(const Program& program) {
  std::vector<bool> read(program.parameters.size(), false);
  const auto mark = [&](std::uint32_t slot) {
    if (slot < read.size()) read[slot] = true;
  };
  each_read(
      program, [](const Instruction& i, Source source) { return !reads_in_place(i, source); }, mark);
  each_result(program, mark);
  for (const GradientPiece& piece : program.gradients) {
    for (std::uint32_t slot = piece.slot; slot < piece.slot + piece.count; ++slot) mark(slot);
  }
  // To copy some more takes less than to begin anew.
  constexpr std::uint32_t most_between = 31;
  std::vector<Range> copied;
  for (std::uint32_t slot = 0; slot < read.size(); ++slot) {
    if (read[slot]) add_index(copied, slot, most_between);
  }
  return copied;
}

std::vector<std::uint32_t> find_last_writes(const Program& program) {
  std::vector<std::uint32_t> last(program.uniform_slots, never_written);
  instructions::each(program, &Stage::uniform, [&](std::uint32_t at, const Instruction& i, const Shape& s) {
    const instructions::Result result = instructions::facts_of(i, s).result;
    if (result.target == instructions::Target::rows) {
      std::fill_n(last.begin() + i.out, result.count, at);
    } else if (result.target == instructions::Target::entries) {
      each_entry(i.out, s, [&](std::uint32_t slot) { last[slot] = at; });
    }
  });
  return last;
}

bool are_its_own(const Program& program, std::uint32_t at, const std::vector<std::uint32_t>& last_writes) {
  const Instruction& i = program.instructions[at];
  bool own = true;
  each_entry(i.out, program.shapes[i.shape], [&](std::uint32_t slot) { own = own && last_writes[slot] == at; });
  return own;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
