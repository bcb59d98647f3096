// Random expressions by the closure design, which shares no code with the library: the reference evaluator and compiled
// programs give the same.
#include "bench/closure_baseline.h"
#include "random_checks.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/runtime/execute/executor.h"

using namespace tapeloom;
using namespace tapeloom::test;

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
