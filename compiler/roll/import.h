#pragma once

#include <span>

#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/request/recording.h"
#include "tapeloom/core/record/tape.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// The recorded nodes that `loss`, the outputs or the guards' conditions depend on, as blocks in recorded order, with
/// batch_mean written as batch_sum / samples.
/// requires: nodes of this tape. maintains: recorded order; one block of one row a node.
/// `live` is set to how many nodes these are.
Graph import(const Tape& tape, const NodeId* loss, std::span<const NodeId> outputs, std::span<const NodeId> conditions,
             LiveNodes& live);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
