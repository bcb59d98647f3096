#include <algorithm>

#include "tapeloom/compiler/passes.h"

namespace tapeloom::inline v0_1::compiler {

Graph remove_dead(Graph graph) {
  const std::vector<bool> live = find_live(graph);
  if (std::find(live.begin(), live.end(), false) == live.end()) return graph;
  graph.contract([&](BlockId id) { return live[id.index] ? id : nothing.block; });
  return graph;
}

}  // namespace tapeloom::inline v0_1::compiler
