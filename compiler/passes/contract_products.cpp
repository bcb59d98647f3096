// A product and the sum or difference that it is a term of become one op: one pass over rows, and one instruction.

#include "tapeloom/compiler/graph/schedule.h"
#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Finds the products that one sum or difference alone reads, and is computed together with. Of two products the second
/// one goes, so that the terms of a longer sum are added to what is there, one after another.
class Contractor {
 public:
  explicit Contractor(const Graph& graph) : old_(graph), which_(graph.size(), none) {
    const LargeVector<std::uint32_t> phase = find_phases(graph), uses = count_uses(graph);
    for (std::size_t i = 0; i < graph.size(); ++i) {
      const BlockId id(i);
      if (!is_sum(id)) continue;
      for (const std::size_t k : {1u, 0u}) {
        const View x = graph.operand(id, k);
        if (!is_product(x) || x != graph.all(x.block) || x.rows != graph.rows(id)) continue;
        if (uses[x.block.index] != 1 || phase[x.block.index] != phase[i]) continue;
        which_[x.block.index] = static_cast<std::uint32_t>(factors_.size());
        factors_.push_back({});
        break;
      }
    }
  }

  bool any() const { return !factors_.empty(); }
  /// Whether it is such a product, or such a sum.
  bool concerns(BlockId id) const { return goes(id) || (is_sum(id) && (goes(operand(id, 0)) || goes(operand(id, 1)))); }

  /// Nothing of a product; of a sum, one op with it. `x` are the operands in the new graph.
  View contracted(Graph& out, BlockId id, std::span<const View> x) {
    if (goes(id)) {
      factors_[which_[id.index]] = {x.front(), x.back()};
      return part_of_reader;
    }
    const std::size_t k = goes(operand(id, 1)) ? 1 : 0;
    Op op = old_.op(id) == Op::add ? Op::multiply_add : k == 0 ? Op::multiply_subtract : Op::subtract_product;
    auto [a, b] = factors_[which_[operand(id, k).index]];
    for (View* const factor : {&a, &b}) {
      if (!out.is_op(*factor, Op::neg) || op == Op::multiply_subtract) continue;
      *factor = out.behind(*factor, 0);
      op = op == Op::multiply_add ? Op::subtract_product : Op::multiply_add;
    }
    return out.add_elementwise(op, {a, b, x[1 - k]});
  }

 private:
  static constexpr std::uint32_t none = UINT32_MAX;

  bool goes(BlockId id) const { return which_[id.index] != none; }
  BlockId operand(BlockId id, std::size_t k) const { return old_.operand_blocks(id)[k]; }
  bool is_sum(BlockId id) const {
    return old_.kind(id) == BlockKind::elementwise && (old_.op(id) == Op::add || old_.op(id) == Op::sub);
  }
  bool is_product(const View& x) const { return old_.is_op(x, Op::mul) || old_.is_op(x, Op::square); }

  struct Factors {
    View a, b;
  };
  const Graph& old_;
  LargeVector<std::uint32_t> which_;  // of the products that go, by block
  LargeVector<Factors> factors_;      // of each, in the new graph
};

}  // namespace

Graph contract_products(Graph graph) {
  Contractor contractor(graph);
  if (!contractor.any()) return graph;
  return rebuild(
      graph, [&](BlockId id) { return contractor.concerns(id); },
      [&](Graph& out, BlockId id, std::span<const View> operands) { return contractor.contracted(out, id, operands); });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
