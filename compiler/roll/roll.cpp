// The way from a recording to a graph; rows of one op, elementwise or chains of max and min, are grouped and written
// here.
#include "tapeloom/compiler/roll/roll.h"

#include <algorithm>
#include <bit>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/request/request.h"
#include "tapeloom/compiler/roll/candidates.h"
#include "tapeloom/compiler/roll/chains.h"
#include "tapeloom/compiler/roll/choices.h"
#include "tapeloom/compiler/roll/levels.h"
#include "tapeloom/compiler/roll/mixed_rows.h"
#include "tapeloom/compiler/roll/rows.h"
#include "tapeloom/compiler/roll/sum_blocks.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Nodes of one op whose operands are neighbours become the rows of one block.
class ElementwiseRows {
 public:
  ElementwiseRows(Graph& graph, const Sums& sums, const Candidates& candidates, Placer& placer)
      : g_(graph), sums_(sums), c_(candidates), p_(placer), rows_(placer, Rows::Constants::positive_first) {}

  void roll(std::span<const NodeId> members, bool mixed);

 private:
  bool out_of_order(NodeId node, NodeId a, NodeId b, bool mixed) const;
  bool better_together() const;
  void write(std::size_t begin, std::size_t end);
  void write_alone(NodeId node, bool mixed);
  View compute(Op op, std::span<const View> x);

  Graph& g_;
  const Sums& sums_;
  const Candidates& c_;
  Placer& p_;
  Rows rows_;
  std::vector<std::size_t> ends_;  // of the runs
};

/// Chains of max or min. Those of many operands are row_extreme blocks; many of a few operands, as in pooling, are
/// elementwise blocks with a row for each. Of those with fewer operands than others the last one counts as often as
/// need be, which changes nothing.
class ExtremeRows {
 public:
  ExtremeRows(Graph& graph, const Sums& sums, Placer& placer) : g_(graph), sums_(sums), p_(placer), rows_(placer) {}

  void roll(std::span<const NodeId> members, bool mixed);

 private:
  View write(std::size_t begin, std::size_t end);
  bool better_side_by_side(std::size_t begin, std::size_t end) const;
  View side_by_side(Op op, std::size_t begin, std::size_t end);

  Graph& g_;
  const Sums& sums_;
  Placer& p_;
  Rows rows_;
  std::vector<std::size_t> ends_;
};

// --- elementwise

void ElementwiseRows::roll(std::span<const NodeId> members, bool mixed) {
  if (members.size() == 1) return write_alone(members[0], mixed);
  rows_.start(op_arity(sums_.tape().op(members[0])));
  for (NodeId node : members) {
    const Operands x = sums_.tape().operands(node);
    const std::span<NodeId> operands = rows_.add(node);
    std::copy(x.begin(), x.end(), operands.begin());
    // That products are alike does not tell their factors' order.
    const bool product = sums_.is(node, Op::mul);
    if (product && out_of_order(node, operands[0], operands[1], mixed)) std::swap(operands[0], operands[1]);
  }
  if (sums_.is(members[0], Op::mul)) {
    rows_.agree_on_order([&](std::span<NodeId> factors) {
      if (rows_.operand_before(factors[1], factors[0])) std::swap(factors[0], factors[1]);
    });
  }
  if (mixed) {
    cut_mixed(rows_, sums_.tape().varying(members[0]), ends_);
  } else {
    const std::size_t kept = rows_.sort_without_twins();
    rows_.find_runs(0, kept, ends_);
    if (better_together()) {
      ends_.assign(1, kept);
      rows_.sort_for_fewer_gathered(0, kept);
      order_by_distance(rows_, 0, kept, sums_.tape().varying(members[0]));
    }
  }
  std::size_t begin = 0;
  for (const std::size_t end : ends_) write(std::exchange(begin, end), end);
  place_twins(rows_, sums_, p_);
}

/// Whether the factors of a product are to change places, to lie as those of others do.
bool ElementwiseRows::out_of_order(NodeId node, NodeId a, NodeId b, bool mixed) const {
  if (!mixed) return c_.kind_of(a) > c_.kind_of(b);
  const auto rank = [&](NodeId x) {
    if (p_.is_constant(x)) return 0;
    if (sums_.tape().varying(x)) return 3;
    return p_.is_parameter(x) && sums_.tape().varying(node) ? 2 : 1;
  };
  return rank(a) > rank(b);
}

/// Many runs are one block whose operands are gathered, unless each run is what a block makes that it can be computed
/// with, such as a product.
bool ElementwiseRows::better_together() const {
  if (ends_.size() <= choices::few_runs) return false;
  if (ends_.size() < choices::many_runs && rows_.gathered_operands(0, rows_.size()) > 1) return false;
  return !rows_.runs_are_blocks(0, ends_, 0);
}

void ElementwiseRows::write(std::size_t begin, std::size_t end) {
  View x[3];
  for (std::size_t k = 0; k < rows_.operands(); ++k) x[k] = p_.view(rows_.list(begin, end, k));
  const View block = compute(sums_.tape().op(rows_.node(begin)), std::span<const View>(x, rows_.operands()));
  g_.stands_for(block.block, end - begin);
  p_.place(rows_.nodes(begin, end), block);
}

/// A node that is alike to no other.
void ElementwiseRows::write_alone(NodeId node, bool mixed) {
  Operands read = sums_.tape().operands(node);
  if (sums_.is(node, Op::mul) && out_of_order(node, read.node[0], read.node[1], mixed)) {
    std::swap(read.node[0], read.node[1]);
  }
  View x[3];
  std::size_t count = 0;
  for (const NodeId operand : read) x[count++] = p_.view(operand);
  const View row = compute(sums_.tape().op(node), std::span<const View>(x, count));
  g_.stands_for(row.block, 1);
  p_.place(std::span(&node, 1), row);
}

View ElementwiseRows::compute(Op op, std::span<const View> x) {
  if (op_kind(op) != OpKind::reduction) return g_.add_elementwise(op, x);
  const View sum = g_.add_batch_sum(x[0]);
  if (op == Op::batch_sum) return sum;
  return g_.add_elementwise(Op::div, {sum, g_.add_leaf(BlockKind::samples, 0).repeated(sum.rows)});
}

// --- extremes

void ExtremeRows::roll(std::span<const NodeId> members, bool mixed) {
  std::size_t longest = 0;
  for (NodeId node : members) longest = std::max(longest, sums_.terms(node).size());
  rows_.start(longest);
  for (NodeId node : members) {
    const std::span<const Term> terms = sums_.terms(node);
    const std::span<NodeId> operands = rows_.add(node);
    for (std::size_t k = 0; k < longest; ++k) operands[k] = terms[std::min(k, terms.size() - 1)].a;
  }
  if (mixed) {
    cut_mixed(rows_, sums_.tape().varying(members[0]), ends_);
  } else {
    const std::size_t kept = rows_.sort_without_twins();
    rows_.find_runs(0, kept, ends_);
    // Many runs are one block whose operands are gathered.
    if (ends_.size() > choices::few_runs) ends_.assign(1, kept);
  }
  std::size_t begin = 0;
  for (const std::size_t end : ends_) {
    const View block = write(begin, end);
    p_.place(rows_.nodes(begin, end), block);
    begin = end;
  }
  place_twins(rows_, sums_, p_);
}

View ExtremeRows::write(std::size_t begin, std::size_t end) {
  const Op op = sums_.tape().op(rows_.node(begin));
  if (better_side_by_side(begin, end)) return side_by_side(op, begin, end);
  std::size_t recorded = 0;
  for (std::size_t i = begin; i < end; ++i) recorded += sums_.nodes(rows_.node(i));
  const View operands = p_.view(rows_.list(begin, end, 0, rows_.operands()));
  const View result = g_.add_row_extreme(op, operands, static_cast<std::uint32_t>(end - begin));
  g_.stands_for(result.block, recorded);
  return result;
}

/// Side by side if their operands are and there are few of them for their rows, else one after another.
bool ExtremeRows::better_side_by_side(std::size_t begin, std::size_t end) const {
  const std::size_t count = rows_.operands(), extremes = end - begin;
  if (count > choices::most_rows) return true;
  if (sums_.terms(rows_.node(begin)).size() != count) return false;
  if (count > choices::few_operands && rows_.in_place(begin, end, 0, count)) return false;  // one after another
  const std::size_t least = count <= choices::few_operands ? count - 1 : choices::rows_an_operand * count;
  if (extremes < least && count * extremes <= choices::most_rows) return false;
  for (std::size_t k = 0; k < count; ++k) {
    if (!rows_.in_place(begin, end, k)) return false;
  }
  return true;
}

View ExtremeRows::side_by_side(Op op, std::size_t begin, std::size_t end) {
  View result = p_.view(rows_.list(begin, end, 0));
  for (std::size_t k = 1; k < rows_.operands(); ++k) {
    result = g_.add_elementwise(op, {result, p_.view(rows_.list(begin, end, k))});
    g_.stands_for(result.block, end - begin);
  }
  return result;
}

/// Sums or extremes that are to be filled up to the longest of a list: one list, or, if most of the terms were to be
/// filled in, lists of those of about the same length.
std::vector<std::vector<NodeId>> of_about_one_length(const Sums& sums, std::span<const NodeId> members) {
  std::size_t longest = 0, all = 0;
  for (NodeId node : members) longest = std::max(longest, sums.terms(node).size()), all += sums.terms(node).size();
  std::vector<std::vector<NodeId>> lists;
  if (longest * members.size() <= choices::most_filling * all) {
    lists.emplace_back(members.begin(), members.end());
    return lists;
  }
  std::map<int, std::vector<NodeId>> by_length;
  for (NodeId node : members) by_length[static_cast<int>(std::bit_width(sums.terms(node).size()) / 2)].push_back(node);
  for (auto& [bits, some] : by_length) lists.push_back(std::move(some));
  return lists;
}

/// Candidates in, blocks out: a family by who rolls its kind of nodes.
class Roller {
 public:
  Roller(Graph& graph, const Sums& sums, const Candidates& candidates, Placer& placer)
      : sums_(sums),
        candidates_(candidates),
        groups_(sums, candidates_, placer),
        writer_(graph, sums, placer),
        extremes_(graph, sums, placer),
        elementwise_(graph, sums, candidates_, placer) {}

  /// False if there is nothing, as of leaves.
  bool roll_family(std::size_t family) {
    const std::size_t first = candidates_.first_class(family), last = candidates_.first_class(family + 1);
    if (candidates_.members(first, last).empty()) return false;
    if (roll_in_common(first, last)) return true;
    if (last - first > choices::few_lengths && roll_lists(first, last, candidates_.mixed(first))) return true;
    for (std::size_t c = first; c < last; ++c) roll(candidates_.members(c, c + 1), candidates_.mixed(c));
    return true;
  }

 private:
  /// A family of sums of which some have parts of the same weights; false if there are none.
  bool roll_in_common(std::size_t first, std::size_t last) {
    const std::span<const NodeId> all = candidates_.members(first, last);
    if (sums_.role(all[0]) != Sums::Role::sum || !sums_.tape().varying(all[0])) return false;
    for (std::size_t c = first; c < last; ++c) {
      if (candidates_.mixed(c)) return false;
    }
    const bool several = last - first > 1;
    if (!several && std::ranges::none_of(all, [&](NodeId sum) { return groups_.table().any_zero(sum); })) return false;
    std::vector<NodeId> some(all.begin(), all.end()), others;
    while (!some.empty() && groups_.group_in_common(some, others)) {
      writer_.write(groups_.table(), groups_.plan());
      std::swap(some, others);
    }
    if (some.size() == all.size()) return false;
    roll_by_class(first, last, std::move(some));  // the others as if they had been alone
    return true;
  }

  void roll_by_class(std::size_t first, std::size_t last, std::vector<NodeId> some) {
    std::ranges::sort(some);
    std::vector<NodeId> of_class;
    for (std::size_t c = first; c < last; ++c) {
      of_class.clear();
      std::ranges::copy_if(candidates_.members(c, c + 1), std::back_inserter(of_class),
                           [&](NodeId sum) { return std::ranges::binary_search(some, sum); });
      if (!of_class.empty()) roll(of_class, candidates_.mixed(c));
    }
  }

  /// A family of many lengths; false if it is better rolled length by length.
  bool roll_lists(std::size_t first, std::size_t last, bool mixed) {
    const std::span<const NodeId> members = candidates_.members(first, last);
    const bool of_sums = sums_.role(members[0]) == Sums::Role::sum;
    if (of_sums && groups_.are_matrices(members)) return false;
    for (const std::vector<NodeId>& some : of_about_one_length(sums_, members)) {
      if (of_sums) {
        if (groups_.group_with_gaps(some, mixed)) {
          writer_.write(groups_.table(), groups_.plan());
        } else {
          roll_by_class(first, last, some);
        }
      } else {
        extremes_.roll(some, mixed);
      }
    }
    return true;
  }

  void roll(std::span<const NodeId> members, bool mixed) {
    const Sums::Role role = sums_.role(members[0]);
    if (role == Sums::Role::sum) {
      groups_.group(members, mixed);
      writer_.write(groups_.table(), groups_.plan());
    } else if (role == Sums::Role::extreme) {
      extremes_.roll(members, mixed);
    } else {
      elementwise_.roll(members, mixed);
    }
  }

  const Sums& sums_;
  const Candidates& candidates_;
  SumGrouper groups_;
  SumWriter writer_;
  ExtremeRows extremes_;
  ElementwiseRows elementwise_;
};

/// The blocks of candidates. Nothing once give_up(graph so far, families that are left) says so.
template <class GiveUp>
std::optional<Rolled> roll(const Sums& sums, const Candidates& candidates, GiveUp&& give_up) {
  Graph graph;
  Placer placer(graph, sums);
  Roller roller(graph, sums, candidates, placer);
  for (std::size_t family = 0; family < candidates.families();) {
    const bool any = roller.roll_family(family++);
    if (any && give_up(graph, candidates.families() - family)) return std::nullopt;
  }
  const Request& request = sums.request();
  if (request.loss()) graph.roots.loss = placer.view(*request.loss());
  for (NodeId output : request.outputs()) graph.roots.outputs.push_back(placer.view(output));
  for (NodeId condition : request.conditions()) graph.roots.guards.push_back(placer.view(condition));
  return Rolled{std::move(graph), placer.take_coordinates()};
}
Rolled roll(const Sums& sums, const Candidates& candidates) {
  return *roll(sums, candidates, [](const Graph&, std::size_t) { return false; });
}

}  // namespace

Rolled roll_by_history(const Request& request) {
  const Sums sums(request, Sums::Terms::products);
  return roll(sums, Candidates(sums, classify(sums)));
}

Rolls roll(const Request& request, bool always_by_level) {
  const Sums sums(request, Sums::Terms::products);
  Classes history = classify(sums), levels;
  const Merged merged = merge_by_level(sums, history, always_by_level, levels);
  // For each sample, rows by index cost more than they do once a step: that is to be compared.
  const bool varies = std::ranges::any_of(request.tape().input_nodes(), [&](NodeId x) { return request.live(x); });
  Rolls rolls;
  rolls.shares = varies ? choices::by_level_varying : choices::by_level;
  if (always_by_level || (merged == Merged::most && !varies)) {
    rolls.by_level = roll(sums, Candidates(sums, std::move(levels))).graph;
    return rolls;
  }
  rolls.by_history = roll(sums, Candidates(sums, std::move(history))).graph;
  if (merged == Merged::few) return rolls;
  TooMuch too_much(*rolls.by_history, rolls.shares.only_fewer);
  if (auto rolled = roll(sums, Candidates(sums, std::move(levels)), too_much)) {
    rolls.by_level = std::move(rolled->graph);
    if (too_much.are_chains()) rolls.shares = choices::chains_by_level;
  }
  return rolls;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
