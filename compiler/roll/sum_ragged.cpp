// Sums that differ in how many terms of each kind they have, as the rows of a triangular matrix do.
#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "tapeloom/compiler/roll/sum_roller.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// If gaps were to be most of it, sums of about the same length go together.
void SumRoller::roll_ragged(std::span<const NodeId> members) {
  for (const auto& some : r_.of_about_one_length(members)) roll_with_gaps(some);
}

bool SumRoller::are_matrices(std::span<const NodeId> members) {
  constexpr std::size_t least_rows = 4;
  std::set<std::vector<Coordinate>> columns;
  std::vector<Coordinate> own;
  for (NodeId node : members) {
    own.clear();
    for (const Term& term : r_.terms(node)) {
      if (is_pair(term, false)) own.push_back(p_.at(is_weight(term.a, term.b, false) ? term.b : term.a));
    }
    if (own.empty()) return false;
    std::ranges::sort(own);
    columns.insert(own);
    if (least_rows * columns.size() > members.size()) return false;
  }
  return true;
}

/// Products with weights are terms like others.
void SumRoller::roll_with_gaps(std::span<const NodeId> members) {
  start(r_.terms(members[0]));
  with_pairs_ = false;
  for (NodeId node : members) take_apart(node, r_.terms(node));
  pair_count_ = added_pairs_ = 0;
  pad_biases();
  pad_rest();
  emit(rows_);
}

/// As many biases as any sum has.
void SumRoller::pad_biases() {
  const LargeVector<NodeId> biases = std::exchange(biases_, {});
  const auto count = [&](std::size_t i) {
    return (i + 1 < rows_.size() ? rows_[i + 1].first_bias : biases.size()) - rows_[i].first_bias;
  };
  bias_count_ = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) bias_count_ = std::max(bias_count_, count(i));
  std::size_t first = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const std::size_t own = count(i);
    const auto from = biases.begin() + static_cast<std::ptrdiff_t>(rows_[i].first_bias);
    biases_.insert(biases_.end(), from, from + static_cast<std::ptrdiff_t>(own));
    biases_.resize(first + bias_count_, p_.zero());
    rows_[i].first_bias = first;
    first += bias_count_;
  }
}

/// As many other terms of each kind as any sum has. All have the same kinds, in the same order.
void SumRoller::pad_rest() {
  const LargeVector<Term> rest = rest_;
  std::vector<std::size_t> counts;  // of each kind
  const auto each_kind = [&](std::size_t row, auto&& use) {
    const std::size_t end = row + 1 < rows_.size() ? rows_[row + 1].first_rest : rest.size();
    std::size_t kind = 0;
    for (std::size_t j = rows_[row].first_rest; j < end; ++kind) {
      rest_count_ = end - rows_[row].first_rest;
      const std::size_t count = alike_terms(rows_[row], j - rows_[row].first_rest);
      use(kind, j, count);
      j += count;
    }
  };
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    each_kind(i, [&](std::size_t kind, std::size_t, std::size_t count) {
      if (kind == counts.size()) counts.push_back(0);
      counts[kind] = std::max(counts[kind], count);
    });
  }
  LargeVector<Term> padded;
  std::vector<std::size_t> firsts;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    firsts.push_back(padded.size());
    each_kind(i, [&](std::size_t kind, std::size_t first, std::size_t count) {
      const std::size_t end = padded.size() + counts[kind];
      const auto from = rest.begin() + static_cast<std::ptrdiff_t>(first);
      padded.insert(padded.end(), from, from + static_cast<std::ptrdiff_t>(count));
      padded.resize(end, {p_.zero(), p_.zero(), rest[first].product, rest[first].negative});
    });
  }
  for (std::size_t i = 0; i < rows_.size(); ++i) rows_[i].first_rest = firsts[i];
  rest_ = padded;
  rest_count_ = rows_.empty() ? 0 : rest_.size() / rows_.size();
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
