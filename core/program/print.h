// Text dumps of programs, for reading and for tests. The same program always gives the same text; numbers have as many
// digits as it takes to read them back exactly.
#pragma once

#include <string>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// The leaves, then stage by stage an equation for each instruction:
///
///     t3 = t1 * u0               elementwise; u: uniform slot, t: tile slot
///     reduce u7 += t3            sum over all samples, complete after the stage
///     guard 0 holds where t4     (or "where not t4", as it was recorded)
///     guards 1 to 4 come out as recorded: t5:+4
///     b1 = t5, t6 = b1           spill to and reload from a batch slot
///     output[0] = t7             and input_gradient[0] = t8, one a sample
TAPELOOM_API std::string to_string(const Program& program);

/// What did and what did not roll: a table with a line for each instruction, in the program's order, and what it adds
/// up to. A line says whether the instruction runs once each sample or once each step, and for one run: its rows and
/// terms, how many floating-point operations that is (an op counts as one), how many bytes it reads and writes in
/// Executor<float> (without weights and totals, which the samples of a tile share), and how many of the recorded nodes
/// it stands for. Instructions for derivatives stand for none. Of samples that were recorded one after another and
/// folded, the nodes of one are counted.
TAPELOOM_API std::string explain(const Program& program);

}  // namespace tapeloom::inline TAPELOOM_ABI
