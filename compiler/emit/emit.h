// From a scheduled graph to the instructions and slots of a program.
#pragma once

#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/graph/schedule.h"
#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

struct EmitOptions {
  bool reuse_slots = true;
  /// Whether contributions to rows, once a step, are added one after another where lists of them are estimated to take
  /// much longer; else where they are few. The number of instructions then follows costs, and may grow with width.
  bool parts_by_cost = false;
};

/// Turns the scheduled graph into instructions and slots: a slot is free for another value after its last use. Fills
/// the program's constants, instructions, stages, slots and root slots; its other leaves must be there.
/// requires: a schedule of this graph. maintains: the schedule's order.
void emit(const Graph& graph, Schedule schedule, const EmitOptions& options, Program& program);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
