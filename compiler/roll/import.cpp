#include "tapeloom/compiler/roll/import.h"

#include <algorithm>

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

Graph import(const Tape& tape, const NodeId* loss, std::span<const NodeId> outputs, std::span<const NodeId> conditions,
             LiveNodes& live_nodes) {
  std::uint32_t end = loss != nullptr ? loss->index + 1 : 0;
  for (NodeId output : outputs) end = std::max(end, output.index + 1);
  for (NodeId condition : conditions) end = std::max(end, condition.index + 1);
  LargeVector<bool> live(end, false);
  if (loss != nullptr) live[loss->index] = true;
  for (NodeId output : outputs) live[output.index] = true;
  for (NodeId condition : conditions) live[condition.index] = true;
  live_nodes = {};
  std::size_t operand_count = 0;
  for (std::uint32_t i = end; i-- > 0;) {
    const NodeId node{std::size_t{i}};
    if (!live[i]) continue;
    ++live_nodes.all;
    if (op_kind(tape.op(node)) == OpKind::leaf) {
      ++live_nodes.leaves;
      continue;
    }
    for (NodeId operand : tape.operands(node)) live[operand.index] = true, ++operand_count;
  }

  Graph graph;
  graph.reserve(live_nodes.all, operand_count);
  LargeVector<View> at(end, nothing);
  for (std::uint32_t i = 0; i < end; ++i) {
    if (!live[i]) continue;
    const NodeId node{std::size_t{i}};
    at[i] = import_node(graph, tape, node, at);
    if (op_kind(tape.op(node)) != OpKind::leaf) graph.stands_for(at[i].block, 1);
  }
  if (loss != nullptr) graph.roots.loss = at[loss->index];
  for (NodeId output : outputs) graph.roots.outputs.push_back(at[output.index]);
  for (NodeId condition : conditions) graph.roots.guards.push_back(at[condition.index]);
  return graph;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
