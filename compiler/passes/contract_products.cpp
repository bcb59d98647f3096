// A product and the sum or difference that it is a term of become one op: one pass over rows, and one instruction.

#include "tapeloom/compiler/graph/schedule.h"
#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Finds the products that one sum or difference alone reads.
class Contractor {
 public:
  explicit Contractor(const Graph& graph) : old_(graph), phase_(find_phases(graph)), uses_(count_uses(graph)) {}

  bool is_sum(BlockId id) const {
    const Block block = old_[id];
    return block.kind == BlockKind::elementwise && (block.op == Op::add || block.op == Op::sub);
  }

  /// The sum `id` as one op with a product that it reads, or nothing. `x` are its operands in the new graph. Of two
  /// products the second one goes, so that the terms of a longer sum are added to what is there, one after another.
  View contracted(Graph& out, BlockId id, std::span<const View> x) const {
    const Block block = old_[id];
    for (const std::size_t k : {1u, 0u}) {
      if (!is_contracted(old_.operand(id, k), id)) continue;
      Op op = block.op == Op::add ? Op::multiply_add : k == 0 ? Op::multiply_subtract : Op::subtract_product;
      View a = out.behind(x[k], 0), b = out.is_op(x[k], Op::square) ? a : out.behind(x[k], 1);
      for (View* const factor : {&a, &b}) {
        if (!out.is_op(*factor, Op::neg) || op == Op::multiply_subtract) continue;
        *factor = out.behind(*factor, 0);
        op = op == Op::multiply_add ? Op::subtract_product : Op::multiply_add;
      }
      return out.add_elementwise(op, {a, b, x[1 - k]});
    }
    return nothing;
  }

 private:
  /// Whether nobody else reads the product, and it is computed together with its reader.
  bool is_contracted(const View& x, BlockId reader) const {
    const bool product = old_.is_op(x, Op::mul) || old_.is_op(x, Op::square);
    return product && x == old_.all(x.block) && x.rows == old_[reader].rows && uses_[x.block.index] == 1 &&
           phase_[x.block.index] == phase_[reader.index];
  }

  const Graph& old_;
  LargeVector<std::uint32_t> phase_;
  LargeVector<std::uint32_t> uses_;
};

}  // namespace

Graph contract_products(const Graph& graph) {
  const Contractor contractor(graph);
  return rebuild(
      graph, [&](BlockId id) { return contractor.is_sum(id); },
      [&](Graph& out, BlockId id, std::span<const View> operands) { return contractor.contracted(out, id, operands); });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
