#include "tapeloom/compiler/request/guards.h"

#include <algorithm>
#include <array>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/memory.h"
#include "tapeloom/core/record/evaluate.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// The nodes that are computed from constants alone, and their numbers as the constants are now.
class ConstantNodes {
 public:
  ConstantNodes(const Tape& tape, std::uint32_t end) : constant_(end, false), number_(end, 0.0) {
    for (std::uint32_t i = 0; i < end; ++i) {
      const NodeId node{std::size_t{i}};
      const Op op = tape.op(node);
      if (op == Op::constant) {
        constant_[i] = true;
        number_[i] = tape.data(node);
      } else if (op_kind(op) != OpKind::leaf && op_kind(op) != OpKind::reduction) {
        compute(tape, node);
      }
    }
  }

  bool has(NodeId node) const { return constant_[node.index]; }
  double number(NodeId node) const { return number_[node.index]; }

 private:
  void compute(const Tape& tape, NodeId node) {
    const Operands operands = tape.operands(node);
    if (!std::ranges::all_of(operands, [&](NodeId operand) { return has(operand); })) return;
    std::array<double, 3> x{};
    for (std::size_t k = 0; k < operands.count; ++k) x[k] = number(operands.node[k]);
    constant_[node.index] = true;
    number_[node.index] = forward_op(tape.op(node), x);
  }

  LargeVector<bool> constant_;
  LargeVector<double> number_;
};

}  // namespace

std::vector<std::size_t> held_guards(const Tape& tape, Tape::Mark from) {
  const std::size_t first = tape.first_guard(from);
  const std::span<const Guard> guards = tape.guards();
  std::uint32_t end = 0;
  for (const Guard& guard : guards.subspan(first)) end = std::max(end, guard.condition.index + 1);
  const ConstantNodes constants(tape, end);
  std::vector<std::size_t> held;
  for (std::size_t g = first; g < guards.size(); ++g) {
    const auto& [condition, expected] = guards[g];
    if (!constants.has(condition)) {
      held.push_back(g);
    } else if ((constants.number(condition) != 0.0) != expected) {
      throw GuardError(tape.describe_guard(g), g, 0);
    }
  }
  return held;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
