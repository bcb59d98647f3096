#include <array>

#include "tapeloom/core/base/text.h"
#include "tapeloom/core/program/print.h"
#include "tapeloom/core/program/work.h"

namespace tapeloom::inline TAPELOOM_ABI {

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
