// How sums with alike terms are found.
#include "tapeloom/compiler/fold/sample_sums.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "tapeloom/compiler/graph/tables.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Fewer alike terms are no samples.
constexpr std::size_t least_samples = 2;
/// Whether two of so few terms are alike is seen without sorting them.
constexpr std::size_t few_terms = 8;

}  // namespace

bool SampleSums::find(bool any_parameters, bool outer) {
  if (is_result_.empty()) find_results();
  const Asked asked{any_parameters, any_parameters || outer};
  const bool all_looked_at = found_ && found_->any_parameters == any_parameters && found_groups_.empty();
  if (found_ != asked && !all_looked_at) {
    if (!found_ || found_->any_parameters != any_parameters) hash_nodes(any_parameters);
    groups.clear(), looked_at_.clear();
    samples = 0;
    asked.outer ? find_outer_groups() : find_groups();
    found_ = asked, found_groups_ = groups, found_samples_ = samples;
  } else {
    groups = found_groups_, samples = found_samples_;
  }
  return !groups.empty();
}

void SampleSums::find_results() {
  const Request& request = sums_.request();
  is_result_.assign(sums_.size(), false);
  if (request.loss()) is_result_[request.loss()->index] = true;
  for (NodeId output : request.outputs()) is_result_[output.index] = true;
  for (std::size_t i = sums_.size(); i-- > 0;) {
    if (!is_result_[i] || sums_.is_leaf(NodeId(i))) continue;
    for (NodeId x : tape().operands(NodeId(i))) is_result_[x.index] = true;
  }
}

void SampleSums::hash_nodes(bool any_parameters) {
  constexpr std::uint64_t start = 0x243f6a8885a308d3;  // with a small number, op and index could make up for each other
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
    if (!is_result(sum) || !sums_.ends_sum(sum)) continue;
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
    if (!is_result(node) || sums_.is_leaf(node)) continue;
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
  const auto any_alike = [&] {
    for (std::size_t i = 1; i < terms_.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (key(terms_[i]) == key(terms_[j])) return true;
      }
    }
    return false;
  };
  if (terms_.size() <= few_terms && !any_alike()) return;
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
  if (!first_) {
    const auto wanted = [&](NodeId node) {
      return sums_.request().live(node) && !has_data_[node.index] && !sums_.is_leaf(node);
    };
    first_.emplace(tape(), sums_.size(), wanted);
  }
  return first_->same(a, b);
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

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
