// Sums of products become products of a row and a vector.
#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Numbers side by side, more than one.
bool is_row(const View& x) { return x.step == 1 && x.rows > 1; }

/// The factors of what a sum adds up, if they are rows and nobody else reads their products.
struct Factors {
  View a = nothing, b = nothing;

  Factors(const Graph& graph, BlockId sum, const LargeVector<std::uint32_t>& uses) {
    if (graph.kind(sum) != BlockKind::row_sum || graph[sum].varying || graph[sum].rows > 1) return;
    const View terms = graph.operand(sum, 0);
    if (uses[terms.block.index] != 1 || terms != graph.all(terms.block)) return;
    const bool square = graph.is_op(terms, Op::square);
    if (!square && !graph.is_op(terms, Op::mul)) return;
    const View x = graph.operand(terms.block, 0), y = square ? x : graph.operand(terms.block, 1);
    if (is_row(x) && is_row(y)) a = x, b = y;
  }
  bool any() const { return a != nothing; }
};

}  // namespace

Graph find_dots(Graph graph) {
  const LargeVector<std::uint32_t> uses = count_uses(graph);
  const auto is_dot = [&](BlockId id) { return Factors(graph, id, uses).any(); };
  if (!any_block(graph, is_dot)) return graph;
  return rebuild(graph, is_dot, [&](Graph& out, BlockId, std::span<const View> operands) {
    const BlockId products = operands[0].block;
    const View a = out.operand(products, 0), b = out.operand(products, out.operands(products).size() - 1);
    if (!is_row(a) || !is_row(b)) return nothing;
    return out.add_dense(a.part(0, 1), {.matrix = {1, a.rows, 0, 1}}, b);
  });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
