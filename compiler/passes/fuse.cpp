// Products take over what finishes them.
#include <algorithm>
#include <unordered_map>

#include "tapeloom/compiler/graph/schedule.h"
#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Rows that lie side by side.
bool are_neighbours(const View& x) { return x.rows == 1 || x.step == 1; }

/// Finds which elementwise blocks can be taken over by the product that they finish.
class Fuser {
 public:
  explicit Fuser(const Graph& graph)
      : old_(graph), phase_(find_phases(graph)), uses_(count_uses(graph)), is_product_(graph.size(), false) {}

  /// Whether there is something to do, or to remember.
  bool concerns(BlockId id) const {
    if (old_.kind(id) != BlockKind::elementwise) return true;
    return std::ranges::any_of(old_.operands(id), [&](const View& x) { return is_product_[x.block.index] != 0; });
  }

  /// What becomes of the block `id`, whose operands in the new graph are `x`: part of a product that it reads, or a
  /// copy.
  View made(Graph& out, BlockId id, std::span<const View> x) {
    View result = fused(out, id, x);
    if (result == nothing) {
      result = out.add_copy(old_, id, x);
      if (is_product(out.kind(result.block)) && result == out.all(result.block)) old_of_[result.block.index] = id;
    }
    is_product_[id.index] = is_product(out.kind(result.block));
    return result;
  }

 private:
  /// The block `id` as part of the product it reads, or nothing.
  View fused(Graph& out, BlockId id, std::span<const View> x) {
    if (old_[id].kind != BlockKind::elementwise) return nothing;
    for (std::size_t k = 0; k < x.size(); ++k) {
      const View product = old_.operand(id, k);
      if (!is_product(out.kind(x[k].block)) || product != old_.all(product.block) || product.rows != old_[id].rows)
        continue;
      if (!serves(product.block, id)) continue;
      const View result = finished(out, id, x, k);
      if (result != nothing) return result;
    }
    return nothing;
  }

  /// Whether nobody else reads it, and it is computed together with the reader.
  bool serves(BlockId product, BlockId reader) const {
    return uses_[product.index] == 1 && phase_[product.index] == phase_[reader.index];
  }

  /// op(x...), operand k of which is a product.
  View finished(Graph& out, BlockId id, std::span<const View> x, std::size_t k) {
    const Op op = old_[id].op;
    const Block product = out[x[k].block];
    if (product.then != no_op) return nothing;
    // Once a step, sums alone: what comes after them is one call for all rows.
    if (!product.varying && (op != Op::add || !are_neighbours(x[1 - k]))) return nothing;
    if (x.size() == 1) {
      const View operand = product.op != no_op ? out.operand(x[k].block, 2) : nothing;
      return out.add_finished(x[k].block, product.op, {&operand, product.op != no_op ? 1u : 0u}, op);
    }
    const bool takes_product = op == Op::add || (op_kind(op) == OpKind::adjoint && k == 1);
    if (!takes_product || x.size() != 2) return nothing;
    if (product.op == no_op) return out.add_finished(x[k].block, op, x.subspan(1 - k, 1), no_op);
    return op == Op::add && product.op == Op::add ? of_two_products(out, id, x[k], x[1 - k]) : nothing;
  }

  /// (P + Q) + x, where P takes Q, as P + (Q + x), where Q takes x: then P may take a function yet, as in a recurrent
  /// net with a matrix for its input and one for its state.
  View of_two_products(Graph& out, BlockId id, const View& sum, const View& x) {
    const View other = out.operand(sum.block, 2);
    const auto at = old_of_.find(other.block.index);
    if (at == old_of_.end() || other != out.all(other.block) || !serves(at->second, id)) return nothing;
    if (out[other.block].op != no_op || out[other.block].then != no_op) return nothing;
    const View finished = out.add_finished(other.block, Op::add, {&x, 1}, no_op);
    return out.add_finished(sum.block, Op::add, {&finished, 1}, no_op);
  }

  const Graph& old_;
  LargeVector<std::uint32_t> phase_;
  LargeVector<std::uint32_t> uses_;
  BlockFlags is_product_;                              // of each old block: whether it is part of one in the new graph
  std::unordered_map<std::uint32_t, BlockId> old_of_;  // of copied products of the new graph; looked up, never walked
};

}  // namespace

Graph fuse(Graph graph) {
  if (!any_block(graph, [&](BlockId id) { return is_product(graph.kind(id)); })) return graph;
  Fuser fuser(graph);
  return rebuild(
      graph, [&](BlockId id) { return fuser.concerns(id); },
      [&](Graph& out, BlockId id, std::span<const View> operands) { return fuser.made(out, id, operands); });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
