// How samples are found: what belongs to each of a sum's alike terms, and whether all of that is alike.
#include "tapeloom/compiler/fold/sample_columns.h"

#include <algorithm>
#include <utility>

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// So often conditions look for what they share with samples. Those of chains of choices all find it the first time.
constexpr int most_rounds = 4;

}  // namespace

bool SampleColumns::find(const Way& way) {
  way_ = way;
  joined_ = true;
  picks_.clear();
  if (!sums_.find(way.picks, way.outer)) return false;
  of_.assign(sums_.sums().size(), outside);
  if (!(way.join ? join_terms() : assign_columns())) return false;
  find_folded();
  claim_conditions();
  return stand_alone() && are_alike() && guard_alike();
}

NodeId SampleColumns::read(const Reader& reader, std::uint32_t sample) const {
  if (reader[1] == of_group) return sums_.groups[reader[0]].terms[sample];
  return sums_.tape().operands(member(sample, reader[0])).node[reader[1]];
}

bool SampleColumns::assign_columns() {
  // x + x: a term of two columns would be of neither.
  const auto twice = [](const Group& group) { return std::ranges::adjacent_find(group.terms) != group.terms.end(); };
  if (std::ranges::any_of(sums_.groups, twice)) return false;
  samples_ = sums_.samples;
  for (Group& group : sums_.groups) {
    const bool first = &group == &sums_.groups.front();
    std::vector<NodeId> by_column(samples_, NodeId(std::size_t{none}));
    for (std::uint32_t s = 0; s < samples_; ++s) {
      begin_visit();  // since the term before has claimed its parts
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
  if (std::ranges::count(terms, terms[0]) == std::ssize(terms)) return false;
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
    begin_visit();
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

/// A condition is of the column that it reads something of, with whatever else it is computed from: what decides is
/// often not what is chosen. The last ones come first, since a chain of choices ends in what is chosen. One that reads
/// a folded sum is of no column.
void SampleColumns::claim_conditions() {
  const std::span<const NodeId> conditions = sums_.sums().request().conditions();
  std::size_t claimed = 0, before = 0;
  for (int round = 0; round < most_rounds && (round == 0 || claimed > before); ++round) {
    before = std::exchange(claimed, 0);
    begin_visit();
    for (std::size_t i = conditions.size(); i-- > 0;) {
      const NodeId condition = conditions[i];
      if (!sums_.has_data(condition)) continue;
      const std::uint32_t column = column_of_condition(condition);
      if (column == outside) continue;
      claim(condition, column);
      ++claimed;
    }
  }
}

/// The column of the first part of the term that has one, else outside. What is known of its parts is kept for the next
/// terms of the visit, in which nothing may be claimed: many terms may share parts that are of no column.
std::uint32_t SampleColumns::known_column(NodeId term) {
  std::vector<Step>& stack = steps_;
  stack.assign(1, {term, false});
  const auto note = [&](NodeId node, std::uint32_t column) { seen_[node.index] = visit_, found_[node.index] = column; };
  while (!stack.empty()) {
    const auto [node, left] = stack.back();
    stack.pop_back();
    if (left) {
      note(node, outside);
      continue;
    }
    const std::uint32_t column = has(node)                     ? of_[node.index]
                                 : seen_[node.index] == visit_ ? found_[node.index]
                                                               : outside;
    if (column != outside) {
      for (const Step& step : stack) {
        if (step.left) note(step.node, column);
      }
      return column;
    }
    if (seen_[node.index] == visit_ || of_[node.index] == shared || !sums_.has_data(node)) continue;
    stack.push_back({node, true});
    for (NodeId x : sums_.tape().operands(node)) stack.push_back({x, false});
  }
  return outside;
}

/// The same of a condition, but for parts that have been looked at since the visit began, and for folded sums.
std::uint32_t SampleColumns::column_of_condition(NodeId condition) {
  std::vector<NodeId> stack = {condition};
  while (!stack.empty()) {
    const NodeId node = stack.back();
    stack.pop_back();
    if (has(node)) return of_[node.index];
    if (is_folded(node)) return outside;
    if (seen_[node.index] == visit_ || of_[node.index] == shared || !sums_.has_data(node)) continue;
    seen_[node.index] = visit_;
    for (NodeId x : sums_.tape().operands(node)) stack.push_back(x);
  }
  return outside;
}

/// Everything below a term that depends on constants is of its column; what two columns reach is shared by all.
void SampleColumns::claim(NodeId term, std::uint32_t column) {
  std::vector<std::pair<NodeId, std::uint32_t>>& stack = claims_;
  stack.assign(1, {term, column});
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

/// Whether the same positions are guarded in all columns. What is expected may differ.
bool SampleColumns::guard_alike() {
  const Request& request = sums_.sums().request();
  std::vector<std::vector<std::pair<std::uint32_t, std::uint32_t>>> of_column(samples_);  // position, guard
  for (std::size_t i = 0; i < request.conditions().size(); ++i) {
    const NodeId condition = request.conditions()[i];
    if (has(condition))
      of_column[column(condition)].push_back({position(condition), static_cast<std::uint32_t>(request.guards()[i])});
  }
  guards_.clear();
  for (auto& list : of_column) std::ranges::stable_sort(list, {}, &std::pair<std::uint32_t, std::uint32_t>::first);
  for (const auto& [position, guard] : of_column[0]) guards_.push_back({position, {}});
  for (const auto& list : of_column) {
    if (list.size() != guards_.size()) return false;
    for (std::size_t k = 0; k < list.size(); ++k) {
      if (list[k].first != guards_[k].position) return false;
      guards_[k].guards.push_back(list[k].second);
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
