// What a recording looks like: as text, for reading and for tests, and as a drawing, as the notebooks' draw_dot makes
// it.
#pragma once

#include <string>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/record/tape.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// A line for each node (%2 = mul %0 %1, its number, whether it varies, its label), then the input groups and guards.
TAPELOOM_API std::string to_string(const Tape& tape);

/// Graphviz text of everything that leads to `root`, left to right: a box "label | data | grad" for each value (four
/// decimals), and a circle with the sign or name of the op before each computed one. One arrow for each use, so a + a
/// has two. Nodes and arrows are in recorded order. Throws RecordingError for a plain number.
TAPELOOM_API std::string draw_dot(Value root);

/// Writes the drawing to `path` as SVG, with Graphviz' program `dot`. Throws Error if that is not installed or fails,
/// or if the file cannot be written.
TAPELOOM_API void write_svg(Value root, const std::string& path);

}  // namespace tapeloom::inline TAPELOOM_ABI
