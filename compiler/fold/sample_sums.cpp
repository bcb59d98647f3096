#include "tapeloom/compiler/fold/sample_sums.h"

#include <algorithm>
#include <array>
#include <map>

#include "tapeloom/compiler/graph/unique_table.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

bool is_leaf(const Tape& tape, NodeId node) { return op_kind(tape.op(node)) == OpKind::leaf; }

bool is_chain(const Tape& tape, NodeId node) {
  const Op op = tape.op(node);
  return op == Op::add || op == Op::sub || op == Op::neg;
}

}  // namespace

bool SampleSums::find(const Tape& tape, NodeId loss, std::span<const NodeId> outputs, bool any_parameters, bool outer) {
  if (uses.empty() && !find_live(tape, loss, outputs)) return false;
  if (hash.empty() || any_parameters != any_parameters_) hash_nodes(tape, any_parameters);
  groups.clear();
  samples = 0;
  any_parameters || outer ? find_outer_groups(tape) : find_groups(tape);
  return !groups.empty();
}

bool SampleSums::find_live(const Tape& tape, NodeId loss, std::span<const NodeId> outputs) {
  std::uint32_t last = loss.index;
  for (NodeId output : outputs) last = std::max(last, output.index);
  uses.assign(last + 1, 0);
  uses[loss.index] = 2;
  for (NodeId output : outputs) uses[output.index] = 2;
  for (std::uint32_t i = last + 1; i-- > 0;) {
    const NodeId node{std::size_t{i}};
    if (uses[i] == 0) continue;
    if (tape.varying(node) || op_kind(tape.op(node)) == OpKind::reduction) return uses.clear(), false;
    if (is_leaf(tape, node)) continue;
    for (NodeId x : tape.operands(node)) uses[x.index] = static_cast<std::uint8_t>(std::min(uses[x.index] + 1, 2));
  }
  return true;
}

void SampleSums::hash_nodes(const Tape& tape, bool any_parameters) {
  constexpr std::uint64_t start = 0x243f6a8885a308d3;  // with a small number, op and index could make up for each other
  any_parameters_ = any_parameters;
  hash.assign(uses.size(), 0);
  has_data.assign(uses.size(), false);
  for (std::uint32_t i = 0; i < uses.size(); ++i) {
    const NodeId node{std::size_t{i}};
    if (uses[i] == 0) continue;
    const Op op = tape.op(node);
    std::uint64_t h = mix(start, static_cast<std::uint64_t>(op));
    if (op == Op::constant) {
      has_data[i] = true;
    } else if (is_leaf(tape, node)) {
      if (op != Op::parameter || !any_parameters) h = mix(h, i);
    } else {
      for (NodeId x : tape.operands(node)) {
        h = mix(h, hash[x.index]);
        has_data[i] = has_data[i] || has_data[x.index];
      }
    }
    hash[i] = h;
  }
}

void SampleSums::find_groups(const Tape& tape) {
  chain_of.assign(uses.size(), outside);
  std::size_t most = 2;
  for (std::uint32_t i = static_cast<std::uint32_t>(uses.size()); i-- > 0;) {
    const NodeId node{std::size_t{i}};
    if (uses[i] == 0 || chain_of[i] != outside || !is_chain(tape, node)) continue;
    const std::size_t known = groups.size();
    find_groups_of(tape, node, most);
    for (std::size_t g = known; g < groups.size(); ++g) most = std::max(most, groups[g].terms.size());
  }
  std::erase_if(groups, [&](const Group& group) { return group.terms.size() < most; });
  samples = groups.empty() ? 0 : static_cast<std::uint32_t>(most);
}

/// Where neurons of any parameters are alike, so are the terms of sums within a sample, as are those of one layer at
/// many places. So the sums that come last tell how many samples there are, and nothing below their terms is looked at.
void SampleSums::find_outer_groups(const Tape& tape) {
  chain_of.assign(uses.size(), outside);
  LargeVector<bool> below(uses.size(), false);
  for (std::uint32_t i = static_cast<std::uint32_t>(uses.size()); i-- > 0;) {
    const NodeId node{std::size_t{i}};
    if (uses[i] == 0 || is_leaf(tape, node)) continue;
    if (below[i]) {
      for (NodeId x : tape.operands(node)) below[x.index] = true;
    } else if (chain_of[i] == outside && is_chain(tape, node)) {
      const auto known = static_cast<std::ptrdiff_t>(groups.size());
      find_groups_of(tape, node, 2);
      if (known == 0) {
        for (const Group& group : groups) samples = std::max(samples, static_cast<std::uint32_t>(group.terms.size()));
      }
      const auto other = [&](const Group& group) { return group.terms.size() != samples; };
      groups.erase(std::remove_if(groups.begin() + known, groups.end(), other), groups.end());
      for (auto group = groups.begin() + known; group != groups.end(); ++group) {
        for (NodeId term : group->terms) below[term.index] = true;
      }
    }
  }
}

void SampleSums::regroup(const Tape& tape, std::uint32_t count) {
  groups.clear();
  samples = count;
  for (std::uint32_t i = static_cast<std::uint32_t>(uses.size()); i-- > 0;) {
    if (chain_of[i] == i) find_groups_of(tape, NodeId(std::size_t{i}), count);
  }
  std::erase_if(groups, [&](const Group& group) { return group.terms.size() % count != 0; });
}

void SampleSums::find_groups_of(const Tape& tape, NodeId sum, std::size_t least) {
  LargeVector<Term>& terms = terms_of(tape, sum);
  std::erase_if(terms, [&](const Term& term) { return !has_data[term.node.index] || is_leaf(tape, term.node); });
  if (terms.size() < least) return;  // as most sums, which are neurons
  const auto key = [&](const Term& term) { return std::pair(hash[term.node.index], term.negative); };
  std::stable_sort(terms.begin(), terms.end(), [&](const Term& a, const Term& b) { return key(a) < key(b); });
  for (std::size_t i = 0; i < terms.size();) {
    std::size_t end = i + 1;
    while (end < terms.size() && key(terms[end]) == key(terms[i])) ++end;
    if (end - i >= least) {
      Group& group = groups.emplace_back(Group{sum, terms[i].negative, {}, terms.size()});
      for (; i < end; ++i) group.terms.push_back(terms[i].node);
    }
    i = end;
  }
}

LargeVector<SampleSums::Term>& SampleSums::terms_of(const Tape& tape, NodeId sum) {
  terms_.clear();
  stack_.push_back({sum, false});
  while (!stack_.empty()) {
    const auto [node, negative] = stack_.back();
    stack_.pop_back();
    if (node != sum && !(is_chain(tape, node) && uses[node.index] == 1)) {
      terms_.push_back({node, negative});
      continue;
    }
    chain_of[node.index] = sum.index;
    const Operands x = tape.operands(node);
    if (tape.op(node) == Op::neg) {
      stack_.push_back({x.node[0], !negative});
    } else {
      stack_.push_back({x.node[1], negative != (tape.op(node) == Op::sub)});
      stack_.push_back({x.node[0], negative});
    }
  }
  return terms_;
}

bool SampleSums::same(const Tape& tape, NodeId a, NodeId b) {
  if (has_data[a.index] || has_data[b.index]) return false;
  if (same_.empty()) find_same(tape);
  return same_[a.index] == same_[b.index];
}

void SampleSums::find_same(const Tape& tape) {
  same_.resize(uses.size());
  UniqueTable table;
  const auto operands = [&](std::uint32_t i) {
    std::array<std::uint32_t, 3> same{};
    const Operands x = tape.operands(NodeId(std::size_t{i}));
    for (std::uint32_t k = 0; k < x.count; ++k) same[k] = same_[x.node[k].index];
    return same;
  };
  const auto hash_of = [&](std::uint32_t i) {
    std::uint64_t h = static_cast<std::uint64_t>(tape.op(NodeId(std::size_t{i})));
    for (const std::uint32_t x : operands(i)) h = mix(h, x);
    return h;
  };
  for (std::uint32_t i = 0; i < same_.size(); ++i) {
    const NodeId node{std::size_t{i}};
    same_[i] = i;
    if (uses[i] == 0 || has_data[i] || is_leaf(tape, node)) continue;
    const auto equal = [&](std::uint32_t other) {
      return tape.op(NodeId(std::size_t{other})) == tape.op(node) && operands(other) == operands(i);
    };
    same_[i] = table.find_or_enter(i, UniqueTable::no_parts, equal, hash_of);
  }
}

bool SampleSums::complete() const {
  std::map<std::uint32_t, std::size_t> terms;  // of each sum
  for (const Group& group : groups) terms[group.sum.index] += group.terms.size();
  return std::ranges::all_of(groups, [&](const Group& group) { return terms[group.sum.index] == group.all; });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
