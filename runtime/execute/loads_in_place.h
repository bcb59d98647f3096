// Loads that products read where they were bound, so that their columns need not be brought to the slots of a tile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// Of a net with few results in its first layer, to transpose the samples takes longer than what is done with them. A
/// sample's products with the rows of a matrix are sums over its own row, too, and the matrix's gradient reads it there
/// anyway. A load stays where it is if all that read it are such products, and that takes less.
class LoadsInPlace {
 public:
  /// None.
  LoadsInPlace() = default;
  /// The same for tiles of any size, so that a sample's results do not depend on which it is in, but for a tile of one
  /// sample: the one sum of a long row is added up in another order there.
  LoadsInPlace(const Program& program, std::size_t vector_lanes);

  bool contains(std::uint32_t load) const { return !of_load_.empty() && of_load_[load]; }
  /// Of a dense instruction of a tile that reads one, which; no_load of others.
  std::uint32_t read_by(std::uint32_t at) const;

 private:
  std::vector<bool> of_load_;
  std::map<std::uint32_t, std::uint32_t> read_by_;  // of instructions
};

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
