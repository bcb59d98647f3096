#include <algorithm>

#include "tapeloom/compiler/expression.h"
#include "tapeloom/compiler/passes.h"
#include "tapeloom/compiler/schedule.h"
#include "tapeloom/core/check.h"
#include "tapeloom/core/evaluate.h"
#include "tapeloom/core/ops.h"

namespace tapeloom::inline v0_1::compiler {

namespace {

/// What users of a block have contributed to the adjoint of some of its rows so far. Rows that are contributed to more
/// than once are added at once where they are the same, so that the order is the order of contributions.
struct Contributions {
  std::vector<View> parts;
  std::vector<Destination> destinations;
};

/// One reverse walk over the phases. What the varying blocks of one phase contribute to a uniform block is collected
/// apart, as numbers a sample; when the walk leaves the phase, their sum over the batch is one contribution.
class Differentiator {
 public:
  Differentiator(Graph& graph, const DifferentiateOptions& options) : g_(graph), contributions_(graph.size()) {
    per_sample_.resize(graph.size());
    find_needed(options);
  }

  void run(const Schedule& order) {
    if (needed_[g_.roots.loss.block.index]) contribute(g_.roots.loss, g_.add_constant(1.0));
    for (std::size_t p = order.phases.size(); p-- > 0;) {
      const Range range = order.phases[p];
      for (std::uint32_t i = range.end; i-- > range.begin;) reverse(order.order[i]);
      for (BlockId uniform : summed_) sum_samples(uniform);
      summed_.clear();
    }
  }

  /// The adjoint of all rows of a block, or nothing if it has none.
  View adjoint(BlockId id) { return assemble(id, contributions_[id.index]); }

 private:
  // --- which adjoints are needed ------------------------------------------------------------------------------------

  void find_needed(const DifferentiateOptions& options) {
    needed_.resize(g_.size());
    for (std::size_t i = 0; i < g_.size(); ++i) {
      const Block& block = g_[BlockId(i)];
      if (block.kind == BlockKind::parameter) {
        for (std::uint32_t r = 0; r < block.rows; ++r) needed_[i] = needed_[i] || !options.frozen[block.payload + r];
      }
      if (block.kind == BlockKind::input) needed_[i] = options.input_gradients;
      for (std::size_t k = 0; k < g_.operands(BlockId(i)).size(); ++k) {
        if (differentiable(BlockId(i), k) && needs(g_.operand(BlockId(i), k))) needed_[i] = true;
      }
    }
  }

  bool needs(const View& view) const { return needed_[view.block.index]; }

  bool differentiable(BlockId id, std::size_t k) const {
    return g_[id].kind != BlockKind::elementwise || (differentiable_operands(g_[id].op) >> k & 1) != 0;
  }

  // --- collecting contributions -------------------------------------------------------------------------------------

  /// Adds the rows of `amount` to the adjoints of the rows that `to` reads. A row read more than once gets the sum.
  void contribute(const View& to, const View& amount) { add_to(contributions_[to.block.index], to, amount); }

  /// The same from one sample's computation to something that all samples share.
  void contribute_per_sample(const View& to, const View& amount) {
    Contributions& list = per_sample_[to.block.index];
    if (list.parts.empty()) summed_.push_back(to.block);
    add_to(list, to, amount);
  }

  void add_to(Contributions& list, const View& to, const View& amount) {
    if (to.step == 0 && to.rows > 1) {
      add_to(list, Destination{to.row, {}}, g_.add_row_sum(amount));
    } else {
      add_to(list, Destination{to.row, {1, to.rows, 0, std::max(to.step, 1u)}}, amount);
    }
  }

  void add_to(Contributions& list, const Destination& to, const View& amount) {
    // Looking back over some is enough: users of the same rows mostly follow one another, or take turns with the other
    // parameters of a layer that is used again and again.
    for (std::size_t back = 1; back <= 32 && back <= list.parts.size(); ++back) {
      const std::size_t k = list.parts.size() - back;
      if (!(list.destinations[k] == to)) continue;
      list.parts[k] = g_.add_elementwise(Op::add, {list.parts[k], amount});
      return;
    }
    list.parts.push_back(amount);
    list.destinations.push_back(to);
  }

  View assemble(BlockId id, const Contributions& list) {
    if (list.parts.empty()) return nothing;
    const std::uint32_t rows = g_[id].rows;
    const bool whole = list.parts.size() == 1 && list.destinations[0] == Destination{0, {1, rows, 0, 1}};
    if (whole) return list.parts[0];
    return g_.add_assemble(rows, list.parts, list.destinations);
  }

  void sum_samples(BlockId uniform) {
    Contributions list;
    std::swap(list, per_sample_[uniform.index]);
    for (std::size_t k = 0; k < list.parts.size(); ++k) {
      add_to(contributions_[uniform.index], list.destinations[k], g_.add_batch_sum(list.parts[k]));
    }
  }

  /// To a varying operand directly, to a uniform one of a varying block by way of each sample.
  void pass_on(BlockId from, const View& to, const View& amount) {
    if (g_[from].varying && !g_.varying(to)) {
      contribute_per_sample(to, amount);
    } else {
      contribute(to, amount);
    }
  }

  // --- the rules ----------------------------------------------------------------------------------------------------

  void reverse(BlockId id) {
    if (g_.operands(id).empty() || contributions_[id.index].parts.empty()) return;
    const View adjoint = this->adjoint(id);
    const View x = g_.operand(id, 0);
    switch (g_[id].kind) {
      case BlockKind::constant:
      case BlockKind::parameter:
      case BlockKind::input:
      case BlockKind::uniform_input:
      case BlockKind::samples:
        return;
      case BlockKind::elementwise:
        return reverse_elementwise(id, adjoint);
      case BlockKind::batch_sum:
        if (!needs(x)) return;
        return g_.varying(x) ? contribute(x, adjoint) : contribute_per_sample(x, adjoint);
      case BlockKind::row_sum:
        if (needs(x)) pass_on(id, x, adjoint.repeated(x.rows));
        return;
      case BlockKind::concat:
        return reverse_concat(id, adjoint);
      case BlockKind::dense:
        return reverse_dense(id, adjoint);
      case BlockKind::assemble:
      case BlockKind::dense_reverse:
      case BlockKind::outer:
        fail_check("blocks that differentiation itself makes are not differentiated again", __FILE__, __LINE__);
    }
  }

  void reverse_concat(BlockId id, const View& adjoint) {
    std::uint32_t row = 0;
    for (std::size_t k = 0; k < g_.operands(id).size(); ++k) {
      const View part = g_.operand(id, k);
      if (needs(part)) pass_on(id, part, adjoint.part(row, part.rows));
      row += part.rows;
    }
  }

  /// Y = W X: the adjoint of X is W^T times that of Y, the adjoint of W is that of Y times X^T, over all samples.
  void reverse_dense(BlockId id, const View& adjoint) {
    const View weights = g_.operand(id, 0), x = g_.operand(id, 1);
    const Matrix matrix = g_.matrix(id);
    if (needs(x)) pass_on(id, x, g_.add_dense_reverse(weights, matrix, adjoint));
    if (needs(weights)) {
      // The same adjoint for every sample comes out of the sum.
      const bool factors_out = g_.varying(x) && !g_.varying(adjoint);
      const View outer = g_.add_outer(adjoint, factors_out ? g_.add_batch_sum(x) : x);
      add_to(contributions_[weights.block.index], Destination{weights.row, matrix}, outer);
    }
  }

  void reverse_elementwise(BlockId id, const View& adjoint) {
    std::array<View, 3> x{};
    for (std::size_t k = 0; k < g_.operands(id).size(); ++k) x[k] = g_.operand(id, k);
    const auto at = [&](const View& view) { return Expression(g_, view); };
    const View y = g_.all(id);
    ops::visit(
        g_[id].op,
        [&]<class F>() {
          if constexpr (F::arity == 1) {
            distribute(id, F::reverse(at(x[0]), at(y), at(adjoint)));
          } else if constexpr (F::arity == 2) {
            distribute(id, F::reverse(at(x[0]), at(x[1]), at(y), at(adjoint)));
          } else {
            distribute(id, F::reverse(at(x[0]), at(x[1]), at(x[2]), at(y), at(adjoint)));
          }
        },
        [] {});
  }

  template <std::size_t N>
  void distribute(BlockId id, const std::array<Expression, N>& amounts) {
    for (std::size_t k = 0; k < N; ++k) {
      const View operand = g_.operand(id, k);
      if (needs(operand) && differentiable(id, k)) pass_on(id, operand, amounts[k].rows(g_, g_[id].rows));
    }
  }

  Graph& g_;
  std::vector<bool> needed_;
  std::vector<Contributions> contributions_;
  std::vector<Contributions> per_sample_;
  std::vector<BlockId> summed_;  // uniform blocks with entries in per_sample_
};

}  // namespace

Graph differentiate(Graph graph, const DifferentiateOptions& options) {
  const Schedule order = schedule(graph);
  const std::size_t recorded = graph.size();
  Differentiator differentiator(graph, options);
  differentiator.run(order);
  for (std::size_t i = 0; i < recorded; ++i) {
    const Block block = graph[BlockId(i)];
    const bool parameter = block.kind == BlockKind::parameter;
    if (!parameter && !(block.kind == BlockKind::input && options.input_gradients)) continue;
    const View adjoint = differentiator.adjoint(BlockId(i));
    if (adjoint == nothing) continue;
    (parameter ? graph.roots.gradients : graph.roots.input_gradients).push_back({block.payload, adjoint});
  }
  return remove_dead(std::move(graph));
}

}  // namespace tapeloom::inline v0_1::compiler
