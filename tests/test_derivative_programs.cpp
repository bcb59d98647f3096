// Derivatives as Values, compiled: against the reference evaluator, differences of the loss, and the oracle of random
// programs.
#include <functional>
#include <random>

#include "catch.h"
#include "compare.h"
#include "fuzz/expect.h"
#include "random_checks.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/nets/activation.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/program/print.h"
#include "tapeloom/core/record/derivatives.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/core/record/functions.h"
#include "tapeloom/runtime/execute/executor.h"

using namespace tapeloom;
using test::close;
using test::same_bits;

namespace {

constexpr std::uint64_t seed = 20261130;

std::vector<double> draw(std::size_t count, std::mt19937_64& generator, double lower = -1.0, double upper = 1.0) {
  std::vector<double> numbers;
  for (std::size_t i = 0; i < count; ++i) {
    numbers.push_back(lower + (upper - lower) * static_cast<double>(generator() >> 11) * 0x1p-53);
  }
  return numbers;
}

/// Burgers' equation, of a net: u_t + u u_x = 0.01 u_xx, with the largest residual at points that are given.
struct Burgers {
  explicit Burgers(std::size_t width, Tape& tape, Activation activation = tanh) {
    std::mt19937_64 random(seed);
    x = tape.inputs("x_t", 2);
    const MLP net(tape, 2, {{width, activation}, {width, activation}, {width, activation}, {1}}, glorot(random));
    u = net(x)[0];
    const std::vector<Value> first = gradient(u, x);
    u_x = first[0], u_t = first[1];
    u_xx = gradient(u_x, {x[0]})[0];
    residual = u_t + u * u_x - 0.01 * u_xx;
    loss = batch_mean(square(residual));
  }
  std::vector<Value> x;
  Value u, u_x, u_t, u_xx, residual, loss;
};

/// Runs a program with gradients and compares it with the reference: exact mode bit for bit, the default mode within
/// `relative` of the largest gradient.
void expect_like_reference(Value loss, std::span<const double> rows, std::size_t samples,
                           std::span<const Value> outputs = {}, double relative = 1e-12) {
  const Evaluation expected = evaluate(loss, {.rows = rows, .samples = samples}, outputs);
  double largest = 1e-3;
  for (double each : expected.gradients) largest = std::max(largest, std::fabs(each));
  for (const bool exact : {true, false}) {
    INFO((exact ? "exact" : "default"));
    CompileOptions options{.outputs = {outputs.begin(), outputs.end()}, .exact = exact};
    Executor<double> executor(compile(loss, options), {.max_samples = samples});
    if (!rows.empty()) executor.bind(rows);
    const double got = executor.step();
    const auto agrees = [&](double a, double b, double scale) {
      return exact ? same_bits(a, b) : close(a, b, relative, relative * scale);
    };
    CHECK(agrees(got, expected.root[0], 1e-3));
    for (std::size_t i = 0; i < expected.gradients.size(); ++i) {
      INFO("parameter " << i);
      CHECK(agrees(executor.gradients()[i], expected.gradients[i], largest));
    }
    for (std::size_t i = 0; i < expected.outputs.size(); ++i) {
      INFO("output " << i);
      CHECK(agrees(executor.outputs()[i], expected.outputs[i], 1.0));
    }
  }
}

/// The gradient of a loss by differences of evaluate().
void expect_gradient_by_differences(Value loss, std::span<const double> rows, std::size_t samples) {
  const Tape& tape = *loss.tape();
  std::vector<double> parameters;
  for (const ParameterRecord& parameter : tape.parameters()) parameters.push_back(tape.data(parameter.node));
  const Evaluation at = evaluate(loss, {.rows = rows, .samples = samples});
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (tape.parameters()[i].frozen) continue;
    const auto moved = [&](double distance) {
      std::vector<double> there = parameters;
      there[i] += distance;
      return evaluate(loss, {.rows = rows, .samples = samples, .parameters = there}).root[0];
    };
    constexpr double h = 1e-5;
    INFO("parameter " << i);
    CHECK(close((moved(h) - moved(-h)) / (2 * h), at.gradients[i], 1e-5, 1e-8));
  }
}

}  // namespace

TEST_CASE("a PINN's gradient by its parameters is that of differences of its loss") {
  Tape tape;
  std::mt19937_64 generator(seed);
  const Burgers problem(5, tape);
  const std::vector<double> rows = draw(2 * 7, generator);
  expect_gradient_by_differences(problem.loss, rows, 7);
  expect_like_reference(problem.loss, rows, 7, std::vector<Value>{problem.u_x, problem.u_xx, problem.residual});
}

TEST_CASE("a PINN's derivatives by its inputs are those of differences of the net") {
  Tape tape;
  std::mt19937_64 generator(seed);
  const Burgers problem(6, tape);
  const std::vector<double> at = draw(2, generator);
  const std::vector<Value> outputs = {problem.u_x, problem.u_t, problem.u_xx};
  const Evaluation result = evaluate(problem.loss, {.rows = at, .samples = 1}, outputs);
  const auto net = [&](double dx, double dt) {
    const std::vector<double> there = {at[0] + dx, at[1] + dt};
    return evaluate(problem.loss, {.rows = there, .samples = 1}, std::vector<Value>{problem.u}).outputs[0];
  };
  CHECK(close((net(1e-5, 0) - net(-1e-5, 0)) / 2e-5, result.outputs[0], 1e-8));
  CHECK(close((net(0, 1e-5) - net(0, -1e-5)) / 2e-5, result.outputs[1], 1e-8));
  CHECK(close((net(1e-3, 0) - 2 * net(0, 0) + net(-1e-3, 0)) / 1e-6, result.outputs[2], 1e-5));
}

TEST_CASE("a PINN's program has as many instructions at every width") {
  const auto count = [](std::size_t width, Activation activation) {
    Tape tape;
    const Burgers problem(width, tape, activation);
    return compile(problem.loss).instructions.size();
  };
  for (const Activation& activation :
       {Activation(static_cast<Value (*)(Value)>(tanh)), Activation(static_cast<Value (*)(Value)>(sigmoid)),
        Activation([](Value x) { return sin(x); }), Activation(static_cast<Value (*)(Value)>(softplus))}) {
    const std::size_t narrow = count(8, activation);
    CHECK(narrow < 200);
    CHECK(count(16, activation) == narrow);
    CHECK(count(32, activation) == narrow);
  }
}

TEST_CASE("a choice between residuals leaves the net's derivatives dense") {
  const auto count = [](std::size_t width) {
    Tape tape;
    const Burgers problem(width, tape);
    const Value edge = tape.input(0.0, "edge");
    return compile(batch_mean(square(where(edge > 0.5, problem.u, problem.residual)))).instructions.size();
  };
  const std::size_t narrow = count(8);
  CHECK(narrow < 250);
  CHECK(count(16) == narrow);
  Tape tape;
  std::mt19937_64 generator(seed);
  const Burgers problem(4, tape);
  const Value edge = tape.input(0.0, "edge");
  const Value loss = batch_mean(square(where(edge > 0.5, problem.u, problem.residual)));
  const std::vector<double> rows = draw(3 * 9, generator);
  expect_gradient_by_differences(loss, rows, 9);
  expect_like_reference(loss, rows, 9);
}

TEST_CASE("in a batch a derivative by an input is each sample's own") {
  Tape tape;
  std::mt19937_64 generator(seed);
  const std::vector<Value> x = tape.inputs("x", 2);
  const Value w = tape.parameter(0.75), y = sin(x[0] * w) * exp(x[1]);
  const std::vector<Value> by = gradient(y, {x[0], x[1], w});
  const Value second = gradient(by[0], {x[0]})[0];
  const std::vector<double> rows = draw(2 * 37, generator);
  const std::vector<Value> outputs = {by[0], by[1], by[2], second};
  const Value loss = batch_sum(square(by[0]) + by[2] * second);
  const Evaluation result = evaluate(loss, {.rows = rows, .samples = 37}, outputs);
  for (std::size_t s = 0; s < 37; ++s) {
    const double a = rows[2 * s], b = rows[2 * s + 1];
    CHECK(close(result.outputs[4 * s], 0.75 * std::cos(0.75 * a) * std::exp(b), 1e-14));
    CHECK(close(result.outputs[4 * s + 1], std::sin(0.75 * a) * std::exp(b), 1e-14));
    CHECK(close(result.outputs[4 * s + 2], a * std::cos(0.75 * a) * std::exp(b), 1e-14));  // of this sample alone
    CHECK(close(result.outputs[4 * s + 3], -0.5625 * std::sin(0.75 * a) * std::exp(b), 1e-14));
  }
  expect_like_reference(loss, rows, 37, outputs);
  expect_gradient_by_differences(loss, rows, 37);
}

TEST_CASE("the derivatives of what all samples share count all samples, as those of a loss do") {
  Tape tape;
  std::mt19937_64 generator(seed);
  const std::vector<Value> x = tape.inputs("x", 2);
  const Value w = tape.parameter(0.75), v = tape.parameter(-0.5), u = tape.uniform_input(0.25, "u");
  const Value spread = batch_mean(square(w * x[0] - batch_mean(w * x[0] * u)));
  // A term that is the same for all samples, and a batch reduction of a sum with one.
  const Value loss = spread * v + batch_sum(tanh(x[1] * v) + w * u) + batch_mean(w * w + x[0]) + square(w);
  const std::vector<Value> by = gradient(loss, {w, v, u, x[0], x[1]});
  const std::vector<double> rows = draw(2 * 11, generator);
  const Evaluation result = evaluate(loss, {.rows = rows, .samples = 11}, by);
  for (std::size_t s = 0; s < 11; ++s) {
    CHECK(close(result.outputs[5 * s], result.gradients[0], 1e-13));
    CHECK(close(result.outputs[5 * s + 1], result.gradients[1], 1e-13));
    CHECK(close(result.outputs[5 * s + 3], result.input_gradients[2 * s], 1e-13));
    CHECK(close(result.outputs[5 * s + 4], result.input_gradients[2 * s + 1], 1e-13));
  }
  const double h = 1e-5, above = 0.25 + h, below = 0.25 - h;
  const auto at = [&](const double& number) {
    return evaluate(loss, {.rows = rows, .samples = 11, .uniform_inputs = std::span(&number, 1)}).root[0];
  };
  CHECK(close((at(above) - at(below)) / (2 * h), result.outputs[2], 1e-8));
  // Once more: a penalty on the gradient.
  const Value penalty = square(by[0]) + by[1] * by[2] + batch_mean(square(by[3]) + by[4]);
  expect_gradient_by_differences(penalty, rows, 11);
  expect_like_reference(penalty, rows, 11, by);
  // The number of samples is known in the program, and not counted again.
  CHECK(to_string(compile(penalty)).find("equal") == std::string::npos);
}

TEST_CASE("along a direction all samples move at once, also through what depends on all of them") {
  Tape tape;
  std::mt19937_64 generator(seed);
  const Value x = tape.input(1.0, "x"), w = tape.parameter(0.75);
  const Value y = tanh(w * x), normal = y / batch_sum(square(y)) + batch_mean(y + w) * batch_sum(x * w);
  const Value by_w = derivative(normal, w), by_x = derivative(normal, x, square(x));
  const std::vector<double> rows = draw(9, generator, 0.25, 1.0);
  const std::vector<Value> outputs = {normal, by_w, by_x};
  const Evaluation result = evaluate(batch_sum(by_w), {.rows = rows, .samples = 9}, outputs);
  const auto moved = [&](double dw, double dx) {
    std::vector<double> there;
    for (double each : rows) there.push_back(each + dx * each * each);
    const double parameter = 0.75 + dw;
    return evaluate(batch_sum(by_w), {.rows = there, .samples = 9, .parameters = std::span(&parameter, 1)},
                    std::vector<Value>{normal})
        .outputs;
  };
  const double h = 1e-6;
  const auto more_w = moved(h, 0), less_w = moved(-h, 0), more_x = moved(0, h), less_x = moved(0, -h);
  for (std::size_t s = 0; s < 9; ++s) {
    CHECK(close((more_w[s] - less_w[s]) / (2 * h), result.outputs[3 * s + 1], 1e-7));
    CHECK(close((more_x[s] - less_x[s]) / (2 * h), result.outputs[3 * s + 2], 1e-7));
  }
  expect_like_reference(batch_sum(square(by_w) + by_x), rows, 9, outputs);
}

TEST_CASE("forces: a net is trained on the gradient of its energy, with choices and guards inside") {
  Tape tape;
  std::mt19937_64 generator(seed), random(seed);
  const std::vector<Value> position = tape.inputs("position", std::vector<double>{0.5, -0.25, 0.75});
  const Value reach = tape.uniform_input(2.0, "reach");
  const MLP net(tape, 3, {{6, softplus}, {6, tanh}, {1}}, glorot(random));
  Value energy = net(position)[0];
  if (reach > 1.0) energy += 0.5 * reach * square(max(position[0], position[1]));
  energy += where(position[2] > 0.0, sqrt(position[2]) * position[0], square(position[2]));
  Value loss = 0.0;
  for (const Value& slope : gradient(energy, position)) loss += square(-slope - 0.25);
  const std::vector<double> rows = draw(3 * 13, generator);
  expect_gradient_by_differences(batch_mean(loss), rows, 13);
  expect_like_reference(batch_mean(loss), rows, 13);
  // The guard holds for derivatives as well.
  Executor<double> executor(compile(batch_mean(loss)));
  executor.bind(rows);
  executor.set_uniform_input("reach", 0.5);
  CHECK_THROWS_AS(executor.step(), GuardError);
}

TEST_CASE("a branch not taken spoils no derivative in a program either, be it infinite or NaN") {
  const std::vector<std::function<Value(Value)>> functions = {
      [](Value x) { return tanh(log(x)) * sqrt(x); },
      [](Value x) { return sigmoid(log(x)) / x; },
      [](Value x) { return exp(1.0 / x) / (x / (x / x)); },
      [](Value x) { return relu(1.0 / x) * pow(x, 0.5) + atan(1.0 / x); },
      [](Value x) { return square(sin(log(x))) + softplus(1.0 / x) * abs(log(x)); },
  };
  const std::vector<double> rows = {-1.0, 0.0, -0.0, -0.5, 0.75, 2.0};
  for (std::size_t i = 0; i < functions.size(); ++i) {
    INFO("function " << i);
    Tape tape;
    const Value x = tape.input(1.0, "x"), w = tape.parameter(1.0);
    const Value y = where(x > 0.0, functions[i](w * x), w * x * x * x);
    std::vector<Value> derivatives = {gradient(y, {x})[0]};
    for (int order = 2; order <= 3; ++order) derivatives.push_back(gradient(derivatives.back(), {x})[0]);
    const Value loss = batch_sum(derivatives[0] + derivatives[1] * derivatives[2]);
    Executor<double> executor(compile(loss, {.outputs = derivatives}));
    executor.bind(rows);
    executor.step();
    for (std::size_t s = 0; s < 4; ++s) {
      CHECK(close(executor.outputs()[3 * s], 3 * rows[s] * rows[s], 1e-14));
      CHECK(close(executor.outputs()[3 * s + 1], 6 * rows[s], 1e-14));
      CHECK(executor.outputs()[3 * s + 2] == 6.0);
    }
    expect_like_reference(loss, rows, 6, derivatives, 1e-10);
    CHECK(std::isfinite(executor.gradients()[0]));
  }
}

TEST_CASE("frozen parameters are not trained, and their derivatives are Values like others") {
  Tape tape;
  std::mt19937_64 generator(seed);
  Burgers problem(4, tape);
  const Value frozen = tape.value(tape.parameters()[1].node);
  tape.set_frozen(frozen);
  const std::vector<double> rows = draw(2 * 5, generator);
  expect_like_reference(problem.loss, rows, 5);
  expect_gradient_by_differences(problem.loss, rows, 5);
  const Value by_frozen = gradient(problem.loss, {frozen})[0];
  const Evaluation result = evaluate(problem.loss, {.rows = rows, .samples = 5}, std::vector<Value>{by_frozen});
  CHECK(result.gradients[1] == 0.0);
  tape.set_frozen(frozen, false);
  CHECK(close(result.outputs[0], evaluate(problem.loss, {.rows = rows, .samples = 5}).gradients[1], 1e-12));
}

TEST_CASE("seeds as inputs: one program gives all rows of a Jacobian as samples") {
  Tape tape;
  std::mt19937_64 random(seed);
  std::vector<Value> x, y;
  for (double number : draw(4, random)) x.push_back(tape.uniform_input(number, "x" + std::to_string(x.size())));
  const MLP net(tape, 4, {{8, tanh}, {3}}, glorot(random));
  for (const Value& each : net(x)) y.push_back(each);
  const std::vector<Value> seeds = tape.inputs("seed", y.size());
  Executor<double> executor(compile_inference(gradient(dot(seeds, y), x)), {.max_samples = 3});
  const std::vector<double> unit_rows = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  executor.bind(unit_rows);
  executor.step();
  const std::vector<Value> rows = jacobian(y, x);
  for (std::size_t i = 0; i < 12; ++i) CHECK(close(executor.outputs()[i], rows[i].data(), 1e-13));
}

TEST_CASE("the gradient of a derivative along a vector is a Hessian-vector product in one program") {
  Tape tape;
  std::mt19937_64 generator(seed), random(seed);
  const std::vector<Value> x = tape.inputs("x", 3);
  const MLP net(tape, 3, {{5, tanh}, {1}}, glorot(random));
  const Value loss = batch_mean(square(net(x)[0] - x[0]));
  std::vector<Value> parameters, vector;
  for (const ParameterRecord& each : tape.parameters()) parameters.push_back(tape.value(each.node));
  for (double number : draw(parameters.size(), generator)) {
    vector.push_back(tape.uniform_input(number, "v" + std::to_string(vector.size())));
  }
  const std::vector<double> rows = draw(3 * 17, generator);
  Executor<double> executor(compile(derivative(loss, parameters, vector)), {.max_samples = 17});
  executor.bind(rows);
  executor.step();
  const std::vector<Value> product = hessian_vector(loss, parameters, vector), full = hessian(loss, parameters);
  std::vector<Value> outputs = product;
  outputs.insert(outputs.end(), full.begin(), full.end());
  const std::vector<double> at = evaluate(loss, {.rows = rows, .samples = 17}, outputs).outputs;
  const std::size_t n = parameters.size();
  for (std::size_t i = 0; i < n; ++i) {
    double expected = 0.0;
    for (std::size_t j = 0; j < n; ++j) {
      expected += at[n + i * n + j] * vector[j].data();
      CHECK(close(at[n + i * n + j], at[n + j * n + i], 1e-12, 1e-15));
    }
    CHECK(close(executor.gradients()[i], expected, 1e-11, 1e-14));
    CHECK(close(at[i], expected, 1e-11, 1e-14));
  }
}

namespace {

/// A random expression of what is smooth almost everywhere.
Value draw_expression(test::Random& random, std::vector<Value> values, std::size_t steps) {
  const auto any = [&] { return values[test::below(random, values.size())]; };
  for (std::size_t i = 0; i < steps; ++i) {
    const Value a = any(), b = any();
    const std::vector<std::function<Value()>> choices = {
        [&] { return a + b; },
        [&] { return a - b; },
        [&] { return a * b; },
        [&] { return a * b; },
        [&] { return a / (square(b) + 0.5); },
        [&] { return tanh(a); },
        [&] { return sigmoid(a) * b; },
        [&] { return exp(tanh(a)); },
        [&] { return log(square(a) + 0.25); },
        [&] { return sqrt(square(a) + 0.125); },
        [&] { return sin(a) + cos(b); },
        [&] { return relu(a); },
        [&] { return max(a, b); },
        [&] { return where(a > b, a * b, square(b)); },
        [&] { return atan(a); },
        [&] { return softplus(b); },
    };
    values.push_back(choices[test::below(random, choices.size())]());
  }
  return values.back();
}

}  // namespace

TEST_CASE("random expressions' derivatives of up to the third order are right in every mode") {
  test::Random random(seed);
  test::fuzz::Statistics statistics;
  for (int n = 0; n < 300; ++n) {
    Tape tape;
    const std::vector<Value> inputs = tape.inputs("x", draw(2, random));
    std::vector<Value> leaves = inputs;
    for (double number : draw(3, random)) leaves.push_back(tape.parameter(number));
    Value y = draw_expression(random, leaves, 3 + test::below(random, 12)).on(tape);
    const std::size_t order = 1 + test::below(random, 3);
    std::vector<Value> outputs;
    for (std::size_t k = 0; k < order; ++k) {
      const Value by = leaves[test::below(random, leaves.size())];
      y = test::below(random, 2) == 0 ? gradient(y, {by})[0] : derivative(y, by);
      outputs.push_back(y);
    }
    Value loss = square(y) + leaves[2] * inputs[0];
    loss = batch_mean(loss);
    const std::size_t samples = 1 + test::below(random, 5);
    const std::vector<double> rows = draw(2 * samples, random);
    test::fuzz::expect_right("expression " + std::to_string(n) + " of order " + std::to_string(order),
                             {&tape, loss, outputs, rows, samples}, random, statistics);
  }
}
