// Compiling in the ways that compile() chooses from, for tests.
#pragma once

#include <span>

#include "tapeloom/compiler/compile.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// What is done also where something else is better.
struct Ways {
  bool by_level = false;    ///< rolled by classes of level: see levels.h
  bool one_sample = false;  ///< there is a program of one sample, wherever there can be: see Program::of_one_sample
};

Program compile_in_way(Value loss, const CompileOptions& options, const Ways& ways);
Program compile_inference_in_way(std::span<const Value> outputs, const CompileOptions& options, const Ways& ways);

inline Program compile_by_level(Value loss, const CompileOptions& options) {
  return compile_in_way(loss, options, {.by_level = true});
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
