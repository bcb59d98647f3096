// The blocks that stand for rows of sums: products with parameters, biases and other terms, added up.
#include <algorithm>
#include <numeric>

#include "tapeloom/compiler/sum_roller.h"

namespace tapeloom::inline v0_1::compiler {

void SumRoller::emit(std::span<const Row> rows) {
  nodes_left_ = 0;
  for (const Row& row : rows) nodes_left_ += r_.nodes(row.node);
  View total = emit_products(rows);
  if (total != nothing) stands_for(total, rows.size() * (2 * pair_count_ - 1));
  for (std::size_t j = 0; j < bias_count_; ++j) {
    nodes_.clear();
    for (const Row& row : rows) nodes_.push_back(biases_[row.first_bias + j]);
    const bool adds = total != nothing;
    total = add(total, p_.view(nodes_), false);
    if (adds) stands_for(total, rows.size());
  }
  total = emit_rest(rows, total);
  stands_for(total, nodes_left_);
  nodes_.clear();
  for (const Row& row : rows) nodes_.push_back(row.node);
  p_.place(nodes_, total);
}

/// Then side by side, so that what is computed from them is.
void SumRoller::emit_one_by_one(std::span<const Row> rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) emit(rows.subspan(i, 1));
  nodes_.clear();
  for (const Row& row : rows) nodes_.push_back(row.node);
  const LargeVector<NodeId> sums = nodes_;
  p_.place(sums, p_.view(sums));
}

/// W X for the products with parameters, or nothing. Where W is not in one piece, as that of W x + U h, it is a sum of
/// products; where its columns lie in another order than the rows of X, those are gathered in the order of the columns,
/// since the numbers of W are more.
View SumRoller::emit_products(std::span<const Row> rows) {
  if (pair_count_ == 0) return nothing;
  columns_.resize(pair_count_);
  std::iota(columns_.begin(), columns_.end(), 0u);
  if (columns_in_place(rows, 0, pair_count_)) return emit_columns(rows, 0, pair_count_);
  const View parts = emit_parts(rows);
  if (parts != nothing) return parts;
  const auto weight = [&](std::uint32_t j) { return p_.at(pairs_[rows[0].first_pair + j].weight); };
  const auto by_weight = [&](std::uint32_t a, std::uint32_t b) { return weight(a) < weight(b); };
  std::stable_sort(columns_.begin(), columns_.end(), by_weight);
  if (rows.size() == 1 || !columns_in_place(rows, 0, pair_count_)) std::iota(columns_.begin(), columns_.end(), 0u);
  return emit_columns(rows, 0, pair_count_);
}

/// Whether the weights are those of a few layers of the same values, such as the gates of a cell: then each is a
/// product of its own, whose weights are read where they are.
bool SumRoller::are_several_matrices(std::size_t begin, std::size_t last) {
  if (pair_count_ == 0) return false;
  std::size_t runs = 0;
  for (std::size_t i = begin; i < last; ++runs) i = even_rows_end(i, last);
  if (runs == 1 || 4 * runs > last - begin) return false;
  const auto rows = std::span(rows_).subspan(begin, last - begin);
  columns_.resize(pair_count_);
  std::iota(columns_.begin(), columns_.end(), 0u);
  return !columns_in_place(rows, 0, pair_count_) && !parts_in_place(rows);
}

/// Where the first weights of sums do not go on as the first two from `begin` do.
std::size_t SumRoller::even_rows_end(std::size_t begin, std::size_t last) const {
  const auto place = [&](std::size_t i) { return p_.at(pairs_[rows_[i].first_pair].weight).row; };
  std::size_t end = begin + 1;
  if (end == last || place(end) <= place(begin)) return end;
  const std::uint32_t step = place(end) - place(begin);
  while (end < last && place(end) == place(end - 1) + step) ++end;
  return end;
}

/// As a sum of a few products with neighbouring columns of W, or nothing.
View SumRoller::emit_parts(std::span<const Row> rows) {
  if (!parts_in_place(rows)) return nothing;
  View total = nothing;
  for (std::size_t begin = 0, end = 0; begin < pair_count_; begin = end) {
    end = even_columns_end(rows[0], begin);
    total = add(total, emit_columns(rows, begin, end), false);
  }
  return total;
}

bool SumRoller::parts_in_place(std::span<const Row> rows) {
  constexpr std::size_t most = 4;
  std::size_t parts = 0;
  for (std::size_t begin = 0, end = 0; begin < pair_count_; begin = end, ++parts) {
    end = even_columns_end(rows[0], begin);
    if (parts == most || !columns_in_place(rows, begin, end)) return false;
  }
  return true;
}

/// Where the weights of a sum do not go on as the first two from `begin` do.
std::size_t SumRoller::even_columns_end(const Row& row, std::size_t begin) const {
  const auto place = [&](std::size_t k) { return p_.at(pairs_[row.first_pair + columns_[k]].weight).row; };
  std::size_t end = begin + 1;
  if (end == pair_count_ || place(end) <= place(begin)) return end;
  const std::uint32_t step = place(end) - place(begin);
  while (end < pair_count_ && place(end) == place(end - 1) + step) ++end;
  return end;
}

bool SumRoller::columns_in_place(std::span<const Row> rows, std::size_t begin, std::size_t end) {
  nodes_.clear();
  for (const Row& row : rows) {
    for (std::size_t k = begin; k < end; ++k) nodes_.push_back(pairs_[row.first_pair + columns_[k]].weight);
  }
  Matrix shape;
  return p_.is_matrix(nodes_, static_cast<std::uint32_t>(rows.size()), shape);
}

View SumRoller::emit_columns(std::span<const Row> rows, std::size_t begin, std::size_t end) {
  nodes_.clear();
  for (std::size_t k = begin; k < end; ++k) nodes_.push_back(pairs_[rows[0].first_pair + columns_[k]].other);
  const View x = p_.view(nodes_);
  nodes_.clear();
  for (const Row& row : rows) {
    for (std::size_t k = begin; k < end; ++k) nodes_.push_back(pairs_[row.first_pair + columns_[k]].weight);
  }
  const auto count = static_cast<std::uint32_t>(rows.size());
  if (end - begin == 1) return g_.add_elementwise(Op::mul, {p_.view(nodes_), x.repeated(count)});
  Matrix shape;
  const View first = p_.weights(nodes_, count, shape);
  return g_.add_dense(first, shape, x);
}

/// The j-th other term of every sum, one j after another; of a single sum, terms of one class together.
View SumRoller::emit_rest(std::span<const Row> rows, View total) {
  for (std::size_t j = 0; j < rest_count_;) {
    const Term term = rest_[rows[0].first_rest + j];
    const std::size_t end = j + (rows.size() == 1 ? alike_terms(rows[0], j) : 1);
    View value = rest_view(rows, j, end - j);
    if (rows.size() == 1 && end - j > 1) value = g_.add_row_sum(value);
    total = add(total, value, term.negative);
    j = end;
  }
  return total;
}

View SumRoller::rest_view(std::span<const Row> rows, std::size_t first, std::size_t count) {
  const auto gather = [&](NodeId Term::*factor) {
    nodes_.clear();
    for (const Row& row : rows) {
      for (std::size_t j = first; j < first + count; ++j) nodes_.push_back(rest_[row.first_rest + j].*factor);
    }
    return p_.view(nodes_);
  };
  const View a = gather(&Term::a);
  if (!rest_[rows[0].first_rest + first].product) return a;
  const View product = g_.add_elementwise(Op::mul, {a, gather(&Term::b)});
  stands_for(product, product.rows);
  return product;
}

void SumRoller::stands_for(const View& rows, std::size_t nodes) {
  g_.stands_for(rows.block, nodes);
  nodes_left_ -= nodes;
}

View SumRoller::add(const View& total, const View& term, bool negative) {
  if (total == nothing) return negative ? g_.add_elementwise(Op::neg, {term}) : term;
  return g_.add_elementwise(negative ? Op::sub : Op::add, {total, term});
}

}  // namespace tapeloom::inline v0_1::compiler
