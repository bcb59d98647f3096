#pragma once

#include <cstdint>

#include "tapeloom/compiler/recording.h"

namespace tapeloom::inline v0_1::compiler {

/// Nodes that compute alike: the same op of operands that compute alike, whichever leaves are at the bottom. The
/// neurons of a layer are a class. Nodes of a class do not depend on each other. What the loss has no derivative by is
/// kept apart: as rows beside those that it has one by, they would be sent zeros, and 0 * inf is NaN.
struct Classes {
  /// Of each node that is not dead or absorbed; 0 elsewhere.
  LargeVector<std::uint32_t> of_node;
  /// Nodes sorted by class, classes after those of their operands; leaves are left out.
  LargeVector<NodeId> members;
  /// Where each class begins in `members`, in that order, and the end.
  LargeVector<std::uint32_t> begin;
};

/// requires: nothing. maintains: within a class, recorded order.
Classes classify(const Recording& recording);

}  // namespace tapeloom::inline v0_1::compiler
