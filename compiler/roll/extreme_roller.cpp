#include "tapeloom/compiler/roll/extreme_roller.h"

#include <algorithm>
#include <vector>

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

// As many rows as numbers of an Executor<float> can count.
constexpr std::size_t most_rows = 1 << 24;

}  // namespace

void ExtremeRoller::roll(std::span<const NodeId> members) {
  const auto length = [&](NodeId node) { return r_.terms(node).size(); };
  count_ = length(*std::ranges::max_element(members, {}, length));
  extremes_.assign(members.begin(), members.end());
  std::stable_sort(extremes_.begin(), extremes_.end(), [&](NodeId a, NodeId b) { return before(a, b); });
  twins_.clear();
  std::size_t kept = 0;
  for (NodeId each : extremes_) {
    if (kept > 0 && twins(extremes_[kept - 1], each)) {
      twins_.push_back({each, extremes_[kept - 1]});
    } else {
      extremes_[kept++] = each;
    }
  }
  extremes_.resize(kept);
  std::vector<std::size_t> ends;
  for (std::size_t begin = 0; begin < kept; begin = ends.back()) {
    std::size_t end = begin + 1;
    while (end < kept && continues(extremes_[begin], extremes_[begin + 1], extremes_[end], end - begin)) ++end;
    ends.push_back(end);
  }
  // Many runs are one block whose operands are gathered.
  if (ends.size() > Placer::few_runs) ends = {kept};
  std::size_t begin = 0;
  for (std::size_t end : ends) {
    emit(std::span(extremes_).subspan(begin, end - begin));
    begin = end;
  }
  for (const auto& [twin, node] : twins_) p_.place_like(twin, node, r_.nodes(twin));
}

/// If repeated operands were to be most of it, extremes of about the same length go together.
void ExtremeRoller::roll_ragged(std::span<const NodeId> members) {
  for (const auto& some : r_.of_about_one_length(members)) roll(some);
}

/// By the places of their operands, and where those are constants, by their numbers.
bool ExtremeRoller::before(NodeId a, NodeId b) const {
  for (std::size_t k = 0; k < count_; ++k) {
    const NodeId x = operand(a, k), y = operand(b, k);
    if (p_.at(x) != p_.at(y)) return p_.at(x) < p_.at(y);
  }
  return false;
}

bool ExtremeRoller::twins(NodeId a, NodeId b) const {
  if (before(a, b) || before(b, a)) return false;
  for (std::size_t k = 0; k < count_; ++k) {
    const NodeId x = operand(a, k), y = operand(b, k);
    if (p_.is_constant(x) && r_.tape().data(x) != r_.tape().data(y)) return false;
  }
  return true;
}

/// True if every operand moves on by as many rows as from the first to the second.
bool ExtremeRoller::continues(NodeId first, NodeId second, NodeId here, std::size_t distance) const {
  for (std::size_t k = 0; k < count_; ++k) {
    const Coordinate x = p_.at(operand(first, k)), y = p_.at(operand(second, k)), z = p_.at(operand(here, k));
    if (x.block != y.block || x.block != z.block || y.row < x.row) return false;
    if (z.row != x.row + distance * (y.row - x.row)) return false;
  }
  return true;
}

/// Side by side if their operands are and there are few of them, else one after another.
void ExtremeRoller::emit(std::span<const NodeId> extremes) {
  constexpr std::size_t few = 5;
  bool few_in_place = count_ <= few && (extremes.size() >= count_ - 1 || count_ * extremes.size() > most_rows);
  for (std::size_t k = 0; few_in_place && k < count_; ++k) {
    nodes_.clear();
    for (NodeId each : extremes) nodes_.push_back(operand(each, k));
    few_in_place = r_.terms(extremes[0]).size() == count_ && p_.in_place(nodes_);
  }
  p_.place(extremes, few_in_place || count_ > most_rows ? side_by_side(extremes) : row_extremes(extremes));
}

View ExtremeRoller::row_extremes(std::span<const NodeId> extremes) {
  nodes_.clear();
  std::size_t recorded = 0;
  for (NodeId each : extremes) {
    for (std::size_t k = 0; k < count_; ++k) nodes_.push_back(operand(each, k));
    recorded += r_.nodes(each);
  }
  const auto rows = static_cast<std::uint32_t>(extremes.size());
  const View result = g_.add_row_extreme(r_.tape().op(extremes[0]), p_.view(nodes_), rows);
  g_.stands_for(result.block, recorded);
  return result;
}

View ExtremeRoller::side_by_side(std::span<const NodeId> extremes) {
  View result = nothing;
  for (std::size_t k = 0; k < count_; ++k) {
    nodes_.clear();
    for (NodeId each : extremes) nodes_.push_back(operand(each, k));
    const View next = p_.view(nodes_);
    if (k == 0) {
      result = next;
      continue;
    }
    result = g_.add_elementwise(r_.tape().op(extremes[0]), {result, next});
    g_.stands_for(result.block, extremes.size());
  }
  return result;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
