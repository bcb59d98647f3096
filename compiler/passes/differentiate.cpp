// Reverse-mode differentiation of a graph, block by block.
#include <algorithm>
#include <utility>

#include "tapeloom/compiler/graph/schedule.h"
#include "tapeloom/compiler/passes/expression.h"
#include "tapeloom/compiler/passes/passes.h"
#include "tapeloom/compiler/passes/row_scatter.h"
#include "tapeloom/core/base/check.h"
#include "tapeloom/core/ops/ops.h"
#include "tapeloom/core/record/evaluate.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

bool is_input(const Block& block) { return block.kind == BlockKind::input || block.kind == BlockKind::row; }

/// What users of blocks have contributed to the adjoints of some of their rows so far: a list for each block, all in
/// one pool. Rows that are contributed to more than once are added at once where they are the same, so that the order
/// is the order of contributions.
class Contributions {
 public:
  Contributions(Graph& graph, bool lists) : g_(graph), lists_(lists), last_(graph.size(), none) {}

  bool any(BlockId block) const { return last_[block.index] != none; }

  void add(BlockId block, const Destination& to, const View& amount) {
    // Looking back over some is enough: users of the same rows mostly follow one another, or take turns with the other
    // parameters of a layer that is used again and again.
    std::size_t looked = lists_ && amount.rows <= choices::few_listed_rows ? choices::most_looked_back : 0;
    for (std::uint32_t at = last_[block.index]; at != none && looked < choices::most_looked_back;
         at = pool_[at].earlier, ++looked) {
      if (!(pool_[at].to == to)) continue;
      pool_[at].amount = g_.add_elementwise(Op::add, {pool_[at].amount, amount});
      return;
    }
    std::uint32_t at = free_;
    if (at == none) {
      at = static_cast<std::uint32_t>(pool_.size());
      pool_.push_back({});
    } else {
      free_ = pool_[at].earlier;
    }
    pool_[at] = {amount, to, last_[block.index]};
    last_[block.index] = at;
  }

  /// Sets `amounts` and `destinations` to a block's contributions, the first one first, and forgets them.
  void take(BlockId block, std::vector<View>& amounts, std::vector<Destination>& destinations) {
    amounts.clear(), destinations.clear();
    for (std::uint32_t at = std::exchange(last_[block.index], none); at != none;) {
      Part& part = pool_[at];
      amounts.push_back(part.amount);
      destinations.push_back(part.to);
      const std::uint32_t earlier = std::exchange(part.earlier, free_);
      free_ = std::exchange(at, earlier);
    }
    std::ranges::reverse(amounts);
    std::ranges::reverse(destinations);
  }

 private:
  static constexpr std::uint32_t none = UINT32_MAX;

  struct Part {
    View amount;
    Destination to;
    std::uint32_t earlier;  // the one before of the same block, or none; of a free one, the next free one
  };

  Graph& g_;
  bool lists_;
  GrowingVector<Part> pool_;
  std::uint32_t free_ = none;        // the first of the pool that can be used again
  LargeVector<std::uint32_t> last_;  // of each block
};

/// One reverse walk over the phases. What the varying blocks of one phase contribute to a uniform block is collected
/// apart, as numbers a sample; when the walk leaves the phase, their sum over the batch is one contribution.
class Differentiator {
 public:
  Differentiator(Graph& graph, const DifferentiateOptions& options)
      : g_(graph),
        scaled_(options.skip_zeros ? Op::mul_adjoint : Op::mul),
        lists_(options.lists),
        contributions_(graph, options.lists),
        per_sample_(graph, options.lists) {
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

  /// The adjoint of all rows of a block, or nothing if it has none. Asked for once.
  View take_adjoint(BlockId id) {
    contributions_.take(id, amounts_, destinations_);
    if (amounts_.empty()) return nothing;
    const std::uint32_t rows = g_.rows(id);
    const bool whole = amounts_.size() == 1 && destinations_[0] == Destination{0, {1, rows, 0, 1}};
    return whole ? amounts_[0] : g_.add_assemble(rows, amounts_, destinations_);
  }

 private:
  // --- which adjoints are needed ------------------------------------------------------------------------------------

  void find_needed(const DifferentiateOptions& options) {
    needed_.resize(g_.size(), false);
    for (std::size_t i = 0; i < g_.size(); ++i) {
      const BlockId id(i);
      const OperandBlocks operands = g_.operand_blocks(id);
      if (operands.empty()) needed_[i] = is_needed_leaf(g_[id], options);
      for (std::size_t k = 0; k < operands.size() && !needed_[i]; ++k) {
        needed_[i] = needed_[operands[k].index] && differentiable(id, k);
      }
    }
  }

  static bool is_needed_leaf(const Block& block, const DifferentiateOptions& options) {
    if (is_input(block)) return block.payload < options.inputs;
    if (block.kind != BlockKind::parameter) return false;
    const auto frozen = options.frozen.subspan(block.payload, block.rows);
    return std::ranges::any_of(frozen, [](std::uint8_t each) { return each == 0; });
  }

  bool needs(const View& view) const { return needed_[view.block.index] != 0; }

  bool differentiable(BlockId id, std::size_t k) const {
    return g_.kind(id) != BlockKind::elementwise || (differentiable_operands(g_.op(id)) >> k & 1) != 0;
  }

  // --- collecting contributions -------------------------------------------------------------------------------------

  /// Adds the rows of `amount` to the adjoints of the rows that `to` reads. A row read more than once gets the sum.
  void contribute(const View& to, const View& amount) { add_to(contributions_, to, amount); }

  /// The same from one sample's computation to something that all samples share.
  void contribute_per_sample(const View& to, const View& amount) {
    if (!per_sample_.any(to.block)) summed_.push_back(to.block);
    add_to(per_sample_, to, amount);
  }

  void add_to(Contributions& list, const View& to, const View& amount) {
    if (to.step == 0 && to.rows > 1) {
      list.add(to.block, Destination{to.row, {}}, g_.add_row_sum(amount));
    } else {
      list.add(to.block, Destination{to.row, {1, to.rows, 0, std::max(to.step, 1u)}}, amount);
    }
  }

  void sum_samples(BlockId uniform) {
    per_sample_.take(uniform, amounts_, destinations_);
    const auto together = [&](const View& amount) { return amount.block == amounts_[0].block; };
    if (amounts_.size() > choices::few_batch_sums && std::ranges::all_of(amounts_, together))
      return sum_together(uniform);
    for (std::size_t k = 0; k < amounts_.size(); ++k) {
      contributions_.add(uniform, destinations_[k], g_.add_batch_sum(amounts_[k]));
    }
  }

  /// One sum over the samples for contributions that are there together.
  void sum_together(BlockId uniform) {
    const View sums = g_.add_batch_sum(g_.add_concat(amounts_));
    std::uint32_t row = 0;
    for (std::size_t k = 0; k < amounts_.size(); ++k) {
      contributions_.add(uniform, destinations_[k], sums.part(row, amounts_[k].rows));
      row += amounts_[k].rows;
    }
  }

  /// To a varying operand directly, to a uniform one of a varying block by way of each sample.
  void pass_on(BlockId from, const View& to, const View& amount) {
    if (g_.varying(from) && !g_.varying(to)) {
      contribute_per_sample(to, amount);
    } else {
      contribute(to, amount);
    }
  }

  // --- the rules ----------------------------------------------------------------------------------------------------

  /// What has contributions is needed, and so is its operand where it has one alone.
  void reverse(BlockId id) {
    if (!contributions_.any(id) || g_.operand_blocks(id).empty()) return;
    const View adjoint = take_adjoint(id);
    const View x = g_.operand(id, 0);
    switch (g_.kind(id)) {
      case BlockKind::constant:
      case BlockKind::parameter:
      case BlockKind::input:
      case BlockKind::row:
      case BlockKind::uniform_input:
      case BlockKind::samples:
        return;
      case BlockKind::elementwise:
        return reverse_elementwise(id, adjoint);
      case BlockKind::batch_sum:
        return g_.varying(x) ? contribute(x, adjoint) : contribute_per_sample(x, adjoint);
      case BlockKind::row_sum:
        return pass_on(id, x, each_repeated(adjoint, x.rows / g_[id].rows));
      case BlockKind::row_extreme:
        return pass_on(id, x, g_.add_row_extreme_reverse(g_[id].op, x, adjoint));
      case BlockKind::concat:
        return reverse_concat(id, adjoint);
      case BlockKind::dense:
        return reverse_dense(id, adjoint);
      case BlockKind::assemble:
        return reverse_assemble(id, adjoint);
      case BlockKind::row_extreme_reverse:
      case BlockKind::dense_reverse:
      case BlockKind::outer:
        fail_check("blocks that differentiation itself makes are not differentiated again", __FILE__, __LINE__);
    }
  }

  /// Each row so many times.
  View each_repeated(const View& x, std::uint32_t times) {
    if (x.rows == 1) return x.repeated(times);
    if (times == 1) return x;
    std::vector<View> parts;
    for (std::uint32_t r = 0; r < x.rows; ++r) parts.push_back(x.part(r, 1).repeated(times));
    return g_.add_concat(parts);
  }

  /// Many parts of one block are passed on together.
  void reverse_concat(BlockId id, const View& adjoint) {
    RowScatter scatter(lists_);
    std::uint32_t row = 0;
    for (std::size_t k = 0; k < g_.operands(id).size(); ++k) {
      const View part = g_.operand(id, k);
      const View amount = adjoint.part(row, part.rows);
      row += part.rows;
      if (!needs(part)) continue;
      const bool summed = g_[id].varying && !g_.varying(part);
      if (summed || g_.operands(id).size() <= choices::few_parts) {
        pass_on(id, part, amount);
      } else {
        scatter.add(part, amount);
      }
    }
    scatter.each(g_, [&](const View& to, const View& amount) { contribute(to, amount); });
  }

  /// Ragged sums: each operand's rows are added to one row.
  void reverse_assemble(BlockId id, const View& adjoint) {
    RowScatter scatter(lists_);
    for (std::size_t k = 0; k < g_.operands(id).size(); ++k) {
      const View part = g_.operand(id, k);
      const auto& [row, shape] = g_.destination(id, k);
      TAPELOOM_CHECK(shape.rows == 1 && (shape.terms == 1 || shape.term_step == 0));
      const View amount = adjoint.part(row, 1).repeated(part.rows);
      if (!needs(part)) continue;
      g_[id].varying && !g_.varying(part) ? pass_on(id, part, amount) : scatter.add(part, amount);
    }
    scatter.each(g_, [&](const View& to, const View& amount) { contribute(to, amount); });
  }

  /// Y = W X: the adjoint of X is W^T times that of Y, the adjoint of W is that of Y times X^T, over all samples.
  void reverse_dense(BlockId id, const View& adjoint) {
    const View weights = g_.operand(id, 0), x = g_.operand(id, 1);
    const Weights w = g_.weights(id);
    if (needs(x)) pass_on(id, x, g_.add_dense_reverse(weights, w, adjoint));
    if (needs(weights)) {
      // The same adjoint for every sample comes out of the sum.
      const bool factors_out = g_.varying(x) && !g_.varying(adjoint);
      const View outer = g_.add_outer(adjoint, factors_out ? g_.add_batch_sum(x) : x, w);
      contributions_.add(weights.block, Destination{weights.row, w.all()}, outer);
    }
  }

  void reverse_elementwise(BlockId id, const View& adjoint) {
    std::array<View, 3> x{};
    std::ranges::copy(g_.operands(id), x.begin());
    const auto at = [&](const View& view) { return Expression(g_, view, scaled_); };
    const View y = g_.all(id);
    ops::visit(
        g_.op(id),
        [&]<class F>() {
          const auto amounts = [&]<std::size_t... k>(std::index_sequence<k...>) {
            return F::reverse(at(x[k])..., at(y), at(adjoint));
          };
          distribute(id, amounts(std::make_index_sequence<F::arity>()));
        },
        [] {});
  }

  template <std::size_t N>
  void distribute(BlockId id, const std::array<Expression, N>& amounts) {
    for (std::size_t k = 0; k < N; ++k) {
      const View operand = g_.operand(id, k);
      if (needs(operand) && differentiable(id, k)) pass_on(id, operand, amounts[k].rows(g_, g_.rows(id)));
    }
  }

  Graph& g_;
  Op scaled_;
  bool lists_;
  BlockFlags needed_;
  Contributions contributions_;
  Contributions per_sample_;
  std::vector<BlockId> summed_;  // uniform blocks with entries in per_sample_
  std::vector<View> amounts_;
  std::vector<Destination> destinations_;
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
    if (!parameter && !(is_input(block) && block.payload < options.inputs)) continue;
    const View adjoint = differentiator.take_adjoint(BlockId(i));
    if (adjoint == nothing) continue;
    (parameter ? graph.roots.gradients : graph.roots.input_gradients).push_back({block.payload, adjoint});
  }
  return remove_dead(std::move(graph));
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
