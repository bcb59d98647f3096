// How many instructions of a program are of a kind, or apply an op.
#pragma once

#include <algorithm>
#include <cstddef>

#include "tapeloom/core/program/program.h"

namespace tapeloom::test {

inline std::size_t count(const Program& program, InstructionKind kind) {
  return static_cast<std::size_t>(std::ranges::count(program.instructions, kind, &Instruction::kind));
}

inline std::size_t count(const Program& program, Op op) {
  const auto applies = [&](const Instruction& i) { return i.op == op || i.then == op; };
  return static_cast<std::size_t>(std::ranges::count_if(program.instructions, applies));
}

}  // namespace tapeloom::test
