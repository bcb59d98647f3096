// The blocks that stand for rows of sums: products with parameters, biases and other terms, added up.
#include <algorithm>
#include <numeric>

#include "tapeloom/compiler/roll/sum_roller.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Where places stop to go on as the first two from `begin` do.
template <class Place>
std::size_t even_end(std::size_t begin, std::size_t last, Place&& place) {
  std::size_t end = begin + 1;
  if (end == last || place(end).block != place(begin).block || place(end).row <= place(begin).row) return end;
  const std::uint32_t step = place(end).row - place(begin).row;
  while (end < last && place(end).block == place(begin).block && place(end).row == place(end - 1).row + step) ++end;
  return end;
}

}  // namespace

void SumRoller::emit(std::span<const Row> rows) {
  nodes_left_ = 0;
  for (const Row& row : rows) nodes_left_ += r_.nodes(row.node);
  View total = emit_products(rows);
  if (total != nothing) stands_for(total, rows.size() * (2 * pair_count_ - 1));
  total = emit_biases(rows, total);
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

/// W X for the products with weights, or nothing.
View SumRoller::emit_products(std::span<const Row> rows) {
  View total = nothing;
  if (added_pairs_ > 0) total = emit_product(rows, 0, added_pairs_);
  if (pair_count_ > added_pairs_) total = add(total, emit_product(rows, added_pairs_, pair_count_), true);
  return total;
}

/// The same for products from `first` up to `last` of each sum. Where W is not in one piece, as that of W x + U h, it
/// is a sum of products; where its columns lie in another order than the rows of X, those are gathered in the order of
/// the columns, since the numbers of W are more.
View SumRoller::emit_product(std::span<const Row> rows, std::size_t first, std::size_t last) {
  columns_.resize(last - first);
  std::iota(columns_.begin(), columns_.end(), static_cast<std::uint32_t>(first));
  if (columns_in_place(rows, 0, columns_.size())) return emit_columns(rows, 0, columns_.size());
  const bool one_by_one = are_single_columns(rows[0]);
  if (!one_by_one && parts_in_place(rows)) return emit_parts(rows);
  const auto weight = [&](std::uint32_t j) { return p_.at(pairs_[rows[0].first_pair + j].weight); };
  const auto by_weight = [&](std::uint32_t a, std::uint32_t b) { return weight(a) < weight(b); };
  std::stable_sort(columns_.begin(), columns_.end(), by_weight);
  if (rows.size() > 1 && columns_in_place(rows, 0, columns_.size())) return emit_columns(rows, 0, columns_.size());
  std::iota(columns_.begin(), columns_.end(), static_cast<std::uint32_t>(first));
  if (one_by_one && parts_in_place(rows)) return emit_parts(rows);
  return emit_columns(rows, 0, columns_.size());
}

/// Whether no column of W lies beside the one before it.
bool SumRoller::are_single_columns(const Row& row) const {
  for (std::size_t k = 0; k < columns_.size(); ++k) {
    if (even_columns_end(row, k) > k + 1) return false;
  }
  return true;
}

/// Whether the weights are those of a few layers of the same values, such as the gates of a cell: then each is a
/// product of its own, whose weights are read where they are.
bool SumRoller::are_several_matrices(std::size_t begin, std::size_t last) {
  if (pair_count_ == 0) return false;
  std::size_t runs = 0;
  for (std::size_t i = begin; i < last; ++runs) i = even_rows_end(i, last);
  constexpr std::size_t most = 8;
  if (runs == 1 || runs > most || 4 * runs > last - begin) return false;
  const auto rows = std::span(rows_).subspan(begin, last - begin);
  columns_.resize(pair_count_);
  std::iota(columns_.begin(), columns_.end(), 0u);
  return !columns_in_place(rows, 0, pair_count_) && !parts_in_place(rows);
}

/// Where the first weights of sums do not go on as the first two from `begin` do.
std::size_t SumRoller::even_rows_end(std::size_t begin, std::size_t last) const {
  return even_end(begin, last, [&](std::size_t i) { return p_.at(pairs_[rows_[i].first_pair].weight); });
}

/// As a sum of a few products with neighbouring columns of W.
View SumRoller::emit_parts(std::span<const Row> rows) {
  View total = nothing;
  for (std::size_t begin = 0, end = 0; begin < columns_.size(); begin = end) {
    end = even_columns_end(rows[0], begin);
    total = add(total, emit_columns(rows, begin, end), false);
  }
  return total;
}

bool SumRoller::parts_in_place(std::span<const Row> rows) {
  constexpr std::size_t most = 4;
  std::size_t parts = 0;
  for (std::size_t begin = 0, end = 0; begin < columns_.size(); begin = end, ++parts) {
    end = even_columns_end(rows[0], begin);
    if (parts == most || !columns_in_place(rows, begin, end)) return false;
  }
  return true;
}

/// Where the weights of a sum do not go on as the first two from `begin` do.
std::size_t SumRoller::even_columns_end(const Row& row, std::size_t begin) const {
  const auto place = [&](std::size_t k) { return p_.at(pairs_[row.first_pair + columns_[k]].weight); };
  return even_end(begin, columns_.size(), place);
}

bool SumRoller::columns_in_place(std::span<const Row> rows, std::size_t begin, std::size_t end) {
  Matrix shape;
  list_weights(rows, begin, end);
  return p_.is_matrix(nodes_, static_cast<std::uint32_t>(matrix_rows(rows)), shape);
}

/// How many rows of weights there are.
std::size_t SumRoller::matrix_rows(std::span<const Row> rows) const {
  return own_ ? rows.size() : rows.size() / places_;
}

void SumRoller::list_weights(std::span<const Row> rows, std::size_t begin, std::size_t end) {
  nodes_.clear();
  for (const Row& row : rows.first(matrix_rows(rows))) {
    for (std::size_t k = begin; k < end; ++k) nodes_.push_back(pairs_[row.first_pair + columns_[k]].weight);
  }
}

View SumRoller::emit_columns(std::span<const Row> rows, std::size_t begin, std::size_t end) {
  const std::size_t rows_a_place = rows.size() / places_;
  if (end - begin == 1) return emit_column(rows, columns_[begin]);
  nodes_.clear();
  for (std::size_t first = 0; first < rows.size(); first += rows_a_place) {
    for (std::size_t k = begin; k < end; ++k) nodes_.push_back(pairs_[rows[first].first_pair + columns_[k]].other);
  }
  const View x = p_.view(nodes_);
  list_weights(rows, begin, end);
  Weights weights;
  const View first = p_.weights(nodes_, static_cast<std::uint32_t>(matrix_rows(rows)), weights.matrix);
  weights.places = static_cast<std::uint32_t>(places_), weights.own = own_;
  weights.matrix.rows = static_cast<std::uint32_t>(rows_a_place);
  return g_.add_dense(first, weights, x);
}

/// Of a single column: row by row.
View SumRoller::emit_column(std::span<const Row> rows, std::uint32_t column) {
  const auto list = [&](NodeId Pair::*factor) {
    nodes_.clear();
    for (const Row& row : rows) nodes_.push_back(pairs_[row.first_pair + column].*factor);
    return p_.view(nodes_);
  };
  const View weights = list(&Pair::weight);
  return g_.add_elementwise(Op::mul, {weights, list(&Pair::other)});
}

View SumRoller::emit_biases(std::span<const Row> rows, View total) {
  const bool together = bias_count_ > Placer::few_runs;
  const std::size_t count = together ? bias_count_ : 1;
  for (std::size_t j = 0; j < bias_count_; j += count) {
    nodes_.clear();
    for (const Row& row : rows) {
      for (std::size_t k = j; k < j + count; ++k) nodes_.push_back(biases_[row.first_bias + k]);
    }
    View value = p_.view(nodes_);
    if (together) value = g_.add_row_sum(value, static_cast<std::uint32_t>(rows.size()));
    const bool adds = total != nothing;
    total = add(total, value, false);
    if (adds) stands_for(total, rows.size() * count);
  }
  return total;
}

/// The j-th other term of every sum, one j after another; terms of one class together where that is better.
View SumRoller::emit_rest(std::span<const Row> rows, View total) {
  for (std::size_t j = 0, count = 0; j < rest_count_; j += count) {
    const Term term = rest_[rows[0].first_rest + j];
    count = alike_terms(rows[0], j);
    if (has_gaps(rows, j, count)) {
      total = add(total, ragged_sums(rows, j, count), term.negative);
      continue;
    }
    const bool together = !better_one_after_another(rows, j, count);
    for (std::size_t k = j; k < (together ? j + 1 : j + count); ++k) {
      View value = rest_view(rows, k, together ? count : 1);
      if (together && count > 1) value = g_.add_row_sum(value, static_cast<std::uint32_t>(rows.size()));
      total = add(total, value, term.negative);
    }
  }
  return total;
}

/// Alike terms that lie side by side from sum to sum are added one after another, unless there are many.
bool SumRoller::better_one_after_another(std::span<const Row> rows, std::size_t first, std::size_t count) {
  constexpr std::size_t few = 3, many = 4;
  if (rows.size() == 1 || count > many) return false;
  bool in_place = true;
  for (std::size_t j = first; count > few && in_place && j < first + count; ++j) {
    in_place = this->in_place(rows, j, 1, &Term::a) && this->in_place(rows, j, 1, &Term::b);
  }
  return in_place;
}

bool SumRoller::in_place(std::span<const Row> rows, std::size_t first, std::size_t count, NodeId Term::*factor) {
  nodes_.clear();
  for (const Row& row : rows) {
    for (std::size_t j = first; j < first + count; ++j) nodes_.push_back(rest_[row.first_rest + j].*factor);
  }
  return p_.in_place(nodes_);
}

/// Whether some sums have fewer than so many terms.
bool SumRoller::has_gaps(std::span<const Row> rows, std::size_t first, std::size_t count) const {
  return std::ranges::any_of(rows,
                             [&](const Row& row) { return rest_[row.first_rest + first + count - 1].a == p_.zero(); });
}

/// Sums of as many terms as each has.
View SumRoller::ragged_sums(std::span<const Row> rows, std::size_t first, std::size_t count) {
  std::vector<std::uint32_t> lengths;
  const auto list = [&](NodeId Term::*factor) {
    nodes_.clear(), lengths.clear();
    for (const Row& row : rows) {
      const std::size_t before = nodes_.size();
      for (std::size_t j = first; j < first + count; ++j) {
        const Term& term = rest_[row.first_rest + j];
        if (term.a != p_.zero()) nodes_.push_back(term.*factor);
      }
      lengths.push_back(static_cast<std::uint32_t>(nodes_.size() - before));
    }
    return p_.view(nodes_);
  };
  View terms = list(&Term::a);
  if (rest_[rows[0].first_rest + first].product) {
    terms = g_.add_elementwise(Op::mul, {terms, list(&Term::b)});
    stands_for(terms, terms.rows);
  }
  std::vector<View> parts;
  std::vector<Destination> destinations;
  for (std::uint32_t i = 0, begin = 0; i < lengths.size(); begin += lengths[i++]) {
    if (lengths[i] == 0) continue;
    parts.push_back(terms.part(begin, lengths[i]));
    destinations.push_back({i, {1, lengths[i], 0, 0}});
  }
  return g_.add_assemble(static_cast<std::uint32_t>(rows.size()), parts, destinations);
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
  nodes = std::min(nodes, nodes_left_);  // zeros that were added stand for none
  g_.stands_for(rows.block, nodes);
  nodes_left_ -= nodes;
}

View SumRoller::add(const View& total, const View& term, bool negative) {
  if (total == nothing) return negative ? g_.add_elementwise(Op::neg, {term}) : term;
  return g_.add_elementwise(negative ? Op::sub : Op::add, {total, term});
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
