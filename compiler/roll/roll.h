// From a recording to a graph: as it was recorded, or rolled.
#pragma once

#include <optional>

#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/request/request.h"
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
/// become dense blocks.
/// requires: nothing. maintains: the value of every root up to rounding.
Rolled roll(const Request& request);

/// The same with nodes that do the same at the same depth for alike, whatever they are computed from. Nothing where few
/// classes become one, unless `always`.
struct RolledByLevel {
  Graph graph;
  bool is_better;  ///< so many have become one that nothing else need be tried
};
std::optional<RolledByLevel> roll_by_level(const Request& request, bool always);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
