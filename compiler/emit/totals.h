// Where totals over the samples lie.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/graph/schedule.h"
#include "tapeloom/compiler/graph/tables.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Uniform rows of several numbers begin a vector register's length apart and end in room for a whole one, in which
/// they are computed; parts that are computed among others may begin anywhere, and so need as much again.
inline constexpr std::uint32_t uniform_unit = 16;
constexpr std::uint32_t padded(std::uint32_t rows) {
  return rows == 1 ? 1 : (rows + uniform_unit - 1) / uniform_unit * uniform_unit;
}

/// Where a total is added up: row i * terms + j at `first` + i * row_step + j * term_step.
struct TotalSlots {
  std::uint32_t first = 0;
  Matrix shape;
};

/// Places for all totals of a graph, numbered stage by stage. The totals that make up the gradient of a block of
/// parameters are added up where the assembled gradient is wanted, so that nothing need be copied; likewise the totals
/// of a parameter that is used again and again, so that they need not be added.
struct Totals {
  // By the index of a block.
  PartialTable<TotalSlots> of_block;     ///< of each total
  PartialTable<std::uint32_t> first_of;  ///< of what lies on totals: an assemble block, a sum
  std::vector<Range> stages;             ///< the numbers each stage adds up
  std::uint32_t count = 0;
};

/// With `merge`, totals share slots if nothing but a sum of them is used. requires: a schedule of this graph, and how
/// often each block is used.
Totals place_totals(const Graph& graph, const Schedule& schedule, std::span<const std::uint32_t> uses, bool merge);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
