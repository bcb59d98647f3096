#pragma once

#include <algorithm>
#include <span>
#include <utility>

#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/request/recording.h"
#include "tapeloom/compiler/roll/placer.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Classes of extremes: max or min of as many operands each. Those of many operands are row_extreme blocks; many of a
/// few operands, as in pooling, are elementwise blocks with a row for each.
class ExtremeRoller {
 public:
  ExtremeRoller(Graph& graph, const Recording& recording, Placer& placer) : g_(graph), r_(recording), p_(placer) {}

  void roll(std::span<const NodeId> members);
  /// Extremes of a family, of more or fewer operands: the last one counts as often as need be, which changes nothing.
  void roll_ragged(std::span<const NodeId> members);

 private:
  NodeId operand(NodeId extreme, std::size_t k) const {
    const auto terms = r_.terms(extreme);
    return terms[std::min(k, terms.size() - 1)].a;
  }
  bool before(NodeId a, NodeId b) const;
  bool twins(NodeId a, NodeId b) const;
  bool continues(NodeId first, NodeId second, NodeId here, std::size_t distance) const;
  void emit(std::span<const NodeId> extremes);
  View side_by_side(std::span<const NodeId> extremes);
  View row_extremes(std::span<const NodeId> extremes);

  Graph& g_;
  const Recording& r_;
  Placer& p_;
  std::size_t count_ = 0;  // operands of each
  LargeVector<NodeId> extremes_, nodes_;
  LargeVector<std::pair<NodeId, NodeId>> twins_;  // and the extreme that each is the twin of
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
