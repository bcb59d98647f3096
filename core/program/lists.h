// What the lists of a gather have in common with their neighbours.
#pragma once

#include <cstdint>
#include <vector>

#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::instructions {

/// Neighbouring rows of a gather whose lists are as long, with each slot right behind that of the row before: sums of
/// runs of slots, or zeros.
struct ListRun {
  std::uint32_t row, rows;
  std::uint32_t word;   ///< among the program's indices, where the first row's list is
  std::uint32_t terms;  ///< words of each list; 0 of empty ones
};

/// The runs a gather is made of, if there are few for its words, and none of these has a factor; otherwise none.
std::vector<ListRun> find_list_runs(const Instruction& gather, const Shape& shape, const std::uint32_t* indices);
/// Whether there are runs, and they are sums of rows of a tile.
bool are_in_tile(const std::vector<ListRun>& runs, const std::uint32_t* indices);

}  // namespace tapeloom::inline TAPELOOM_ABI::instructions
