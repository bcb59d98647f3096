#include "tapeloom/compiler/request/recording.h"

#include <algorithm>
#include <bit>
#include <map>

#include "tapeloom/core/record/evaluate.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

Recording::Recording(const Tape& tape, const NodeId* loss, std::span<const NodeId> roots) : tape_(tape) {
  count_uses(loss, roots);
  collect_sums();
}

void Recording::count_uses(const NodeId* loss, std::span<const NodeId> roots) {
  std::uint32_t end = 0;
  for (NodeId root : roots) end = std::max(end, root.index + 1);
  uses_.assign(end, 0);
  role_.assign(end, static_cast<std::uint8_t>(Role::dead));
  differentiated_.assign(end, false);
  if (loss != nullptr) differentiated_[loss->index] = true;
  for (NodeId root : roots) uses_[root.index] = 2;  // a root is read from outside, so nothing may swallow it
  for (std::uint32_t i = end; i-- > 0;) {
    if (uses_[i] == 0) continue;
    const NodeId node{std::size_t{i}};
    ++live_.all;
    role_[i] = static_cast<std::uint8_t>(Role::plain);
    if (op_kind(tape_.op(node)) == OpKind::leaf) {
      ++live_.leaves;
      continue;
    }
    const Operands x = tape_.operands(node);
    const unsigned differentiable = differentiated_[i] ? differentiable_operands(tape_.op(node)) : 0;
    for (std::size_t k = 0; k < x.count; ++k) {
      std::uint8_t& uses = uses_[x.node[k].index];
      uses = static_cast<std::uint8_t>(std::min(uses + 1, 2));
      if ((differentiable >> k & 1) != 0) differentiated_[x.node[k].index] = true;
    }
  }
}

/// -x, also as the notebooks write it, x * -1. A leaf times -1 may be a weight that meets data, and stays a product.
bool Recording::is_negation(NodeId node, NodeId& of) const {
  if (is(node, Op::neg)) {
    of = tape_.operands(node).node[0];
    return true;
  }
  if (!is(node, Op::mul)) return false;
  const auto [a, b] = std::pair(tape_.operands(node).node[0], tape_.operands(node).node[1]);
  const auto minus_one = [&](NodeId x) { return is(x, Op::constant) && tape_.data(x) == -1.0; };
  of = minus_one(b) ? a : b;
  return (minus_one(a) || minus_one(b)) && op_kind(tape_.op(of)) != OpKind::leaf;
}

bool Recording::is_sum_op(NodeId node) const { return is(node, Op::add) || is(node, Op::sub); }

bool Recording::absorbable(NodeId node) const { return uses_[node.index] == 1 && role(node) == Role::plain; }

/// From the last node to the first, so that a chain is swallowed by the sum at its end.
void Recording::collect_sums() {
  for (std::uint32_t i = static_cast<std::uint32_t>(size()); i-- > 0;) {
    const NodeId node{std::size_t{i}};
    const bool sum = is_sum_op(node);
    if (role(node) != Role::plain || !(sum || begins_extreme(node))) continue;
    role_[i] = static_cast<std::uint8_t>(sum ? Role::sum : Role::extreme);
    sum_nodes_.push_back(i);
    first_term_.push_back(static_cast<std::uint32_t>(terms_.size()));
    sum_sizes_.push_back(1);
    sum ? collect_terms(node) : collect_operands(node);
  }
  first_term_.push_back(static_cast<std::uint32_t>(terms_.size()));
}

void Recording::collect_terms(NodeId sum) {
  const auto push_operands = [&](NodeId node, bool negative) {
    const Operands x = tape_.operands(node);
    stack_.push_back({x.node[1], negative != is(node, Op::sub)});
    stack_.push_back({x.node[0], negative});
  };
  const auto absorb = [&](NodeId node) {
    role_[node.index] = static_cast<std::uint8_t>(Role::absorbed);
    ++sum_sizes_.back();
  };
  push_operands(sum, false);
  while (!stack_.empty()) {
    const auto [node, negative] = stack_.back();
    stack_.pop_back();
    NodeId of;
    if (absorbable(node) && is_sum_op(node)) {
      absorb(node);
      push_operands(node, negative);
    } else if (absorbable(node) && is_negation(node, of)) {
      absorb(node);
      stack_.push_back({of, !negative});
    } else if (absorbable(node) && is(node, Op::mul)) {
      absorb(node);
      terms_.push_back({tape_.operands(node).node[0], tape_.operands(node).node[1], true, negative});
    } else {
      terms_.push_back({node, node, false, negative});
    }
  }
}

/// max(max(a, b), c), the inner one used by nothing else. Other ways to nest them treat NaN in another way: an adjoint
/// goes to the first operand if either is NaN. Trees, in which c is a max too, are alike level by level.
bool Recording::begins_extreme(NodeId node) const {
  if (!is(node, Op::max) && !is(node, Op::min)) return false;
  const auto inner = [&](NodeId x) { return absorbable(x) && tape_.op(x) == tape_.op(node); };
  return inner(tape_.operands(node).node[0]) && !inner(tape_.operands(node).node[1]);
}

void Recording::collect_operands(NodeId extreme) {
  const std::size_t begin = terms_.size();
  NodeId node = extreme;
  for (;;) {
    const auto [inner, last] = std::pair(tape_.operands(node).node[0], tape_.operands(node).node[1]);
    terms_.push_back({last, last, false, false});
    if (!begins_extreme(node)) {
      terms_.push_back({inner, inner, false, false});
      break;
    }
    node = inner;
    role_[node.index] = static_cast<std::uint8_t>(Role::absorbed);
    ++sum_sizes_.back();
  }
  std::ranges::reverse(std::span(&terms_[begin], terms_.size() - begin));
}

std::size_t Recording::sum_index(NodeId sum) const {
  // Sums were found from the last node to the first.
  const auto at = std::lower_bound(sum_nodes_.begin(), sum_nodes_.end(), sum.index, std::greater<>());
  return static_cast<std::size_t>(at - sum_nodes_.begin());
}

std::span<const Term> Recording::terms(NodeId sum) const {
  const std::size_t at = sum_index(sum);
  return std::span(terms_).subspan(first_term_[at], first_term_[at + 1] - first_term_[at]);
}

std::vector<std::vector<NodeId>> Recording::of_about_one_length(std::span<const NodeId> members) const {
  std::size_t longest = 0, all = 0;
  for (NodeId node : members) longest = std::max(longest, terms(node).size()), all += terms(node).size();
  std::vector<std::vector<NodeId>> lists;
  if (longest * members.size() <= 3 * all) {
    lists.emplace_back(members.begin(), members.end());
    return lists;
  }
  std::map<int, std::vector<NodeId>> by_length;
  for (NodeId node : members) by_length[static_cast<int>(std::bit_width(terms(node).size()) / 2)].push_back(node);
  for (auto& [bits, some] : by_length) lists.push_back(std::move(some));
  return lists;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
