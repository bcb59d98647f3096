#include "tapeloom/compiler/extreme_roller.h"

#include <algorithm>

namespace tapeloom::inline v0_1::compiler {

namespace {

// As many rows as numbers of an Executor<float> can count.
constexpr std::size_t most_rows = 1 << 24;

}  // namespace

void ExtremeRoller::roll(std::span<const NodeId> members) {
  count_ = r_.terms(members[0]).size();
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
  for (std::size_t begin = 0; begin < kept;) {
    std::size_t end = begin + 1;
    while (end < kept && continues(extremes_[begin], extremes_[begin + 1], extremes_[end], end - begin)) ++end;
    emit(std::span(extremes_).subspan(begin, end - begin));
    begin = end;
  }
  for (const auto& [twin, node] : twins_) p_.place_like(twin, node, r_.nodes(twin));
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

/// In as few blocks as may be.
void ExtremeRoller::emit(std::span<const NodeId> extremes) {
  if (extremes.size() < count_ - 1 && count_ <= most_rows) {
    for (NodeId each : extremes) {
      const View row = row_extreme(each);
      p_.place(std::span(&each, 1), row);
      g_.stands_for(row.block, r_.nodes(each));
    }
    return;
  }
  p_.place(extremes, side_by_side(extremes));
}

View ExtremeRoller::row_extreme(NodeId extreme) {
  nodes_.clear();
  for (std::size_t k = 0; k < count_; ++k) nodes_.push_back(operand(extreme, k));
  return g_.add_row_extreme(r_.tape().op(extreme), p_.view(nodes_));
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

}  // namespace tapeloom::inline v0_1::compiler
