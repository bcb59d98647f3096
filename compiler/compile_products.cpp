#include "tapeloom/compiler/compile_products.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tapeloom/compiler/borrow_tape.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/memory.h"
#include "tapeloom/core/record/derivatives.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/core/record/tape.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

/// The tape of what is differentiated by.
Tape& tape_of(std::span<const Value> y, std::span<const Value> x, const std::string& caller) {
  if (y.empty()) throw CompileError(caller + ": there is no y to differentiate");
  if (x.empty()) throw CompileError(caller + ": there is no x to differentiate by");
  const auto recorded = std::ranges::find_if(x, [](const Value& each) { return !each.is_plain(); });
  if (recorded == x.end())
    throw RecordingError(caller + ": numbers cannot be differentiated by; x are Values of a tape");
  return *recorded->tape();
}

/// A reduction over the samples by way of which some y depends on some x in a program, if there is one. Of
/// where(tape.training(), a, b) that has one branch.
std::optional<NodeId> reduction_between(const Tape& tape, std::span<const Value> y, std::span<const NodeId> x,
                                        bool training) {
  if (x.empty()) return std::nullopt;
  const std::size_t oldest = std::ranges::min(x).index;
  constexpr std::uint32_t plain = 1, reduced = 2;            // the latter and the reduction's index
  LargeVector<std::uint32_t> ways(tape.size() - oldest, 0);  // from an x to each node
  for (const NodeId node : x) ways[node.index - oldest] = plain;
  for (std::size_t i = oldest; i < tape.size(); ++i) {
    const NodeId node(i);
    const OpKind kind = op_kind(tape.op(node));
    if (kind == OpKind::leaf) continue;
    const Operands operands = tape.operands(node);
    unsigned passed = differentiable_operands(tape.op(node));
    if (tape.op(node) == Op::where && tape.is_training(operands.node[0])) passed &= training ? 1u << 1 : 1u << 2;
    std::uint32_t& way = ways[i - oldest];
    for (unsigned k = 0; k < operands.count; ++k) {
      const std::uint32_t operand = operands.node[k].index;
      if ((passed >> k & 1) != 0 && operand >= oldest) way = std::max(way, ways[operand - oldest]);
    }
    if (way != 0 && kind == OpKind::reduction) way = reduced + node.index;
  }
  for (const Value& each : y) {
    if (each.is_plain() || each.id().index < oldest) continue;
    const std::uint32_t way = ways[each.id().index - oldest];
    if (way >= reduced) return NodeId(std::size_t{way - reduced});
  }
  return std::nullopt;
}

/// Each row has a vector of its own, which a reduction would mix with those of others.
void refuse_reductions(const Tape& tape, std::span<const Value> y, std::span<const NodeId> x, bool training,
                       const std::string& caller) {
  const std::optional<NodeId> reduction = reduction_between(tape, y, x, training);
  if (!reduction) return;
  throw RecordingError(caller + ": a y depends on an x by way of " + tape.describe(*reduction) +
                       ", which adds up all samples, so that their directions would be mixed; jacobian() records the "
                       "derivatives of what all samples share");
}

/// The program of `products`, and then of the options' outputs.
Program compile_outputs(std::vector<Value> products, CompileOptions options) {
  const std::vector<Value> others = std::exchange(options.outputs, {});
  products.insert(products.end(), others.begin(), others.end());
  return compile_inference(products, std::move(options));
}

}  // namespace

Program compile_vector_jacobian(ValueSpan y, ValueSpan x, CompileOptions options) {
  Tape& tape = tape_of(y, x, "compile_vector_jacobian");
  return compiler::borrow_tape(tape, [&] {
    const std::vector<Value> seeds = tape.inputs("seeds", y.size());
    return compile_outputs(gradient(dot(seeds, y), x), std::move(options));
  });
}

Program compile_jacobian_vector(ValueSpan y, ValueSpan x, CompileOptions options) {
  Tape& tape = tape_of(y, x, "compile_jacobian_vector");
  return compiler::borrow_tape(tape, [&] {
    const std::vector<Value> direction = tape.inputs("direction", x.size());
    const std::vector<Value> products = derivative(y, x, direction);
    std::vector<NodeId> shared;  // inputs move in all samples at once
    for (const Value& each : x) {
      if (!each.varying()) shared.push_back(each.id());
    }
    refuse_reductions(tape, y, shared, options.training.value_or(false), "compile_jacobian_vector");
    return compile_outputs(products, std::move(options));
  });
}

}  // namespace tapeloom::inline TAPELOOM_ABI
