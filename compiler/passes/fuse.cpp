// Products take over what finishes them.
#include "tapeloom/compiler/graph/schedule.h"
#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

bool is_product(const Graph& graph, BlockId id) {
  const BlockKind kind = graph[id].kind;
  return (kind == BlockKind::dense || kind == BlockKind::dense_reverse) && graph[id].varying;
}

/// Finds which elementwise blocks can be taken over by the product that they finish.
class Fuser {
 public:
  explicit Fuser(const Graph& graph) : old_(graph), phase_(schedule(graph).phase), uses_(count_uses(graph)) {}

  /// The block `id` as part of the product it reads, or nothing. `x` are its operands in the new graph.
  View fused(Graph& out, BlockId id, std::span<const View> x) const {
    if (old_[id].kind != BlockKind::elementwise || !old_[id].varying) return nothing;
    for (std::size_t k = 0; k < x.size(); ++k) {
      const View product = old_.operand(id, k);
      if (!is_product(out, x[k].block) || product != old_.all(product.block) || product.rows != old_[id].rows) continue;
      if (uses_[product.block.index] != 1 || phase_[product.block.index] != phase_[id.index]) continue;
      const View result = finished(out, old_[id].op, x, k);
      if (result != nothing) return result;
    }
    return nothing;
  }

 private:
  /// op(x...), operand k of which is a product.
  static View finished(Graph& out, Op op, std::span<const View> x, std::size_t k) {
    const Block product = out[x[k].block];
    if (product.then != no_op) return nothing;
    if (x.size() == 1) {
      const View operand = product.op != no_op ? out.operand(x[k].block, 2) : nothing;
      return out.add_finished(x[k].block, product.op, {&operand, product.op != no_op ? 1u : 0u}, op);
    }
    const bool takes_product = op == Op::add || (op_kind(op) == OpKind::adjoint && k == 1);
    if (!takes_product || product.op != no_op || x.size() != 2) return nothing;
    return out.add_finished(x[k].block, op, x.subspan(1 - k, 1), no_op);
  }

  const Graph& old_;
  LargeVector<std::uint32_t> phase_;
  LargeVector<std::uint32_t> uses_;
};

}  // namespace

Graph fuse(Graph graph) {
  bool any = false;
  for (std::size_t i = 0; i < graph.size() && !any; ++i) any = is_product(graph, BlockId(i));
  if (!any) return graph;
  const Fuser fuser(graph);
  return rebuild(graph, [&](Graph& out, BlockId id, std::span<const View> operands) {
    const View fused = fuser.fused(out, id, operands);
    return fused != nothing ? fused : out.add_copy(graph, id, operands);
  });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
