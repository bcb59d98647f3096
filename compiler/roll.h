#pragma once

#include <span>

#include "tapeloom/compiler/graph.h"
#include "tapeloom/compiler/recording.h"
#include "tapeloom/core/tape.h"

namespace tapeloom::inline v0_1::compiler {

/// The recorded nodes that the loss, the outputs or the guards before them depend on, with scalars that compute alike
/// gathered into the rows of blocks: sums of products with parameters become dense blocks.
/// `live` is set to how many nodes these are.
/// requires: nodes of this tape. maintains: the value of every root up to rounding.
Graph roll(const Tape& tape, const NodeId* loss, std::span<const NodeId> outputs, LiveNodes& live);

}  // namespace tapeloom::inline v0_1::compiler
