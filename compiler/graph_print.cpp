#include <charconv>

#include "tapeloom/compiler/graph.h"

namespace tapeloom::compiler {

namespace {

std::string number(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return {buffer, end};
}

std::string name(BlockId id) { return "b" + std::to_string(id.index); }

std::string equation(const Graph& graph, BlockId id) {
  const Block& block = graph[id];
  const std::string payload = std::to_string(block.payload);
  switch (block.kind) {
    case BlockKind::constant:
      return "constant " + number(graph.constant(id));
    case BlockKind::parameter:
      return "parameter " + payload;
    case BlockKind::input:
      return "input " + payload;
    case BlockKind::uniform_input:
      return "uniform input " + payload;
    case BlockKind::samples:
      return "number of samples";
    case BlockKind::elementwise:
    case BlockKind::batch_sum:
      break;
  }
  std::string text = block.kind == BlockKind::elementwise ? op_name(block.op) : "batch_sum";
  for (BlockId operand : graph.operands(id)) text += " " + name(operand);
  return text;
}

void append_roots(std::string& text, const char* what, const std::vector<BlockId>& roots) {
  if (roots.empty()) return;
  text += what;
  for (BlockId root : roots) text += root == Roots::none ? " -" : " " + name(root);
  text += "\n";
}

}  // namespace

std::string to_string(const Graph& graph) {
  std::string text;
  for (std::uint32_t i = 0; i < graph.size(); ++i) {
    const BlockId id{std::size_t{i}};
    text += name(id) + " [" + std::to_string(graph[id].rows) + " x " + (graph[id].varying ? "samples" : "1") + "] = " +
            equation(graph, id) + "\n";
  }
  if (graph.roots.loss != Roots::none) append_roots(text, "loss", {graph.roots.loss});
  append_roots(text, "outputs", graph.roots.outputs);
  append_roots(text, "guards", graph.roots.guards);
  append_roots(text, "gradients", graph.roots.gradients);
  append_roots(text, "input gradients", graph.roots.input_gradients);
  return text;
}

}  // namespace tapeloom::compiler
