// The public door of the compiler: a recording in, a Program out.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tapeloom/core/program.h"
#include "tapeloom/core/value.h"

namespace tapeloom {

struct CompileOptions {
  /// Values to be read after a step, such as predictions.
  std::vector<Value> outputs = {};
  /// False: the loss is computed but not differentiated.
  bool gradients = true;
  /// Whether the derivatives of the loss by each sample's inputs are wanted.
  bool input_gradients = false;
  /// Bit for bit what evaluate() computes, in Executor<double>; slower.
  bool exact = false;

  // Optional passes. They change how much is computed, never what (beyond the stated rounding); exact mode leaves out
  // folding of samples, rolling, common subexpressions and simplification.
  bool fold_samples = true;  ///< only together with roll
  bool roll = true;
  bool fold_constants = true;
  bool common_subexpressions = true;
  bool simplify = true;
  bool reuse_slots = true;

  /// Checks the graph after every pass. On by default in debug builds.
#ifdef NDEBUG
  bool verify = false;
#else
  bool verify = true;
#endif
};

/// Compiles a training program: `loss` and its gradients by all parameters that are not frozen. Throws CompileError if
/// the loss differs from sample to sample, RecordingError if the outputs are of another tape.
Program compile(Value loss, const CompileOptions& options = {});

/// Compiles inference alone: the outputs, without a loss or gradients. Inputs they do not depend on need not be bound.
Program compile_inference(std::span<const Value> outputs, CompileOptions options = {});

/// The compiler's graph after each pass, as text, for reading and for golden tests.
std::string explain_passes(Value loss, const CompileOptions& options = {});

}  // namespace tapeloom
