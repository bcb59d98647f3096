#pragma once

#include "tapeloom/compiler/graph.h"
#include "tapeloom/compiler/schedule.h"
#include "tapeloom/core/program.h"

namespace tapeloom::inline v0_1::compiler {

/// Turns the scheduled graph into instructions and slots: a slot is free for another value after its last use. Fills
/// the program's constants, instructions, stages, slots and root slots; its other leaves must be there.
/// requires: a schedule of this graph. maintains: the schedule's order.
void emit(const Graph& graph, Schedule schedule, bool reuse_slots, Program& program);

}  // namespace tapeloom::inline v0_1::compiler
