// The reference evaluator: batches against loops written by hand, accumulation, stepping, and what it refuses.
#include "tapeloom/core/record/evaluate.h"

#include <cmath>
#include <random>

#include "catch.h"
#include "compare.h"
#include "tapeloom/core/base/error.h"

using namespace tapeloom;
using test::close;
using test::same_bits;

namespace {

std::vector<double> random_numbers(std::size_t count, unsigned seed) {
  std::mt19937_64 generator(seed);
  std::vector<double> numbers(count);
  for (double& x : numbers) x = static_cast<double>(generator() >> 11) * 0x1p-53 * 4.0 - 2.0;
  return numbers;
}

/// d f / d p_i by central differences, for a function of the parameters.
template <class F>
double difference(F&& f, std::vector<double> p, std::size_t i) {
  const double at = p[i], h = 1e-5;
  p[i] = at + h;
  const double above = f(p);
  p[i] = at - h;
  return (above - f(p)) / (2.0 * h);
}

}  // namespace

TEST_CASE("the notebooks' expression has their gradients") {
  Tape tape;
  const Value a = tape.parameter(2.0), b = tape.parameter(-3.0), c = tape.parameter(10.0), f = tape.parameter(-2.0);
  const Value e = a * b, d = e + c, L = d * f;
  L.backward();
  CHECK(L.data() == -8.0);
  CHECK(L.grad() == 1.0);
  CHECK(f.grad() == 4.0);
  CHECK(d.grad() == -2.0);
  CHECK(c.grad() == -2.0);
  CHECK(e.grad() == -2.0);
  CHECK(a.grad() == 6.0);
  CHECK(b.grad() == -4.0);
  CHECK(evaluate(L, {}).gradients == std::vector<double>{6.0, -4.0, -2.0, 4.0});
}

TEST_CASE("gradients accumulate where a value is used twice and from sweep to sweep") {
  Tape tape;
  const Value a = tape.parameter(3.0);
  const Value b = a + a;
  b.backward();
  CHECK(a.grad() == 2.0);
  b.backward();
  CHECK(a.grad() == 4.0);
  CHECK(b.grad() == 2.0);
  tape.zero_grad();
  CHECK(a.grad() == 0.0);
  CHECK(b.grad() == 0.0);
  const Value d = a * b, c = a + b, f = d * c;  // 2 a^2 * 3 a = 6 a^3
  f.backward();
  CHECK(a.grad() == 18.0 * 9.0);
  CHECK(evaluate(f, {}).gradients == std::vector<double>{162.0});
}

TEST_CASE("a seed scales the derivatives") {
  Tape tape;
  const Value a = tape.parameter(3.0), y = a * a;
  y.backward(-0.5);
  CHECK(y.grad() == -0.5);
  CHECK(a.grad() == -3.0);
  CHECK(evaluate(y, {}, {}, -0.5).gradients == std::vector<double>{-3.0});
  CHECK(evaluate(y, {}, {}, 0.0).gradients == std::vector<double>{0.0});
}

TEST_CASE("nodes stepped by hand give what one sweep gives") {
  Tape tape;
  const Value x1 = tape.parameter(2.0), x2 = tape.parameter(0.0), w1 = tape.parameter(-3.0), w2 = tape.parameter(1.0);
  const Value b = tape.parameter(6.8813735870195432);
  const Value x1w1 = x1 * w1, x2w2 = x2 * w2, sum2 = x1w1 + x2w2, n = sum2 + b, o = tanh(n);
  o.set_grad(1.0);
  for (const Value& v : {o, n, b, sum2, x2w2, x1w1}) v.backward_step();
  const std::vector<double> by_hand{x1.grad(), x2.grad(), w1.grad(), w2.grad(), b.grad()};
  CHECK(close(x1.grad(), -1.5, 1e-14));
  CHECK(close(w1.grad(), 1.0, 1e-14));
  CHECK(close(x2.grad(), 0.5, 1e-14));
  CHECK(w2.grad() == 0.0);
  tape.zero_grad();
  o.backward();
  CHECK(by_hand == std::vector<double>{x1.grad(), x2.grad(), w1.grad(), w2.grad(), b.grad()});
  CHECK(evaluate(o, {}).gradients == by_hand);

  const Value v = tape.input(2.0), m = batch_mean(v * 3.0);
  m.set_grad(2.0);
  m.backward_step();
  CHECK(tape.value(NodeId(m.id().index - 1)).grad() == 2.0);
}

TEST_CASE("only what leads to the root counts") {
  Tape tape;
  const Value a = tape.parameter(2.0), unused = tape.parameter(5.0);
  const Value y = a * a;
  const Value later = exp(y * 1000.0) * unused;  // infinite, and none of the root's business
  const Evaluation result = evaluate(y, {});
  CHECK(result.root == std::vector<double>{4.0});
  CHECK(result.gradients == std::vector<double>{4.0, 0.0});
  y.backward();
  CHECK(unused.grad() == 0.0);
  CHECK(later.grad() == 0.0);
  CHECK(evaluate(a, {}).gradients == std::vector<double>{1.0, 0.0});  // the root a leaf
}

TEST_CASE("a regression over a batch equals loops written by hand") {
  constexpr std::size_t samples = 6;
  const std::vector<double> rows = random_numbers(samples * 3, 1);  // x0, x1, target
  const std::vector<double> p{0.3, -0.7, 0.2};
  Tape tape;
  const Value w0 = tape.parameter(p[0]), w1 = tape.parameter(p[1]), b = tape.parameter(p[2]);
  const std::vector<Value> x = tape.inputs("x", 2);
  const Value target = tape.input(0.0, "target");
  const Value prediction = tanh(w0 * x[0] + w1 * x[1] + b).set_label("prediction");
  const Value loss = batch_mean(square(prediction - target));

  double expected = 0.0, gradient[3] = {}, input_gradient[samples][3], predictions[samples];
  for (std::size_t s = 0; s < samples; ++s) {
    const double* row = &rows[3 * s];
    const double y = std::tanh(p[0] * row[0] + p[1] * row[1] + p[2]), error = y - row[2];
    predictions[s] = y;
    expected += error * error / samples;
    const double by_sum = 2.0 * error / samples * (1.0 - y * y);
    gradient[0] += by_sum * row[0], gradient[1] += by_sum * row[1], gradient[2] += by_sum;
    input_gradient[s][0] = by_sum * p[0], input_gradient[s][1] = by_sum * p[1];
    input_gradient[s][2] = -2.0 * error / samples;
  }
  const std::vector<Value> outputs{prediction, w0};
  const Evaluation result = evaluate(loss, {.rows = rows, .samples = samples}, outputs);
  REQUIRE(result.root.size() == 1);
  CHECK(close(result.root[0], expected, 1e-14));
  for (std::size_t i = 0; i < 3; ++i) CHECK(close(result.gradients[i], gradient[i], 1e-13));
  REQUIRE(result.input_gradients.size() == samples * 3);
  REQUIRE(result.outputs.size() == samples * 2);
  for (std::size_t s = 0; s < samples; ++s) {
    CHECK(close(result.outputs[2 * s], predictions[s], 1e-15));
    CHECK(result.outputs[2 * s + 1] == p[0]);
    for (std::size_t i = 0; i < 3; ++i) CHECK(close(result.input_gradients[3 * s + i], input_gradient[s][i], 1e-13));
  }
}

TEST_CASE("the samples of a batch are added in order") {
  Tape tape;
  const Value x = tape.input(), w = tape.parameter(1.0);
  const Value total = batch_sum(w * x);
  const std::vector<double> rows{1e16, 1.0, -1e16, 1.0};
  const Evaluation result = evaluate(total, {.rows = rows, .samples = 4});
  CHECK(result.root[0] == ((1e16 + 1.0) - 1e16) + 1.0);
  CHECK(result.gradients[0] == ((1e16 + 1.0) - 1e16) + 1.0);
  const std::vector<double> turned{1.0, 1.0, 1e16, -1e16};
  CHECK(evaluate(total, {.rows = turned, .samples = 4}).root[0] == 2.0);
}

TEST_CASE("a root that varies gives a number a sample and the derivatives of their sum") {
  Tape tape;
  const Value x = tape.input(), w = tape.parameter(2.0);
  const std::vector<double> rows{1.0, 2.0, 4.0};
  const Evaluation result = evaluate(square(w * x), {.rows = rows, .samples = 3});
  CHECK(result.root == std::vector<double>{4.0, 16.0, 64.0});
  CHECK(result.gradients == std::vector<double>{2.0 * 2.0 * (1.0 + 4.0 + 16.0)});
  CHECK(result.input_gradients == std::vector<double>{8.0, 16.0, 32.0});
}

TEST_CASE("a log of a batch mean: the second stage reaches back into the first") {
  constexpr std::size_t samples = 5;
  const std::vector<double> x = random_numbers(samples, 2);
  Tape tape;
  const Value w = tape.parameter(0.4), in = tape.input();
  const Value loss = log(batch_mean(exp(w * in)));
  double mean = 0.0, slope = 0.0;
  for (double number : x) mean += std::exp(0.4 * number) / samples, slope += number * std::exp(0.4 * number) / samples;
  const Evaluation result = evaluate(loss, {.rows = x, .samples = samples});
  CHECK(close(result.root[0], std::log(mean), 1e-14));
  CHECK(close(result.gradients[0], slope / mean, 1e-13));
}

TEST_CASE("batch statistics that every sample uses") {
  // Normalised by the batch's mean and variance: three stages, and gradients across all of them.
  constexpr std::size_t samples = 7;
  const std::vector<double> rows = random_numbers(samples * 2, 3);
  const std::vector<double> p{0.8, -0.3, 1.2, 0.1};
  const auto by_hand = [&](const std::vector<double>& q) {
    double h[samples], mean = 0.0, variance = 0.0, loss = 0.0;
    for (std::size_t s = 0; s < samples; ++s) {
      h[s] = std::tanh(q[0] * rows[2 * s] + q[1] * rows[2 * s + 1]);
      mean += h[s] / samples;
    }
    for (double x : h) variance += (x - mean) * (x - mean) / samples;
    for (std::size_t s = 0; s < samples; ++s) {
      const double y = q[2] * (h[s] - mean) / std::sqrt(variance + 1e-5) + q[3];
      loss += std::pow(y - rows[2 * s], 4) / samples;
    }
    return loss;
  };
  Tape tape;
  std::vector<Value> w;
  for (double x : p) w.push_back(tape.parameter(x));
  const std::vector<Value> x = tape.inputs("x", 2);
  const Value h = tanh(w[0] * x[0] + w[1] * x[1]);
  const Value mean = batch_mean(h), variance = batch_mean(square(h - mean));
  const Value y = w[2] * (h - mean) / sqrt(variance + 1e-5) + w[3];
  const Value loss = batch_mean(square(square(y - x[0])));
  const Evaluation result = evaluate(loss, {.rows = rows, .samples = samples});
  CHECK(close(result.root[0], by_hand(p), 1e-13));
  for (std::size_t i = 0; i < 4; ++i) CHECK(close(result.gradients[i], difference(by_hand, p, i), 1e-7, 1e-9));

  // Eagerly the batch is one sample: the variance is zero and y is w[3].
  CHECK(y.data() == p[3]);
}

TEST_CASE("numbers given to evaluate replace those on the tape, and change nothing there") {
  Tape tape;
  const Value w = tape.parameter(1.0), u = tape.uniform_input(2.0, "u"), x = tape.input(3.0);
  const Value y = w * u * x;
  const std::vector<double> rows{7.0}, uniform{5.0}, numbers{11.0};
  CHECK(evaluate(y, {.rows = rows}).root[0] == 14.0);
  CHECK(evaluate(y, {.rows = rows, .uniform_inputs = uniform}).root[0] == 35.0);
  const Evaluation all = evaluate(y, {.rows = rows, .uniform_inputs = uniform, .parameters = numbers});
  CHECK(all.root[0] == 385.0);
  CHECK(all.gradients[0] == 35.0);
  CHECK(y.data() == 6.0);
  CHECK(w.grad() == 0.0);
  CHECK(tape.size() == 5);
}

TEST_CASE("spans of the wrong length and empty batches are refused with both numbers") {
  Tape tape;
  const Value w = tape.parameter(1.0), u = tape.uniform_input(1.0, "u");
  const std::vector<Value> x = tape.inputs("x", 2);
  const Value y = w * u * x[0];
  const std::vector<double> numbers(10, 1.0);
  const std::span<const double> all(numbers);
  CHECK_THROWS_SAYING(BindError, "empty", evaluate(y, {.rows = {}, .samples = 0}));
  CHECK_THROWS_SAYING(BindError, "3 numbers, not 4", evaluate(y, {.rows = all.first(3), .samples = 2}));
  CHECK_THROWS_SAYING(BindError, "0 numbers, not 2", evaluate(y, {}));
  CHECK_THROWS_SAYING(BindError, "uniform_inputs", evaluate(y, {.rows = all.first(2), .uniform_inputs = all.first(2)}));
  CHECK_THROWS_SAYING(BindError, "parameters has 3", evaluate(y, {.rows = all.first(2), .parameters = all.first(3)}));
  CHECK_THROWS_AS(evaluate(1.0, {}), RecordingError);
}

TEST_CASE("a branch that a sample decides otherwise is refused, with the first such sample") {
  Tape tape;
  const Value x = tape.input(1.0, "x"), w = tape.parameter(2.0, "w");
  Value y = x * w;
  if (y > 0.0) y = y * 3.0;
  const Value loss = batch_mean(y);
  const std::vector<double> good{1.0, 2.0, 3.0}, bad{1.0, 2.0, -3.0, -4.0};
  CHECK(evaluate(loss, {.rows = good, .samples = 3}).root[0] == 12.0);
  try {
    evaluate(loss, {.rows = bad, .samples = 4});
    FAIL("the guard was not checked");
  } catch (const GuardError& error) {
    CHECK(error.guard() == 0);
    CHECK(error.sample() == 2);
    CHECK(contains(error.what(), "guard 0: greater"));
    CHECK(contains(error.what(), "recorded as true"));
    CHECK(contains(error.what(), "sample 2"));
  }
  // So is an older value, which the branch may have chosen, unless the user says otherwise.
  CHECK(evaluate(x * 1.0, {.rows = good, .samples = 3}).root.size() == 3);
  CHECK_THROWS_AS(evaluate(w, {.rows = bad, .samples = 4}), GuardError);
  CHECK_NOTHROW(evaluate(w, {.rows = bad, .samples = 4, .branches_from = tape.mark()}));
  // A guard on uniform values fails for the whole batch.
  Value v = w;
  if (w < 3.0) v = v + 1.0;
  const std::vector<double> large{5.0};
  CHECK_THROWS_AS(evaluate(v, {.rows = good, .samples = 3, .parameters = large}), GuardError);
}

TEST_CASE("frozen parameters have no gradient in evaluate") {
  Tape tape;
  const Value a = tape.parameter(2.0), b = tape.parameter(3.0);
  tape.set_frozen(a);
  CHECK(evaluate(a * b, {}).gradients == std::vector<double>{0.0, 2.0});
  tape.set_frozen(a, false);
  CHECK(evaluate(a * b, {}).gradients == std::vector<double>{3.0, 2.0});
}

TEST_CASE("a chain of a million nodes needs no stack") {
  Tape tape;
  const Value first = tape.parameter(1.0);
  Value x = first;
  for (int i = 0; i < 1000000; ++i) x = -x;
  x.backward();
  CHECK(first.grad() == 1.0);
  CHECK(evaluate(x, {}).gradients[0] == 1.0);
}
