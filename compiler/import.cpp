#include "tapeloom/compiler/import.h"

#include <algorithm>

namespace tapeloom::inline v0_1::compiler {

namespace {

std::uint32_t last_node(const NodeId* loss, std::span<const NodeId> outputs) {
  std::uint32_t last = loss != nullptr ? loss->index : 0;
  for (NodeId output : outputs) last = std::max(last, output.index);
  return last;
}

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
#include "tapeloom/core/ops.def"
    break;
  }
  View operands[3];
  std::size_t count = 0;
  for (NodeId operand : tape.operands(node)) operands[count++] = at[operand.index];
  return graph.add_elementwise(tape.op(node), std::span<const View>(operands, count));
}

}  // namespace

std::vector<std::size_t> guards_before(const Tape& tape, const NodeId* loss, std::span<const NodeId> outputs) {
  std::vector<std::size_t> guards;
  // A leaf depends on no branch, and a plain number asked for as an output is recorded last of all.
  std::vector<NodeId> computed;
  for (NodeId output : outputs) {
    if (op_kind(tape.op(output)) != OpKind::leaf) computed.push_back(output);
  }
  const std::uint32_t last = last_node(loss, computed);
  for (std::size_t g = 0; g < tape.guards().size(); ++g) {
    if (tape.guards()[g].position <= last) guards.push_back(g);
  }
  return guards;
}

Graph import(const Tape& tape, const NodeId* loss, std::span<const NodeId> outputs, LiveNodes& live_nodes) {
  const std::uint32_t end = last_node(loss, outputs) + 1;
  LargeVector<bool> live(end, false);
  if (loss != nullptr) live[loss->index] = true;
  for (NodeId output : outputs) live[output.index] = true;
  const std::vector<std::size_t> guards = guards_before(tape, loss, outputs);
  for (std::size_t g : guards) live[tape.guards()[g].condition.index] = true;
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
  for (std::size_t g : guards) graph.roots.guards.push_back(at[tape.guards()[g].condition.index]);
  return graph;
}

}  // namespace tapeloom::inline v0_1::compiler
