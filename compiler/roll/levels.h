// Classes of nodes that do the same at the same depth, in place of classes by whole history.
#pragma once

#include <cstdint>

#include "tapeloom/compiler/request/request.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Which nodes are alike. Leaves of one op are a class and a family, numbered by the op.
struct Classes {
  LargeVector<std::uint32_t> of_node;  ///< 0 where a node has none; numbered in the order in which they first come
  LargeVector<std::uint32_t> family;   ///< of each class
  LargeVector<std::uint32_t> depth;    ///< of each family
  LargeVector<bool> mixed;             ///< of each class: whether nodes of it have different histories
};

/// How many classes have become parts of others.
enum class Merged : std::uint8_t { few, some, most };

/// Of classes by history, makes one class of those whose nodes do the same at the same depth: the same op of as many
/// constants, uniform and varying values, wherever those come from. A boundary that is computed in another way makes a
/// class more of what is near to it in each step; these become one. Where few would, there are none, unless `always`.
Merged merge_by_level(const Sums& sums, const Classes& by_history, bool always, Classes& merged);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
