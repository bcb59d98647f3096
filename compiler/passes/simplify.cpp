// Algebraic identities, block by block.
#include <array>
#include <cmath>
#include <limits>
#include <span>

#include "tapeloom/compiler/graph/schedule.h"
#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Rewrites one block whose operands are rewritten already. A rule returns the block that stands for it, or none.
class Simplifier {
 public:
  Simplifier(Graph& graph, bool before_differentiation) : g_(graph), before_(before_differentiation) {}

  static bool has_rule(Op op) { return rules[static_cast<std::size_t>(op)] != nullptr; }
  View elementwise(Op op, std::span<const View> x) { return (this->*rules[static_cast<std::size_t>(op)])(x); }

  /// A few contributions to all rows each, once a step, are sums like others: they may take a product in.
  View assemble(BlockId id, const Graph& of, std::span<const View> x) {
    if (of[id].varying || x.size() > choices::few_added) return nothing;
    for (std::size_t k = 0; k < x.size(); ++k) {
      const bool whole = of.destination(id, k) == Destination{0, {1, of[id].rows, 0, 1}};
      if (!whole || is_total(g_, x[k].block) || g_[x[k].block].kind == BlockKind::outer) return nothing;
    }
    View sum = x[0];
    for (const View& each : x.subspan(1)) {
      const View operands[] = {sum, each};
      const View simpler = add(operands);
      sum = simpler != nothing ? simpler : make(Op::add, sum, each);
    }
    return sum;
  }

  /// Of something uniform: samples * x.
  View batch_sum(const View& x) {
    if (g_.varying(x)) return nothing;
    return times_samples(x);
  }

  /// Operands that varied may not any more, once simplified: then the sum over the samples is theirs alone.
  View outer(const View& y, const View& x, const Weights& w, bool varied) {
    if (!varied || (g_.varying(y) && g_.varying(x))) return nothing;
    if (g_.varying(x)) return g_.add_outer(y, g_.add_batch_sum(x), w);
    return g_.add_outer(g_.varying(y) ? g_.add_batch_sum(y) : times_samples(y), x, w);
  }

 private:
  using Operands = std::span<const View>;
  using Rule = View (Simplifier::*)(Operands);
  static const std::array<Rule, op_count> rules;  // by op

  View times_samples(const View& x) { return make(Op::mul, g_.add_leaf(BlockKind::samples, 0).repeated(x.rows), x); }
  View make(Op op, const View& a) { return g_.add_elementwise(op, {a}); }
  View make(Op op, const View& a, const View& b) { return g_.add_elementwise(op, {a, b}); }
  View number(double value, const View& like) { return g_.add_constant(value).repeated(like.rows); }

  View add(Operands x) {
    if (g_.is_constant(x[1], 0.0)) return x[0];
    if (g_.is_constant(x[0], 0.0)) return x[1];
    if (g_.is_op(x[1], Op::neg)) return make(Op::sub, x[0], g_.behind(x[1], 0));
    if (g_.is_op(x[0], Op::neg)) return make(Op::sub, x[1], g_.behind(x[0], 0));
    return nothing;
  }

  View sub(Operands x) {
    if (g_.is_constant(x[1], 0.0)) return x[0];
    if (g_.is_constant(x[0], 0.0)) return make(Op::neg, x[1]);
    if (g_.is_op(x[1], Op::neg)) return make(Op::add, x[0], g_.behind(x[1], 0));
    return nothing;
  }

  View mul(Operands x) {
    const bool swapped = g_.is_constant(x[0]);
    const View a = x[swapped], b = x[!swapped];
    if (g_.is_constant(b, 1.0)) return a;
    if (g_.is_constant(b, -1.0)) return make(Op::neg, a);
    if (a == b) return make(Op::square, a);
    if (g_.is_op(a, Op::neg) && g_.is_op(b, Op::neg)) return make(Op::mul, g_.behind(a, 0), g_.behind(b, 0));
    // a * (1 / b), as the notebooks write division.
    if (is_reciprocal(b, a)) return make(Op::div, a, g_.behind(b, 1));
    if (is_reciprocal(a, b)) return make(Op::div, b, g_.behind(a, 1));
    if (is_doubled(a) && is_shared(b, a)) return make(Op::mul, g_.behind(a, 0), doubled(b));
    if (is_doubled(b) && is_shared(a, b)) return make(Op::mul, g_.behind(b, 0), doubled(a));
    return nothing;
  }
  /// Where a sample meets a number that all share, one division a step is better than one a sample.
  bool is_reciprocal(const View& x, const View& factor) const {
    return g_.is_op(x, Op::div) && g_.is_constant(g_.behind(x, 0), 1.0) && (g_.varying(x) || !g_.varying(factor));
  }

  /// x + x, as derivatives of squares have it. Doubling rounds nothing, so (x + x) * u = x * (u + u): once a step,
  /// where samples or rows share u.
  bool is_doubled(const View& x) const { return g_.is_op(x, Op::add) && g_.behind(x, 0) == g_.behind(x, 1); }
  bool is_shared(const View& u, const View& x) const {
    return !g_.varying(u) && (g_.varying(x) || (u.rows > 1 && u.step == 0)) && !overflows_doubled(u);
  }
  /// Of a constant; others can only be known in a step.
  bool overflows_doubled(const View& u) const {
    constexpr double largest = std::numeric_limits<float>::max() / 2.0;
    return g_.is_constant(u) && std::abs(g_.constant(u, 0)) > largest;
  }
  View doubled(const View& u) {
    if (u.rows > 1 && u.step != 0) return make(Op::add, u, u);
    if (g_.is_constant(u)) return number(2.0 * g_.constant(u, 0), u);
    return make(Op::add, u.part(0, 1), u.part(0, 1)).repeated(u.rows);
  }

  /// Of (factor, adjoint). Where zero can meet nothing but finite numbers it is a product like others.
  View mul_adjoint(Operands x) {
    const View factor = x[0], adjoint = x[1];
    if (factor == adjoint || is_finite_constant(factor) || is_never_zero(adjoint)) return product(factor, adjoint);
    if (g_.is_op(factor, Op::neg) && g_.is_op(adjoint, Op::neg)) {
      return make(Op::mul_adjoint, g_.behind(factor, 0), g_.behind(adjoint, 0));
    }
    if (is_doubled(factor) && is_shared(adjoint, factor)) {
      return make(Op::mul_adjoint, g_.behind(factor, 0), doubled(adjoint));
    }
    if (is_doubled(adjoint) && is_shared(factor, adjoint)) {
      return make(Op::mul_adjoint, doubled(factor), g_.behind(adjoint, 0));
    }
    return nothing;
  }
  View product(const View& a, const View& b) {
    const View operands[] = {a, b};
    const View simpler = mul(operands);
    return simpler != nothing ? simpler : make(Op::mul, a, b);
  }
  /// Of two adjoints.
  View mul_adjoints(Operands x) {
    for (const View& factor : x) {
      if (is_finite_constant(factor) && is_never_zero(factor)) return product(x[0], x[1]);
    }
    return nothing;
  }
  View div_adjoint(Operands x) {
    if (g_.is_constant(x[0], 1.0)) return x[1];
    // 0 / x is 0 for a constant that is not 0.
    return is_never_zero(x[0]) || is_never_zero(x[1]) ? make(Op::div, x[1], x[0]) : nothing;
  }
  View unless_zero(Operands x) { return is_never_zero(x[1]) ? x[0] : nothing; }

  bool all_of_constant(const View& x, bool (*holds)(double)) const {
    if (!g_.is_constant(x)) return false;
    for (std::uint32_t r = 0; r < x.rows; ++r) {
      if (!holds(g_.constant(x, r))) return false;
    }
    return true;
  }
  // In float, too, in which the program may be run.
  bool is_finite_constant(const View& x) const {
    return all_of_constant(x, [](double number) { return std::abs(number) <= std::numeric_limits<float>::max(); });
  }
  bool is_never_zero(const View& x) const {
    return all_of_constant(x, [](double number) { return std::abs(number) >= std::numeric_limits<float>::min(); });
  }

  View div(Operands x) { return g_.is_constant(x[1], 1.0) ? x[0] : nothing; }

  /// Differentiated, it is what it was given.
  View stop_gradient(Operands x) { return before_ ? nothing : x[0]; }

  View neg(Operands x) { return g_.is_op(x[0], Op::neg) ? g_.behind(x[0], 0) : nothing; }

  View pow(Operands x) {
    // A zero adjoint passes an infinite power by, but not an infinite square: see Pow and Square in core/ops/ops.h.
    if (g_.is_constant(x[1], 2.0) && !before_) return make(Op::square, x[0]);
    if (g_.is_constant(x[1], 1.0)) return x[0];
    if (g_.is_constant(x[1], 0.0)) return number(1.0, x[0]);  // also for NaN: IEEE 754-2019, 9.2.1
    if (g_.is_constant(x[1], -1.0)) return make(Op::div, number(1.0, x[0]), x[0]);
    return nothing;
  }

  bool is_truth(const View& x) const {
    const Block block = g_[x.block];
    return block.kind == BlockKind::elementwise && op_kind(block.op) == OpKind::comparison;
  }
  /// A comparison is 1 or 0 already.
  View not_equal(Operands x) { return is_truth(x[0]) && g_.is_constant(x[1], 0.0) ? x[0] : nothing; }
  /// And never NaN: the derivative of a mean over the samples counts them so.
  View equal(Operands x) { return x[0] == x[1] && is_truth(x[0]) ? number(1.0, x[0]) : nothing; }

  View where(Operands x) {
    if (x[1] == x[2]) return x[1];
    if (g_.is_constant(x[0], 0.0)) return x[2];
    if (g_.is_constant(x[0], 1.0)) return x[1];
    return nothing;
  }

  Graph& g_;
  bool before_;
};

const std::array<Simplifier::Rule, op_count> Simplifier::rules = [] {
  std::array<Rule, op_count> of{};
  const auto set = [&](Op op, Rule rule) { of[static_cast<std::size_t>(op)] = rule; };
  set(Op::add, &Simplifier::add);
  set(Op::sub, &Simplifier::sub);
  set(Op::mul, &Simplifier::mul);
  set(Op::div, &Simplifier::div);
  set(Op::neg, &Simplifier::neg);
  set(Op::pow, &Simplifier::pow);
  set(Op::where, &Simplifier::where);
  set(Op::not_equal, &Simplifier::not_equal);
  set(Op::equal, &Simplifier::equal);
  set(Op::mul_adjoint, &Simplifier::mul_adjoint);
  set(Op::mul_adjoints, &Simplifier::mul_adjoints);
  set(Op::div_adjoint, &Simplifier::div_adjoint);
  set(Op::unless_zero, &Simplifier::unless_zero);
  set(Op::stop_gradient, &Simplifier::stop_gradient);
  return of;
}();

}  // namespace

Graph simplify(const Graph& graph, bool before_differentiation) {
  const auto concerns = [&](BlockId id) {
    const BlockKind kind = graph.kind(id);
    if (kind == BlockKind::elementwise) return Simplifier::has_rule(graph.op(id));
    return kind == BlockKind::assemble || kind == BlockKind::batch_sum || kind == BlockKind::outer;
  };
  return rebuild(graph, concerns, [&](Graph& out, BlockId id, std::span<const View> operands) {
    Simplifier simplifier(out, before_differentiation);
    const BlockKind kind = graph.kind(id);
    if (kind == BlockKind::elementwise) return simplifier.elementwise(graph.op(id), operands);
    if (kind == BlockKind::assemble) return simplifier.assemble(id, graph, operands);
    if (kind == BlockKind::batch_sum) return simplifier.batch_sum(operands[0]);
    return simplifier.outer(operands[0], operands[1], graph.weights(id), graph.varying(graph.operand(id, 0)));
  });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
