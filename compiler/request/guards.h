// Which of a tape's guards a program holds.
#pragma once

#include <vector>

#include "tapeloom/core/record/tape.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Indices of the guards taken since `from`, but for those on constants alone, which no data can change. A guard taken
/// after the last node that a program needs counts as well: what a branch chooses may be older than the branch. Throws
/// RecordingError for a mark that is not one of this tape any more, GuardError where constants have been set since to
/// numbers for which a branch would go the other way.
std::vector<std::size_t> held_guards(const Tape& tape, Tape::Mark from);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
