// Expression: the number type with which the op table's formulas write blocks into a Graph.
#pragma once

#include "tapeloom/compiler/graph.h"

namespace tapeloom::compiler {

/// A block of a graph, or a literal of a formula that has met no graph yet.
class Expression {
 public:
  explicit Expression(double literal) : literal_(literal) {}
  Expression(Graph& graph, BlockId block) : graph_(&graph), block_(block) {}

  /// The block on `graph`; a literal is added there as a constant.
  BlockId block(Graph& graph) const { return graph_ != nullptr ? block_ : graph.add_constant(literal_); }

  static Expression apply(Op op, std::initializer_list<Expression> operands) {
    Graph* graph = nullptr;
    for (const Expression& operand : operands) graph = operand.graph_ != nullptr ? operand.graph_ : graph;
    BlockId blocks[3];
    std::size_t count = 0;
    for (const Expression& operand : operands) blocks[count++] = operand.block(*graph);
    return {*graph, graph->add_elementwise(op, std::span(blocks, count))};
  }

 private:
  Graph* graph_ = nullptr;
  BlockId block_;
  double literal_ = 0.0;
};

#define TAPELOOM_OPERATOR(name, Struct, sign) \
  inline Expression operator sign(Expression a, Expression b) { return Expression::apply(Op::name, {a, b}); }
#define TAPELOOM_COMPARISON(name, Struct, sign) TAPELOOM_OPERATOR(name, Struct, sign)
#define TAPELOOM_UNARY(name, Struct) \
  inline Expression name(Expression x) { return Expression::apply(Op::name, {x}); }
#define TAPELOOM_BINARY(name, Struct) \
  inline Expression name(Expression a, Expression b) { return Expression::apply(Op::name, {a, b}); }
#define TAPELOOM_TERNARY(name, Struct) \
  inline Expression name(Expression a, Expression b, Expression c) { return Expression::apply(Op::name, {a, b, c}); }
#include "tapeloom/core/ops.def"

inline Expression operator-(Expression x) { return neg(x); }
inline Expression select(Expression condition, Expression a, Expression b) { return where(condition, a, b); }

}  // namespace tapeloom::compiler
