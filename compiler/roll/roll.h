// From a recording to a graph: as it was recorded, or rolled.
#pragma once

#include <optional>

#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/request/request.h"
#include "tapeloom/compiler/roll/choices.h"
#include "tapeloom/compiler/roll/rows.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// The live nodes as blocks in recorded order, with batch_mean written as batch_sum / samples.
/// requires: nothing. maintains: recorded order; one block of one row a node.
Graph import(const Request& request);

/// What becomes of a recording.
struct Rolled {
  Graph graph;
  /// Of each node up to the last one wanted; Placer::nowhere as its block where it is dead, a constant, or part of a
  /// sum.
  LargeVector<Coordinate> coordinates;
};

/// The live nodes, with scalars that compute alike gathered into the rows of blocks: sums of products with parameters
/// become dense blocks. Alike are those that are computed alike from the leaves on.
/// requires: nothing. maintains: the value of every root up to rounding.
Rolled roll_by_history(const Request& request);

/// The same where alike may be those that do the same at the same depth, too, whatever they are computed from.
struct Rolls {
  std::optional<Graph> by_level;    ///< if few classes would become one, or too much is given up for it, there is none
  std::optional<Graph> by_history;  ///< unless so many classes have become one that nothing else need be tried
  choices::Shares shares = {};      ///< of the time of that by history
};
/// With `always_by_level`, by level alone.
Rolls roll(const Request& request, bool always_by_level);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
