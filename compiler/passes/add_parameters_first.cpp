// Two biases are one.
#include <cstddef>
#include <vector>

#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Finds what parameters are added to one after another, block by block of the new graph.
class ParameterAdder {
 public:
  explicit ParameterAdder(const Graph& graph) : old_(graph) {
    if (any_block(graph, [&](BlockId id) { return adds_to_sum(id); })) uses_ = count_uses(graph);
  }

  bool any() const { return !uses_.empty(); }

  /// (x + p) + q as x + (p + q); nothing if that is not what the block is.
  View added(Graph& out, BlockId id, std::span<const View> operands) {
    if (!old_[id].varying || !old_.is_op(old_.all(id), Op::add)) return nothing;
    for (std::size_t k = 0; k < 2; ++k) {
      const View inner = operands[1 - k], of_old = old_.operand(id, 1 - k);
      if (!is_parameters(out, operands[k]) || !out.varying(inner) || !out.is_op(inner, Op::add)) continue;
      if (uses_[of_old.block.index] != 1 || inner != out.all(inner.block)) continue;
      for (std::size_t l = 0; l < 2; ++l) {
        const View p = out.operand(inner.block, l), x = out.operand(inner.block, 1 - l);
        if (!is_parameters(out, p)) continue;
        const View sum = out.add_elementwise(Op::add, {p, operands[k]});
        sums_.resize(sum.block.index, false);
        sums_.push_back(true);
        return out.add_elementwise(Op::add, {x, sum});
      }
    }
    return nothing;
  }

 private:
  bool adds_parameter(const View& x) const {
    return old_.varying(x) && old_.is_op(x, Op::add) && (is_parameter(x.block, 0) || is_parameter(x.block, 1));
  }
  bool is_parameter(BlockId id, std::size_t k) const {
    return old_.kind(old_.operand(id, k).block) == BlockKind::parameter;
  }
  bool adds_to_sum(BlockId id) const {
    return adds_parameter(old_.all(id)) && (adds_parameter(old_.operand(id, 0)) || adds_parameter(old_.operand(id, 1)));
  }

  bool is_parameters(const Graph& out, const View& x) const {
    const bool sum = x.block.index < sums_.size() && sums_[x.block.index];
    return sum || out[x.block].kind == BlockKind::parameter;
  }

  const Graph& old_;
  LargeVector<std::uint32_t> uses_;  // none where there is nothing to find
  std::vector<bool> sums_;           // which blocks of the new graph are sums of parameters
};

}  // namespace

Graph add_parameters_first(Graph graph) {
  ParameterAdder adder(graph);
  if (!adder.any()) return graph;
  return rebuild(
      graph, [&](Graph& out, BlockId id, std::span<const View> operands) { return adder.added(out, id, operands); });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
