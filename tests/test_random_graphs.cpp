// Random graphs and batches: the reference evaluator, exact programs (bit for bit) and default programs in double and
// float agree, with any of the optional passes off and on every instruction set this machine has. The closure design,
// which shares no code with the library, joins in for the ops it has.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "bench/closure_baseline.h"
#include "catch.h"
#include "compare.h"
#include "random_graph.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/error.h"
#include "tapeloom/core/evaluate.h"
#include "tapeloom/runtime/executor.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

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

Outcome by_evaluator(const Recorded& recorded, const Recipe& recipe) {
  return outcome_of([&](std::vector<double>& numbers) {
    const Evaluation e = evaluate(recorded.loss, {.rows = recipe.rows, .samples = recipe.samples}, recorded.outputs);
    for (const auto* list : {&e.root, &e.gradients, &e.outputs, &e.input_gradients}) {
      numbers.insert(numbers.end(), list->begin(), list->end());
    }
  });
}

template <class T>
Outcome by_executor(const Recorded& recorded, const Recipe& recipe, CompileOptions options, Random& random) {
  options.outputs = recorded.outputs;
  options.input_gradients = true;
  Executor<T> executor(compile(recorded.loss, options), {.max_samples = recipe.samples + below(random, 40)});
  if (recipe.input_count > 0) executor.bind(std::span<const double>(recipe.rows));
  return outcome_of([&](std::vector<double>& numbers) {
    numbers.push_back(static_cast<double>(executor.step()));
    for (const auto list : {executor.gradients(), executor.outputs(), executor.input_gradients()}) {
      numbers.insert(numbers.end(), list.begin(), list.end());
    }
  });
}

/// How far rounding may move each number: the change when every leaf is moved by a few units of the last place, as an
/// estimate of the graph's condition, and as many roundings of the number itself as there are nodes. Both have a factor
/// of 64 for what the estimate misses (intermediate roundings, vector functions of 4 ULP).
std::vector<double> rounding_bounds(const Recorded& recorded, const Recipe& recipe, const Outcome& at, double epsilon,
                                    Tape& tape, Random& random) {
  std::vector<double> bound(at.numbers.size());
  const auto moved = [&](double number) { return number * (1.0 + between(random, -8.0, 8.0) * epsilon); };
  for (int trial = 0; trial < 4; ++trial) {
    Recipe near = recipe;
    for (double& number : near.rows) number = moved(number);
    for (const ParameterRecord& p : tape.parameters()) tape.set_data(p.node, moved(recipe.parameters[tape.leaf_index(p.node)]));
    const Outcome there = by_evaluator(recorded, near);
    if (there.numbers.size() != at.numbers.size()) return {};  // a guard sits on the edge
    for (std::size_t i = 0; i < bound.size(); ++i) {
      bound[i] = std::fmax(bound[i], 64.0 * std::fabs(there.numbers[i] - at.numbers[i]));
    }
  }
  for (const ParameterRecord& p : tape.parameters()) tape.set_data(p.node, recipe.parameters[tape.leaf_index(p.node)]);
  double largest = 1.0;
  for (double number : at.numbers) largest = std::fmax(largest, std::fabs(number));
  for (double& b : bound) b += 64.0 * epsilon * largest * static_cast<double>(recipe.steps.size());
  return bound;
}

double nearest_kink(const Recorded& recorded, const Recipe& recipe) {
  double nearest = inf;
  if (recorded.kinks.empty()) return nearest;
  const Evaluation e = evaluate(recorded.loss, {.rows = recipe.rows, .samples = recipe.samples}, recorded.kinks);
  for (double distance : e.outputs) nearest = std::fmin(nearest, std::fabs(distance));
  return nearest;
}

void expect_same_bits(const Outcome& a, const Outcome& b) {
  REQUIRE(a.refused == b.refused);
  REQUIRE(a.numbers.size() == b.numbers.size());
  for (std::size_t i = 0; i < a.numbers.size(); ++i) {
    INFO("number " << i << ": " << a.numbers[i] << " and " << b.numbers[i]);
    REQUIRE(same_bits(a.numbers[i], b.numbers[i]));
  }
}

void expect_close(const Outcome& a, const Outcome& b, const std::vector<double>& bound) {
  REQUIRE(a.refused == b.refused);
  REQUIRE(a.numbers.size() == b.numbers.size());
  for (std::size_t i = 0; i < a.numbers.size(); ++i) {
    INFO("number " << i << ": " << a.numbers[i] << " and " << b.numbers[i] << ", bound " << bound[i]);
    REQUIRE(close(a.numbers[i], b.numbers[i], Bound{.absolute = bound[i]}));
  }
}

CompileOptions random_options(Random& random) {
  CompileOptions options;
  options.roll = chance(random, 0.7);
  options.fold_constants = chance(random, 0.7);
  options.common_subexpressions = chance(random, 0.7);
  options.simplify = chance(random, 0.7);
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
  std::string name;

 private:
  std::string before_;
};

}  // namespace

TEST_CASE("random graphs: exact programs equal the evaluator bit for bit, default ones within rounding") {
  const std::uint64_t seed = number_from("TAPELOOM_TEST_SEED", 20261122);
  const std::uint64_t graphs = number_from("TAPELOOM_TEST_GRAPHS", 2000);
  std::printf("random graphs: %llu from seed %llu (TAPELOOM_TEST_GRAPHS, TAPELOOM_TEST_SEED)\n",
              static_cast<unsigned long long>(graphs), static_cast<unsigned long long>(seed));
  std::size_t compared = 0, tame = 0, refused = 0;
  for (std::uint64_t g = 0; g < graphs; ++g) {
    Random random(seed + g);
    const Temper temper = g % 3 == 0 ? Temper::wild : Temper::tame;
    const Recipe recipe = random_recipe(random, temper);
    Tape tape;
    const Recorded recorded = record(recipe, tape);
    const ForcedIsa isa(random);
    INFO("graph of seed " << seed + g << ", " << (temper == Temper::wild ? "wild" : "tame") << ", " << isa.name);

    const Outcome reference = by_evaluator(recorded, recipe);
    refused += reference.refused.empty() ? 0 : 1;
    CompileOptions options = random_options(random);
    options.exact = true;
    expect_same_bits(reference, by_executor<double>(recorded, recipe, options, random));

    options.exact = false;
    const Outcome in_double = by_executor<double>(recorded, recipe, options, random);
    const Outcome in_float = by_executor<float>(recorded, recipe, options, random);
    if (temper == Temper::wild) continue;
    ++tame;
    if (!reference.refused.empty()) {
      REQUIRE(in_double.refused == reference.refused);
      continue;
    }
    const double kink = nearest_kink(recorded, recipe);
    const auto double_bound = rounding_bounds(recorded, recipe, reference, 0x1p-53, tape, random);
    if (kink > 1e-7 && !double_bound.empty()) expect_close(reference, in_double, double_bound);
    const auto float_bound = rounding_bounds(recorded, recipe, reference, 0x1p-24, tape, random);
    if (kink > 1e-3 && !float_bound.empty()) expect_close(reference, in_float, float_bound), ++compared;
  }
  std::printf("random graphs: %zu of %zu tame ones compared in float, the others are too near a kink; %zu refused by a "
              "guard\n",
              compared, tame, refused);
  CHECK(compared > tame / 4);
  CHECK(refused > 0);
}

namespace {

/// A random expression of what both designs have, written once for both number types.
template <class V>
V shared_expression(Random random, const std::vector<V>& leaves) {
  std::vector<V> values = leaves;
  const std::size_t steps = 3 + below(random, 30);
  for (std::size_t i = 0; i < steps; ++i) {
    const V a = values[below(random, values.size())], b = values[below(random, values.size())];
    switch (below(random, 10)) {
      case 0:
        values.push_back(a + b);
        break;
      case 1:
        values.push_back(a - b);
        break;
      case 2:
        values.push_back(a * tanh(b));
        break;
      case 3:
        values.push_back(a / (pow(b, 2.0) + 1.5));
        break;
      case 4:
        values.push_back(-a);
        break;
      case 5:
        values.push_back(exp(tanh(a)));
        break;
      case 6:
        values.push_back(log(pow(a, 2.0) + 0.5));
        break;
      case 7:
        values.push_back(relu(a));
        break;
      case 8:
        values.push_back(pow(tanh(a), 3.0));
        break;
      case 9:
        values.push_back((exp(2.0 * tanh(a)) - 1.0) / (exp(2.0 * tanh(a)) + 1.0));
        break;
    }
  }
  V total = values.back() + leaves.back();
  for (std::size_t i = values.size() - std::min<std::size_t>(values.size(), 5); i + 1 < values.size(); ++i) {
    total = total + values[i];
  }
  return total;
}

}  // namespace

TEST_CASE("random graphs: the closure design gives the same loss and gradients") {
  const std::uint64_t seed = number_from("TAPELOOM_TEST_SEED", 20261122);
  for (std::uint64_t g = 0; g < 300; ++g) {
    INFO("graph of seed " << seed + g);
    Random random(seed + g);
    const std::size_t samples = 1 + below(random, 9);
    std::vector<double> parameters(3), rows(2 * samples);
    for (double& number : parameters) number = between(random, -1.5, 1.5);
    for (double& number : rows) number = between(random, -1.5, 1.5);

    std::vector<closure::Value> trained;
    for (double number : parameters) trained.emplace_back(number);
    closure::Value total(0.0);
    for (std::size_t s = 0; s < samples; ++s) {
      std::vector<closure::Value> leaves = trained;
      leaves.emplace_back(rows[2 * s]);
      leaves.emplace_back(rows[2 * s + 1]);
      total = total + shared_expression(random, leaves);
    }
    const closure::Value loss = total * (1.0 / static_cast<double>(samples));
    loss.backward();

    Tape tape;
    std::vector<Value> leaves;
    for (double number : parameters) leaves.push_back(tape.parameter(number));
    for (Value input : tape.inputs("x", 2)) leaves.push_back(input);
    const Value recorded = batch_mean(shared_expression(random, leaves));
    const Evaluation e = evaluate(recorded, {.rows = rows, .samples = samples});
    Executor<double> executor(compile(recorded), {.max_samples = 16});
    executor.bind("x", std::span<const double>(rows));
    executor.step();
    double largest = std::fabs(loss.data());
    for (const closure::Value& p : trained) largest = std::fmax(largest, std::fabs(p.grad()));
    const Bound bound{.relative = 1e-12, .absolute = 1e-13 * largest};
    CHECK(close(e.root[0], loss.data(), bound));
    CHECK(close(executor.loss(), loss.data(), bound));
    for (std::size_t p = 0; p < trained.size(); ++p) {
      INFO("parameter " << p);
      CHECK(close(e.gradients[p], trained[p].grad(), bound));
      CHECK(close(executor.gradients()[p], trained[p].grad(), bound));
    }
  }
}
