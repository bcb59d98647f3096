// Sums that differ in how many terms of each kind they have, as the rows of a triangular matrix do.
#include <algorithm>
#include <numeric>
#include <utility>

#include "tapeloom/compiler/sum_roller.h"

namespace tapeloom::inline v0_1::compiler {

/// If zeros were to be most of it, sums of about the same length go together.
void SumRoller::roll_ragged(std::span<const NodeId> members) {
  for (const auto& some : r_.of_about_one_length(members)) roll_padded(some);
}

/// Filling up gathers what weights are multiplied with, which costs more than an instruction for each long row that
/// reads it in place.
bool SumRoller::better_filled_up(std::span<const NodeId> members) {
  constexpr std::size_t many = 12;
  std::size_t terms = 0;
  std::vector<NodeId> others;
  for (NodeId node : members) {
    others.clear();
    for (const Term& term : r_.terms(node)) {
      if (is_pair(term, false)) others.push_back(is_weight(term.a, term.b, false) ? term.b : term.a);
    }
    if (others.empty() || !p_.in_place(others)) return true;
    terms += others.size();
  }
  return terms <= many * members.size();
}

void SumRoller::roll_padded(std::span<const NodeId> members) {
  const auto length = [&](NodeId node) { return r_.terms(node).size(); };
  start(r_.terms(*std::ranges::max_element(members, {}, length)));
  for (NodeId node : members) take_apart(node, r_.terms(node));
  pad_pairs();
  pad_rest();
  if (pair_count_ == 0) return emit(rows_);
  ends_.resize(rows_.size());
  std::iota(ends_.begin(), ends_.end(), 1);
  emit_at_places();
}

/// As many added and subtracted pairs, and biases, as any sum has.
void SumRoller::pad_pairs() {
  const LargeVector<Pair> pairs = std::exchange(pairs_, {});
  const LargeVector<NodeId> biases = std::exchange(biases_, {});
  const LargeVector<Row> rows = rows_;
  std::size_t added = 0, subtracted = 0;
  bias_count_ = 0;
  const auto pair_end = [&](std::size_t i) { return i + 1 < rows.size() ? rows[i + 1].first_pair : pairs.size(); };
  const auto bias_end = [&](std::size_t i) { return i + 1 < rows.size() ? rows[i + 1].first_bias : biases.size(); };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    added = std::max(added, rows[i].added_pairs);
    subtracted = std::max(subtracted, pair_end(i) - rows[i].first_pair - rows[i].added_pairs);
    bias_count_ = std::max(bias_count_, bias_end(i) - rows[i].first_bias);
  }
  added_pairs_ = added, pair_count_ = added + subtracted;
  const auto append = [](auto& to, const auto& from, std::size_t begin, std::size_t end, std::size_t count, auto zero) {
    const std::size_t size = to.size() + count;
    to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(begin),
              from.begin() + static_cast<std::ptrdiff_t>(end));
    to.resize(size, zero);
  };
  const Pair no_pair{p_.zero(), p_.zero()};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t first_subtracted = rows[i].first_pair + rows[i].added_pairs;
    rows_[i] = {rows[i].node, pairs_.size(), biases_.size(), rows[i].first_rest, added};
    append(pairs_, pairs, rows[i].first_pair, first_subtracted, added, no_pair);
    append(pairs_, pairs, first_subtracted, pair_end(i), subtracted, no_pair);
    append(biases_, biases, rows[i].first_bias, bias_end(i), bias_count_, p_.zero());
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

}  // namespace tapeloom::inline v0_1::compiler
