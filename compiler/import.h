#pragma once

#include <span>

#include "tapeloom/compiler/graph.h"
#include "tapeloom/compiler/recording.h"
#include "tapeloom/core/tape.h"

namespace tapeloom::inline v0_1::compiler {

/// The recorded nodes that `loss`, the outputs or the guards before them depend on, as blocks in recorded order, with
/// batch_mean written as batch_sum / samples.
/// requires: nodes of this tape. maintains: recorded order; one block of one row a node.
/// `live` is set to how many nodes these are.
Graph import(const Tape& tape, const NodeId* loss, std::span<const NodeId> outputs, LiveNodes& live);

/// Indices of the tape's guards that were taken before any of these nodes was recorded: those that can have decided
/// what the nodes are.
std::vector<std::size_t> guards_before(const Tape& tape, const NodeId* loss, std::span<const NodeId> outputs);

}  // namespace tapeloom::inline v0_1::compiler
