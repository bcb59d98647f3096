#include "tapeloom/compiler/passes.h"

namespace tapeloom::inline v0_1::compiler {

Graph remove_dead(Graph graph) {
  drop_dead(graph, find_live(graph));
  return graph;
}

}  // namespace tapeloom::inline v0_1::compiler
