#include "tapeloom/compiler/passes.h"

namespace tapeloom::compiler {

Graph remove_dead(const Graph& graph) {
  std::vector<bool> live(graph.size(), false);
  Roots roots = graph.roots;
  roots.each([&](BlockId root) { live[root.index] = true; });
  for (std::size_t i = graph.size(); i-- > 0;) {
    if (!live[i]) continue;
    for (BlockId operand : graph.operands(BlockId(i))) live[operand.index] = true;
  }
  return rebuild(
      graph, [&](BlockId id) { return live[id.index]; },
      [&](Graph& out, BlockId id, std::span<const BlockId> operands) { return out.add_copy(graph, id, operands); });
}

}  // namespace tapeloom::compiler
