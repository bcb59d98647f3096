#include "tapeloom/compiler/compile_residuals.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "tapeloom/compiler/borrow_tape.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/program/residuals.h"
#include "tapeloom/core/record/derivatives.h"
#include "tapeloom/core/record/tape.h"

namespace tapeloom::inline TAPELOOM_ABI {

Program compile_residuals(ValueSpan residuals, CompileOptions options) {
  const auto recorded = std::find_if(residuals.begin(), residuals.end(), [](const Value& r) { return !r.is_plain(); });
  if (recorded == residuals.end()) throw CompileError("compile_residuals: there is no residual that was recorded");
  Tape& tape = *recorded->tape();
  std::vector<Value> parameters;
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < tape.parameters().size(); ++i) {
    if (tape.parameters()[i].frozen) continue;
    parameters.push_back(tape.value(tape.parameters()[i].node));
    indices.push_back(i);
  }
  if (parameters.empty()) throw CompileError("compile_residuals: the tape has no parameter that is not frozen");

  Program program = compiler::borrow_tape(tape, [&] {
    std::vector<Value> outputs(residuals.begin(), residuals.end());
    const std::vector<Value> derivatives = jacobian(residuals, parameters);
    outputs.insert(outputs.end(), derivatives.begin(), derivatives.end());
    return compile_inference(outputs, std::move(options));
  });
  for (std::size_t k = 0; k < residuals.size() * parameters.size(); ++k) {
    const std::size_t residual = k / parameters.size(), parameter = indices[k % parameters.size()];
    program.outputs[residuals.size() + k].label = residual_derivative_label(residual, parameter);
  }
  return program;
}

}  // namespace tapeloom::inline TAPELOOM_ABI
