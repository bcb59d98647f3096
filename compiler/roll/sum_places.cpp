// Sums of as many products with weights, at several places: a layer that is applied to several values of one sample, a
// convolution, or neurons that each read other values. Sums with the same columns are the rows of one place.
#include <algorithm>
#include <utility>

#include "tapeloom/compiler/roll/sum_roller.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Places that are as large go together: where there are several sets of weights, those that have the same ones, and if
/// there are many sets, all, each with its own.
void SumRoller::emit_at_places() {
  struct Place {
    std::size_t begin, rows, set;
  };
  std::vector<Place> places;
  std::size_t begin = 0;
  for (std::size_t end : ends_) places.push_back({begin, end - std::exchange(begin, end), 0});
  const auto weights = [&](const Place& place) { return std::span(rows_).subspan(place.begin, place.rows); };
  const auto before = [&](const Place& a, const Place& b) {
    if (a.rows != b.rows) return a.rows < b.rows;
    return weights_before(weights(a)[0], weights(b)[0]);
  };
  std::ranges::stable_sort(places, before);
  const auto same = [&](const Place& a, const Place& b) {
    return std::ranges::equal(weights(a), weights(b), [&](const Row& x, const Row& y) { return same_weights(x, y); });
  };
  for (std::size_t first = 0, last = 0; first < places.size(); first = last) {
    std::size_t sets = 0;
    while (last < places.size() && places[last].rows == places[first].rows) {
      sets += last == first || !same(places[last - 1], places[last]);
      places[last++].set = sets;
    }
    const bool own = sets > Placer::few_runs;
    for (std::size_t from = first, to = first; from < last; from = to) {
      while (to < last && (own || places[to].set == places[from].set)) ++to;
      if (to - from == 1) {
        emit_runs(places[from].begin, places[from].begin + places[from].rows);
        continue;
      }
      LargeVector<Row> rows;
      for (const Place& place : std::span(places).subspan(from, to - from)) {
        rows.insert(rows.end(), weights(place).begin(), weights(place).end());
      }
      places_ = to - from, own_ = own;
      emit(rows);
      places_ = 1, own_ = false;
    }
  }
}

bool SumRoller::same_weights(const Row& a, const Row& b) const {
  return !weights_before(a, b) && !weights_before(b, a);
}

/// By the places of the weights, or the numbers of those that are constants.
bool SumRoller::weights_before(const Row& a, const Row& b) const {
  for (std::size_t j = 0; j < pair_count_; ++j) {
    const NodeId x = pairs_[a.first_pair + j].weight, y = pairs_[b.first_pair + j].weight;
    if (p_.at(x) != p_.at(y)) return p_.at(x) < p_.at(y);
    if (p_.is_constant(x) && p_.number(x) != p_.number(y)) return p_.number(x) < p_.number(y);
  }
  return false;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
