// Random graphs and batches: the reference evaluator, exact programs (bit for bit) and default programs in double and
// float agree, with any of the optional passes off and on every instruction set this machine has. The closure design,
// which shares no code with the library, joins in for the ops it has.
#include <cstdio>

#include "bench/closure_baseline.h"
#include "random_checks.h"

using namespace tapeloom;
using namespace tapeloom::test;

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
    const Problem problem{&tape,       recorded.loss,  recorded.outputs,   recorded.kinks,
                          recipe.rows, recipe.samples, recipe.steps.size()};
    const ForcedIsa isa(random);
    INFO("graph of seed " << seed + g << ", " << (temper == Temper::wild ? "wild" : "tame") << ", " << isa.name);

    const Outcome reference = by_evaluator(problem);
    refused += reference.refused.empty() ? 0 : 1;
    CompileOptions options = random_options(random);
    options.exact = true;
    expect_same_bits(reference, by_executor<double>(problem, options, random));

    options.exact = false;
    const Outcome in_double = by_executor<double>(problem, options, random);
    const Outcome in_float = by_executor<float>(problem, options, random);
    if (temper == Temper::wild) continue;
    ++tame;
    if (!reference.refused.empty()) {
      // Rounding may turn a comparison of equals around: how far it is from that shows without the guards.
      Recipe unguarded = recipe;
      for (Recipe::Step& step : unguarded.steps) step.guarded = false;
      Tape other;
      const Recorded same = record(unguarded, other);
      const Problem open{&other, same.loss, same.outputs, same.kinks, recipe.rows, recipe.samples, recipe.steps.size()};
      if (nearest_kink(open) > 1e-7) REQUIRE(in_double.refused == reference.refused);
      continue;
    }
    const double kink = nearest_kink(problem);
    const auto double_bound = rounding_bounds(problem, reference, 0x1p-53, random);
    if (kink > 1e-7 && !double_bound.empty()) expect_close(reference, in_double, double_bound);
    const auto float_bound = rounding_bounds(problem, reference, 0x1p-24, random);
    if (kink > 1e-3 && !float_bound.empty()) expect_close(reference, in_float, float_bound), ++compared;
  }
  std::printf(
      "random graphs: %zu of %zu tame ones compared in float, the others are too near a kink; %zu refused by a "
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
