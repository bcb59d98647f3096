#include <array>
#include <cstdio>

#include "tapeloom/core/print.h"
#include "tapeloom/core/work.h"

namespace tapeloom::inline v0_1 {

namespace {

/// What an instruction is counted under.
enum class Group { dense, several_rows, single_scalar };

Group group_of(const InstructionWork& work) {
  return work.dense ? Group::dense : work.rows > 1 ? Group::several_rows : Group::single_scalar;
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
    const InstructionWork work = work_of(p_, instruction, in_tile);
    nodes_[static_cast<std::size_t>(group_of(work))] += instruction.nodes;
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
