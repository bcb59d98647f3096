#include <algorithm>

#include "tapeloom/compiler/passes.h"

namespace tapeloom::inline v0_1::compiler {

Graph remove_dead(Graph graph) {
  std::vector<bool> live(graph.size(), false);
  graph.roots.each([&](const View& root) { live[root.block.index] = true; });
  for (std::size_t i = graph.size(); i-- > 0;) {
    if (!live[i]) continue;
    for (const View& operand : graph.operands(BlockId(i))) live[operand.block.index] = true;
  }
  if (std::find(live.begin(), live.end(), false) == live.end()) return graph;
  graph.contract([&](BlockId id) { return live[id.index] ? id : nothing.block; });
  return graph;
}

}  // namespace tapeloom::inline v0_1::compiler
