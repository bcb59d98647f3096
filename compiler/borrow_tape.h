// Compiling what is recorded for one program alone.
#pragma once

#include <utility>

#include "tapeloom/core/program/program.h"
#include "tapeloom/core/record/tape.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// The program that `record_and_compile` makes; the tape is left as it was.
template <class F>
Program borrow_tape(Tape& tape, F&& record_and_compile) {
  const Tape::Mark before = tape.mark();
  try {
    Program program = std::forward<F>(record_and_compile)();
    tape.rewind(before);
    return program;
  } catch (...) {
    tape.rewind(before);
    throw;
  }
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
