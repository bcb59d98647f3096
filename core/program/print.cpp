#include "tapeloom/core/program/print.h"

#include <algorithm>
#include <array>

#include "tapeloom/core/base/check.h"
#include "tapeloom/core/base/number_text.h"
#include "tapeloom/core/base/text.h"
#include "tapeloom/core/program/instructions.h"
#include "tapeloom/core/program/work.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

using instructions::Operand;
using instructions::Result;
using instructions::Source;
using instructions::Target;
using instructions::Texts;

std::string named(char kind, std::uint32_t index) { return kind + std::to_string(index); }

std::string leaves_text(const Program& program) {
  std::string text;
  std::uint32_t slot = 0;
  const auto line = [&](const std::string& what) { text += "  " + named('u', slot++) + " = " + what + "\n"; };
  for (const ProgramParameter& p : program.parameters) {
    line("parameter" + label_text(p.label) + (p.frozen ? " frozen" : "") + ", initially " + number_text(p.initial));
  }
  for (double constant : program.constants) line("constant " + number_text(constant));
  for (const ProgramUniformInput& u : program.uniform_inputs) {
    line("uniform input" + label_text(u.name) + ", initially " + number_text(u.initial));
  }
  line("number of samples");
  for (const ProgramInputGroup& group : program.input_groups) {
    text += "  input group" + label_text(group.name) + ": columns " + std::to_string(group.first.index) + " to " +
            std::to_string(group.first.index + group.count - 1) + (group.used ? "" : ", unused") + "\n";
  }
  if (program.random_count > 0) {
    text += "  random numbers: columns " + std::to_string(program.input_count) + " to " +
            std::to_string(program.input_count + program.random_count - 1) + "\n";
  }
  return text;
}

/// t3 for one slot, t3:+16 for neighbours, t3:+16 by 2 for every other one.
std::string slots(char kind, std::uint32_t first, std::uint32_t rows, std::uint32_t step) {
  std::string text = named(kind, first);
  if (rows == 1 || step == 0) return text;
  text += ":+" + std::to_string(rows);
  return step == 1 ? text : text + " by " + std::to_string(step);
}

/// output[3], or output[3 to 5].
std::string numbers_of(const char* what, std::uint32_t first, std::uint64_t count) {
  const std::string last = count == 1 ? "" : " to " + std::to_string(first + count - 1);
  return std::string(what) + "[" + std::to_string(first) + last + "]";
}

/// (rows x terms), with the steps where the matrix is not stored row by row.
std::string matrix_text(const Shape& s) {
  std::string text = "(" + std::to_string(s.rows) + " x " + std::to_string(s.terms);
  if (s.term_step != 1 || (s.rows > 1 && s.row_step != s.terms)) {
    text += ", steps " + std::to_string(s.row_step) + " " + std::to_string(s.term_step);
  }
  text += ")";
  if (s.places == 1) return text;
  text += " at " + std::to_string(s.places) + " places";
  if (s.windows.step > 0) text += " " + std::to_string(s.windows.step) + " rows apart";
  if (s.windows.run > 0) {
    text += ", in runs of " + std::to_string(s.windows.run) + " " + std::to_string(s.windows.run_step) + " apart";
  }
  text += (s.gaps == Shape::no_gaps ? "" : " with gaps");
  return s.place_step == 0 ? text : text + " by " + std::to_string(s.place_step);
}

/// At most eight of a list, after which dots stand for the others.
template <class Text>
std::string listed(std::size_t count, Text&& text_of) {
  constexpr std::size_t most = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(count, most); ++i) text += (i > 0 ? " " : "") + text_of(i);
  return count > most ? text + " ... (" + std::to_string(count) + ")" : text;
}

/// The slots that a gather instruction reads and adds up, list by list: of long lists the first two.
std::string lists_text(const Program& program, const Instruction& instruction, const Shape& shape, bool in_tile) {
  constexpr std::size_t most = 2;
  const std::uint32_t* word = program.indices.data() + instruction.x[0];
  return listed(shape.rows, [&](std::size_t) {
    std::string text;
    for (std::size_t terms = 0;; ++word) {
      const std::uint32_t slot = Program::slot_of(*word);
      const bool last = (*word & Program::last_slot) != 0;
      const bool uniform = !in_tile || (*word & Program::uniform_slot) != 0;
      std::string each = slot == Program::empty_list ? "0" : named(uniform ? 'u' : 't', slot);
      if ((*word & Program::times_next) != 0) each += "*" + named('t', *++word);
      if (terms <= most) text += (terms > 0 ? "+" : "") + (terms < most ? each : "...");
      ++terms;
      if (last) break;
    }
    ++word;
    return text;
  });
}

/// Rows of a tile that are read by index.
std::string indexed_text(const Program& program, std::uint32_t first, std::uint32_t rows) {
  return listed(rows, [&](std::size_t r) { return named('t', program.indices[first + r]); });
}

std::string operand_text(const Program& program, const Instruction& instruction, std::size_t k, const Operand& operand,
                         bool in_tile) {
  const Shape& shape = program.shapes[instruction.shape];
  const std::uint32_t first = instruction.x[k], step = shape.step[k];
  const auto count = static_cast<std::uint32_t>(operand.count);
  switch (operand.source) {
    case Source::matrix:
      return named('u', first) + " " + matrix_text(shape);
    case Source::lists:
      return lists_text(program, instruction, shape, in_tile);
    case Source::batch:
      return slots('b', first, count, 1);
    case Source::numbers:
    case Source::mixed:
    case Source::lanes:
      break;
  }
  if (step == Shape::by_index) return "(" + indexed_text(program, first, count) + ")";
  const bool uniform = !in_tile || instruction.is_uniform(k);
  return slots(uniform ? 'u' : 't', first, count, step);
}

std::string guards_text(const Program& program, const Instruction& instruction, bool in_tile) {
  const instructions::Guard guard{instruction, program.shapes[instruction.shape]};
  const std::uint64_t first = instruction.out, count = guard.rows() * guard.guards_a_row(program, in_tile);
  const std::string name = std::to_string(first);
  if (count == 1) return "guard " + name + " holds where " + (program.guards[first].expected ? "" : "not ");
  return "guards " + name + " to " + std::to_string(first + count - 1) + " come out as recorded: ";
}

/// The left side of an equation, and its sign.
std::string result_text(const Program& program, const Instruction& instruction, const Result& result, bool in_tile) {
  const Shape& shape = program.shapes[instruction.shape];
  const std::uint32_t out = instruction.out;
  const char place = in_tile ? 't' : 'u';
  const std::string sign = result.adds ? " += " : " = ";
  const std::string total = "total " + named('u', program.first_total() + out);
  switch (result.target) {
    case Target::rows:
      return slots(place, out, static_cast<std::uint32_t>(result.count), 1) + sign;
    case Target::entries:
      return named(place, out) + " " + matrix_text(shape) + sign;
    case Target::total_rows:
      return total +
             (shape.rows > 1 ? ":+" + std::to_string(shape.rows) + " by " + std::to_string(shape.row_step) : "") + sign;
    case Target::total_entries:
      return total + " " + matrix_text(shape) + sign;
    case Target::guard:
      return guards_text(program, instruction, in_tile);
    case Target::batch:
      return slots('b', out, static_cast<std::uint32_t>(result.count), 1) + sign;
    case Target::output:
      return numbers_of("output", out, result.count) + sign;
    case Target::input_gradient:
      return numbers_of("input_gradient", out, result.count) + sign;
  }
  fail_check("a target", __FILE__, __LINE__);
}

std::string instruction_text(const Program& program, const Instruction& instruction, bool in_tile) {
  const Shape& shape = program.shapes[instruction.shape];
  const instructions::Facts facts = instructions::facts_of(instruction, shape);
  Texts x;
  for (std::size_t k = 0; k < facts.operands.size(); ++k) {
    x[k] = operand_text(program, instruction, k, facts.operands[k], in_tile);
  }
  return result_text(program, instruction, facts.result, in_tile) + instructions::text_of(instruction, shape, x);
}

std::string loads_text(const Program& program, Range loads, const char* indent, char letter) {
  std::string text;
  for (std::uint32_t i = loads.begin; i < loads.end; ++i) {
    const Load& load = program.loads[i];
    text += indent + slots(letter, load.slot, load.count, 1) + " = column " + std::to_string(load.first.index);
    text += load.count == 1 ? "\n" : " to " + std::to_string(load.first.index + load.count - 1) + "\n";
  }
  return text;
}

std::string stage_text(const Program& program, const Stage& stage) {
  std::string text;
  const bool first = &stage == program.stages.data();
  if (first && program.one_row)
    text = loads_text(program, {0, static_cast<std::uint32_t>(program.loads.size())}, "  ", 'u');
  for (std::uint32_t i = stage.uniform.begin; i < stage.uniform.end; ++i) {
    text += "  " + instruction_text(program, program.instructions[i], false) + "\n";
  }
  if (stage.tile.size() + stage.inputs.size() == 0) return text;
  text += "  for each tile\n";
  text += loads_text(program, stage.inputs, "    ", 't');
  for (std::uint32_t i = stage.tile.begin; i < stage.tile.end; ++i) {
    text += "    " + instruction_text(program, program.instructions[i], true) + "\n";
  }
  return text;
}

std::string results_text(const Program& program) {
  std::string text;
  const bool trains = program.loss_slot != Program::no_slot;
  if (trains) text += "loss = " + named('u', program.loss_slot) + "\n";
  for (const GradientPiece& piece : program.gradients) {
    const std::uint32_t first = piece.first.index, last = first + piece.count - 1;
    text += "gradient[" + std::to_string(first) + (last > first ? " to " + std::to_string(last) : "") +
            "] = " + slots('u', piece.slot, piece.count, 1) + "\n";
  }
  for (const ProgramAssignment& assignment : program.assignments) {
    text += "with an update parameter " + std::to_string(assignment.parameter.index) + " = " +
            named('u', assignment.slot) + "\n";
  }
  for (std::size_t i = 0; i < program.outputs.size(); ++i) {
    const ProgramOutput& output = program.outputs[i];
    text += "output[" + std::to_string(i) + "]" + label_text(output.label) + " = " +
            (!output.varying                ? named('u', output.slot)
             : program.recorded_samples > 0 ? "of sample " + std::to_string(output.sample)
                                            : "one a sample") +
            "\n";
  }
  for (const ProgramGuard& guard : program.guards) text += guard.description + "\n";
  return text;
}

}  // namespace

std::string to_string(const Program& program) {
  std::string text = "program of " + counted(program.instructions.size(), "instruction") + " in " +
                     counted(program.stages.size(), "stage") + ", from " + counted(program.recorded_nodes, "node") +
                     " recorded, " + std::to_string(program.live_nodes) + " live" + (program.exact ? ", exact" : "") +
                     "\n";
  text += "slots: " + std::to_string(program.uniform_slots) + " uniform, " + std::to_string(program.tile_slots) +
          " tile, " + std::to_string(program.batch_slots) + " batch\n";
  text += "leaves\n" + leaves_text(program);
  for (std::size_t s = 0; s < program.stages.size(); ++s) {
    text += "stage " + std::to_string(s) + "\n" + stage_text(program, program.stages[s]);
  }
  return text + results_text(program);
}

namespace {

/// What an instruction is counted under.
enum class Group { dense, several_rows, single_scalar };

Group group_of(const InstructionWork& work) {
  return work.dense ? Group::dense : work.rows > 1 ? Group::several_rows : Group::single_scalar;
}

/// The table's lines, and what they add up to.
class Explanation {
 public:
  explicit Explanation(const Program& program) : p_(program) {
    for (const Stage& stage : program.stages) {
      for (std::uint32_t i = stage.uniform.begin; i < stage.uniform.end; ++i) add(program.instructions[i], false);
      for (std::uint32_t i = stage.tile.begin; i < stage.tile.end; ++i) add(program.instructions[i], true);
    }
  }

  std::string text() const {
    const auto [dense, rows, scalars] = nodes_;
    const std::uint64_t away = p_.live_nodes - p_.leaf_nodes - dense - rows - scalars;
    return "runs each        rows x terms         flops         bytes         nodes    share  instruction\n" + lines_ +
           std::to_string(p_.instructions.size()) + " instructions; each sample takes " + std::to_string(flops_) +
           " flops, " + percent(dense_flops_, flops_) + " of them dense\n" + std::to_string(p_.live_nodes) +
           " live nodes: " + share(dense) + " dense, " + share(rows) + " in other instructions of several rows, " +
           share(scalars) + " single, " + share(p_.leaf_nodes) + " leaves, " + share(away) +
           " folded or simplified away\n";
  }

 private:
  void add(const Instruction& instruction, bool in_tile) {
    const InstructionWork work = work_of(p_, instruction, in_tile);
    nodes_[static_cast<std::size_t>(group_of(work))] += instruction.nodes;
    if (in_tile) flops_ += work.flops, dense_flops_ += work.dense ? work.flops : 0;
    lines_ += left(in_tile ? "sample" : "step", 9) + " " + right(work.rows, 9) + " x " + left(work.terms, 7) + " " +
              right(work.flops, 13) + " " + right(4 * work.numbers, 13) + " ";
    const std::uint32_t nodes = instruction.nodes;
    lines_ += right(nodes == 0 ? "-" : std::to_string(nodes), 13) + " " + right(nodes == 0 ? "-" : share(nodes), 8);
    lines_ += "  " + work.name + "\n";
  }

  static std::string percent(std::uint64_t part, std::uint64_t of) {
    return fixed_text(of == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(of), 1) + "%";
  }
  std::string share(std::uint64_t nodes) const { return percent(nodes, p_.live_nodes); }

  const Program& p_;
  std::string lines_;
  std::array<std::uint64_t, 3> nodes_ = {};  // of each Group
  std::uint64_t flops_ = 0, dense_flops_ = 0;
};

}  // namespace

std::string explain(const Program& program) { return Explanation(program).text(); }

}  // namespace tapeloom::inline TAPELOOM_ABI
