#include "fuzz/import.h"

namespace tapeloom::test::fuzz {

Script script_of_all(const Tape& tape, Value loss, std::span<const Value> outputs, std::span<const double> rows,
                     std::size_t samples) {
  Script script;
  script.samples = samples;
  script.rows.assign(rows.begin(), rows.end());
  for (const InputGroup& group : tape.input_groups()) script.groups.push_back(group.count);
  for (NodeId input : tape.input_nodes()) script.eager.push_back(tape.data(input));
  for (std::uint32_t i = 0; i < tape.size(); ++i) {
    const NodeId node(i);
    Statement s;
    s.op = tape.op(node);
    s.number = s.later = tape.data(node);
    switch (op_kind(s.op)) {
      case OpKind::leaf:
        s.kind = s.op == Op::parameter       ? Kind::parameter
                 : s.op == Op::input         ? Kind::input
                 : s.op == Op::uniform_input ? Kind::uniform_input
                                             : Kind::constant;
        if (s.kind == Kind::input) s.k = tape.leaf_index(node);
        if (s.kind == Kind::parameter) s.frozen = tape.parameters()[tape.leaf_index(node)].frozen;
        s.op = Op::constant;
        break;
      case OpKind::reduction:
        s.kind = Kind::batch;
        break;
      case OpKind::scalar:
      case OpKind::comparison:
      case OpKind::adjoint:
      case OpKind::fused:
        s.kind = Kind::apply;
        break;
    }
    if (op_kind(tape.op(node)) != OpKind::leaf) {
      for (NodeId operand : tape.operands(node)) s.x.push_back(operand.index);
      s.number = s.later = 0.0;
    }
    script.statements.push_back(std::move(s));
  }
  for (const Guard& guard : tape.guards()) {
    script.statements.push_back({Kind::guard, Op::constant, {guard.condition.index}});
  }
  script.loss = loss.id().index;
  for (Value output : outputs) script.outputs.push_back({output.id().index, 0});
  return script;
}

Script script_of(const Tape& tape, Value loss, std::span<const Value> outputs, std::span<const double> rows,
                 std::size_t samples) {
  return without_dead(script_of_all(tape, loss, outputs, rows, samples));
}

}  // namespace tapeloom::test::fuzz
