#include "tapeloom/compiler/compile_products.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tapeloom/compiler/borrow_tape.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/record/derivatives.h"
#include "tapeloom/core/record/tape.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

/// The tape of what is differentiated by.
Tape& tape_of(std::span<const Value> y, std::span<const Value> x, const std::string& caller) {
  if (y.empty()) throw CompileError(caller + ": there is no y to differentiate");
  if (x.empty()) throw CompileError(caller + ": there is no x to differentiate by");
  const auto recorded = std::ranges::find_if(x, [](const Value& each) { return !each.is_plain(); });
  if (recorded == x.end())
    throw RecordingError(caller + ": numbers cannot be differentiated by; x are Values of a tape");
  return *recorded->tape();
}

/// The program of `products`, and then of the options' outputs.
Program compile_outputs(std::vector<Value> products, CompileOptions options) {
  const std::vector<Value> others = std::exchange(options.outputs, {});
  products.insert(products.end(), others.begin(), others.end());
  return compile_inference(products, std::move(options));
}

}  // namespace

Program compile_vector_jacobian(std::span<const Value> y, std::span<const Value> x, CompileOptions options) {
  Tape& tape = tape_of(y, x, "compile_vector_jacobian");
  return compiler::borrow_tape(tape, [&] {
    const std::vector<Value> seeds = tape.inputs("seeds", y.size());
    return compile_outputs(gradient(dot(seeds, y), x), std::move(options));
  });
}

Program compile_jacobian_vector(std::span<const Value> y, std::span<const Value> x, CompileOptions options) {
  Tape& tape = tape_of(y, x, "compile_jacobian_vector");
  return compiler::borrow_tape(tape, [&] {
    const std::vector<Value> direction = tape.inputs("direction", x.size());
    return compile_outputs(derivative(y, x, direction), std::move(options));
  });
}

}  // namespace tapeloom::inline TAPELOOM_ABI
