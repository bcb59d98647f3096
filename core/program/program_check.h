// Whether a program that somebody else made can be run without harm.
#pragma once

#include <string>

#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// What is wrong with the program, or an empty text: everything that an executor indexes or calls by lies where it
/// belongs. It does not look at what is computed, nor at how much that is: see tile_plan.h. The time it takes is in
/// proportion to the program's size.
std::string find_fault(const Program& program);

}  // namespace tapeloom::inline TAPELOOM_ABI
