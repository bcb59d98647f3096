#include "tapeloom/compiler/roll/sum_roller.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace tapeloom::inline TAPELOOM_ABI::compiler {

void SumRoller::roll(std::span<const NodeId> members) {
  const std::span<const Term> first = r_.terms(members[0]);
  start(first);
  take_apart(members[0], first);
  for (NodeId node : members.subspan(1)) take_apart(node, r_.terms(node));
  const auto count = [&](const auto& list) { return list.size() / members.size(); };
  pair_count_ = count(pairs_), bias_count_ = count(biases_), rest_count_ = count(rest_);
  added_pairs_ = rows_[0].added_pairs;

  std::stable_sort(rows_.begin(), rows_.end(), [&](const Row& a, const Row& b) { return columns_before(a, b); });
  if (each_has_its_own_columns()) take_pairs_for_rest();
  ends_.clear();
  for (std::size_t begin = 0; begin < rows_.size(); begin = ends_.back()) {
    std::size_t end = begin + 1;
    while (end < rows_.size() && same_columns(rows_[begin], rows_[end])) ++end;
    sort_rows(begin, end);
    ends_.push_back(end);
  }
  set_twins_aside();
  if (pair_count_ > 0 && ends_.size() > Placer::few_runs) {
    emit_at_places();
  } else {
    std::size_t begin = 0;
    for (std::size_t end : ends_) emit_runs(std::exchange(begin, end), end);
  }
  for (const auto& [twin, node] : twins_) p_.place_like(twin, node, r_.nodes(twin));
}

/// Sums of the same columns, in as many blocks as need be.
void SumRoller::emit_runs(std::size_t begin, std::size_t last) {
  const bool apart = are_several_matrices(begin, last), together = better_together(begin, last);
  while (begin < last) {
    const std::size_t run = together           ? last
                            : pair_count_ == 0 ? run_end(begin, last)
                            : apart            ? even_rows_end(begin, last)
                                               : last;
    const auto rows = std::span(rows_).subspan(begin, run - begin);
    better_one_by_one(rows) ? emit_one_by_one(rows) : emit(rows);
    begin = run;
  }
}

// --- taking sums apart

void SumRoller::start(std::span<const Term> longest) {
  rows_.clear(), pairs_.clear(), biases_.clear(), rest_.clear(), twins_.clear();
  with_pairs_ = true;
  decide_on_weights(longest);
}

/// A few products with other weights than parameters are as good as elementwise ones, of which idioms are made.
void SumRoller::decide_on_weights(std::span<const Term> terms) {
  constexpr std::size_t least = 4;
  std::size_t others = 0;
  if (terms.size() >= least) {
    for (const Term& term : terms) others += is_pair(term, true) && !is_pair(term, false);
  }
  any_weights_ = others >= least;
}

bool SumRoller::is_pair(const Term& term, bool any_weights) const {
  return term.product && (!term.negative || any_weights) &&
         (is_weight(term.a, term.b, any_weights) || is_weight(term.b, term.a, any_weights));
}

bool SumRoller::is_weight(NodeId node, NodeId of, bool any_weights) const {
  return p_.is_parameter(node) || (any_weights && !r_.tape().varying(node) && r_.tape().varying(of));
}

void SumRoller::take_apart(NodeId node, std::span<const Term> terms) {
  Row row{node, pairs_.size(), biases_.size(), rest_.size(), 0};
  subtracted_.clear();
  for (const Term& term : terms) {
    if (with_pairs_ && is_pair(term, any_weights_)) {
      const bool first = is_weight(term.a, term.b, any_weights_);
      (term.negative ? subtracted_ : pairs_).push_back({first ? term.a : term.b, first ? term.b : term.a});
    } else if (!term.product && !term.negative && p_.is_parameter(term.a)) {
      biases_.push_back(term.a);
    } else {
      rest_.push_back(term);
    }
  }
  row.added_pairs = pairs_.size() - row.first_pair;
  pairs_.insert(pairs_.end(), subtracted_.begin(), subtracted_.end());
  // Column operands by place; constants by the parameter they meet.
  const auto by_place = [&](const Pair& a, const Pair& b) {
    return std::tuple(p_.at(a.other), p_.at(a.weight)) < std::tuple(p_.at(b.other), p_.at(b.weight));
  };
  const auto first_pair = pairs_.begin() + static_cast<std::ptrdiff_t>(row.first_pair);
  const auto first_subtracted = first_pair + static_cast<std::ptrdiff_t>(row.added_pairs);
  std::stable_sort(first_pair, first_subtracted, by_place);
  std::stable_sort(first_subtracted, pairs_.end(), by_place);
  std::stable_sort(biases_.begin() + static_cast<std::ptrdiff_t>(row.first_bias), biases_.end(),
                   [&](NodeId a, NodeId b) { return p_.at(a) < p_.at(b); });
  sort_rest(row.first_rest);
  rows_.push_back(row);
}

/// A few products with a weight each, and every sum with other values, as where a layer scales what it has: no matrix
/// has more than one row then.
bool SumRoller::each_has_its_own_columns() const {
  constexpr std::size_t few = 3;  // of more, a product of one row is as fast as elementwise products and sums
  if (pair_count_ == 0 || rows_.size() == 1) return false;
  const Pair& first = pairs_[rows_[0].first_pair];
  const bool squares = p_.is_parameter(first.weight) && p_.is_parameter(first.other);  // or the like, once a step
  if (pair_count_ > few && !squares) return false;
  const auto alike = [&](const Row& a, const Row& b) { return same_columns(a, b); };
  return std::adjacent_find(rows_.begin(), rows_.end(), alike) == rows_.end();
}

/// Lets products with parameters be terms like others, unless sums do not line up like that.
void SumRoller::take_pairs_for_rest() {
  const LargeVector<Row> rows = rows_;
  const LargeVector<Term> rest = std::exchange(rest_, {});
  const std::size_t pairs = std::exchange(pair_count_, 0), added = std::exchange(added_pairs_, 0), others = rest_count_;
  rest_count_ += pairs;
  for (Row& row : rows_) {
    const std::size_t first = rest_.size();
    for (std::size_t j = 0; j < pairs; ++j) {
      const Pair& pair = pairs_[row.first_pair + j];
      rest_.push_back({pair.weight, pair.other, true, j >= row.added_pairs});
    }
    const auto from = rest.begin() + static_cast<std::ptrdiff_t>(row.first_rest);
    rest_.insert(rest_.end(), from, from + static_cast<std::ptrdiff_t>(others));
    row.first_rest = first;
    sort_rest(first);
  }
  sort_rows(0, rows_.size());
  std::size_t runs = 0;
  for (std::size_t begin = 0; begin < rows_.size(); ++runs) begin = run_end(begin, rows_.size());
  constexpr std::size_t many = 16;  // sums that are worth gathering what they add
  if (rows.size() >= many || (pairs == 1 ? runs < rows.size() : 2 * pairs * runs < rows.size())) return;
  rows_ = rows, rest_ = rest, pair_count_ = pairs, added_pairs_ = added, rest_count_ = others;
}

/// By sign and class, so that the j-th terms of two sums of a class are alike; then by place.
void SumRoller::sort_rest(std::size_t first) {
  for (std::size_t i = first; i < rest_.size(); ++i) {
    Term& term = rest_[i];
    const auto key = [&](NodeId node) { return std::tuple(c_.family_of(node), p_.at(node)); };
    if (term.product && key(term.b) < key(term.a)) std::swap(term.a, term.b);
  }
  const auto alike = [&](const Term& term) {
    const std::uint32_t b = term.product ? c_.family_of(term.b) : 0;
    return std::tuple(term.negative, term.product, c_.family_of(term.a), b);
  };
  const auto key = [&](const Term& term) { return std::tuple(alike(term), p_.at(term.a), p_.at(term.b)); };
  const auto from = rest_.begin() + static_cast<std::ptrdiff_t>(first);
  std::stable_sort(from, rest_.end(), [&](const Term& a, const Term& b) { return key(a) < key(b); });
  for (auto begin = from; begin != rest_.end();) {
    const auto other = [&](const Term& term) { return alike(term) != alike(*begin); };
    const auto end = std::find_if(begin, rest_.end(), other);
    if (begin->product) sort_products({begin, end});
    begin = end;
  }
}

/// Alike products by their second factors, if those repeat less than the first ones do: what repeats is gathered in any
/// order, and the others may be read in place.
void SumRoller::sort_products(std::span<Term> products) {
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

// --- which sums go together

bool SumRoller::same_columns(const Row& a, const Row& b) const {
  for (std::size_t j = 0; j < pair_count_; ++j) {
    const NodeId x = pairs_[a.first_pair + j].other, y = pairs_[b.first_pair + j].other;
    if (p_.at(x) != p_.at(y)) return false;
    if (p_.is_constant(x) && p_.number(x) != p_.number(y)) return false;
  }
  return true;
}

bool SumRoller::columns_before(const Row& a, const Row& b) const {
  for (std::size_t j = 0; j < pair_count_; ++j) {
    const NodeId x = pairs_[a.first_pair + j].other, y = pairs_[b.first_pair + j].other;
    if (p_.at(x) != p_.at(y)) return p_.at(x) < p_.at(y);
    if (p_.is_constant(x) && p_.number(x) != p_.number(y)) return p_.number(x) < p_.number(y);
  }
  return false;
}

/// By the first weight, or the first of what else there is, so that rows come in the order of what they read.
bool SumRoller::rows_before(const Row& a, const Row& b) const {
  if (pair_count_ > 0) return p_.at(pairs_[a.first_pair].weight) < p_.at(pairs_[b.first_pair].weight);
  for (std::size_t j = 0; j < bias_count_; ++j) {
    const Coordinate x = p_.at(biases_[a.first_bias + j]), y = p_.at(biases_[b.first_bias + j]);
    if (x != y) return x < y;
  }
  for (std::size_t j = 0; j < rest_count_; ++j) {
    const Term &x = rest_[a.first_rest + j], &y = rest_[b.first_rest + j];
    if (p_.at(x.a) != p_.at(y.a)) return p_.at(x.a) < p_.at(y.a);
    if (p_.at(x.b) != p_.at(y.b)) return p_.at(x.b) < p_.at(y.b);
  }
  return false;
}

bool SumRoller::constants_before(const Row& a, const Row& b) const {
  const auto number = [&](NodeId node) { return p_.is_constant(node) ? p_.number(node) : 0.0; };
  for (std::size_t j = 0; j < rest_count_; ++j) {
    const Term &x = rest_[a.first_rest + j], &y = rest_[b.first_rest + j];
    if (number(x.a) != number(y.a)) return number(x.a) < number(y.a);
    if (number(x.b) != number(y.b)) return number(x.b) < number(y.b);
  }
  return false;
}

/// Sums of the same values with different constants, as in (e - 1) / (e + 1), go into different runs: the constants are
/// a literal of the program then. Constants of rows that differ otherwise are data, and do not part them.
void SumRoller::sort_rows(std::size_t begin, std::size_t end) {
  const auto first = rows_.begin() + static_cast<std::ptrdiff_t>(begin);
  const auto last = rows_.begin() + static_cast<std::ptrdiff_t>(end);
  const auto by_place = [&](const Row& a, const Row& b) { return rows_before(a, b); };
  std::stable_sort(first, last, by_place);
  const auto literals = [&](const Row& a, const Row& b) {
    return !rows_before(a, b) && (constants_before(a, b) || constants_before(b, a));
  };
  if (pair_count_ > 0 || std::adjacent_find(first, last, literals) == last) return;
  std::stable_sort(first, last, [&](const Row& a, const Row& b) {
    if (constants_before(a, b) || constants_before(b, a)) return constants_before(a, b);
    return rows_before(a, b);
  });
}

bool SumRoller::twins(const Row& a, const Row& b) const {
  const auto same = [&](NodeId x, NodeId y) {
    return p_.at(x) == p_.at(y) && (!p_.is_constant(x) || p_.number(x) == p_.number(y));
  };
  for (std::size_t j = 0; j < pair_count_; ++j) {
    if (!same(pairs_[a.first_pair + j].weight, pairs_[b.first_pair + j].weight)) return false;
  }
  for (std::size_t j = 0; j < bias_count_; ++j) {
    if (p_.at(biases_[a.first_bias + j]) != p_.at(biases_[b.first_bias + j])) return false;
  }
  for (std::size_t j = 0; j < rest_count_; ++j) {
    const Term &x = rest_[a.first_rest + j], &y = rest_[b.first_rest + j];
    if (!same(x.a, y.a) || !same(x.b, y.b)) return false;
  }
  return true;
}

/// Neighbours that are the same sum, recorded again, are the same value.
void SumRoller::set_twins_aside() {
  std::size_t kept = 0, begin = 0;
  for (std::size_t& end : ends_) {
    const std::size_t first = kept;
    for (; begin < end; ++begin) {
      if (kept > first && twins(rows_[kept - 1], rows_[begin])) {
        twins_.push_back({rows_[begin].node, rows_[kept - 1].node});
      } else {
        rows_[kept++] = rows_[begin];
      }
    }
    end = kept;
  }
  rows_.resize(kept);
}

/// Without products with parameters nothing but its operands' places holds rows together: a run ends where one of them
/// does not move on evenly.
std::size_t SumRoller::run_end(std::size_t begin, std::size_t most) const {
  std::size_t end = begin + 1;
  while (end < most && continues(rows_[begin], rows_[begin + 1], rows_[end], end - begin)) ++end;
  return end;
}

/// Many runs are one block whose operands are gathered, unless each run goes on with what a block is.
bool SumRoller::better_together(std::size_t begin, std::size_t last) const {
  if (pair_count_ > 0) return false;
  std::size_t runs = 0;
  bool whole = rest_count_ > 0;
  std::uint32_t latest = 0;
  for (std::size_t end; begin < last; begin = end, ++runs) {
    end = run_end(begin, last);
    if (!whole) continue;
    const Coordinate at = p_.at(rest_[rows_[begin].first_rest].a);
    whole = whole && end - begin > 1 && at.block != 0 && at.block != std::exchange(latest, at.block) && at.row == 0 &&
            g_[BlockId(std::size_t{at.block - 1})].rows == end - begin;
  }
  return runs > Placer::few_runs && !whole;
}

bool SumRoller::continues(const Row& first, const Row& second, const Row& here, std::size_t distance) const {
  const auto even = [&](NodeId a, NodeId b, NodeId c) {
    const Coordinate x = p_.at(a), y = p_.at(b), z = p_.at(c);
    return x.block == y.block && x.block == z.block && y.row >= x.row && z.row == x.row + distance * (y.row - x.row);
  };
  for (std::size_t j = 0; j < bias_count_; ++j) {
    if (!even(biases_[first.first_bias + j], biases_[second.first_bias + j], biases_[here.first_bias + j]))
      return false;
  }
  for (std::size_t j = 0; j < rest_count_; ++j) {
    const Term &x = rest_[first.first_rest + j], &y = rest_[second.first_rest + j], &z = rest_[here.first_rest + j];
    if (!even(x.a, y.a, z.a) || !even(x.b, y.b, z.b)) return false;
  }
  return true;
}

/// How many terms from `first` on are alike.
std::size_t SumRoller::alike_terms(const Row& row, std::size_t first) const {
  const auto alike = [&](const Term& a, const Term& b) {
    if (a.negative != b.negative || a.product != b.product) return false;
    if (b.a == p_.zero()) return true;  // stands for a term that the sum has not
    return c_.family_of(a.a) == c_.family_of(b.a) && (!a.product || c_.family_of(a.b) == c_.family_of(b.b));
  };
  std::size_t end = first + 1;
  while (end < rest_count_ && alike(rest_[row.first_rest + first], rest_[row.first_rest + end])) ++end;
  return end - first;
}

/// A few sums of many terms that lie side by side, as dot products, are added up each by itself: side by side they
/// would take an instruction for each term.
bool SumRoller::better_one_by_one(std::span<const Row> rows) {
  if (pair_count_ > 0 || rows.size() == 1 || 3 * rows.size() >= 2 * rest_count_) return false;
  if (rows.size() > Placer::few_runs + 1) return false;
  std::size_t groups = 0;
  for (std::size_t j = 0; j < rest_count_; ++groups) j += alike_terms(rows[0], j);
  if (3 * rows.size() * groups >= 2 * rest_count_) return false;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::span<const Row> row = rows.subspan(i, 1);
    for (std::size_t j = 0, count = 0; j < rest_count_; j += count) {
      count = alike_terms(row[0], j);
      if (!in_place(row, j, count, &Term::a) || !in_place(row, j, count, &Term::b)) return false;
    }
  }
  return true;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
