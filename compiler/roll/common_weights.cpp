// Sums that have the same weights, or parts of them, as the windows of a padded convolution have: those at its borders
// lack some.
#include <algorithm>
#include <utility>

#include "tapeloom/compiler/roll/choices.h"
#include "tapeloom/compiler/roll/sum_blocks.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Lists of weights, of which each weight stands in one, and the sums that have them, all or some.
class SumTable::CommonWeights {
 public:
  static constexpr std::uint32_t none = KnownWeight::none;

  CommonWeights(const Placer& placer, LargeVector<KnownWeight>& known) : p_(placer), known_(known) {}
  CommonWeights(const CommonWeights&) = delete;
  CommonWeights& operator=(const CommonWeights&) = delete;
  ~CommonWeights() {
    for (const NodeId weight : weights_) known(weight) = {};
  }

  /// The list that a sum has all of, which is new, or some of: then no weight of it twice. Longer sums come first.
  std::uint32_t list_of(std::span<const Pair> of_sum) {
    const std::uint32_t list = known(of_sum[0].weight).list;
    if (list == none) return new_list(of_sum);
    seen_.assign(lists_[list].length, false);
    for (const Pair& pair : of_sum) {
      const KnownWeight& weight = known(pair.weight);
      if (weight.list != list || seen_[weight.at]) return none;
      seen_[weight.at] = true;
    }
    ++lists_[list].sums;
    lists_[list].terms += of_sum.size();
    return list;
  }

  std::size_t length(std::uint32_t list) const { return lists_[list].length; }
  void has_zeros(std::uint32_t list) { lists_[list].zeros = true; }

  /// The length of the longest lists that several sums have and some lack a part of, or have a plain 0 there; 0 if
  /// there is none, or if more is lacking than there is.
  std::size_t longest_with_gaps() const {
    std::size_t longest = 0;
    for (const List& list : lists_) {
      const std::size_t all = list.sums * list.length;
      if (list.sums < 2 || (list.terms == all && !list.zeros) || choices::most_terms_a_term * list.terms < all)
        continue;
      longest = std::max(longest, list.length);
    }
    return longest;
  }

  /// All weights of its list; what it lacks has the column Placer::zero().
  void fill(std::uint32_t list, LargeVector<Pair>& of_sum) const {
    LargeVector<Pair> all;
    for (std::size_t j = 0; j < lists_[list].length; ++j) all.push_back({weights_[lists_[list].begin + j], p_.zero()});
    for (const Pair& pair : of_sum) all[known(pair.weight).at].column = pair.column;
    of_sum = std::move(all);
  }

 private:
  struct List {
    std::size_t begin, length;
    std::size_t sums = 1, terms = 0;  ///< so many sums have it, and so many terms in all
    bool zeros = false;
  };

  KnownWeight& known(NodeId weight) const { return known_[p_.at(weight).row]; }

  std::uint32_t new_list(std::span<const Pair> of_sum) {
    const auto list = static_cast<std::uint32_t>(lists_.size());
    const std::size_t begin = weights_.size();
    for (const Pair& pair : of_sum) weights_.push_back(pair.weight);
    const auto weights = std::span(weights_).subspan(begin);
    put_in_order(weights, [&](NodeId a, NodeId b) { return p_.at(a) < p_.at(b); });
    bool fresh = true;
    for (std::uint32_t j = 0; j < weights.size(); ++j) {
      fresh = fresh && known(weights[j]).list == none && (j == 0 || p_.at(weights[j]) != p_.at(weights[j - 1]));
    }
    if (!fresh) {
      weights_.resize(begin);
      return none;
    }
    for (std::uint32_t j = 0; j < weights.size(); ++j) known(weights[j]) = {list, j};
    lists_.push_back({.begin = begin, .length = of_sum.size(), .terms = of_sum.size()});
    return list;
  }

  const Placer& p_;
  LargeVector<KnownWeight>& known_;  // by parameter; those that are in no list are as they were
  std::vector<List> lists_;
  LargeVector<NodeId> weights_;  // of the lists, one after another
  std::vector<bool> seen_;
};

bool SumTable::any_zero(NodeId sum) const {
  return std::ranges::any_of(sums_.terms(sum), [&](const Term& term) { return sums_.is_zero_product(term); });
}

bool SumTable::take_in_common(std::span<const NodeId> members, std::vector<NodeId>& others) {
  struct Part {
    NodeId sum;
    std::size_t begin, pairs, biases, place;
    std::vector<Kind> kinds;
    bool zeros;
    std::uint32_t list = CommonWeights::none;
  };
  as_recorded_ = false;
  std::vector<Part> parts;
  LargeVector<Pair> all;
  for (NodeId sum : members) {
    take_apart(sums_.terms(sum), Products::apart, false);
    find_kinds();
    parts.push_back({sum, all.size(), pairs_.size(), biases_.size(), parts.size(), kinds, any_zero(sum)});
    all.insert(all.end(), pairs_.begin(), pairs_.end());
  }
  put_in_order(parts, [](const Part& a, const Part& b) { return a.pairs > b.pairs; });
  const std::size_t biases_of_each = parts[0].biases;
  const std::vector<Kind> kinds_of_each = parts[0].kinds;
  known_.resize(sums_.tape().parameters().size());
  CommonWeights weights(p_, known_);
  for (Part& part : parts) {
    if (part.pairs == 0 || part.biases != biases_of_each || part.kinds != kinds_of_each) continue;
    part.list = weights.list_of(std::span(all).subspan(part.begin, part.pairs));
    if (part.list != CommonWeights::none && part.zeros) weights.has_zeros(part.list);
  }
  const std::size_t length = weights.longest_with_gaps();
  if (length <= choices::few_own_columns) return false;
  put_in_order(parts, [](const Part& a, const Part& b) { return a.place < b.place; });
  others.clear();
  pairs = added_pairs = length, biases = biases_of_each, kinds = kinds_of_each;
  terms = kinds.empty() ? 0 : kinds.back().first + kinds.back().count;
  rows.start(2 * pairs + biases + 2 * terms);
  for (const Part& part : parts) {
    if (part.list == CommonWeights::none || weights.length(part.list) != length) {
      others.push_back(part.sum);
      continue;
    }
    take_apart(sums_.terms(part.sum), Products::apart, false);
    weights.fill(part.list, pairs_);
    add_row(part.sum);
  }
  return true;
}

/// Sums whose weights are parts of the same lists become one table, whose gaps read 0. Returns false if there are none.
bool SumGrouper::group_in_common(std::span<const NodeId> members, std::vector<NodeId>& others) {
  plan_.clear();
  table_ = &matrices_;
  if (!matrices_.take_in_common(members, others)) return false;
  Rows& rows = matrices_.rows;
  rows.sort_by_all(matrices_.column(0), matrices_.pairs);
  // Places in the order of what they read, as of an image row after row, and not those first that lack the first terms.
  for (std::size_t k = matrices_.column(0); k < matrices_.column(0) + matrices_.pairs; ++k) {
    if (any_lacks(rows, k)) continue;
    rows.sort_by(0, rows.size(), k);
    break;
  }
  group_places();
  return true;
}

bool SumGrouper::any_lacks(const Rows& rows, std::size_t column) const {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows.operand(i, column) == p_.zero()) return true;
  }
  return false;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
