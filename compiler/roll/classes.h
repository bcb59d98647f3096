#pragma once

#include <cstdint>

#include "tapeloom/compiler/request/recording.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Nodes that compute alike: the same op of operands that compute alike, whichever leaves are at the bottom. The
/// neurons of a layer are a class. Nodes of a class do not depend on each other. What the loss has no derivative by is
/// kept apart: as rows beside those that it has one by, they would be sent zeros, and 0 * inf is NaN.
struct Classes {
  /// Of each node that is not dead or absorbed; 0 elsewhere.
  LargeVector<std::uint32_t> of_node;
  /// Of each class. Classes of sums, or of extremes, that differ in how many terms of each kind there are, but not in
  /// the kinds, are a family; every other class is one of its own. Operands compute alike if they are of one family.
  LargeVector<std::uint32_t> family;
  /// Nodes sorted by class, classes after those of their operands; leaves are left out.
  LargeVector<NodeId> members;
  /// Where each class begins in `members`, in that order, and the end. Families lie together.
  LargeVector<std::uint32_t> begin;
  /// Where each family begins in `begin`, and the end.
  LargeVector<std::uint32_t> family_begin;

  std::uint32_t family_of(NodeId node) const { return family[of_node[node.index]]; }
};

/// requires: nothing. maintains: within a class, recorded order.
Classes classify(const Recording& recording);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
