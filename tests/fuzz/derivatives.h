// Holds derivatives that were recorded as Values against the oracle's own reverse sweep over what they are derivatives
// of, and gives the whole recording, derivatives included, as a script of ops, whose own gradient is checked as any
// other program's.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "fuzz/bounded.h"
#include "fuzz/recorder.h"
#include "fuzz/script.h"

namespace tapeloom::test::fuzz {

/// The recording of a script op by op, parameters and uniform inputs to be moved as the script moves them. Statement i
/// is node i of the tape.
Script written_out(const Script& script, const Recording& recording);

/// What a derivative is worth by its own nodes, and by the oracle's sweep, for a sample.
using CompareDerivative = std::function<void(const std::string& name, const Bounded& recorded, const Bounded& swept)>;

/// For each derivative of the recording, on the numbers that it was recorded with and on all of the script's data.
/// `written` is the recording written out.
void compare_derivatives(const Script& written, const Recording& recording, const CompareDerivative& compare);

}  // namespace tapeloom::test::fuzz
