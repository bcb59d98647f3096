// How the rows of a mixed class are ordered and cut into blocks: by what it costs to read their operands.
#pragma once

#include <cstddef>
#include <vector>

#include "tapeloom/compiler/roll/rows.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Sets twins aside, puts the rows in recorded order unless they are read in fewer runs by their operands' places, and
/// sets `ends` to where the blocks end: each run by itself, or all as one block whose operands are gathered.
/// `varying`: whether they are computed for each sample. Returns the seconds that reading them is estimated to take.
double cut_mixed(Rows& rows, bool varying, std::vector<std::size_t>& ends);

/// Puts rows that are to be one block in the order of the distances between their operands, if it is read in much less
/// time so. Whether it is.
bool order_by_distance(Rows& rows, std::size_t begin, std::size_t end, bool varying);

/// Seconds that it takes to read all rows as they are ordered, as one block or run by run, of which `ends` are set.
double seconds_to_read(const Rows& rows, bool varying, std::vector<std::size_t>& ends);

/// Seconds that it takes to have those operands of rows [begin, end), so many of each, side by side.
double seconds_to_read(const Rows& rows, std::size_t begin, std::size_t end, std::size_t k, bool varying,
                       std::size_t count = 1, std::size_t step = 1);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
