// Numbers for samples that are recorded one after another, and what holds of every program they are folded into.
#pragma once

#include <cstdint>
#include <vector>

#include "against_evaluate.h"
#include "tapeloom/runtime/execute/row_runner.h"

namespace tapeloom::test {

inline std::vector<double> recorded_numbers(std::size_t count, std::uint64_t seed) {
  std::vector<double> data = some_numbers(count, seed);
  // Zeros, ones and equal numbers are data like any other.
  for (std::size_t i = 0; i < count; i += 3) data[i] = i % 2 == 0 ? 0.0 : 1.0;
  return data;
}

inline void expect_program_like_evaluate(const Program& program, Value loss, const std::vector<Value>& outputs) {
  Executor<double> executor(program, {.max_samples = 2});
  expect_step_like_evaluate(executor, loss, outputs, {}, 1, 4000);
  // Not the first two of the samples: there is one row, with all of them.
  CHECK_THROWS_SAYING(BindError, "has no inputs", executor.step(0, 2));
  CHECK_THROWS_SAYING(BindError, "step() computes it as a whole", executor.step(1, 1));
  // Trained away from the initial values the data are still the same.
  for (double& p : executor.parameters()) p = 0.5 * p + 0.25;
  expect_step_like_evaluate(executor, loss, outputs, {}, 1, 4000);
}

inline void expect_like_evaluate(Value loss, const std::vector<Value>& outputs, std::uint32_t samples) {
  CompileOptions options{.outputs = outputs};
  options.verify = true;
  const Program program = compile(loss, options);
  CHECK(program.recorded_samples == samples);
  expect_program_like_evaluate(program, loss, outputs);
  const runtime::ByRowsAlways always;  // where they are few
  expect_program_like_evaluate(program, loss, outputs);
}

}  // namespace tapeloom::test
