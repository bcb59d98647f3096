#include "tapeloom/compiler/expression.h"
#include "tapeloom/compiler/passes.h"
#include "tapeloom/compiler/schedule.h"
#include "tapeloom/core/evaluate.h"
#include "tapeloom/core/ops.h"

namespace tapeloom::compiler {

namespace {

/// One reverse walk over the phases. What the varying blocks of one phase contribute to a uniform block is collected
/// apart, as a number a sample; when the walk leaves the phase, its sum over the batch is one contribution.
class Differentiator {
 public:
  Differentiator(Graph& graph, const DifferentiateOptions& options)
      : g_(graph), adjoint_(graph.size(), Roots::none), per_sample_(graph.size(), Roots::none) {
    find_needed(options);
  }

  void run(const Schedule& order) {
    if (needed_[g_.roots.loss.index]) contribute(g_.roots.loss, g_.add_constant(1.0));
    for (std::size_t p = order.phases.size(); p-- > 0;) {
      const Range range = order.phases[p];
      for (std::uint32_t i = range.end; i-- > range.begin;) reverse(order.order[i]);
      for (BlockId uniform : summed_) contribute(uniform, g_.add_batch_sum(per_sample_[uniform.index]));
      for (BlockId uniform : summed_) per_sample_[uniform.index] = Roots::none;
      summed_.clear();
    }
  }

  BlockId adjoint(BlockId block) const { return adjoint_[block.index]; }

 private:
  /// A block's adjoint is needed if it depends on something the loss is differentiated by.
  void find_needed(const DifferentiateOptions& options) {
    needed_.resize(g_.size());
    for (std::size_t i = 0; i < g_.size(); ++i) {
      const Block& block = g_[BlockId(i)];
      if (block.kind == BlockKind::parameter) needed_[i] = !options.frozen[block.payload];
      if (block.kind == BlockKind::input) needed_[i] = options.input_gradients;
      for (std::size_t k = 0; k < block.operand_count; ++k) {
        if (differentiable(BlockId(i), k) && needed_[g_.operand(BlockId(i), k).index]) needed_[i] = true;
      }
    }
  }

  bool differentiable(BlockId id, std::size_t k) const {
    return g_[id].kind != BlockKind::elementwise || (differentiable_operands(g_[id].op) >> k & 1) != 0;
  }

  void contribute(BlockId to, BlockId amount) { add_to(adjoint_[to.index], amount); }

  void contribute_per_sample(BlockId uniform, BlockId amount) {
    if (per_sample_[uniform.index] == Roots::none) summed_.push_back(uniform);
    add_to(per_sample_[uniform.index], amount);
  }

  void add_to(BlockId& total, BlockId amount) {
    const BlockId operands[] = {total, amount};
    total = total == Roots::none ? amount : g_.add_elementwise(Op::add, operands);
  }

  void reverse(BlockId id) {
    const BlockId adjoint = adjoint_[id.index];
    if (adjoint == Roots::none) return;
    if (g_[id].kind == BlockKind::batch_sum) {
      const BlockId operand = g_.operand(id, 0);
      if (g_[operand].varying) {
        if (needed_[operand.index]) contribute(operand, adjoint);
      } else if (needed_[operand.index]) {
        contribute_per_sample(operand, adjoint);
      }
    } else if (g_[id].kind == BlockKind::elementwise) {
      reverse_elementwise(id, adjoint);
    }
  }

  void reverse_elementwise(BlockId id, BlockId adjoint) {
    std::array<BlockId, 3> x{};
    for (std::size_t k = 0; k < g_[id].operand_count; ++k) x[k] = g_.operand(id, k);
    const auto at = [&](BlockId block) { return Expression(g_, block); };
    ops::visit(
        g_[id].op,
        [&]<class F>() {
          if constexpr (F::arity == 1) {
            distribute(id, F::reverse(at(x[0]), at(id), at(adjoint)));
          } else if constexpr (F::arity == 2) {
            distribute(id, F::reverse(at(x[0]), at(x[1]), at(id), at(adjoint)));
          } else {
            distribute(id, F::reverse(at(x[0]), at(x[1]), at(x[2]), at(id), at(adjoint)));
          }
        },
        [] {});
  }

  template <std::size_t N>
  void distribute(BlockId id, const std::array<Expression, N>& contributions) {
    for (std::size_t k = 0; k < N; ++k) {
      const BlockId operand = g_.operand(id, k);
      if (!needed_[operand.index] || !differentiable(id, k)) continue;
      const BlockId amount = contributions[k].block(g_);
      if (g_[id].varying && !g_[operand].varying) {
        contribute_per_sample(operand, amount);
      } else {
        contribute(operand, amount);
      }
    }
  }

  Graph& g_;
  std::vector<bool> needed_;
  std::vector<BlockId> adjoint_;
  std::vector<BlockId> per_sample_;
  std::vector<BlockId> summed_;  // uniform blocks with an entry in per_sample_
};

}  // namespace

Graph differentiate(Graph graph, const DifferentiateOptions& options) {
  const Schedule order = schedule(graph);
  const std::size_t recorded = graph.size();
  graph.roots.gradients.assign(options.frozen.size(), Roots::none);
  if (options.input_gradients) graph.roots.input_gradients.assign(options.input_count, Roots::none);
  Differentiator differentiator(graph, options);
  differentiator.run(order);
  for (std::size_t i = 0; i < recorded; ++i) {
    const Block block = graph[BlockId(i)];
    if (block.kind == BlockKind::parameter) graph.roots.gradients[block.payload] = differentiator.adjoint(BlockId(i));
    if (block.kind == BlockKind::input && options.input_gradients) {
      graph.roots.input_gradients[block.payload] = differentiator.adjoint(BlockId(i));
    }
  }
  return remove_dead(graph);
}

}  // namespace tapeloom::compiler
