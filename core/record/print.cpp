#include "tapeloom/core/record/print.h"

#include "tapeloom/core/base/number_text.h"
#include "tapeloom/core/base/text.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

/// "parameter 3", "input 0 frozen", "mul %1 %2"
std::string node_text(const Tape& tape, NodeId node) {
  std::string text = op_name(tape.op(node));
  switch (tape.op(node)) {
    case Op::parameter:
      text += " " + std::to_string(tape.leaf_index(node));
      return text + (tape.parameters()[tape.leaf_index(node)].frozen ? " frozen" : "");
    case Op::input:
    case Op::uniform_input:
      return text + " " + std::to_string(tape.leaf_index(node));
    case Op::constant:
    case Op::batch_sum:
    case Op::batch_mean:
#define TAPELOOM_OP(name, Struct) case Op::name:
#include "tapeloom/core/ops/ops.def"
      break;
  }
  for (NodeId operand : tape.operands(node)) text += " %" + std::to_string(operand.index);
  return text;
}

}  // namespace

std::string to_string(const Tape& tape) {
  std::string text = "tape of " + counted(tape.size(), "node") + ", " + counted(tape.parameters().size(), "parameter") +
                     ", " + counted(tape.input_nodes().size(), "input") + ", " +
                     counted(tape.uniform_inputs().size(), "uniform input") + ", " +
                     counted(tape.guards().size(), "guard") + "\n";
  for (std::size_t i = 0; i < tape.size(); ++i) {
    const NodeId node(i);
    text += "%" + std::to_string(i) + " = " + node_text(tape, node) + "  # " + number_text(tape.data(node)) +
            (tape.varying(node) ? " varying" : "") + label_text(tape.label(node)) + "\n";
  }
  for (const InputGroup& group : tape.input_groups()) {
    text += "input group \"" + group.name + "\": inputs " + std::to_string(group.first.index) + " to " +
            std::to_string(group.first.index + group.count - 1) + "\n";
  }
  for (std::size_t i = 0; i < tape.guards().size(); ++i) {
    const Guard& guard = tape.guards()[i];
    text += "guard " + std::to_string(i) + ": %" + std::to_string(guard.condition.index) + " is " +
            (guard.expected ? "true" : "false") + "\n";
  }
  return text;
}

}  // namespace tapeloom::inline TAPELOOM_ABI
