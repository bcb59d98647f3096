// Sums taken apart into the terms that blocks are made of.
#include "tapeloom/compiler/roll/sum_blocks.h"

#include <algorithm>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "tapeloom/compiler/roll/choices.h"
#include "tapeloom/core/base/check.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Pairs in the order of their columns, or in that of their weights where these are the same list for more sums then:
/// what vectors of embeddings are put together of comes in any order, and as often as it likes.
void SumTable::take(std::span<const NodeId> members, Products products) {
  by_weight_ = false;
  take_all(members, products);
  if (members.size() > 1 && !weights_rise()) {
    const std::size_t by_column = count_lists();
    by_weight_ = true;
    take_all(members, products);
    if (count_lists() >= by_column) by_weight_ = false, take_all(members, products);
    by_weight_ = false;
  }
  if (as_recorded_) agree_on_order();
}

void SumTable::take_all(std::span<const NodeId> members, Products products) {
  as_recorded_ = products == Products::as_recorded;
  const std::span<const Term> first = sums_.terms(members[0]);
  const bool any = any_weights(first);
  take_apart(first, products, any);
  added_pairs = pairs_.size(), pairs = added_pairs + subtracted_.size();
  biases = biases_.size(), terms = terms_.size();
  find_kinds();
  rows.start(2 * pairs + biases + 2 * terms);
  add_row(members[0]);
  for (NodeId sum : members.subspan(1)) {
    take_apart(sums_.terms(sum), products, any);
    TAPELOOM_CHECK(pairs_.size() == added_pairs && pairs_.size() + subtracted_.size() == pairs);
    TAPELOOM_CHECK(biases_.size() == biases && terms_.size() == terms);
    add_row(sum);
  }
}

/// Whether the order of columns is that of weights.
bool SumTable::weights_rise() const {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 1; j < pairs; ++j) {
      if (j != added_pairs && rows.at(i, weight(j)) < rows.at(i, weight(j - 1))) return false;
    }
  }
  return true;
}

/// How many different lists of weights there are, and of columns. By their hashes: lists that are taken for the same
/// only cost time.
std::size_t SumTable::count_lists() const {
  std::unordered_set<std::uint64_t> lists;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (const std::size_t first : {column(0), weight(0)}) {
      std::uint64_t hash = first;
      for (std::size_t j = first; j < first + pairs; ++j) {
        const Coordinate at = rows.at(i, j);
        constexpr std::uint64_t odd = 0x9e3779b97f4a7c15;
        hash = (hash ^ (std::uint64_t{at.block} << 32 | at.row)) * odd, hash ^= hash >> 29;
      }
      lists.insert(hash);
    }
  }
  return lists.size();
}

/// Sums of the same terms in another order are the same.
void SumTable::agree_on_order() {
  const auto before = [&](NodeId a, NodeId b) { return rows.operand_before(a, b); };
  rows.agree_on_order([&](std::span<NodeId> factors) {
    LargeVector<std::pair<NodeId, NodeId>> products;
    for (const Kind& kind : kinds) {
      products.clear();
      const std::span<NodeId> of_kind = factors.subspan(2 * kind.first, 2 * kind.count);
      for (std::size_t j = 0; j < of_kind.size(); j += 2) {
        const auto [a, b] = std::minmax(of_kind[j], of_kind[j + 1], before);
        products.emplace_back(a, b);
      }
      put_in_order(products, [&](const auto& x, const auto& y) {
        if (before(x.first, y.first)) return true;
        return !before(y.first, x.first) && before(x.second, y.second);
      });
      NodeId* to = of_kind.data();
      for (const auto& [a, b] : products) *to++ = a, *to++ = b;
    }
  });
}

bool SumTable::take_with_gaps(std::span<const NodeId> members, Products products) {
  as_recorded_ = products == Products::as_recorded;
  pairs = added_pairs = biases = terms = 0;
  LargeVector<Term> all_terms;
  LargeVector<NodeId> all_biases;
  std::vector<std::size_t> counts;  // of each sum: its biases, and its terms of each kind
  std::vector<Kind> most;
  for (NodeId sum : members) {
    take_apart(sums_.terms(sum), products, false);
    find_kinds();
    all_biases.insert(all_biases.end(), biases_.begin(), biases_.end());
    all_terms.insert(all_terms.end(), terms_.begin(), terms_.end());
    biases = std::max(biases, biases_.size());
    counts.push_back(biases_.size());
    if (most.empty()) most = kinds;
    const auto same = [](const Kind& a, const Kind& b) { return a.product == b.product && a.negative == b.negative; };
    if (!std::ranges::equal(kinds, most, same)) return false;
    for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
      counts.push_back(kinds[kind].count);
      most[kind].count = std::max(most[kind].count, kinds[kind].count);
    }
  }
  for (Kind& kind : most) kind.first = terms, terms += kind.count;
  kinds = most;
  rows.start(biases + 2 * terms);
  const std::size_t* count = counts.data();
  const NodeId* bias = all_biases.data();
  const Term* term = all_terms.data();
  for (NodeId sum : members) {
    biases_.assign(bias, bias + *count);
    biases_.resize(biases, p_.zero());
    bias += *count++;
    terms_.clear();
    for (const Kind& kind : kinds) {
      terms_.insert(terms_.end(), term, term + *count);
      terms_.resize(kind.first + kind.count, {p_.zero(), p_.zero(), kind.product, kind.negative});
      term += *count++;
    }
    add_row(sum);
  }
  return true;
}

void SumTable::list_columns(NodeId sum, std::vector<Coordinate>& columns) const {
  columns.clear();
  for (const Term& term : sums_.terms(sum)) {
    if (!is_pair(term, false)) continue;
    columns.push_back(p_.at(is_weight(term.a, term.b, false) ? term.b : term.a));
  }
  std::ranges::sort(columns);
}

/// Whether other weights than parameters are weights, too.
bool SumTable::any_weights(std::span<const Term> of) const {
  std::size_t others = 0;
  if (of.size() >= choices::least_other_weights) {
    for (const Term& term : of) others += is_pair(term, true) && !is_pair(term, false);
  }
  return others >= choices::least_other_weights;
}

bool SumTable::is_pair(const Term& term, bool any_weights) const {
  return term.product && (!term.negative || any_weights) &&
         (is_weight(term.a, term.b, any_weights) || is_weight(term.b, term.a, any_weights));
}

bool SumTable::is_weight(NodeId node, NodeId of, bool any_weights) const {
  return p_.is_parameter(node) || (any_weights && !sums_.tape().varying(node) && sums_.tape().varying(of));
}

void SumTable::take_apart(std::span<const Term> all, Products products, bool any_weights) {
  pairs_.clear(), subtracted_.clear(), biases_.clear(), terms_.clear();
  for (const Term& term : all) {
    if (products == Products::apart && is_pair(term, any_weights)) {
      const bool first = is_weight(term.a, term.b, any_weights);
      (term.negative ? subtracted_ : pairs_).push_back({first ? term.a : term.b, first ? term.b : term.a});
    } else if (!as_recorded_ && !term.product && !term.negative && p_.is_parameter(term.a)) {
      biases_.push_back(term.a);
    } else {
      terms_.push_back(term);
    }
  }
  // Columns by place; constants by the weight they meet.
  const auto place = [&](const Pair& pair) {
    const Coordinate column = p_.at(pair.column), weight = p_.at(pair.weight);
    return by_weight_ ? std::pair(weight, column) : std::pair(column, weight);
  };
  const auto by_place = [&](const Pair& a, const Pair& b) { return place(a) < place(b); };
  put_in_order(pairs_, by_place);
  put_in_order(subtracted_, by_place);
  put_in_order(biases_, [&](NodeId a, NodeId b) { return p_.at(a) < p_.at(b); });
  sort_terms();
}

/// By sign and kind, so that the j-th terms of two sums of a class are alike; then by place.
void SumTable::sort_terms() {
  if (as_recorded_) {
    for (Term& term : terms_) {
      if (term.product && p_.is_constant(term.b)) std::swap(term.a, term.b);
    }
    const auto sign = [](const Term& term) { return std::pair(term.negative, term.product); };
    return put_in_order(terms_, [&](const Term& a, const Term& b) { return sign(a) < sign(b); });
  }
  const auto is_zero = [&](const Term& term) { return sums_.is_zero_product(term); };
  if (std::ranges::any_of(terms_, is_zero)) {
    kind_of_zeros_ = compiler::kind_of_zeros(sums_, terms_, [&](NodeId node) { return c_.kind_of(node); });
  }
  keyed_.clear();
  for (const Term& term : terms_) {
    KeyedTerm keyed{term, {kind_of(term, term.a), p_.at(term.a)}, {0, p_.at(term.b)}};
    if (term.product) {
      keyed.b.kind = kind_of(term, term.b);
      if (keyed.b < keyed.a) std::swap(keyed.a, keyed.b), std::swap(keyed.term.a, keyed.term.b);
    }
    keyed_.push_back(keyed);
  }
  put_in_order(keyed_, [](const KeyedTerm& x, const KeyedTerm& y) {
    const auto key = [](const KeyedTerm& k) {
      return std::tuple(k.term.negative, k.term.product, k.a.kind, k.b.kind, k.a.at, k.b.at);
    };
    return key(x) < key(y);
  });
  for (std::size_t j = 0; j < terms_.size(); ++j) terms_[j] = keyed_[j].term;
  for (std::size_t begin = 0, end = 0; begin < terms_.size(); begin = end) {
    while (end < terms_.size() && alike(begin, end)) ++end;
    if (terms_[begin].product && end - begin > 1) sort_products(std::span(terms_).subspan(begin, end - begin));
  }
}

/// Alike products by their second factors, if those repeat less than the first ones do: what repeats is gathered in any
/// order, and the others may be read in place.
void SumTable::sort_products(std::span<Term> products) {
  const auto distinct = [&](NodeId Term::*factor) {
    std::size_t count = 1;
    for (std::size_t i = 1; i < products.size(); ++i) {
      count += p_.at(products[i - 1].*factor) != p_.at(products[i].*factor);
    }
    return count;
  };
  const std::size_t of_a = distinct(&Term::a);
  if (of_a == 1 || of_a == products.size()) return;
  const LargeVector<Term> before(products.begin(), products.end());
  std::ranges::stable_sort(products, {}, [&](const Term& term) { return p_.at(term.b); });
  if (distinct(&Term::b) <= of_a) std::ranges::copy(before, products.begin());
}

bool SumTable::alike(std::size_t i, std::size_t j) const {
  const Term &a = terms_[i], &b = terms_[j];
  if (a.negative != b.negative || a.product != b.product) return false;
  return as_recorded_ || (keyed_[i].a.kind == keyed_[j].a.kind && keyed_[i].b.kind == keyed_[j].b.kind);
}

void SumTable::find_kinds() {
  kinds.clear();
  for (std::size_t j = 0; j < terms_.size(); ++j) {
    if (j > 0 && alike(j - 1, j)) {
      ++kinds.back().count;
    } else {
      kinds.push_back({j, 1, terms_[j].product, terms_[j].negative});
    }
  }
}

void SumTable::add_row(NodeId sum) {
  NodeId* to = rows.add(sum).data();
  const LargeVector<Pair>* all[] = {&pairs_, &subtracted_};
  for (const auto* some : all) {
    for (const Pair& pair : *some) *to++ = pair.column;
  }
  for (const auto* some : all) {
    for (const Pair& pair : *some) *to++ = pair.weight;
  }
  to = std::ranges::copy(biases_, to).out;
  for (const Term& term : terms_) *to++ = term.a, *to++ = term.b;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
