// Elementwise blocks of constants become constants.
#include <algorithm>

#include "tapeloom/compiler/passes/passes.h"
#include "tapeloom/core/record/evaluate.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

bool foldable(const Graph& graph, BlockId id) {
  if (graph.kind(id) != BlockKind::elementwise) return false;
  return std::ranges::all_of(graph.operand_blocks(id), [&](BlockId x) { return graph.kind(x) == BlockKind::constant; });
}

}  // namespace

Graph fold_constants(Graph graph) {
  bool any = false;
  std::vector<double> numbers;
  for (std::size_t i = 0; i < graph.size(); ++i) {
    const BlockId id(i);
    if (!foldable(graph, id)) continue;
    any = true;
    numbers.clear();
    for (std::uint32_t r = 0; r < graph[id].rows; ++r) {
      std::array<double, 3> x{};
      std::size_t k = 0;
      for (const View& operand : graph.operands(id)) x[k++] = graph.constant(operand, r);
      numbers.push_back(forward_op(graph[id].op, x));
    }
    graph.make_constant(id, numbers);
  }
  if (any) graph.contract([](BlockId id) { return id; });
  return graph;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
