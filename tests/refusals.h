// What a step refuses, and by which guard, against evaluate().
#pragma once

#include <cmath>
#include <optional>

#include "against_evaluate.h"
#include "tapeloom/core/base/error.h"

namespace tapeloom::test {

/// What a step, or the reference, came to: a GuardError's report, or nothing.
template <class Compute>
std::optional<GuardError> refusal_of(const Compute& compute) {
  try {
    compute();
  } catch (const GuardError& error) {
    return error;
  }
  return std::nullopt;
}

inline void expect_same_refusal(const std::optional<GuardError>& got, const std::optional<GuardError>& right) {
  INFO((right ? right->what() : "not refused"));
  REQUIRE(got.has_value() == right.has_value());
  if (!right) return;
  CHECK(got->guard() == right->guard());
  CHECK(got->sample() == right->sample());
  CHECK(std::string(got->what()) == right->what());
}

/// Runs a recording's program on other parameters; returns how often it was refused.
inline std::size_t compare_steps(Value loss, const CompileOptions& options,
                                 std::span<const std::vector<double>> parameters,
                                 std::optional<std::uint32_t> recorded_samples) {
  Executor<double> executor(compile(loss, options), {.max_samples = 2});
  if (recorded_samples) CHECK(executor.program().recorded_samples == *recorded_samples);
  std::size_t refused = 0;
  for (const std::vector<double>& p : parameters) {
    executor.set_parameters(p);
    Evaluation right;
    const auto expected = refusal_of([&] { right = evaluate(loss, {.rows = {}, .parameters = p}, options.outputs); });
    expect_same_refusal(refusal_of([&] { executor.step(); }), expected);
    refused += expected ? 1 : 0;
    if (expected) continue;
    const double got = executor.loss();
    const double ulps = options.exact ? 0.0 : 1e5;
    expect_numbers<double>("loss", std::span(&got, 1), right.root, ulps);
    expect_numbers<double>("gradients", executor.gradients(), right.gradients, ulps);
    if (!options.outputs.empty()) expect_numbers<double>("outputs", executor.outputs(), right.outputs, ulps);
  }
  return refused;
}

/// As they are, and moved by more and more.
inline std::vector<std::vector<double>> moved(const std::vector<double>& parameters, std::size_t steps = 40) {
  std::vector<std::vector<double>> all = {parameters};
  for (std::size_t k = 0; k < steps; ++k) {
    std::vector<double> next = parameters;
    const std::vector<double> noise = some_numbers(parameters.size(), k + 1);
    const double by = 1e-4 * std::pow(1.4, static_cast<double>(k));
    for (std::size_t i = 0; i < next.size(); ++i) next[i] += by * noise[i];
    all.push_back(std::move(next));
  }
  return all;
}

inline std::vector<Value> parameters_of(Tape& tape, std::span<const double> numbers) {
  std::vector<Value> values;
  for (double x : numbers) values.push_back(tape.parameter(x));
  return values;
}

}  // namespace tapeloom::test
