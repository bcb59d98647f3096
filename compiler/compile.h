// The public door of the compiler: a recording in, a Program out.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/program/program.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace detail {
// Asked of the library, so that it does not differ between sources compiled with NDEBUG and without.
TAPELOOM_API bool verifies_by_default();
}  // namespace detail

struct CompileOptions {
  /// Values to be read after a step, such as predictions.
  std::vector<Value> outputs = {};
  /// False: the loss is computed but not differentiated.
  bool gradients = true;
  /// Whether the derivatives of the loss by each sample's inputs are wanted. They need `gradients`.
  bool input_gradients = false;
  /// Whether Tape::training() is 1, so that there is dropout and statistics are those of the batch. By default, in a
  /// loss that is differentiated.
  std::optional<bool> training = {};
  /// Bit for bit what evaluate() computes, in Executor<double>; slower.
  bool exact = false;
  /// A program holds every guard taken on its tape before it is compiled: a Value that a branch chose need not be newer
  /// than the branch. A mark leaves out those taken before it, as your statement that none of them chose a Value this
  /// program computes; tape.mark() leaves out all there are.
  Tape::Mark branches_from = {};
  /// Your statement that every number a program computes is finite. Then `0.0 * x` with a plain 0, which would be NaN
  /// for other x and -0 for negative ones, is left out with what only it needs, and a zero may have the other sign.
  /// Exact mode computes it.
  bool assume_finite = false;

  // Optional passes. They change how much is computed, never what (beyond the stated rounding); exact mode leaves out
  // folding of samples, rolling, common subexpressions, simplification, idioms and fusing.
  bool fold_samples = true;  ///< only together with roll
  bool roll = true;
  bool fold_constants = true;
  bool common_subexpressions = true;
  bool simplify = true;
  bool idioms = true;  ///< tanh, sigmoid, softplus and relu written through other functions
  bool fuse = true;
  bool reuse_slots = true;

  /// Checks the graph after every pass, and the program. On by default where the library was built without NDEBUG.
  bool verify = detail::verifies_by_default();
};

/// Compiles a training program: `loss` and its gradients by all parameters that are not frozen. Throws CompileError if
/// the loss differs from sample to sample and for input_gradients without gradients, RecordingError if the outputs are
/// of another tape, GuardError if a branch on constants alone would go the other way for what they have been set to.
TAPELOOM_API Program compile(Value loss, const CompileOptions& options = {});

/// Compiles inference alone: the outputs, without a loss or gradients. Inputs that neither they nor the guards depend
/// on need not be bound. Throws CompileError for outputs among the options, and for input_gradients.
TAPELOOM_API Program compile_inference(ValueSpan outputs, CompileOptions options = {});
inline Program compile_inference(std::initializer_list<Value> outputs, CompileOptions options = {}) {
  return compile_inference(ValueSpan(outputs), std::move(options));
}
inline Program compile_inference(Value output, CompileOptions options = {}) {
  return compile_inference(std::span(&output, 1), std::move(options));
}

/// The compiler's graph after each pass, or that it is unchanged, as text, for reading and for golden tests.
TAPELOOM_API std::string explain_passes(Value loss, const CompileOptions& options = {});

}  // namespace tapeloom::inline TAPELOOM_ABI
