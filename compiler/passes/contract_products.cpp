// A product and the sum or difference that it is a term of become one op: one pass over rows, and one instruction.
#include <algorithm>
#include <utility>

#include "tapeloom/compiler/graph/schedule.h"
#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

bool is_sum(const Graph& graph, BlockId id) {
  return graph.kind(id) == BlockKind::elementwise && (graph.op(id) == Op::add || graph.op(id) == Op::sub);
}

/// Finds the products that one sum or difference alone reads, and is computed together with. Of two products the second
/// one goes, so that the terms of a longer sum are added to what is there, one after another.
class Contractor {
 public:
  explicit Contractor(Graph graph) : g_(std::move(graph)), phase_(find_phases(g_)), uses_(count_uses(g_)) {}

  Graph run() && {
    for (std::size_t i = 0; i < g_.size(); ++i) {
      const BlockId id(i);
      if (!is_sum(g_, id)) continue;
      for (const std::size_t k : {1u, 0u}) {
        if (!may_take(id, g_.operand(id, k))) continue;
        take(id, k);
        break;
      }
    }
    find_gone_negations();
    phase_ = {}, uses_ = {}, negations_ = {};  // the graph needs room
    if (!intakes_.readers.empty()) g_.take_in(intakes_);
    return std::move(g_);
  }

 private:
  bool may_take(BlockId sum, const View& x) const {
    const bool product = g_.is_op(x, Op::mul) || g_.is_op(x, Op::square);
    return product && x == g_.all(x.block) && x.rows == g_.rows(sum) && uses_[x.block.index] == 1 &&
           phase_[x.block.index] == phase_[sum.index];
  }

  void take(BlockId sum, std::size_t k) {
    const BlockId product = g_.operand(sum, k).block;
    const OperandList factors = g_.operands(product);
    Op op = g_.op(sum) == Op::add ? Op::multiply_add : k == 0 ? Op::multiply_subtract : Op::subtract_product;
    View x[] = {factors[0], factors[factors.size() - 1]};
    for (std::size_t f = 0; f < 2; ++f) {
      if (!g_.is_op(x[f], Op::neg) || op == Op::multiply_subtract) continue;
      if (f < factors.size()) --uses_[x[f].block.index], negations_.push_back({x[f].block, product, sum});
      x[f] = g_.behind(x[f], 0);
      op = op == Op::multiply_add ? Op::subtract_product : Op::multiply_add;
    }
    intakes_.add(g_, sum, op, {x[0], x[1], g_.operand(sum, 1 - k)});
    intakes_.gone.push_back({product, sum});
  }

  /// What stands for the first product that read it stands for a negation that nobody reads any more.
  void find_gone_negations() {
    std::ranges::sort(negations_, {}, [](const Negation& n) { return std::pair(n.block, n.product); });
    BlockId latest = nothing.block;
    for (const auto& [block, product, sum] : negations_) {
      if (uses_[block.index] == 0 && std::exchange(latest, block) != block) intakes_.gone.push_back({block, sum});
    }
  }

  struct Negation {
    BlockId block, product, sum;
  };
  Graph g_;
  LargeVector<std::uint32_t> phase_, uses_;
  Graph::Intakes intakes_;
  LargeVector<Negation> negations_;  // of factors, that are looked through
};

}  // namespace

Graph contract_products(Graph graph) { return Contractor(std::move(graph)).run(); }

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
