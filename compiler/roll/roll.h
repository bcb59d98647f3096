// From a recording to a graph: as it was recorded, or rolled.
#pragma once

#include <optional>

#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/request/request.h"
#include "tapeloom/compiler/roll/choices.h"
#include "tapeloom/compiler/roll/levels.h"
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

struct RolledByLevel {
  Graph graph;
  bool at_once;            ///< so many classes have become one that nothing else need be tried
  choices::Shares shares;  ///< of the time of that by history
};

/// The live nodes, with scalars that compute alike gathered into the rows of blocks: sums of products with parameters
/// become dense blocks. The request must outlive it.
/// requires: nothing. maintains: the value of every root up to rounding.
class Rolling {
 public:
  explicit Rolling(const Request& request);
  /// Alike are those that are computed alike from the leaves on. To be called last.
  Rolled by_history() &&;
  /// Alike are those that do the same at the same depth, whatever they are computed from. Nothing where few classes
  /// become one, unless `always`.
  std::optional<RolledByLevel> by_level(bool always) const;

 private:
  const Request& request_;
  Sums sums_;
  Classes by_history_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
