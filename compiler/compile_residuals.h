// Programs for least squares.
#pragma once

#include <initializer_list>
#include <span>
#include <utility>

#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/base/export.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// Compiles what least_squares fits: the residuals of a sample, such as `y - model`, and their derivatives by every
/// parameter that is not frozen. What differs in reliability is multiplied by the square root of its weight. Residuals
/// that do not differ from sample to sample, such as a penalty's, count once in each sample. The tape is left as it
/// was. Throws CompileError where no residual was recorded or no parameter is trained, for outputs among the options,
/// and for input_gradients; RecordingError for residuals of several tapes, and for one that depends on other samples by
/// way of a batch reduction.
TAPELOOM_API Program compile_residuals(ValueSpan residuals, CompileOptions options = {});
inline Program compile_residuals(std::initializer_list<Value> residuals, CompileOptions options = {}) {
  return compile_residuals(ValueSpan(residuals), std::move(options));
}
inline Program compile_residuals(Value residual, CompileOptions options = {}) {
  return compile_residuals(std::span(&residual, 1), std::move(options));
}

}  // namespace tapeloom::inline TAPELOOM_ABI
