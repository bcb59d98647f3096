// Where the windows lie that a concatenation copies.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tapeloom/compiler/graph/graph.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Rows in which the windows of all places lie, so far apart as `steps` says.
struct Windows {
  static constexpr std::uint32_t zero = UINT32_MAX;  ///< in place of a row

  BlockId source;
  /// Of the source, or `zero`; no list of them where they are its rows from `first` on.
  std::vector<std::uint32_t> rows;
  std::uint32_t first = 0, count = 0;
  WindowSteps steps = {};
  std::vector<std::uint32_t> terms;  ///< in the order in which a window has them; empty where that is their own

  bool are_copied() const { return !rows.empty(); }
};

/// The windows of a concatenation that copies them place after place, each with so many terms, if they overlap. Those
/// of an image overlap within a row of places.
std::optional<Windows> find_windows(const Graph& graph, BlockId copies, std::uint32_t places, std::uint32_t terms);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
