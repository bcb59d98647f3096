#pragma once

#include <span>
#include <utility>

#include "tapeloom/compiler/graph.h"
#include "tapeloom/compiler/placer.h"
#include "tapeloom/compiler/recording.h"

namespace tapeloom::inline v0_1::compiler {

/// Classes of extremes: max or min of as many operands each. One of many operands is a row_extreme block; many of a few
/// operands, as in pooling, are elementwise blocks with a row for each.
class ExtremeRoller {
 public:
  ExtremeRoller(Graph& graph, const Recording& recording, Placer& placer) : g_(graph), r_(recording), p_(placer) {}

  void roll(std::span<const NodeId> members);

 private:
  NodeId operand(NodeId extreme, std::size_t k) const { return r_.terms(extreme)[k].a; }
  bool before(NodeId a, NodeId b) const;
  bool twins(NodeId a, NodeId b) const;
  bool continues(NodeId first, NodeId second, NodeId here, std::size_t distance) const;
  void emit(std::span<const NodeId> extremes);
  View side_by_side(std::span<const NodeId> extremes);
  View row_extreme(NodeId extreme);

  Graph& g_;
  const Recording& r_;
  Placer& p_;
  std::size_t count_ = 0;  // operands of each
  LargeVector<NodeId> extremes_, nodes_;
  LargeVector<std::pair<NodeId, NodeId>> twins_;  // and the extreme that each is the twin of
};

}  // namespace tapeloom::inline v0_1::compiler
