// From a scheduled graph to the instructions and slots of a program.
#pragma once

#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/graph/schedule.h"
#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Turns the scheduled graph into instructions and slots: a slot is free for another value after its last use. Fills
/// the program's constants, instructions, stages, slots and root slots; its other leaves must be there.
/// requires: a schedule of this graph. maintains: the schedule's order.
void emit(const Graph& graph, Schedule schedule, bool reuse_slots, Program& program);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
