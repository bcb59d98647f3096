#include <span>

#include "tapeloom/compiler/passes.h"

namespace tapeloom::compiler {

namespace {

/// Rewrites one block whose operands are rewritten already. A rule returns the block that stands for it, or none.
class Simplifier {
 public:
  explicit Simplifier(Graph& graph) : g_(graph) {}

  BlockId elementwise(Op op, std::span<const BlockId> x) {
    for (const auto& [of, rule] : rules) {
      if (of == op) return (this->*rule)(x);
    }
    return Roots::none;
  }

  /// Of something uniform: samples * x.
  BlockId batch_sum(BlockId x) {
    if (g_[x].varying) return Roots::none;
    return make(Op::mul, g_.add_leaf(BlockKind::samples, 0), x);
  }

 private:
  using Operands = std::span<const BlockId>;
  struct Rule {
    Op op;
    BlockId (Simplifier::*rule)(Operands);
  };
  static const Rule rules[8];

  BlockId make(Op op, BlockId a) { return g_.add_elementwise(op, std::span(&a, 1)); }
  BlockId make(Op op, BlockId a, BlockId b) {
    const BlockId operands[] = {a, b};
    return g_.add_elementwise(op, operands);
  }

  BlockId add(Operands x) {
    if (g_.is_constant(x[1], 0.0)) return x[0];
    if (g_.is_constant(x[0], 0.0)) return x[1];
    if (g_.is_op(x[1], Op::neg)) return make(Op::sub, x[0], g_.operand(x[1], 0));
    if (g_.is_op(x[0], Op::neg)) return make(Op::sub, x[1], g_.operand(x[0], 0));
    return Roots::none;
  }

  BlockId sub(Operands x) {
    if (g_.is_constant(x[1], 0.0)) return x[0];
    if (g_.is_constant(x[0], 0.0)) return make(Op::neg, x[1]);
    if (g_.is_op(x[1], Op::neg)) return make(Op::add, x[0], g_.operand(x[1], 0));
    return Roots::none;
  }

  BlockId mul(Operands x) {
    const bool swapped = g_.is_constant(x[0]);
    const BlockId a = x[swapped], b = x[!swapped];
    if (g_.is_constant(b, 1.0)) return a;
    if (g_.is_constant(b, -1.0)) return make(Op::neg, a);
    if (a == b) return make(Op::square, a);
    if (g_.is_op(a, Op::neg) && g_.is_op(b, Op::neg)) return make(Op::mul, g_.operand(a, 0), g_.operand(b, 0));
    // a * (1 / b), as the notebooks write division.
    if (is_reciprocal(b)) return make(Op::div, a, g_.operand(b, 1));
    if (is_reciprocal(a)) return make(Op::div, b, g_.operand(a, 1));
    return Roots::none;
  }
  bool is_reciprocal(BlockId x) const { return g_.is_op(x, Op::div) && g_.is_constant(g_.operand(x, 0), 1.0); }

  BlockId div(Operands x) { return g_.is_constant(x[1], 1.0) ? x[0] : Roots::none; }

  BlockId neg(Operands x) { return g_.is_op(x[0], Op::neg) ? g_.operand(x[0], 0) : Roots::none; }

  BlockId pow(Operands x) {
    if (g_.is_constant(x[1], 2.0)) return make(Op::square, x[0]);
    if (g_.is_constant(x[1], 1.0)) return x[0];
    if (g_.is_constant(x[1], 0.0)) return g_.add_constant(1.0);  // also for NaN: IEEE 754-2019, 9.2.1
    if (g_.is_constant(x[1], -1.0)) return make(Op::div, g_.add_constant(1.0), x[0]);
    return Roots::none;
  }

  /// A comparison is 1 or 0 already.
  BlockId not_equal(Operands x) {
    const Block& left = g_[x[0]];
    const bool truth = left.kind == BlockKind::elementwise && op_kind(left.op) == OpKind::comparison;
    return truth && g_.is_constant(x[1], 0.0) ? x[0] : Roots::none;
  }

  BlockId where(Operands x) {
    if (x[1] == x[2]) return x[1];
    if (g_.is_constant(x[0])) return g_.constant(x[0]) != 0.0 ? x[1] : x[2];
    return Roots::none;
  }

  Graph& g_;
};

const Simplifier::Rule Simplifier::rules[8] = {
    {Op::add, &Simplifier::add}, {Op::sub, &Simplifier::sub},     {Op::mul, &Simplifier::mul},
    {Op::div, &Simplifier::div}, {Op::neg, &Simplifier::neg},     {Op::pow, &Simplifier::pow},
    {Op::where, &Simplifier::where}, {Op::not_equal, &Simplifier::not_equal},
};

}  // namespace

Graph simplify(const Graph& graph) {
  return remove_dead(rebuild(
      graph, [](BlockId) { return true; },
      [&](Graph& out, BlockId id, std::span<const BlockId> operands) {
        BlockId simpler = Roots::none;
        if (graph[id].kind == BlockKind::elementwise) {
          simpler = Simplifier(out).elementwise(graph[id].op, operands);
        } else if (graph[id].kind == BlockKind::batch_sum) {
          simpler = Simplifier(out).batch_sum(operands[0]);
        }
        return simpler != Roots::none ? simpler : out.add_copy(graph, id, operands);
      }));
}

}  // namespace tapeloom::compiler
