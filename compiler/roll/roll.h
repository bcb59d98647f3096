#pragma once

#include <span>

#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/request/recording.h"
#include "tapeloom/compiler/roll/placer.h"
#include "tapeloom/core/record/tape.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// What becomes of a recording.
struct Rolled {
  Graph graph;
  LiveNodes live;
  /// Of each node up to the last root; Placer::nowhere as its block where it is dead, a constant, or part of a sum.
  LargeVector<Coordinate> places;
};

/// The recorded nodes that the loss, the outputs or the guards' conditions depend on, with scalars that compute alike
/// gathered into the rows of blocks: sums of products with parameters become dense blocks.
/// requires: nodes of this tape. maintains: the value of every root up to rounding.
Rolled roll(const Tape& tape, const NodeId* loss, std::span<const NodeId> outputs, std::span<const NodeId> conditions);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
