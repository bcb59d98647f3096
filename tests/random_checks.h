// Holds a recorded program against evaluate() under random options: what is compared, within which bounds, and on which
// instruction set.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "catch.h"
#include "compare.h"
#include "random_graph.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/error.h"
#include "tapeloom/core/evaluate.h"
#include "tapeloom/runtime/executor.h"

namespace tapeloom::test {

inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// A recording, its data, and what to look at.
struct Problem {
  Tape* tape;
  Value loss;
  std::vector<Value> outputs;
  std::vector<Value> kinks;  ///< distances from points where an op jumps or bends
  std::vector<double> rows;  ///< samples x inputs
  std::size_t samples = 1;
  std::size_t roundings = 1;  ///< about how many follow one another on the way to any number
};

/// All numbers that a step computes, or the guard that refused it.
struct Outcome {
  std::vector<double> numbers;
  std::string refused;
};

template <class F>
Outcome outcome_of(F&& compute) {
  Outcome outcome;
  try {
    compute(outcome.numbers);
  } catch (const GuardError& error) {
    outcome.numbers.clear();
    outcome.refused = "guard " + std::to_string(error.guard()) + ", sample " + std::to_string(error.sample());
  }
  return outcome;
}

/// The leaves' numbers, moved or not.
struct Leaves {
  std::vector<double> rows, parameters, uniform_inputs;

  explicit Leaves(const Problem& p) : rows(p.rows) {
    for (const ParameterRecord& record : p.tape->parameters()) parameters.push_back(p.tape->data(record.node));
    for (const UniformInputRecord& record : p.tape->uniform_inputs()) {
      uniform_inputs.push_back(p.tape->data(record.node));
    }
  }
  Batch batch(std::size_t samples) const {
    return {.rows = rows, .samples = samples, .uniform_inputs = uniform_inputs, .parameters = parameters};
  }
};

/// The loss, the gradients, the outputs and the input gradients, in that order.
inline Outcome by_evaluator(const Problem& p, const Leaves& leaves) {
  return outcome_of([&](std::vector<double>& numbers) {
    const Evaluation e = evaluate(p.loss, leaves.batch(p.samples), p.outputs);
    for (const auto* list : {&e.root, &e.gradients, &e.outputs, &e.input_gradients}) {
      numbers.insert(numbers.end(), list->begin(), list->end());
    }
  });
}
inline Outcome by_evaluator(const Problem& p) { return by_evaluator(p, Leaves(p)); }

/// The same by a program. Often it has run before, on fewer samples, and must not remember them.
template <class T>
Outcome by_executor(const Problem& p, CompileOptions options, Random& random) {
  options.outputs = p.outputs;
  options.input_gradients = true;
  Executor<T> executor(compile(p.loss, options), {.max_samples = p.samples + below(random, 40)});
  const std::size_t before = below(random, 2) == 0 ? 0 : 1 + below(random, p.samples);
  if (!p.rows.empty()) executor.bind(std::span<const double>(p.rows), p.rows.size() / p.samples);
  if (before > 0) outcome_of([&](auto&) { executor.step(0, before); });
  return outcome_of([&](std::vector<double>& numbers) {
    numbers.push_back(static_cast<double>(executor.step(0, p.samples)));
    const auto append = [&](std::span<const T> list) { numbers.insert(numbers.end(), list.begin(), list.end()); };
    append(executor.gradients());
    if (!p.outputs.empty()) append(executor.outputs());
    append(executor.input_gradients());
  });
}

/// How far rounding may move each number of an evaluation `at`. Two parts, each with a factor of 64 for what it misses
/// (roundings in between, vector functions of 4 ULP): the change when every leaf is moved by up to 8 units of its last
/// place, as an estimate of the graph's condition; and n roundings of the largest number, where n are those that follow
/// one another. Empty if a guard sits on the edge.
template <class Evaluate>
std::vector<double> rounding_bounds(const Problem& p, const std::vector<double>& at, double epsilon, Random& random,
                                    Evaluate&& evaluate_at) {
  std::vector<double> bound(at.size());
  for (int trial = 0; trial < 4; ++trial) {
    Leaves near(p);
    for (std::vector<double>* list : {&near.rows, &near.parameters, &near.uniform_inputs}) {
      for (double& number : *list) number *= 1.0 + between(random, -8.0, 8.0) * epsilon;
    }
    const std::vector<double> there = evaluate_at(near);
    if (there.size() != at.size()) return {};
    for (std::size_t i = 0; i < bound.size(); ++i) bound[i] = std::fmax(bound[i], 64.0 * std::fabs(there[i] - at[i]));
  }
  double largest = 1.0;
  for (double number : at) largest = std::fmax(largest, std::fabs(number));
  for (double& b : bound) b += 64.0 * epsilon * largest * static_cast<double>(p.roundings);
  return bound;
}

inline std::vector<double> rounding_bounds(const Problem& p, const Outcome& at, double epsilon, Random& random) {
  return rounding_bounds(p, at.numbers, epsilon, random,
                         [&](const Leaves& near) { return by_evaluator(p, near).numbers; });
}

inline double nearest_kink(const Problem& p) {
  double nearest = inf;
  if (p.kinks.empty()) return nearest;
  const Evaluation e = evaluate(p.loss, {.rows = p.rows, .samples = p.samples}, p.kinks);
  for (double distance : e.outputs) nearest = std::fmin(nearest, std::fabs(distance));
  return nearest;
}

inline void expect_same_bits(const Outcome& a, const Outcome& b) {
  REQUIRE(a.refused == b.refused);
  REQUIRE(a.numbers.size() == b.numbers.size());
  for (std::size_t i = 0; i < a.numbers.size(); ++i) {
    if (same_bits(a.numbers[i], b.numbers[i])) continue;  // a check a number would take longer than the program
    INFO("number " << i << ": " << a.numbers[i] << " and " << b.numbers[i]);
    REQUIRE(same_bits(a.numbers[i], b.numbers[i]));
  }
}

inline void expect_close(const Outcome& a, const Outcome& b, const std::vector<double>& bound) {
  REQUIRE(a.refused == b.refused);
  REQUIRE(a.numbers.size() == b.numbers.size());
  for (std::size_t i = 0; i < a.numbers.size(); ++i) {
    if (close(a.numbers[i], b.numbers[i], Bound{.absolute = bound[i]})) continue;
    INFO("number " << i << ": " << a.numbers[i] << " and " << b.numbers[i] << ", bound " << bound[i]);
    REQUIRE(close(a.numbers[i], b.numbers[i], Bound{.absolute = bound[i]}));
  }
}

inline CompileOptions random_options(Random& random) {
  CompileOptions options;
  options.roll = chance(random, 0.7);
  options.fold_constants = chance(random, 0.7);
  options.common_subexpressions = chance(random, 0.7);
  options.simplify = chance(random, 0.7);
  options.idioms = chance(random, 0.7);
  options.fuse = chance(random, 0.7);
  options.reuse_slots = chance(random, 0.8);
  options.verify = true;
  return options;
}

/// Forces one of the instruction sets this machine has, for the executors made while it lives.
class ForcedIsa {
 public:
  explicit ForcedIsa(Random& random) {
    std::vector<std::string> names = {"baseline"};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) names.push_back("avx2");
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl")) {
      names.push_back("avx512");
    }
#endif
    if (const char* before = std::getenv("TAPELOOM_ISA")) before_ = before;
    name = names[below(random, names.size())];
    setenv("TAPELOOM_ISA", name.c_str(), 1);
  }
  ~ForcedIsa() { before_.empty() ? unsetenv("TAPELOOM_ISA") : setenv("TAPELOOM_ISA", before_.c_str(), 1); }
  ForcedIsa(const ForcedIsa&) = delete;
  ForcedIsa& operator=(const ForcedIsa&) = delete;
  std::string name;

 private:
  std::string before_;
};

}  // namespace tapeloom::test
