#include "tapeloom/compiler/sum_roller.h"

#include <algorithm>
#include <tuple>

namespace tapeloom::inline v0_1::compiler {

void SumRoller::roll(std::span<const NodeId> members) {
  rows_.clear(), pairs_.clear(), biases_.clear(), rest_.clear(), twins_.clear();
  for (NodeId node : members) take_apart(node);
  const auto count = [&](const auto& list) { return list.size() / members.size(); };
  pair_count_ = count(pairs_), bias_count_ = count(biases_), rest_count_ = count(rest_);

  std::stable_sort(rows_.begin(), rows_.end(), [&](const Row& a, const Row& b) { return columns_before(a, b); });
  if (each_has_its_own_columns()) take_pairs_for_rest();
  for (std::size_t begin = 0; begin < rows_.size();) {
    std::size_t end = begin + 1;
    while (end < rows_.size() && same_columns(rows_[begin], rows_[end])) ++end;
    sort_rows(begin, end);
    const std::size_t last = set_twins_aside(begin, end);
    const bool apart = are_several_matrices(begin, last);
    while (begin < last) {
      const std::size_t run = pair_count_ == 0 ? run_end(begin, last) : apart ? even_rows_end(begin, last) : last;
      const auto rows = std::span(rows_).subspan(begin, run - begin);
      better_one_by_one(rows) ? emit_one_by_one(rows) : emit(rows);
      begin = run;
    }
    begin = end;
  }
  for (const auto& [twin, node] : twins_) p_.place_like(twin, node, r_.nodes(twin));
}

// --- taking sums apart

void SumRoller::take_apart(NodeId node) {
  const Row row{node, pairs_.size(), biases_.size(), rest_.size()};
  for (const Term& term : r_.terms(node)) {
    const bool of_parameter = term.product && !term.negative && (p_.is_parameter(term.a) || p_.is_parameter(term.b));
    if (of_parameter) {
      const bool first = p_.is_parameter(term.a);
      pairs_.push_back({first ? term.a : term.b, first ? term.b : term.a});
    } else if (!term.product && !term.negative && p_.is_parameter(term.a)) {
      biases_.push_back(term.a);
    } else {
      rest_.push_back(term);
    }
  }
  // Column operands by place; constants by the parameter they meet.
  std::stable_sort(pairs_.begin() + static_cast<std::ptrdiff_t>(row.first_pair), pairs_.end(),
                   [&](const Pair& a, const Pair& b) {
                     return std::tuple(p_.at(a.other), p_.at(a.weight)) < std::tuple(p_.at(b.other), p_.at(b.weight));
                   });
  std::stable_sort(biases_.begin() + static_cast<std::ptrdiff_t>(row.first_bias), biases_.end(),
                   [&](NodeId a, NodeId b) { return p_.at(a) < p_.at(b); });
  sort_rest(row.first_rest);
  rows_.push_back(row);
}

/// A few products with a parameter each, and every sum with other values, as where a layer scales what it has: no
/// matrix has more than one row then.
bool SumRoller::each_has_its_own_columns() const {
  constexpr std::size_t few = 3;  // of more, a product of one row is as fast as elementwise products and sums
  if (pair_count_ == 0 || pair_count_ > few || rows_.size() == 1) return false;
  const auto alike = [&](const Row& a, const Row& b) { return same_columns(a, b); };
  return std::adjacent_find(rows_.begin(), rows_.end(), alike) == rows_.end();
}

/// Lets products with parameters be terms like others, unless sums do not line up like that.
void SumRoller::take_pairs_for_rest() {
  const LargeVector<Row> rows = rows_;
  const LargeVector<Term> rest = std::exchange(rest_, {});
  const std::size_t pairs = std::exchange(pair_count_, 0), others = rest_count_;
  rest_count_ += pairs;
  for (Row& row : rows_) {
    const std::size_t first = rest_.size();
    for (std::size_t j = 0; j < pairs; ++j) {
      const Pair& pair = pairs_[row.first_pair + j];
      rest_.push_back({pair.weight, pair.other, true, false});
    }
    const auto from = rest.begin() + static_cast<std::ptrdiff_t>(row.first_rest);
    rest_.insert(rest_.end(), from, from + static_cast<std::ptrdiff_t>(others));
    row.first_rest = first;
    sort_rest(first);
  }
  sort_rows(0, rows_.size());
  std::size_t runs = 0;
  for (std::size_t begin = 0; begin < rows_.size(); ++runs) begin = run_end(begin, rows_.size());
  if (pairs == 1 ? runs < rows.size() : 2 * pairs * runs < rows.size()) return;
  rows_ = rows, rest_ = rest, pair_count_ = pairs, rest_count_ = others;
}

/// By sign and class, so that the j-th terms of two sums of a class are alike; then by place.
void SumRoller::sort_rest(std::size_t first) {
  for (std::size_t i = first; i < rest_.size(); ++i) {
    Term& term = rest_[i];
    const auto key = [&](NodeId node) { return std::tuple(c_.of_node[node.index], p_.at(node)); };
    if (term.product && key(term.b) < key(term.a)) std::swap(term.a, term.b);
  }
  const auto key = [&](const Term& term) {
    const std::uint32_t b = term.product ? c_.of_node[term.b.index] : 0;
    return std::tuple(term.negative, term.product, c_.of_node[term.a.index], b, p_.at(term.a), p_.at(term.b));
  };
  std::stable_sort(rest_.begin() + static_cast<std::ptrdiff_t>(first), rest_.end(),
                   [&](const Term& a, const Term& b) { return key(a) < key(b); });
}

// --- which sums go together

bool SumRoller::same_columns(const Row& a, const Row& b) const {
  for (std::size_t j = 0; j < pair_count_; ++j) {
    const NodeId x = pairs_[a.first_pair + j].other, y = pairs_[b.first_pair + j].other;
    if (p_.at(x) != p_.at(y)) return false;
    if (p_.is_constant(x) && r_.tape().data(x) != r_.tape().data(y)) return false;
  }
  return true;
}

bool SumRoller::columns_before(const Row& a, const Row& b) const {
  for (std::size_t j = 0; j < pair_count_; ++j) {
    const NodeId x = pairs_[a.first_pair + j].other, y = pairs_[b.first_pair + j].other;
    if (p_.at(x) != p_.at(y)) return p_.at(x) < p_.at(y);
    if (p_.is_constant(x) && r_.tape().data(x) != r_.tape().data(y)) return r_.tape().data(x) < r_.tape().data(y);
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
  const auto number = [&](NodeId node) { return p_.is_constant(node) ? r_.tape().data(node) : 0.0; };
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
  for (std::size_t j = 0; j < pair_count_; ++j) {
    if (p_.at(pairs_[a.first_pair + j].weight) != p_.at(pairs_[b.first_pair + j].weight)) return false;
  }
  for (std::size_t j = 0; j < bias_count_; ++j) {
    if (p_.at(biases_[a.first_bias + j]) != p_.at(biases_[b.first_bias + j])) return false;
  }
  const auto same = [&](NodeId x, NodeId y) {
    return p_.at(x) == p_.at(y) && (!p_.is_constant(x) || r_.tape().data(x) == r_.tape().data(y));
  };
  for (std::size_t j = 0; j < rest_count_; ++j) {
    const Term &x = rest_[a.first_rest + j], &y = rest_[b.first_rest + j];
    if (!same(x.a, y.a) || !same(x.b, y.b)) return false;
  }
  return true;
}

/// Neighbours that are the same sum, recorded again, are the same value. Gives the end of the others.
std::size_t SumRoller::set_twins_aside(std::size_t begin, std::size_t end) {
  std::size_t kept = begin;
  for (std::size_t i = begin; i < end; ++i) {
    if (kept > begin && twins(rows_[kept - 1], rows_[i])) {
      twins_.push_back({rows_[i].node, rows_[kept - 1].node});
    } else {
      rows_[kept++] = rows_[i];
    }
  }
  return kept;
}

/// Without products with parameters nothing but its operands' places holds rows together: a run ends where one of them
/// does not move on evenly.
std::size_t SumRoller::run_end(std::size_t begin, std::size_t most) const {
  std::size_t end = begin + 1;
  while (end < most && continues(rows_[begin], rows_[begin + 1], rows_[end], end - begin)) ++end;
  return end;
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
    return a.negative == b.negative && a.product == b.product && c_.of_node[a.a.index] == c_.of_node[b.a.index] &&
           (!a.product || c_.of_node[a.b.index] == c_.of_node[b.b.index]);
  };
  std::size_t end = first + 1;
  while (end < rest_count_ && alike(rest_[row.first_rest + first], rest_[row.first_rest + end])) ++end;
  return end - first;
}

/// A few sums of many terms that lie side by side, as dot products, are added up each by itself: side by side they
/// would take an instruction for each term.
bool SumRoller::better_one_by_one(std::span<const Row> rows) {
  if (pair_count_ > 0 || rows.size() == 1 || 3 * rows.size() >= 2 * rest_count_) return false;
  std::size_t groups = 0;
  for (std::size_t j = 0; j < rest_count_; ++groups) j += alike_terms(rows[0], j);
  if (3 * rows.size() * groups >= 2 * rest_count_) return false;
  const auto in_place = [&](const Row& row, std::size_t first, std::size_t count, NodeId Term::*factor) {
    nodes_.clear();
    for (std::size_t j = first; j < first + count; ++j) nodes_.push_back(rest_[row.first_rest + j].*factor);
    return p_.in_place(nodes_);
  };
  for (const Row& row : rows) {
    for (std::size_t j = 0, count = 0; j < rest_count_; j += count) {
      count = alike_terms(row, j);
      if (!in_place(row, j, count, &Term::a) || !in_place(row, j, count, &Term::b)) return false;
    }
  }
  return true;
}

}  // namespace tapeloom::inline v0_1::compiler
