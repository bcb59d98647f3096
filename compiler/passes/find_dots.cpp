// Sums of products become products of a row and a vector.
#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Numbers side by side, more than one.
bool is_row(const View& x) { return x.step == 1 && x.rows > 1; }

}  // namespace

Graph find_dots(Graph graph) {
  Graph::Intakes dots;
  LargeVector<std::uint32_t> uses;
  for (std::size_t i = 0; i < graph.size(); ++i) {
    const BlockId sum(i);
    if (graph.kind(sum) != BlockKind::row_sum || graph.varying(sum) || graph.rows(sum) > 1) continue;
    const View terms = graph.operand(sum, 0);
    if (terms != graph.all(terms.block) || !(graph.is_op(terms, Op::square) || graph.is_op(terms, Op::mul))) continue;
    const OperandList factors = graph.operands(terms.block);
    const View x = factors[0], y = factors[factors.size() - 1];
    if (!is_row(x) || !is_row(y)) continue;
    if (uses.empty()) uses = count_uses(graph);
    if (uses[terms.block.index] != 1) continue;
    dots.add(graph, sum, no_op, {x.part(0, 1), y});
    dots.gone.push_back({terms.block, sum});
  }
  if (!dots.readers.empty()) graph.take_in(dots);
  return graph;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
