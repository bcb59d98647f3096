// A recording as blocks of one row, one by one.
#include "tapeloom/compiler/roll/roll.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Adds the block of one node; `at` gives the blocks of earlier nodes.
View import_node(Graph& graph, const Tape& tape, NodeId node, std::span<const View> at) {
  const std::uint32_t leaf = tape.leaf_index(node);
  switch (tape.op(node)) {
    case Op::constant:
      return graph.add_constant(tape.data(node));
    case Op::parameter:
      return graph.add_leaf(BlockKind::parameter, leaf);
    case Op::input:
      return graph.add_leaf(BlockKind::input, leaf);
    case Op::uniform_input:
      return graph.add_leaf(BlockKind::uniform_input, leaf);
    case Op::batch_sum:
      return graph.add_batch_sum(at[leaf]);
    case Op::batch_mean: {
      const View samples = graph.add_leaf(BlockKind::samples, 0);
      return graph.add_elementwise(Op::div, {graph.add_batch_sum(at[leaf]), samples});
    }
#define TAPELOOM_OP(name, Struct) case Op::name:
#include "tapeloom/core/ops/ops.def"
    break;
  }
  View operands[3];
  std::size_t count = 0;
  for (NodeId operand : tape.operands(node)) operands[count++] = at[operand.index];
  return graph.add_elementwise(tape.op(node), std::span<const View>(operands, count));
}

}  // namespace

Graph import(const Request& request) {
  const Tape& tape = request.tape();
  Graph graph;
  graph.reserve(request.live_nodes().all, request.live_nodes().operands);
  LargeVector<View> at(request.size(), nothing);
  for (std::size_t i = 0; i < request.size(); ++i) {
    const NodeId node(i);
    if (!request.live(node)) continue;
    at[i] = import_node(graph, tape, node, at);
    if (op_kind(tape.op(node)) != OpKind::leaf) graph.stands_for(at[i].block, 1);
  }
  if (request.loss()) graph.roots.loss = at[request.loss()->index];
  for (NodeId output : request.outputs()) graph.roots.outputs.push_back(at[output.index]);
  for (NodeId condition : request.conditions()) graph.roots.guards.push_back(at[condition.index]);
  return graph;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
