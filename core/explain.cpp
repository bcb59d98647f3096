#include <cstdio>

#include "tapeloom/core/check.h"
#include "tapeloom/core/print.h"

namespace tapeloom::inline v0_1 {

namespace {

/// What an instruction is counted under.
enum class Group { dense, several_rows, single_scalar };

/// What an instruction does each time it runs, for one sample or for the step.
struct Work {
  std::string name;
  std::uint64_t rows = 1, terms = 1;
  std::uint64_t flops = 0;
  std::uint64_t numbers = 0;  ///< read and written; not what all samples of a tile share
  bool dense = false;

  Group group() const { return dense ? Group::dense : rows > 1 ? Group::several_rows : Group::single_scalar; }
};

/// A sum over the samples of a tile is written once for all of them, and weights are read once.
Work work_of(const Program& program, const Instruction& instruction, bool in_tile) {
  const Shape& shape = program.shapes[instruction.shape];
  const std::uint64_t rows = shape.rows, terms = shape.terms;
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
  const std::uint64_t weights = in_tile ? 0 : rows * terms;
  switch (instruction.kind) {
    case InstructionKind::elementwise: {
      Work work{op_name(instruction.op), rows, 1, rows, rows};
      for (std::size_t k = 0; k < op_arity(instruction.op); ++k) work.numbers += read(k, rows);
      return work;
    }
    case InstructionKind::row_sum:
      return {"row sum", rows, 1, rows - 1, 1 + read(0, rows)};
    case InstructionKind::copy:
      return {"copy", rows, 1, 0, rows + read(0, rows)};
    case InstructionKind::zero:
      return {"zero", rows, 1, 0, rows};
    case InstructionKind::add_at:
      return {"add at", rows, terms, rows * terms, 2 * rows * terms + read(0, rows * terms)};
    case InstructionKind::dense:
      return {"dense" + finish,
              rows,
              terms,
              2 * rows * terms + finish_flops(rows),
              rows + read(1, terms) + finish_reads(rows) + weights,
              true};
    case InstructionKind::dense_reverse:
      return {"dense reverse" + finish,
              rows,
              terms,
              2 * rows * terms + finish_flops(terms),
              terms + read(1, rows) + finish_reads(terms) + weights,
              true};
    case InstructionKind::outer:
      return {"outer", rows, terms, rows * terms, rows * terms + read(0, rows) + read(1, terms), true};
    case InstructionKind::reduce:
      return {"total", rows, 1, rows, read(0, rows)};
    case InstructionKind::reduce_outer:
      return {"total outer", rows, terms, 2 * rows * terms, read(0, rows) + read(1, terms), true};
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

template <class... Numbers>
std::string formatted(const char* format, Numbers... numbers) {
  char text[160];
  std::snprintf(text, sizeof text, format, numbers...);
  return text;
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
           formatted("%zu instructions; each sample takes %llu flops, %.1f%% of them dense\n", p_.instructions.size(),
                     static_cast<unsigned long long>(flops_),
                     flops_ == 0 ? 0.0 : 100.0 * static_cast<double>(dense_flops_) / static_cast<double>(flops_)) +
           formatted("%llu live nodes: %.1f%% dense, %.1f%% in other instructions of several rows, %.1f%% single, ",
                     static_cast<unsigned long long>(p_.live_nodes), percent(dense), percent(rows), percent(scalars)) +
           formatted("%.1f%% leaves, %.1f%% folded or simplified away\n", percent(p_.leaf_nodes), percent(away));
  }

 private:
  void add(const Instruction& instruction, bool in_tile) {
    const Work work = work_of(p_, instruction, in_tile);
    nodes_[static_cast<std::size_t>(work.group())] += instruction.nodes;
    if (in_tile) flops_ += work.flops, dense_flops_ += work.dense ? work.flops : 0;
    lines_ += formatted("%-9s %9llu x %-7llu %13llu %13llu ", in_tile ? "sample" : "step",
                        static_cast<unsigned long long>(work.rows), static_cast<unsigned long long>(work.terms),
                        static_cast<unsigned long long>(work.flops), static_cast<unsigned long long>(4 * work.numbers));
    lines_ += instruction.nodes == 0 ? formatted("%13s %8s", "-", "-")
                                     : formatted("%13u %7.1f%%", instruction.nodes, percent(instruction.nodes));
    lines_ += "  " + work.name + "\n";
  }

  double percent(std::uint64_t nodes) const {
    return p_.live_nodes == 0 ? 0.0 : 100.0 * static_cast<double>(nodes) / static_cast<double>(p_.live_nodes);
  }

  const Program& p_;
  std::string lines_;
  std::array<std::uint64_t, 3> nodes_ = {};  // of each Group
  std::uint64_t flops_ = 0, dense_flops_ = 0;
};

}  // namespace

std::string explain(const Program& program) { return Explanation(program).text(); }

}  // namespace tapeloom::inline v0_1
