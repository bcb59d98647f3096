// Expression: the number type with which the op table's formulas write blocks into a Graph.
#pragma once

#include <algorithm>

#include "tapeloom/compiler/graph/graph.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Rows of a graph, or a literal of a formula that has met no graph yet.
class Expression {
 public:
  explicit Expression(double literal) : literal_(literal) {}
  /// `scaled` is the op of `scaled(factor, adjoint)`: mul, or mul_adjoint where an adjoint of zero may meet any factor.
  Expression(Graph& graph, const View& rows, Op scaled) : graph_(&graph), rows_(rows), scaled_(scaled) {}

  /// The rows on `graph`; a literal is added there as a constant, read for every row.
  View rows(Graph& graph, std::uint32_t count) const {
    return graph_ != nullptr ? rows_ : graph.add_constant(literal_).repeated(count);
  }

  static Expression apply(Op op, std::initializer_list<Expression> operands) {
    Graph* graph = nullptr;
    Op scaled = Op::mul;
    std::uint32_t count = 1;
    for (const Expression& operand : operands) {
      if (operand.graph_ == nullptr) continue;
      graph = operand.graph_;
      scaled = operand.scaled_;
      count = operand.rows_.rows;
    }
    View rows[3];
    std::size_t k = 0;
    for (const Expression& operand : operands) rows[k++] = operand.rows(*graph, count);
    // What is the same for all rows is computed for one.
    const bool alike = count > 1 && std::all_of(rows, rows + k, [](const View& view) { return view.step == 0; });
    if (alike) std::transform(rows, rows + k, rows, [](const View& view) { return view.part(0, 1); });
    const View result = graph->add_elementwise(op, std::span<const View>(rows, k));
    return {*graph, alike ? result.repeated(count) : result, scaled};
  }

  friend Expression scaled(Expression factor, Expression adjoint) { return apply(adjoint.scaled_, {factor, adjoint}); }
  friend Expression scaled_adjoints(Expression a, Expression b) {
    return apply(b.scaled_ == Op::mul ? Op::mul : Op::mul_adjoints, {a, b});
  }

 private:
  Graph* graph_ = nullptr;
  View rows_;
  Op scaled_ = Op::mul;
  double literal_ = 0.0;
};

#define TAPELOOM_OPERATOR(name, Struct, sign) \
  inline Expression operator sign(Expression a, Expression b) { return Expression::apply(Op::name, {a, b}); }
#define TAPELOOM_COMPARISON(name, Struct, sign) TAPELOOM_OPERATOR(name, Struct, sign)
#define TAPELOOM_UNARY(name, Struct) \
  inline Expression name(Expression x) { return Expression::apply(Op::name, {x}); }
#define TAPELOOM_BINARY(name, Struct) \
  inline Expression name(Expression a, Expression b) { return Expression::apply(Op::name, {a, b}); }
#define TAPELOOM_ADJOINT(name, Struct) TAPELOOM_BINARY(name, Struct)
#define TAPELOOM_TERNARY(name, Struct) \
  inline Expression name(Expression a, Expression b, Expression c) { return Expression::apply(Op::name, {a, b, c}); }
#include "tapeloom/core/ops/ops.def"

inline Expression operator-(Expression x) { return neg(x); }
inline Expression select(Expression condition, Expression a, Expression b) { return where(condition, a, b); }

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
