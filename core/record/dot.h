// Drawings of a recording, as the notebooks' draw_dot makes them.
#pragma once

#include <string>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// Graphviz text of everything that leads to `root`, left to right: a box "label | data | grad" for each value (four
/// decimals), and a circle with the sign or name of the op before each computed one. One arrow for each use, so a + a
/// has two. Nodes and arrows are in recorded order. Throws RecordingError for a plain number.
TAPELOOM_API std::string draw_dot(Value root);

/// Writes the drawing to `path` as SVG, with Graphviz' program `dot`. Throws Error if that is not installed or fails,
/// or if the file cannot be written.
TAPELOOM_API void write_svg(Value root, const std::string& path);

}  // namespace tapeloom::inline TAPELOOM_ABI
