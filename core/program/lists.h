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

/// The runs a gather is made of, if there are few for its words, none of these has a factor, and none reads results but
/// its own as its first term; otherwise none.
std::vector<ListRun> find_list_runs(const Instruction& gather, const Shape& shape, const std::uint32_t* indices);
/// Whether there are runs, and they are sums of rows of a tile.
bool are_in_tile(const std::vector<ListRun>& runs, const std::uint32_t* indices);

/// Neighbouring rows of a gather that runs in a tile. Their lists are alike: as long, with uniform slots and products
/// in the same places, the same uniform slots and first factors, and other slots of the tile that are `steps` further
/// in each list than in the one before. Or they are any lists, one after another.
struct AlikeLists {
  enum Part : std::uint8_t { term, first_factor, second_factor, parts };

  std::uint32_t row, rows;
  std::uint32_t word;              ///< among the program's indices, where the first row's list is
  std::uint32_t words = 0;         ///< of each list; 0 of any lists
  std::int32_t steps[parts] = {};  ///< of slots that are added, and of those that are multiplied
};

/// All rows of a gather, in their order. Of few lists that are alike nothing is said.
std::vector<AlikeLists> find_alike_lists(const Instruction& gather, const Shape& shape, const std::uint32_t* indices);
/// Puts the factors of products in such an order that those which a list shares with its neighbour come first.
void order_factors(const Instruction& gather, const Shape& shape, std::uint32_t* indices);

}  // namespace tapeloom::inline TAPELOOM_ABI::instructions
