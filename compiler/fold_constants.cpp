#include <algorithm>

#include "tapeloom/compiler/passes.h"
#include "tapeloom/core/evaluate.h"

namespace tapeloom::inline v0_1::compiler {

namespace {

bool foldable(const Graph& graph, BlockId id) {
  if (graph[id].kind != BlockKind::elementwise) return false;
  const OperandList operands = graph.operands(id);
  return std::all_of(operands.begin(), operands.end(), [&](const View& x) { return graph.is_constant(x); });
}

}  // namespace

Graph fold_constants(Graph graph) {
  std::size_t first = 0;
  while (first < graph.size() && !foldable(graph, BlockId(first))) ++first;
  if (first == graph.size()) return graph;
  std::vector<double> numbers;
  return rebuild(graph, [&](Graph& out, BlockId id, std::span<const View> operands) {
    const Block& block = graph[id];
    const auto is_constant = [&](const View& operand) { return out.is_constant(operand); };
    if (block.kind != BlockKind::elementwise || !std::all_of(operands.begin(), operands.end(), is_constant)) {
      return out.add_copy(graph, id, operands);
    }
    numbers.clear();
    for (std::uint32_t r = 0; r < block.rows; ++r) {
      std::array<double, 3> x{};
      for (std::size_t k = 0; k < operands.size(); ++k) x[k] = out.constant(operands[k], r);
      numbers.push_back(forward_op(block.op, x));
    }
    return out.add_constants(numbers);
  });
}

}  // namespace tapeloom::inline v0_1::compiler
