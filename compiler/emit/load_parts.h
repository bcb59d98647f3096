// Where the columns of inputs are divided into loads.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "tapeloom/compiler/graph/graph.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Columns that products of few results alone read may be read where they were bound (runtime/execute/loads_in_place.h)
/// and are a load of their own: beside targets, say, that are bound with them.
class LoadParts {
 public:
  explicit LoadParts(const Graph& graph);
  /// The rows of an input block at which another load begins.
  std::span<const std::uint32_t> of(BlockId input) const {
    const auto found = begins_.find(input.index);
    return found == begins_.end() ? std::span<const std::uint32_t>() : found->second;
  }

 private:
  std::map<std::uint32_t, std::vector<std::uint32_t>> begins_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
