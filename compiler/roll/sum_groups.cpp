// Which sums become one block, and how that is put together: everything that rolling decides about sums.
#include "tapeloom/compiler/roll/sum_blocks.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "tapeloom/compiler/roll/choices.h"
#include "tapeloom/compiler/roll/mixed_rows.h"
#include "tapeloom/core/program/cost.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Where places stop to go on in one block as the first two from `begin` do, which are not the same.
template <class Place>
std::size_t even_end(std::size_t begin, std::size_t last, Place&& place) {
  std::size_t end = begin + 1;
  if (end == last || place(end) == place(begin)) return end;
  const EvenRows even(place(begin), place(end));
  while (end < last && even.has(place(end), end - begin)) ++end;
  return end;
}

}  // namespace

bool SumGrouper::are_matrices(std::span<const NodeId> members) {
  std::set<std::vector<Coordinate>> lists;
  std::vector<Coordinate> columns;
  for (NodeId sum : members) {
    matrices_.list_columns(sum, columns);
    if (columns.empty()) return false;
    lists.insert(columns);
    if (choices::least_rows_of_matrix * lists.size() > members.size()) return false;
  }
  return true;
}

void SumGrouper::group(std::span<const NodeId> members, bool mixed) {
  plan_.clear();
  // Of sums that vary, mixed or not, parameters are weights and biases.
  if (mixed && !sums_.tape().varying(members[0])) return group_as_recorded(members);
  table_ = &matrices_;
  matrices_.take(members, SumTable::Products::apart);
  if (members.size() == 1 && !(mixed && matrices_.pairs == 0)) return add({.begin = 0, .end = 1});
  if (matrices_.pairs == 0 && (mixed || better_as_recorded(members))) return group_as_recorded(members);
  matrices_.rows.sort_by_all(matrices_.column(0), matrices_.pairs);
  if (each_has_its_own_columns()) {
    terms_.take(members, SumTable::Products::as_terms);
    terms_.rows.sort(0, terms_.rows.size());
    if (better_as_terms()) table_ = &terms_;
  }
  group_places();
}

/// Those with the same columns follow one another.
void SumGrouper::group_places() {
  Rows& rows = table_->rows;
  ends_.clear();
  for (std::size_t begin = 0; begin < rows.size(); begin = ends_.back()) {
    std::size_t end = begin + 1;
    while (end < rows.size() && rows.same(begin, end, table_->column(0), table_->pairs)) ++end;
    sort_rows(begin, end);
    ends_.push_back(end);
  }
  rows.set_twins_aside(ends_);
  if (table_->pairs > 0 && ends_.size() > choices::few_places) return group_at_places();
  std::size_t begin = 0;
  for (const std::size_t end : ends_) group_runs(std::exchange(begin, end), end);
}

/// Whether sums without weights, once a step, are read in far less time when their terms stay in recorded order: by
/// place, `u[i - 1]` and `u[i + 1]` change places at the edge of a grid.
bool SumGrouper::better_as_recorded(std::span<const NodeId> members) {
  if (members.size() == 1 || sums_.tape().varying(members[0])) return false;
  matrices_.rows.sort(0, members.size());
  const double by_place = seconds_to_read(matrices_.rows, false, runs_);
  if (by_place <= cost::start) return false;
  terms_.take(members, SumTable::Products::as_recorded);
  return cut_mixed(terms_.rows, false, runs_) < choices::better_as_recorded * by_place;
}

/// Terms line up by their sign and in recorded order, whatever they are.
void SumGrouper::group_as_recorded(std::span<const NodeId> members) {
  table_ = &terms_;
  terms_.take(members, SumTable::Products::as_recorded);
  if (members.size() == 1) return add({.begin = 0, .end = 1});
  cut_mixed(terms_.rows, sums_.tape().varying(members[0]), runs_);
  std::size_t begin = 0;
  for (const std::size_t end : runs_) add({.begin = std::exchange(begin, end), .end = end});
}

/// False, and nothing is done, if they have not the same kinds of terms.
bool SumGrouper::group_with_gaps(std::span<const NodeId> members, bool mixed) {
  plan_.clear();
  table_ = &terms_;
  const auto products = mixed ? SumTable::Products::as_recorded : SumTable::Products::as_terms;
  if (!terms_.take_with_gaps(members, products)) return false;
  add({.begin = 0, .end = members.size()});
  return true;
}

/// A few products with a weight each, and every sum with other values, as where a layer scales what it has: no matrix
/// has more than one row then.
bool SumGrouper::each_has_its_own_columns() const {
  const SumTable& t = matrices_;
  if (t.pairs == 0 || t.rows.size() == 1) return false;
  // Squares or the like, once a step.
  const bool squares = p_.is_parameter(t.rows.operand(0, t.weight(0))) && p_.is_parameter(t.rows.operand(0, 0));
  if (t.pairs > choices::few_own_columns && !squares) return false;
  for (std::size_t i = 1; i < t.rows.size(); ++i) {
    if (t.rows.same(i - 1, i, t.column(0), t.pairs)) return false;
  }
  return true;
}

/// Whether sums without columns in common line up when products with weights are terms like others.
bool SumGrouper::better_as_terms() const {
  const std::size_t sums = terms_.rows.size(), pairs = matrices_.pairs;
  if (sums >= choices::many_sums) return true;
  std::size_t runs = 0;
  for (std::size_t begin = 0; begin < sums; ++runs) begin = terms_.rows.run_end(begin, sums);
  return pairs == 1 ? runs < sums : choices::least_run_a_product * pairs * runs < sums;
}

/// By the first weight, or what else there is, so that rows come in the order of what they read.
void SumGrouper::sort_rows(std::size_t begin, std::size_t end) {
  table_->pairs > 0 ? table_->rows.sort_by(begin, end, table_->weight(0)) : table_->rows.sort(begin, end);
}

// --- which sums go together

/// Places that are as large go together: where there are several sets of weights, those that have the same ones, and if
/// there are many sets, all, each with its own.
void SumGrouper::group_at_places() {
  struct Place {
    std::size_t begin, rows, set;
  };
  Rows& rows = table_->rows;
  const std::size_t weights = table_->weight(0), biases = table_->bias(0);
  std::vector<Place> places;
  std::size_t begin = 0;
  for (const std::size_t end : ends_) places.push_back({begin, end - std::exchange(begin, end), 0});
  const auto before = [&](const Place& a, const Place& b) {
    return a.rows != b.rows ? a.rows < b.rows : rows.before(a.begin, b.begin, weights, biases);
  };
  std::ranges::stable_sort(places, before);
  const auto same = [&](const Place& a, const Place& b) {
    for (std::size_t i = 0; i < a.rows; ++i) {
      if (!rows.same(a.begin + i, b.begin + i, weights, biases)) return false;
    }
    return true;
  };
  std::vector<SumGroup> groups;
  begin = 0;
  for (std::size_t first = 0, last = 0; first < places.size(); first = last) {
    std::size_t sets = 0;
    while (last < places.size() && places[last].rows == places[first].rows) {
      sets += last == first || !same(places[last - 1], places[last]);
      places[last++].set = sets;
    }
    const bool own = sets > choices::few_sets_of_weights;
    for (std::size_t from = first, to = first; from < last; from = to) {
      while (to < last && (own || places[to].set == places[from].set)) ++to;
      const std::size_t end = begin + (to - from) * places[from].rows;
      groups.push_back({.begin = std::exchange(begin, end), .end = end, .places = to - from, .own = own});
    }
  }
  std::vector<std::pair<std::size_t, std::size_t>> ranges;
  for (const Place& place : places) ranges.push_back({place.begin, place.begin + place.rows});
  rows.arrange(ranges);
  for (const SumGroup& group : groups) group.places == 1 ? group_runs(group.begin, group.end) : add(group);
}

/// Sums of the same columns, in as many groups as need be. Without products with weights nothing but its operands'
/// places holds rows together.
void SumGrouper::group_runs(std::size_t begin, std::size_t last) {
  runs_.clear();
  if (table_->pairs == 0) {
    table_->rows.find_runs(begin, last, runs_);
    const auto are_blocks = [&] {
      return table_->terms > 0 && table_->rows.runs_are_blocks(begin, runs_, table_->factor_a(0));
    };
    if (runs_.size() > choices::few_runs && !are_blocks()) {
      runs_.assign(1, last);
      table_->rows.sort_for_fewer_gathered(begin, last);
      const bool varying = sums_.tape().varying(table_->rows.node(begin));
      const bool by_distance = order_by_distance(table_->rows, begin, last, varying);
      // Where no order puts anything side by side, that of who reads the sums may be the recorded one.
      if (!by_distance && table_->rows.gathered_operands(begin, last) == table_->rows.operands())
        table_->rows.sort_as_added(begin, last);
    }
  } else if (are_several_matrices(begin, last)) {
    for (std::size_t end = begin; end < last;) runs_.push_back(end = even_weights_end(end, last));
  } else {
    runs_.push_back(last);
  }
  for (const std::size_t end : runs_) {
    if (better_one_by_one(begin, end)) {
      for (std::size_t i = begin; i < end; ++i) add({.begin = i, .end = i + 1});
      plan_.groups.push_back({.begin = begin, .end = end, .together_again = true});
    } else {
      add({.begin = begin, .end = end});
    }
    begin = end;
  }
}

/// Whether the weights are those of a few layers of the same values, such as the gates of a cell: then each is a
/// product of its own, whose weights are read where they are.
bool SumGrouper::are_several_matrices(std::size_t begin, std::size_t last) {
  std::size_t matrices = 0;
  for (std::size_t i = begin; i < last; ++matrices) i = even_weights_end(i, last);
  if (matrices == 1 || matrices > choices::most_matrices) return false;
  if (choices::least_rows_of_each * matrices > last - begin) return false;
  std::vector<std::uint32_t> pairs(table_->pairs);
  std::iota(pairs.begin(), pairs.end(), 0u);
  const SumGroup all{.begin = begin, .end = last};
  return !in_place(all, pairs) && !parts_in_place(all, pairs);
}

/// Where the first weights of sums do not go on as the first two from `begin` do.
std::size_t SumGrouper::even_weights_end(std::size_t begin, std::size_t last) const {
  return even_end(begin, last, [&](std::size_t i) { return table_->rows.at(i, table_->weight(0)); });
}

/// A few sums of many terms that lie side by side, as dot products, are added up each by itself: side by side they
/// would take an instruction for each term.
bool SumGrouper::better_one_by_one(std::size_t begin, std::size_t end) const {
  const SumTable& t = *table_;
  const std::size_t sums = end - begin, side_by_side = choices::cost_side_by_side * t.terms;
  if (t.pairs > 0 || sums == 1 || sums > choices::most_one_by_one) return false;
  if (choices::cost_one_by_one * sums * std::max<std::size_t>(t.kinds.size(), 1) >= side_by_side) return false;
  for (std::size_t i = begin; i < end; ++i) {
    for (const SumTable::Kind& kind : t.kinds) {
      if (!t.rows.in_place(i, i + 1, t.factor_a(kind.first), kind.count, 2)) return false;
      if (!t.rows.in_place(i, i + 1, t.factor_b(kind.first), kind.count, 2)) return false;
    }
  }
  return true;
}

// --- how a group is put together

void SumGrouper::add(SumGroup group) {
  group.first_product = plan_.products.size(), group.first_addend = plan_.addends.size();
  plan_products(group, 0, table_->added_pairs, false);
  plan_products(group, table_->added_pairs, table_->pairs, true);
  plan_biases();
  plan_terms(group);
  group.last_product = plan_.products.size(), group.last_addend = plan_.addends.size();
  plan_.groups.push_back(group);
}

/// For pairs from `first` up to `last` of each sum. Where W is not in one piece, as that of W x + U h, it is a sum of
/// products; where its columns lie in another order than the rows of X, those are gathered in the order of the columns,
/// since the numbers of W are more.
void SumGrouper::plan_products(const SumGroup& group, std::size_t first, std::size_t last, bool negative) {
  if (first == last) return;
  const std::size_t begin = plan_.pairs.size();
  plan_.pairs.resize(begin + last - first);
  const auto pairs = std::span(plan_.pairs).subspan(begin);
  const auto in_order = [&] { std::iota(pairs.begin(), pairs.end(), static_cast<std::uint32_t>(first)); };
  const auto one = [&] { plan_.products.push_back({begin, begin + pairs.size(), negative}); };
  const auto parts = [&] {
    for (std::size_t from = 0, to = 0; from < pairs.size(); from = to) {
      to = even_pairs_end(group, pairs, from);
      plan_.products.push_back({begin + from, begin + to, negative});
    }
  };
  in_order();
  if (in_place(group, pairs)) return one();
  bool single = true;  // no column of W lies beside the one before it
  for (std::size_t j = 0; single && j < pairs.size(); ++j) single = even_pairs_end(group, pairs, j) == j + 1;
  if (!single && parts_in_place(group, pairs)) return parts();
  const auto weight = [&](std::uint32_t j) { return table_->rows.at(group.begin, table_->weight(j)); };
  put_in_order(pairs, [&](std::uint32_t a, std::uint32_t b) { return weight(a) < weight(b); });
  if (group.rows() > 1 && in_place(group, pairs)) return one();
  in_order();
  single&& parts_in_place(group, pairs) ? parts() : one();
}

bool SumGrouper::in_place(const SumGroup& group, std::span<const std::uint32_t> pairs) {
  weights_.clear();
  for (std::size_t i = group.begin; i < group.begin + group.matrix_rows(); ++i) {
    for (const std::uint32_t j : pairs) weights_.push_back(table_->rows.operand(i, table_->weight(j)));
  }
  Matrix shape;
  return p_.is_matrix(weights_, static_cast<std::uint32_t>(group.matrix_rows()), shape);
}

bool SumGrouper::parts_in_place(const SumGroup& group, std::span<const std::uint32_t> pairs) {
  std::size_t parts = 0;
  for (std::size_t begin = 0, end = 0; begin < pairs.size(); begin = end, ++parts) {
    end = even_pairs_end(group, pairs, begin);
    if (parts == choices::most_parts || !in_place(group, pairs.subspan(begin, end - begin))) return false;
  }
  return true;
}

/// Where the weights of the first sum do not go on as the first two from `begin` do.
std::size_t SumGrouper::even_pairs_end(const SumGroup& group, std::span<const std::uint32_t> pairs,
                                       std::size_t begin) const {
  const auto weight = [&](std::size_t k) { return table_->rows.at(group.begin, table_->weight(pairs[k])); };
  return even_end(begin, pairs.size(), weight);
}

void SumGrouper::plan_biases() {
  using enum SumAddend::What;
  using enum SumAddend::How;
  if (table_->biases > choices::few_biases) {
    plan_.addends.push_back({bias, each, 0, table_->biases, false, false});
  } else {
    for (std::size_t j = 0; j < table_->biases; ++j) plan_.addends.push_back({bias, one, j, 1, false, false});
  }
}

/// The j-th other term of every sum, one j after another; terms of one kind together where that is better.
void SumGrouper::plan_terms(const SumGroup& group) {
  using enum SumAddend::What;
  using enum SumAddend::How;
  for (const SumTable::Kind& kind : table_->kinds) {
    if (has_gaps(group, kind)) {
      plan_.addends.push_back({term, list, kind.first, kind.count, kind.product, kind.negative});
    } else if (kind.count > 1 && !better_one_after_another(group, kind)) {
      plan_.addends.push_back({term, each, kind.first, kind.count, kind.product, kind.negative});
    } else {
      for (std::size_t j = 0; j < kind.count; ++j) {
        plan_.addends.push_back({term, one, kind.first + j, 1, kind.product, kind.negative});
      }
    }
  }
}

/// Alike terms that lie side by side from sum to sum are added one after another, unless there are many.
bool SumGrouper::better_one_after_another(const SumGroup& group, const SumTable::Kind& kind) const {
  if (table_->as_recorded()) return cheaper_one_after_another(group, kind);
  if (group.rows() == 1) return false;
  const SumTable& t = *table_;
  const bool by_cost = kind.count > choices::few_anywhere && kind.count <= choices::many_by_cost;
  if (by_cost && !sums_.tape().varying(t.rows.node(group.begin))) return cheaper_one_after_another(group, kind);
  if (kind.count > choices::many_in_place) return false;
  bool in_place = true;
  for (std::size_t j = kind.first; kind.count > choices::few_anywhere && in_place && j < kind.first + kind.count; ++j) {
    in_place = t.rows.in_place(group.begin, group.end, t.factor_a(j)) &&
               t.rows.in_place(group.begin, group.end, t.factor_b(j));
  }
  return in_place;
}

/// The same by what it costs: an instruction or two for each term of every sum, or all side by side and one sum of
/// rows.
bool SumGrouper::cheaper_one_after_another(const SumGroup& group, const SumTable::Kind& kind) const {
  const Rows& rows = table_->rows;
  const bool varying = sums_.tape().varying(rows.node(group.begin));
  const std::size_t factors = kind.product ? 2 : 1;
  double one_by_one = cost::start * static_cast<double>(factors * kind.count), together = cost::start * 2;
  for (std::size_t f = 0; f < factors; ++f) {
    for (std::size_t j = 0; j < kind.count; ++j) {
      const std::size_t k = table_->factor_a(kind.first + j) + f;
      one_by_one += seconds_to_read(rows, group.begin, group.end, k, varying);
    }
    const std::size_t k = table_->factor_a(kind.first) + f;
    together += seconds_to_read(rows, group.begin, group.end, k, varying, kind.count, 2);
  }
  together += static_cast<double>(group.rows() * kind.count) / cost::numbers_a_second;
  return one_by_one <= together;
}

/// Whether some sums have fewer terms of that kind than others.
bool SumGrouper::has_gaps(const SumGroup& group, const SumTable::Kind& kind) const {
  const std::size_t last = table_->factor_a(kind.first + kind.count - 1);
  for (std::size_t i = group.begin; i < group.end; ++i) {
    if (table_->rows.operand(i, last) == p_.zero()) return true;
  }
  return false;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
