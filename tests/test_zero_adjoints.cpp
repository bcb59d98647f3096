// An adjoint of zero contributes nothing, whatever it meets: the branch that where() does not take, and a sample of
// weight 0, cannot spoil a gradient. Right values are derivatives by hand.
#include <cmath>
#include <limits>
#include <random>
#include <span>

#include "against_evaluate.h"
#include "catch.h"
#include "compare.h"
#include "gamma_oracle.h"
#include "instruction_sets.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/ops/ops.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/runtime/execute/executor.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// A function, its derivative by hand, and where it or its parts are infinite or NaN.
struct Spoiled {
  const char* name;
  Value (*function)(Value);
  double (*derivative)(double);
  double bad;
};

const Spoiled spoiled[] = {
    {"x * log(x)", [](Value x) { return x * log(x); }, [](double x) { return std::log(x) + 1.0; }, 0.0},
    {"square(1 / x)", [](Value x) { return square(1.0 / x); }, [](double x) { return -2.0 / (x * x * x); }, 0.0},
    {"sin(1 / x)", [](Value x) { return sin(1.0 / x); }, [](double x) { return -std::cos(1.0 / x) / (x * x); }, 0.0},
    {"cos(1 / x)", [](Value x) { return cos(1.0 / x); }, [](double x) { return std::sin(1.0 / x) / (x * x); }, 0.0},
    {"atan(x / x)", [](Value x) { return atan(x / x); }, [](double) { return 0.0; }, 0.0},
    {"x * log(x), negative", [](Value x) { return x * log(x); }, [](double x) { return std::log(x) + 1.0; }, -1.0},
    {"sigmoid(log(x))", [](Value x) { return sigmoid(log(x)); }, [](double x) { return 1.0 / ((1.0 + x) * (1.0 + x)); },
     -1.0},
    {"tanh(log(x))", [](Value x) { return tanh(log(x)); },
     [](double x) { return 4.0 * x / ((x * x + 1.0) * (x * x + 1.0)); }, -1.0},
    {"softplus(1 / x)", [](Value x) { return softplus(1.0 / x); },
     [](double x) { return -1.0 / ((1.0 + std::exp(-1.0 / x)) * x * x); }, 0.0},
    {"leaky_relu(log(x), 0.5)", [](Value x) { return leaky_relu(log(x), 0.5); },
     [](double x) { return (x > 1.0 ? 1.0 : 0.5) / x; }, -1.0},
    {"x * sqrt(x)", [](Value x) { return x * sqrt(x); }, [](double x) { return 1.5 * std::sqrt(x); }, -1.0},
    {"pow(x, 0.5) * x", [](Value x) { return pow(x, 0.5) * x; }, [](double x) { return 1.5 * std::sqrt(x); }, -1.0},
    {"x * (1 / x) * x", [](Value x) { return x * (1.0 / x) * x; }, [](double) { return 1.0; }, 0.0},
    {"exp(x) * x", [](Value x) { return exp(x) * x; }, [](double x) { return std::exp(x) * (1.0 + x); }, 1e4},
    {"x / exp(x)", [](Value x) { return x / exp(x); }, [](double x) { return std::exp(-x) * (1.0 - x); }, infinity},
    {"asin(1 / x)", [](Value x) { return asin(0.25 / x); },
     [](double x) { return -0.25 / (x * x * std::sqrt(1.0 - 0.0625 / (x * x))); }, 0.0},
    {"x * acosh(1 + x)", [](Value x) { return x * acosh(1.0 + x); },
     [](double x) { return std::acosh(1.0 + x) + x / std::sqrt(x * (x + 2.0)); }, -1.0},
    {"x * atanh(x / 4)", [](Value x) { return x * atanh(x / 4.0); },
     [](double x) { return std::atanh(x / 4.0) + x / 4.0 / (1.0 - x * x / 16.0); }, 8.0},
    {"sinh(x) * x", [](Value x) { return sinh(x) * x; }, [](double x) { return std::cosh(x) * x + std::sinh(x); }, 1e4},
    {"x * cbrt(1 / x)", [](Value x) { return x * cbrt(1.0 / x); },
     [](double x) { return std::cbrt(1.0 / x) * 2.0 / 3.0; }, 0.0},
    {"x * log2(x)", [](Value x) { return x * log2(x); }, [](double x) { return std::log2(x) + 1.0 / std::log(2.0); },
     0.0},
    {"hypot(1 / x, 1)", [](Value x) { return hypot(1.0 / x, 1.0); },
     [](double x) { return -1.0 / (x * x * x * std::hypot(1.0 / x, 1.0)); }, 0.0},
    {"atan2(log(x), x)", [](Value x) { return atan2(log(x), x); },
     [](double x) { return (1.0 - std::log(x)) / (x * x + std::log(x) * std::log(x)); }, -1.0},
    {"fmod(x, 8 / x)", [](Value x) { return fmod(x, 8.0 / x); },
     [](double x) { return x < 2.8 ? 1.0 : 1.0 + 8.0 / (x * x); }, 0.0},
    {"x * lgamma(x + 1)", [](Value x) { return x * lgamma(x + 1.0); },
     [](double x) { return std::lgamma(x + 1.0) + x * static_cast<double>(digamma_oracle(x + 1.0L)); }, -1.0},
    {"x * digamma(x)", [](Value x) { return x * digamma(x); },
     [](double x) { return static_cast<double>(digamma_oracle(x) + x * polygamma_oracle(1, x)); }, -2.0},
    {"x itself", [](Value x) { return x * 3.0; }, [](double) { return 3.0; }, not_a_number},
};

/// Good samples and bad ones by turns: what is added up over the samples is known.
constexpr double good[] = {0.5, 1.25, 3.0};

template <class T>
void check_program(const Program& program, const std::vector<double>& rows, double by_w,
                   const std::vector<double>& by_x) {
  Executor<T> executor(program, {.max_samples = 64});
  executor.bind(rows);
  for (int repeated = 0; repeated < 2; ++repeated) {
    executor.step();
    const double bound = std::is_same_v<T, float> ? 2e-5 : 1e-12;
    CHECK(executor.gradients()[0] == Approx(by_w).epsilon(bound).margin(bound));
    for (std::size_t s = 0; s < by_x.size(); ++s) {
      CHECK(executor.input_gradients()[2 * s] == Approx(by_x[s]).epsilon(bound).margin(bound));
    }
  }
}

}  // namespace

TEST_CASE("zero adjoints: no op of the table sends anything for one, whatever its operands are") {
  const double numbers[] = {0.0, -0.0, 1.0, -2.5, 1e308, -1e308, 5e-324, infinity, -infinity, not_a_number};
  for (std::size_t i = 0; i < op_count; ++i) {
    const Op op = static_cast<Op>(i);
    if (op_kind(op) == OpKind::leaf || op_kind(op) == OpKind::reduction) continue;
    for (double x : numbers) {
      for (double y : numbers) {
        for (double z : {0.0, 1.0, not_a_number}) {
          for (double adjoint : {0.0, -0.0}) {
            for (double amount : reverse_op(op, {x, y, z}, forward_op(op, {x, y, z}), adjoint)) {
              INFO(op_name(op) << " of " << x << ", " << y << ", " << z);
              REQUIRE(amount == 0.0);
            }
          }
        }
      }
    }
  }
}

TEST_CASE("zero adjoints: the branch that where() does not take cannot spoil a gradient") {
  for (const Spoiled& each : spoiled) {
    INFO(each.name);
    Tape tape;
    const Value w = tape.parameter(1.0, "w"), x = tape.input(each.bad, "x"), taken = tape.input(0.0, "taken");
    const Value y = where(taken, each.function(w * x), 0.0);
    const Value loss = batch_sum(y);

    loss.backward();
    CHECK(w.grad() == 0.0);
    CHECK(x.grad() == 0.0);
    std::vector<double> rows, by_x;
    double by_w = 0.0;
    for (int turn = 0; turn < 6; ++turn) {
      for (double number : good) {
        rows.insert(rows.end(), {number, 1.0});
        by_x.push_back(each.derivative(number));
        by_w += each.derivative(number) * number;
      }
      rows.insert(rows.end(), {each.bad, 0.0});
      by_x.push_back(0.0);
    }
    const Evaluation reference = evaluate(loss, {.rows = rows, .samples = by_x.size()});
    CHECK(reference.gradients[0] == Approx(by_w));
    for (std::size_t s = 0; s < by_x.size(); ++s)
      CHECK(reference.input_gradients[2 * s] == Approx(by_x[s]).margin(1e-12));

    CompileOptions options{.input_gradients = true};
    with_each_instruction_set([&] {
      check_program<double>(compile(loss, options), rows, by_w, by_x);
      check_program<float>(compile(loss, options), rows, by_w, by_x);
    });
    for (bool CompileOptions::*pass : {&CompileOptions::roll, &CompileOptions::simplify, &CompileOptions::idioms,
                                       &CompileOptions::fuse, &CompileOptions::common_subexpressions}) {
      CompileOptions without = options;
      without.*pass = false;
      check_program<double>(compile(loss, without), rows, by_w, by_x);
    }
    options.exact = true;
    Executor<double> exact(compile(loss, options), {.max_samples = 64});
    exact.bind(rows);
    exact.step();
    CHECK(exact.gradients()[0] == reference.gradients[0]);
    for (std::size_t s = 0; s < by_x.size(); ++s) {
      CHECK(exact.input_gradients()[2 * s] == reference.input_gradients[2 * s]);
    }
  }
}

TEST_CASE("zero adjoints: entropy at probability 0") {
  Tape tape;
  const Value p = tape.parameter(0.0, "p");
  const Value entropy = where(p > 0.0, p * log(p), 0.0);
  entropy.backward();
  CHECK(p.grad() == 0.0);
  CHECK(evaluate(entropy, {}).gradients[0] == 0.0);
  Executor<double> executor(compile(entropy));
  executor.step();
  CHECK(executor.loss() == 0.0);
  CHECK(executor.gradients()[0] == 0.0);
  executor.parameters()[0] = 0.25;
  executor.step();
  CHECK(executor.gradients()[0] == Approx(std::log(0.25) + 1.0));
}

namespace {

/// A net with weighted samples, some of which are all NaN or infinite.
struct WeightedNet {
  Tape tape;
  std::vector<Value> x = tape.inputs("x", 3);
  Value target = tape.input(0.0, "target"), weight = tape.input(0.0, "weight");
  Value loss;
  std::vector<double> rows, good_rows;

  explicit WeightedNet(std::vector<LayerOptions> layers, double spoiling) {
    std::mt19937_64 random(7);
    const MLP network(tape, 3, layers, glorot(random));
    loss = batch_sum(squared_error(network(x)[0], target, weight));
    std::uniform_real_distribution<double> number(-1.0, 1.0);
    for (int s = 0; s < 45; ++s) {
      const std::vector<double> row = {number(random), number(random), number(random), number(random), 0.5};
      rows.insert(rows.end(), row.begin(), row.end());
      good_rows.insert(good_rows.end(), row.begin(), row.end());
      if (s % 4 != 1) continue;
      std::vector<double> bad = {number(random), number(random), number(random), s % 8 == 1 ? spoiling : 1.0, 0.0};
      bad[s / 4 % 3] = spoiling;
      rows.insert(rows.end(), bad.begin(), bad.end());
    }
  }
};

template <class T>
std::vector<T> gradients_of(const Program& program, const std::vector<double>& rows, std::size_t threads) {
  Executor<T> executor(program, {.threads = threads});
  executor.bind(rows);
  executor.step();
  return {executor.gradients().begin(), executor.gradients().end()};
}

}  // namespace

TEST_CASE("zero adjoints: samples of weight 0 contribute nothing, even where features, prediction and target are NaN") {
  const std::vector<std::vector<LayerOptions>> nets = {
      {{1}}, {{5, relu}, {1}}, {{6, tanh}, {4, tanh}, {1}}, {{20, sigmoid}, {17, relu}, {1}}};
  for (const auto& layers : nets) {
    for (const double spoiling : {not_a_number, infinity, -infinity}) {
      INFO(layers.size() << " layers, spoiled by " << spoiling);
      const WeightedNet net(layers, spoiling);
      // Without the spoiled samples the reference needs no rule.
      const Evaluation right = evaluate(net.loss, {.rows = net.good_rows, .samples = net.good_rows.size() / 5});
      const Evaluation spoiled = evaluate(net.loss, {.rows = net.rows, .samples = net.rows.size() / 5});
      with_each_instruction_set([&] {
        const Program program = compile(net.loss);
        const auto in_double = gradients_of<double>(program, net.rows, 1);
        const auto in_float = gradients_of<float>(program, net.rows, 1);
        for (std::size_t p = 0; p < right.gradients.size(); ++p) {
          INFO("parameter " << p);
          CHECK(spoiled.gradients[p] == Approx(right.gradients[p]).margin(1e-13));
          CHECK(in_double[p] == Approx(right.gradients[p]).margin(1e-12));
          CHECK(in_float[p] == Approx(right.gradients[p]).epsilon(1e-4).margin(1e-5));
        }
      });
    }
  }
}

TEST_CASE("zero adjoints: what is NaN without a choice stays NaN") {
  Tape tape;
  const Value w = tape.parameter(0.5, "w"), x = tape.input(0.0, "x"), taken = tape.input(0.0, "taken");
  const Value loss = batch_sum(where(taken, sqrt(w * x), w));
  const std::vector<double> rows = {4.0, 1.0, -4.0, 1.0, 1.0, 0.0};
  Executor<double> executor(compile(loss));
  executor.bind(rows);
  executor.step();
  CHECK(std::isnan(executor.gradients()[0]));
  CHECK(std::isnan(executor.loss()));
  const std::vector<double> fine = {4.0, 1.0, 9.0, 1.0, 1.0, 0.0};
  executor.bind(fine);
  executor.step();
  CHECK(executor.gradients()[0] == Approx(1.0 / std::sqrt(0.5) + 1.5 / std::sqrt(0.5) + 1.0));
}

TEST_CASE("zero adjoints: uniform inputs and outputs of a repeated step are the step's own") {
  Tape tape;
  const Value w = tape.parameter(2.0, "w"), x = tape.input(0.0, "x"), t = tape.uniform_input(1.0, "t");
  const Value y = where(x > 0.0, w * log(x) * t, t);
  Executor<double> executor(compile(batch_sum(y), {.outputs = {y}}));
  const std::vector<double> rows = {-1.0, std::exp(1.0)};
  executor.bind(rows);
  for (const double number : {1.0, 3.0, -2.0}) {
    executor.set_uniform_input("t", number);
    executor.parameters()[0] = number + 1.0;
    executor.step();
    CHECK(executor.gradients()[0] == Approx(number));
    CHECK(executor.outputs()[0] == number);
    CHECK(executor.outputs()[1] == Approx((number + 1.0) * number));
  }
}

TEST_CASE("zero adjoints: what is added once a step to the gradients of a layer's weights may be NaN, too") {
  for (const std::size_t from : {0u, 5u}) {
    Tape tape;
    std::mt19937_64 random(5);
    const std::vector<Value> x = tape.inputs("x", 4);
    const MLP network(tape, 4, {{3, tanh}, {1}}, glorot(random));
    const std::vector<Value> weights = network.parameters();
    Value penalty = 0.0;
    for (std::size_t i = from; i < 8; ++i) {
      weights[i].set_data(i == 6 ? -1.0 : 2.0);  // one of the second neuron's, not by the first input
      penalty += where(weights[i] > 0.0, tanh(log(weights[i])), 0.0);
    }
    const Value loss = batch_mean(square(network(x)[0])) + 1e-3 * penalty;
    const std::vector<double> rows = {0.5, -1.0, 2.0, 0.25, 1.0, 0.5, -0.5, 3.0};
    const Evaluation right = evaluate(loss, {.rows = rows, .samples = 2});
    Executor<double> executor(compile(loss));
    executor.bind(rows);
    executor.step();
    for (std::size_t p = 0; p < right.gradients.size(); ++p) {
      INFO("parameter " << p);
      CHECK(executor.gradients()[p] == Approx(right.gradients[p]).margin(1e-12));
    }
  }
}

TEST_CASE("zero adjoints: whichever parameter it is, evenly spaced among others, whose gradient is NaN at first") {
  constexpr std::size_t size = 9, apart = 4, not_chosen = 2;
  for (std::size_t bad = 0; bad < size; ++bad) {
    for (const std::size_t samples : {1, 3}) {
      INFO("column " << bad << ", " << samples << " samples");
      Tape tape;
      const Value x = tape.inputs("x", 1)[0];
      std::vector<Value> all, v, matrix;
      for (std::size_t i = 0; i < size * apart; ++i) {
        all.push_back(tape.parameter(0.25 + 0.5 * std::sin(static_cast<double>(i))));
      }
      for (std::size_t i = 0; i < size; ++i) v.push_back(all[i * apart]);
      for (std::size_t i = 0; i < size * size; ++i) {
        const bool infinite = i == not_chosen * size + bad;
        const double number = infinite ? std::numeric_limits<double>::infinity() : std::cos(static_cast<double>(i));
        matrix.push_back(tape.parameter(number));
      }
      Value loss = 0.0;
      for (std::size_t i = 0; i < size; ++i) {
        const Value product = dot(std::span<const Value>(matrix).subspan(i * size, size), v);
        // Its adjoint is 0 where it is not chosen, and meets an infinite weight.
        loss += square(where(x > (i == not_chosen ? 100.0 : -100.0), tanh(product), x));
      }
      loss = batch_mean(loss);
      Executor<double> executor(compile(loss), {.max_samples = samples});
      expect_step_like_evaluate(executor, loss, {}, some_numbers(samples, bad + 1), samples, 64);
    }
  }
}

TEST_CASE("zero adjoints: a repeated step leaves the gradients of frozen parameters zero") {
  const WeightedNet net({{5, relu}, {1}}, not_a_number);
  const std::size_t samples = net.rows.size() / 5;
  const Evaluation right = evaluate(net.loss, {.rows = net.rows, .samples = samples});
  Executor<double> executor(compile(net.loss));
  executor.bind(net.rows);
  const std::vector<ParameterId> frozen = {ParameterId(0), ParameterId(4)};
  const auto check = [&](bool freeze) {
    for (std::size_t p = 0; p < right.gradients.size(); ++p) {
      INFO("parameter " << p);
      const bool zero = freeze && (p == 0 || p == 4);
      CHECK(executor.gradients()[p] == Approx(zero ? 0.0 : right.gradients[p]).margin(1e-12));
    }
  };
  executor.set_frozen(frozen);
  executor.step();
  check(true);
  executor.set_frozen(frozen, false);  // of the same step
  check(false);
  executor.set_frozen(frozen);
  check(true);
}

namespace {

double gradient_of(const Value& loss, const CompileOptions& options) {
  Executor<double> executor(compile(loss, options));
  executor.step();
  return executor.gradients()[0];
}

}  // namespace

TEST_CASE("zero adjoints: where something overflows, programs differ from evaluate() as docs/numerics.md says") {
  {
    Tape tape;
    const Value x = tape.parameter(0.0), loss = square(x) * 1e308;
    CHECK(evaluate(loss, {}).gradients[0] == 0.0);
    CHECK(gradient_of(loss, {}) == 0.0);  // a constant is not doubled beyond the largest number
  }
  {
    Tape tape;
    const Value x = tape.parameter(0.0), u = tape.uniform_input(1e308, "u"), s = tape.input(0.0, "s");
    const Value loss = batch_sum(square(x * s) * u);
    const std::vector<double> rows = {1.0};
    CHECK(evaluate(loss, {.rows = rows}).gradients[0] == 0.0);
    for (const bool simplify : {true, false}) {
      Executor<double> executor(compile(loss, {.simplify = simplify}));
      executor.bind("s", std::span<const double>(rows));
      executor.step();
      CHECK(std::isnan(executor.gradients()[0]) == simplify);
    }
  }
  {
    Tape tape;
    const Value x = tape.parameter(0.0), loss = 1.0 / x - 1.0 / x;
    CHECK(std::isnan(evaluate(loss, {}).gradients[0]));
    CHECK(gradient_of(loss, {}) == 0.0);
    CHECK(std::isnan(gradient_of(loss, {.roll = false, .common_subexpressions = false})));
  }
}

TEST_CASE("zero adjoints: what a constant does not choose cannot spoil a gradient either") {
  // The two products are rows of one block, of which only one is chosen.
  Tape tape;
  const Value w = tape.parameter(0.5, "w");
  Value loss = 0.0;
  for (const double number : {2.0, 0.0}) {
    const Value product = w * std::log(number);
    loss += square(where(Value(number), product, number));
  }
  REQUIRE(evaluate(loss, {}).gradients[0] == Approx(2.0 * 0.5 * std::log(2.0) * std::log(2.0)));
  CHECK(gradient_of(loss, {}) == Approx(2.0 * 0.5 * std::log(2.0) * std::log(2.0)));
  CHECK(gradient_of(loss, {.roll = false}) == Approx(2.0 * 0.5 * std::log(2.0) * std::log(2.0)));
}

TEST_CASE("zero adjoints: constants that are infinite or zero in float alone spoil nothing in float") {
  Tape tape;
  const Value p = tape.parameter(0.5, "p"), q = tape.parameter(0.5, "q"), x = tape.input(1.0, "x");
  const Value large = where(x > 0.0, 1e200 * (p * x), x), small = where(x > 0.0, 1e-200 * log(q * x), x);
  Executor<float> executor(compile(batch_sum(large + small)), {.max_samples = 1});
  const std::vector<double> rows = {0.0};
  executor.bind(rows);
  CHECK(executor.step() == 0.0f);
  CHECK(executor.gradients()[0] == 0.0f);
  CHECK(executor.gradients()[1] == 0.0f);
}
