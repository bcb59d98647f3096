// Holds a compiled program against evaluate(), which shares no code with the compiler's passes or the executor.
#pragma once

#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "catch.h"
#include "compare.h"
#include "random_numbers.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/runtime/execute/executor.h"

namespace tapeloom::test {

/// `count` numbers in [-1, 1) that are the same in every run.
inline std::vector<double> some_numbers(std::size_t count, std::uint64_t seed = 1) {
  Random random(seed);
  std::vector<double> numbers(count);
  for (double& number : numbers) number = between(random, -1.0, 1.0);
  return numbers;
}

/// An error in the last `ulps` places of numbers as large as the largest of a list, or of 0.1, since the terms of order
/// one in the tests' sums may cancel.
template <class T>
Bound rounding(std::span<const double> numbers, double ulps) {
  double largest = 0.1;
  for (double number : numbers) largest = std::fmax(largest, std::fabs(number));
  return {.absolute = ulps * static_cast<double>(std::numeric_limits<T>::epsilon()) * largest};
}

template <class T>
void expect_numbers(const char* what, std::span<const T> got, std::span<const double> expected, double ulps) {
  INFO(what);
  REQUIRE(got.size() == expected.size());
  const Bound bound = rounding<T>(expected, ulps);
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double number = static_cast<double>(got[i]);
    const bool good = ulps == 0.0 ? same_bits(number, expected[i]) : close(number, expected[i], bound);
    if (good) continue;  // a check a number would take longer than the step
    INFO("number " << i << ": " << number << " and " << expected[i]);
    REQUIRE(good);
  }
  CHECK(true);
}

/// Runs one step and compares everything there is to read. ulps = 0: bit for bit. The parameters are the executor's.
template <class T>
void expect_step_like_evaluate(Executor<T>& executor, Value loss, std::span<const Value> outputs,
                               std::span<const double> rows, std::size_t samples, double ulps) {
  std::vector<double> parameters(executor.parameters().begin(), executor.parameters().end());
  const Evaluation expected = evaluate(loss, {.rows = rows, .samples = samples, .parameters = parameters}, outputs);
  if (!rows.empty()) executor.bind(rows, rows.size() / samples);
  const T returned = executor.step();
  CHECK(same_bits(returned, executor.loss()));
  expect_numbers<T>("loss", std::span(&returned, 1), expected.root, ulps);
  expect_numbers<T>("gradients", executor.gradients(), expected.gradients, ulps);
  if (!outputs.empty()) expect_numbers<T>("outputs", executor.outputs(), expected.outputs, ulps);
  if (executor.program().has_input_gradients) {
    expect_numbers<T>("input gradients", executor.input_gradients(), expected.input_gradients, ulps);
  }
}

/// Compiles and runs in exact mode (bit for bit), in double and in float.
inline void expect_programs_like_evaluate(Value loss, std::vector<Value> outputs, std::span<const double> rows,
                                          std::size_t samples, double ulps) {
  CompileOptions options{.outputs = outputs, .input_gradients = true, .verify = true};
  Executor<double> in_double(compile(loss, options), {.max_samples = samples});
  Executor<float> in_float(compile(loss, options), {.max_samples = samples});
  options.exact = true;
  Executor<double> exact(compile(loss, options), {.max_samples = samples});
  INFO(samples << " samples, " << in_double.tile_samples() << " a tile");
  {
    INFO("exact");
    expect_step_like_evaluate(exact, loss, outputs, rows, samples, 0.0);
  }
  {
    INFO("double");
    expect_step_like_evaluate(in_double, loss, outputs, rows, samples, ulps);
  }
  INFO("float");
  expect_step_like_evaluate(in_float, loss, outputs, rows, samples, ulps);
}

/// A neuron with a linear output on three inputs "x" and a target "y", all rows four numbers.
struct SmallNet {
  Tape tape;
  std::vector<Value> w, x;
  Value y, prediction, loss;

  SmallNet() {
    const std::vector<double> initial = some_numbers(6, 7);
    for (std::size_t i = 0; i < initial.size(); ++i) w.push_back(tape.parameter(initial[i], "w" + std::to_string(i)));
    x = tape.inputs("x", 3);
    y = tape.input(0.0, "y");
    const Value hidden = tanh(dot(std::span(w).first(3), x) + w[3]);
    prediction = (w[4] * hidden + w[5]).set_label("prediction");
    Value penalty = 0.0;
    for (Value p : w) penalty += square(p);
    loss = (batch_mean(square(prediction - y)) + 0.01 * penalty).set_label("loss");
  }
};

}  // namespace tapeloom::test
