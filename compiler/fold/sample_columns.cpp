// How samples are found: sums with alike terms, what belongs to each term, and whether all of that is alike.
#include "tapeloom/compiler/fold/sample_columns.h"

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "tapeloom/compiler/graph/tables.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Fewer alike terms are no samples.
constexpr std::size_t least_samples = 2;

}  // namespace

bool SampleSums::find(bool any_parameters, bool outer) {
  if (hash_.empty() || any_parameters != any_parameters_) hash_nodes(any_parameters);
  groups.clear(), looked_at_.clear();
  samples = 0;
  any_parameters || outer ? find_outer_groups() : find_groups();
  return !groups.empty();
}

void SampleSums::hash_nodes(bool any_parameters) {
  constexpr std::uint64_t start = 0x243f6a8885a308d3;  // with a small number, op and index could make up for each other
  any_parameters_ = any_parameters;
  hash_.assign(sums_.size(), 0);
  has_data_.assign(sums_.size(), false);
  for (std::uint32_t i = 0; i < sums_.size(); ++i) {
    const NodeId node{std::size_t{i}};
    if (!sums_.request().live(node)) continue;
    const Op op = tape().op(node);
    std::uint64_t h = mix(start, static_cast<std::uint64_t>(op));
    if (op == Op::constant) {
      has_data_[i] = true;
    } else if (sums_.is_leaf(node)) {
      if (op != Op::parameter || !any_parameters) h = mix(h, i);
    } else {
      for (NodeId x : tape().operands(node)) {
        h = mix(h, hash_[x.index]);
        has_data_[i] = has_data_[i] || has_data_[x.index];
      }
    }
    hash_[i] = h;
  }
}

void SampleSums::find_groups() {
  std::size_t most = least_samples;
  for (std::size_t i = sums_.size(); i-- > 0;) {
    const NodeId sum(i);
    if (!sums_.request().live(sum) || !sums_.ends_sum(sum)) continue;
    looked_at_.push_back(sum);
    const std::size_t known = groups.size();
    find_groups_of(sum, most);
    for (std::size_t g = known; g < groups.size(); ++g) most = std::max(most, groups[g].terms.size());
  }
  std::erase_if(groups, [&](const Group& group) { return group.terms.size() < most; });
  samples = groups.empty() ? 0 : static_cast<std::uint32_t>(most);
}

/// Where neurons of any parameters are alike, so are the terms of sums within a sample, as are those of one layer at
/// many positions. So the sums that come last tell how many samples there are, and nothing below their terms is looked
/// at.
void SampleSums::find_outer_groups() {
  LargeVector<std::uint8_t> below(sums_.size(), false);
  for (std::size_t i = sums_.size(); i-- > 0;) {
    const NodeId node(i);
    if (!sums_.request().live(node) || sums_.is_leaf(node)) continue;
    if (below[i]) {
      for (NodeId x : tape().operands(node)) below[x.index] = true;
    } else if (sums_.ends_sum(node)) {
      looked_at_.push_back(node);
      const auto known = static_cast<std::ptrdiff_t>(groups.size());
      find_groups_of(node, least_samples);
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

void SampleSums::regroup(std::uint32_t count) {
  groups.clear();
  samples = count;
  for (NodeId sum : looked_at_) find_groups_of(sum, count);
  std::erase_if(groups, [&](const Group& group) { return group.terms.size() % count != 0; });
}

void SampleSums::find_groups_of(NodeId sum, std::size_t least) {
  terms_.clear();
  std::ranges::copy_if(sums_.find_terms(sum), std::back_inserter(terms_), [&](const Term& t) { return has_data(t.a); });
  if (terms_.size() < least) return;  // as most sums, which are neurons
  const auto key = [&](const Term& term) { return std::pair(hash_[term.a.index], term.negative); };
  std::ranges::stable_sort(terms_, {}, key);
  for (std::size_t i = 0; i < terms_.size();) {
    std::size_t end = i + 1;
    while (end < terms_.size() && key(terms_[end]) == key(terms_[i])) ++end;
    if (end - i >= least) {
      Group& group = groups.emplace_back(Group{sum, terms_[i].negative, {}, terms_.size()});
      for (; i < end; ++i) group.terms.push_back(terms_[i].a);
    }
    i = end;
  }
}

std::span<const SampleSums::Group> SampleSums::of(NodeId sum) const {
  // The last sum comes first.
  const auto first = std::ranges::lower_bound(groups, sum, std::greater<>(), &Group::sum);
  const auto last = std::ranges::upper_bound(groups, sum, std::greater<>(), &Group::sum);
  return {first, last};
}

bool SampleSums::same(NodeId a, NodeId b) {
  if (has_data_[a.index] || has_data_[b.index]) return false;
  if (same_.empty()) find_same();
  return same_[a.index] == same_[b.index];
}

void SampleSums::find_same() {
  same_.resize(sums_.size());
  UniqueTable table;
  const auto operands = [&](std::uint32_t i) {
    std::array<std::uint32_t, 3> same{};
    const Operands x = tape().operands(NodeId(std::size_t{i}));
    for (std::uint32_t k = 0; k < x.count; ++k) same[k] = same_[x.node[k].index];
    return same;
  };
  const auto hash_of = [&](std::uint32_t i) {
    std::uint64_t h = static_cast<std::uint64_t>(tape().op(NodeId(std::size_t{i})));
    for (const std::uint32_t x : operands(i)) h = mix(h, x);
    return h;
  };
  for (std::uint32_t i = 0; i < same_.size(); ++i) {
    const NodeId node{std::size_t{i}};
    same_[i] = i;
    if (!sums_.request().live(node) || has_data_[i] || sums_.is_leaf(node)) continue;
    const auto equal = [&](std::uint32_t other) {
      return tape().op(NodeId(std::size_t{other})) == tape().op(node) && operands(other) == operands(i);
    };
    same_[i] = table.find_or_enter(i, UniqueTable::no_parts, equal, hash_of);
  }
}

bool SampleSums::complete() const {
  std::size_t terms = 0;  // of the sum so far
  for (std::size_t g = 0; g < groups.size(); ++g) {
    terms += groups[g].terms.size();
    if (g + 1 < groups.size() && groups[g + 1].sum == groups[g].sum) continue;
    if (std::exchange(terms, 0) != groups[g].all) return false;
  }
  return true;
}

bool SampleColumns::find(const Way& way) {
  way_ = way;
  joined_ = true;
  picks_.clear();
  if (!sums_.find(way.picks, way.outer)) return false;
  of_.assign(sums_.sums().size(), outside);
  return (way.join ? join_terms() : assign_columns()) && stand_alone() && are_alike();
}

NodeId SampleColumns::read(const Reader& reader, std::uint32_t sample) const {
  if (reader[1] == of_group) return sums_.groups[reader[0]].terms[sample];
  return sums_.tape().operands(member(sample, reader[0])).node[reader[1]];
}

bool SampleColumns::assign_columns() {
  samples_ = sums_.samples;
  for (Group& group : sums_.groups) {
    const bool first = &group == &sums_.groups.front();
    std::vector<NodeId> by_column(samples_, NodeId(std::size_t{none}));
    for (std::uint32_t s = 0; s < samples_; ++s) {
      const std::uint32_t known = first ? s : known_column(group.terms[s]), column = known == outside ? s : known;
      joined_ = joined_ && known != outside;
      if (column >= samples_ || by_column[column].index != none) return false;
      by_column[column] = group.terms[s];
      claim(group.terms[s], column);
    }
    group.terms = by_column;
  }
  return true;
}

/// Columns are terms of the largest group that reach a node in common, and whatever else only one of them reaches.
bool SampleColumns::join_terms() {
  const std::vector<NodeId> terms = sums_.groups[0].terms;
  std::vector<std::uint32_t> joined_to(terms.size());
  const auto first_of = [&](std::uint32_t term) {
    while (joined_to[term] != term) term = joined_to[term] = joined_to[joined_to[term]];
    return term;
  };
  std::vector<NodeId> stack;
  for (std::uint32_t i = 0; i < terms.size(); ++i) {
    joined_to[i] = i;
    for (stack = {terms[i]}; !stack.empty();) {
      const NodeId node = stack.back();
      stack.pop_back();
      if (!sums_.has_data(node)) continue;
      std::uint32_t& of = of_[node.index];
      if (of == outside) {
        of = i;
        for (NodeId x : sums_.tape().operands(node)) stack.push_back(x);
      } else {
        const std::uint32_t a = first_of(of), b = first_of(i);
        joined_to[std::max(a, b)] = std::min(a, b);
      }
    }
  }
  std::vector<std::uint32_t> column(terms.size());
  std::uint32_t count = 0;
  for (std::uint32_t i = 0; i < terms.size(); ++i) column[i] = first_of(i) == i ? count++ : column[first_of(i)];
  if (count < 2 || count == terms.size()) return false;
  for (std::uint32_t& of : of_) of = of == outside ? outside : column[of];
  samples_ = count;
  return split_groups();
}

/// Makes groups of one term a sample of those that have as many of every sample, and leaves out the others.
bool SampleColumns::split_groups() {
  sums_.regroup(samples_);
  for (const Group& group : std::exchange(sums_.groups, {})) {
    std::vector<std::vector<NodeId>> terms(samples_);
    for (NodeId term : group.terms) {
      const std::uint32_t column = known_column(term);
      if (column < samples_) terms[column].push_back(term);
    }
    const std::size_t each = group.terms.size() / samples_;
    if (!std::ranges::all_of(terms, [&](const auto& of_sample) { return of_sample.size() == each; })) continue;
    for (std::size_t k = 0; k < each; ++k) {
      Group& part = sums_.groups.emplace_back(Group{group.sum, group.negative, {}, group.all});
      for (std::uint32_t s = 0; s < samples_; ++s) {
        part.terms.push_back(terms[s][k]);
        claim(terms[s][k], s);
      }
    }
  }
  return !sums_.groups.empty();
}

/// The column of the first part of the term that has one, else outside.
std::uint32_t SampleColumns::known_column(NodeId term) {
  std::vector<NodeId> stack = {term};
  seen_.resize(of_.size(), 0);
  ++visit_;
  while (!stack.empty()) {
    const NodeId node = stack.back();
    stack.pop_back();
    if (has(node)) return of_[node.index];
    if (seen_[node.index] == visit_ || of_[node.index] == shared || !sums_.has_data(node)) continue;
    seen_[node.index] = visit_;
    for (NodeId x : sums_.tape().operands(node)) stack.push_back(x);
  }
  return outside;
}

/// Everything below a term that depends on constants is of its column; what two columns reach is shared by all.
void SampleColumns::claim(NodeId term, std::uint32_t column) {
  std::vector<std::pair<NodeId, std::uint32_t>> stack = {{term, column}};
  while (!stack.empty()) {
    const auto [node, wanted] = stack.back();
    stack.pop_back();
    if (!sums_.has_data(node)) continue;
    std::uint32_t& has = of_[node.index];
    if (has == wanted || has == shared) continue;
    has = has == outside ? wanted : shared;
    for (NodeId x : sums_.tape().operands(node)) stack.push_back({x, has});
  }
}

void SampleColumns::find_folded() {
  folded_.assign(of_.size(), false);
  std::vector<NodeId> stack;
  for (const Group& group : sums_.groups) {
    if (folded_[group.sum.index]) continue;
    for (stack = {group.sum}; !stack.empty();) {
      const NodeId node = stack.back();
      stack.pop_back();
      folded_[node.index] = true;
      for (NodeId x : sums_.tape().operands(node)) {
        if (sums_.sums().role(x) == Sums::Role::absorbed) stack.push_back(x);
      }
    }
  }
}

/// Nothing outside a column uses its nodes, but the folded sums their terms, each of which is in a group.
bool SampleColumns::stand_alone() {
  find_folded();
  LargeVector<std::uint8_t> is_term(of_.size(), false);
  for (std::size_t g = 0, end = 0; g < sums_.groups.size(); g = end) {
    const NodeId sum = sums_.groups[g].sum;
    std::size_t grouped = 0;
    for (; end < sums_.groups.size() && sums_.groups[end].sum == sum; ++end) {
      grouped += sums_.groups[end].terms.size();
      for (NodeId term : sums_.groups[end].terms) {
        if (!has(term)) return false;
        is_term[term.index] = true;
      }
    }
    const auto in_column = [&](const Term& term) { return has(term.a); };
    if (std::cmp_not_equal(std::ranges::count_if(sums_.terms_of(sum), in_column), grouped)) return false;
  }
  for (std::uint32_t i = 0; i < of_.size(); ++i) {
    const NodeId node{std::size_t{i}};
    if (!sums_.sums().request().live(node) || sums_.sums().is_leaf(node)) continue;
    for (NodeId x : sums_.tape().operands(node)) {
      if (has(x) && of_[x.index] != of_[i] && !(is_term[x.index] && folded_[i])) return false;
    }
  }
  return true;
}

bool SampleColumns::are_alike() {
  std::vector<std::uint32_t> sizes(samples_, 0);
  position_.assign(of_.size(), 0);
  for (std::uint32_t i = 0; i < of_.size(); ++i) {
    if (of_[i] < samples_) position_[i] = sizes[of_[i]]++;
  }
  size_ = sizes[0];
  if (!std::ranges::all_of(sizes, [&](std::uint32_t size) { return size == size_; })) return false;
  members_.resize(samples_ * size_);
  for (std::uint32_t i = 0; i < of_.size(); ++i) {
    if (of_[i] < samples_) members_[of_[i] * size_ + position_[i]] = NodeId(std::size_t{i});
  }
  // Column by column, as they mostly lie on the tape.
  for (std::uint32_t s = 1; s < samples_; ++s) {
    for (std::size_t k = 0; k < size_; ++k) {
      if (!alike(member(0, k), member(s, k))) return false;
    }
  }
  for (std::uint32_t g = 0; g < sums_.groups.size(); ++g) {
    const std::vector<NodeId>& terms = sums_.groups[g].terms;
    for (NodeId each : terms) {
      if (position(each) != position(terms[0]) && !may_read({g, of_group}, each, terms[0])) return false;
    }
  }
  return true;
}

/// True if a reader of one may read the other in another sample.
bool SampleColumns::may_read(const Reader& reader, NodeId a, NodeId b) {
  if (!way_.picks || sums_.hash(a) != sums_.hash(b)) return false;
  picks_.insert(reader);
  return true;
}

bool SampleColumns::alike(NodeId a, NodeId b) {
  const Tape& tape = sums_.tape();
  if (tape.op(a) != tape.op(b)) return false;
  const Operands x = tape.operands(a), y = tape.operands(b);
  for (std::uint32_t k = 0; k < x.count; ++k) {
    const NodeId p = x.node[k], q = y.node[k];
    if (tape.op(p) == Op::constant && tape.op(q) == Op::constant) continue;
    if (has(p) && has(q)) {
      if (position(p) != position(q) && !may_read({position(a), k}, p, q)) return false;
    } else if (p != q && !sums_.same(p, q)) {
      return false;
    }
  }
  return true;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
