#include <algorithm>

#include "tapeloom/compiler/passes.h"

namespace tapeloom::inline v0_1::compiler {

Graph remove_dead(Graph graph) {
  std::vector<bool> live(graph.size(), false);
  Roots roots = graph.roots;
  roots.each([&](const View& root) { live[root.block.index] = true; });
  for (std::size_t i = graph.size(); i-- > 0;) {
    if (!live[i]) continue;
    for (const View& operand : graph.operands(BlockId(i))) live[operand.block.index] = true;
  }
  if (std::find(live.begin(), live.end(), false) == live.end()) return graph;
  return rebuild(
      graph, [&](BlockId id) { return live[id.index] ? id : nothing.block; },
      [&](Graph& out, BlockId id, std::span<const View> operands) { return out.add_copy(graph, id, operands); });
}

}  // namespace tapeloom::inline v0_1::compiler
