#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

Graph remove_dead(Graph graph) {
  drop_dead(graph, find_live(graph));
  return graph;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
