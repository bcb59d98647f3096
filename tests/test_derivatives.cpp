// Derivatives as Values, on the tape: against a second table of formulas and its differences in long double
// (op_oracle.h), and against what reverse sweeps add up.
#include "tapeloom/core/record/derivatives.h"

#include <algorithm>
#include <functional>
#include <random>
#include <utility>
#include <vector>

#include "catch.h"
#include "compare.h"
#include "derivatives.h"
#include "op_oracle.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/compiler/compile_products.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/core/record/functions.h"
#include "tapeloom/core/record/print.h"
#include "tapeloom/runtime/execute/executor.h"

using namespace tapeloom;
using test::close;
using test::inf;
using test::nested;
using test::numbers;
using test::same_bits;

namespace {

constexpr std::uint64_t seed = 20261129;

std::array<long double, 3> wide(const std::array<double, 3>& x) { return {x[0], x[1], x[2]}; }

/// Calls f(op, operands) for every op, far enough from kinks to take differences.
template <class F>
void for_drawn_operands(int draws, F&& f) {
  std::mt19937_64 generator(seed);
  test::for_each_scalar_op([&](Op op, std::span<const ops::Domain> domain) {
    for (int i = 0; i < draws; ++i) {
      const std::array<double, 3> x = test::draw_operands(domain, generator, 1e-2);
      INFO(op_name(op) << "(" << x[0] << ", " << x[1] << ", " << x[2] << "), seed " << seed);
      f(op, x);
    }
  });
}

/// An op of parameters.
struct Applied {
  Applied(Op op, const std::array<double, 3>& x) {
    for (std::size_t i = 0; i < op_arity(op); ++i) operands.push_back(tape.parameter(x[i]));
    std::array<Value, 3> all;
    std::ranges::copy(operands, all.begin());
    value = test::record_op(op, all);
  }
  Tape tape;
  std::vector<Value> operands;
  Value value;
};

/// The partial derivative of an op by operand i, by the second table, and its derivatives by operand j.
struct Partial {
  Op op;
  std::size_t i;
  std::array<long double, 3> x;

  long double at(std::size_t j, long double distance) const {
    std::array<long double, 3> moved = x;
    moved[j] += distance;
    return test::op_oracle(op, moved).partial[i];
  }
  long double first(std::size_t j) const { return (at(j, 1e-6L) - at(j, -1e-6L)) / 2e-6L; }
  long double second(std::size_t j) const {
    constexpr long double h = 2e-4L;
    return (at(j, h) - 2 * at(j, 0) + at(j, -h)) / (h * h);
  }
};

double number(long double x) { return static_cast<double>(x); }

/// Derivatives of f at x of the first three orders.
std::vector<double> orders(const std::function<Value(Value)>& f, double at) {
  Tape tape;
  const Value x = tape.parameter(at);
  Value derivative = f(x);
  std::vector<double> result;
  for (int order = 1; order <= 3; ++order) {
    derivative = gradient(derivative, {x})[0];
    result.push_back(derivative.data());
  }
  return result;
}

}  // namespace

TEST_CASE("a derivative is the number that a reverse sweep gives, bit for bit") {
  for_drawn_operands(50, [](Op op, const std::array<double, 3>& x) {
    Applied f(op, x);
    const Value root = 1.75 * f.value;
    const std::vector<Value> derivatives = gradient(root, f.operands);
    root.backward();
    for (std::size_t i = 0; i < f.operands.size(); ++i) CHECK(same_bits(derivatives[i].data(), f.operands[i].grad()));
  });
  Tape tape;
  const Value x = tape.parameter(0.75), y = tape.parameter(-0.5), root = nested(x, nested(x, y));
  const std::vector<Value> derivatives = gradient(root, {x, y});
  root.backward();
  CHECK(same_bits(derivatives[0].data(), x.grad()));
  CHECK(same_bits(derivatives[1].data(), y.grad()));
}

TEST_CASE("the derivative along an operand is that by the operand") {
  for_drawn_operands(50, [](Op op, const std::array<double, 3>& x) {
    Applied f(op, x);
    for (std::size_t i = 0; i < f.operands.size(); ++i) {
      const long double expected = test::op_oracle(op, wide(x)).partial[i];
      CHECK(close(derivative(f.value, f.operands[i]).data(), number(expected), 1e-13, 1e-15));
    }
  });
}

TEST_CASE("second derivatives of every op are the differences of the second table's derivatives") {
  for_drawn_operands(100, [](Op op, const std::array<double, 3>& x) {
    Applied f(op, x);
    const std::vector<Value> first = gradient(f.value, f.operands), second = hessian(f.value, f.operands);
    for (std::size_t i = 0; i < f.operands.size(); ++i) {
      CHECK(close(first[i].data(), number(test::op_oracle(op, wide(x)).partial[i]), 1e-13, 1e-15));
      // By the other mode, and by the reference evaluator's sweep over what was recorded.
      const Evaluation swept = evaluate(first[i], {});
      for (std::size_t j = 0; j < f.operands.size(); ++j) {
        if (!test::is_drawn(op, j)) continue;
        INFO("by operands " << i << " and " << j);
        const double got = second[i * f.operands.size() + j].data();
        CHECK(close(got, number(Partial{op, i, wide(x)}.first(j)), 1e-7, 1e-8));
        CHECK(close(derivative(first[i], f.operands[j]).data(), got, 1e-13, 1e-15));
        CHECK(close(swept.gradients[j], got, 1e-13, 1e-15));
      }
    }
  });
}

TEST_CASE("third derivatives of every op are the second differences of the second table's derivatives") {
  for_drawn_operands(20, [](Op op, const std::array<double, 3>& x) {
    Applied f(op, x);
    const std::vector<Value> first = gradient(f.value, f.operands);
    for (std::size_t i = 0; i < f.operands.size(); ++i) {
      for (std::size_t j = 0; j < f.operands.size(); ++j) {
        if (!test::is_drawn(op, j)) continue;
        INFO("by operand " << i << " and twice by " << j);
        const Value second = gradient(first[i], {f.operands[j]})[0], third = gradient(second, {f.operands[j]})[0];
        const double expected = number(Partial{op, i, wide(x)}.second(j));
        CHECK(close(third.data(), expected, 1e-4, 1e-5));
      }
    }
  });
}

TEST_CASE("derivatives of the first three orders have their closed forms") {
  const auto is = [](const std::vector<double>& got, std::initializer_list<double> expected) {
    for (std::size_t i = 0; i < 3; ++i) CHECK(close(got[i], expected.begin()[i], 1e-13, 1e-14));
  };
  const double t = std::tanh(0.5), s = 1.0 / (1.0 + std::exp(-0.5));
  is(orders(tapeloom::tanh, 0.5), {1 - t * t, -2 * t * (1 - t * t), (1 - t * t) * (6 * t * t - 2)});
  is(orders(tapeloom::sigmoid, 0.5), {s * (1 - s), s * (1 - s) * (1 - 2 * s), s * (1 - s) * (1 - 6 * s + 6 * s * s)});
  is(orders(tapeloom::exp, 0.5), {std::exp(0.5), std::exp(0.5), std::exp(0.5)});
  is(orders(tapeloom::log, 0.5), {2.0, -4.0, 16.0});
  is(orders([](Value x) { return 1.0 / x; }, 0.5), {-4.0, 16.0, -96.0});
  is(orders(tapeloom::atan, 0.5), {0.8, -0.64, 0.8 * 0.8 * 0.8 * (6.0 * 0.25 - 2.0)});
  is(orders([](Value x) { return x * x * x * x; }, 0.5), {0.5, 3.0, 12.0});
  is(orders(tapeloom::relu, 0.5), {1.0, 0.0, 0.0});
  is(orders(tapeloom::floor, 0.5), {0.0, 0.0, 0.0});
}

TEST_CASE("the Hessian of a square is right where the adjoint is zero") {
  // r = f(x) - f(x) is 0, and the second derivative of r^2 is 2 f'^2, which comes from the adjoint 2 r alone.
  for_drawn_operands(20, [](Op op, const std::array<double, 3>& x) {
    Applied f(op, x);
    const Value loss = square(f.value - f.value.data());
    REQUIRE(loss.data() == 0.0);
    const std::vector<Value> second = hessian(loss, f.operands);
    const test::OpOracle expected = test::op_oracle(op, wide(x));
    const std::size_t n = f.operands.size();
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        const double product = number(2 * expected.partial[i] * expected.partial[j]);
        CHECK(close(second[i * n + j].data(), product, 1e-12, 1e-14));
      }
    }
  });
}

TEST_CASE("an adjoint of zero hides nothing of the next order, and meets nothing") {
  Tape tape;
  const Value w = tape.parameter(0.0), x = tape.parameter(4.0);
  // w log(x) at w = 0
  const std::vector<double> log_hessian = numbers(hessian(w * log(x), {w, x}));
  CHECK(log_hessian == std::vector<double>{0.0, 0.25, 0.25, 0.0});
  const std::vector<double> sqrt_hessian = numbers(hessian(w * sqrt(x), {w, x}));
  CHECK(sqrt_hessian == std::vector<double>{0.0, 0.25, 0.25, 0.0});
  // w sqrt(x) at w = x = 0: by x nothing, by both 1 / (2 sqrt(0)).
  const Value zero = tape.parameter(0.0);
  CHECK(numbers(gradient(w * sqrt(zero), {zero})) == std::vector<double>{0.0});
  const std::vector<double> corner = numbers(hessian(w * sqrt(zero), {w, zero}));
  CHECK(corner == std::vector<double>{0.0, inf, inf, 0.0});
}

TEST_CASE("an exponent of zero hides nothing of the next order") {
  Tape tape;
  const Value a = tape.parameter(2.0), b = tape.parameter(0.0);
  const double log_2 = std::log(2.0);
  const std::vector<Value> second = hessian(pow(a, b), {a, b});
  const std::vector<double> expected = {0.0, 0.5, 0.5, log_2 * log_2};
  CHECK(numbers(second) == expected);
  // a^(b-1) (1 + b log(a)), once more by b.
  for (const Value& mixed : {second[1], second[2]}) CHECK(close(gradient(mixed, {b})[0].data(), log_2, 1e-15, 0.0));
  for (const bool exact : {true, false}) {
    Executor<double> executor(compile_inference(second, {.exact = exact}));
    executor.step();
    CHECK(close(executor.outputs()[1], 0.5, 1e-15, 0.0));
    CHECK(close(executor.outputs()[2], 0.5, 1e-15, 0.0));
  }
  // Nothing comes from where it is not differentiated, also at a = 0.
  const Value zero = tape.parameter(0.0);
  CHECK(numbers(hessian(pow(zero, 0.0) + pow(zero, 1.0) + pow(zero, 2.0), {zero})) == std::vector<double>{2.0});
}

TEST_CASE("huber has the second derivative of its parabola, also at its lowest point") {
  for (const double distance : {0.0, -0.0, 0.75, -0.75, 1.5, -1.5}) {
    Tape tape;
    const Value y = tape.parameter(distance), delta = tape.parameter(1.0);
    const bool near = std::abs(distance) <= 1.0;
    const double slope = near ? distance : std::copysign(1.0, distance);
    CHECK(numbers(gradient(huber(y, 0.0), {y})) == std::vector<double>{slope});
    CHECK(numbers(hessian(huber(y, 0.0), {y})) == std::vector<double>{near ? 1.0 : 0.0});
    CHECK(numbers(hessian(smooth_l1(y, 0.0, 0.5), {y})) == std::vector<double>{std::abs(distance) <= 0.5 ? 2.0 : 0.0});
    const Value learned = huber(y, 0.0, delta);
    CHECK(numbers(gradient(learned, {y, delta})) == std::vector<double>{slope, near ? 0.0 : std::abs(distance) - 1.0});
    const double sign = near ? 0.0 : std::copysign(1.0, distance);
    CHECK(numbers(hessian(learned, {y, delta})) ==
          std::vector<double>{near ? 1.0 : 0.0, sign, sign, near ? 0.0 : -1.0});
  }
}

TEST_CASE("a branch that where() does not take contributes nothing to derivatives of any order") {
  const std::vector<std::function<Value(Value)>> infinite = {
      [](Value x) { return sqrt(x); },
      [](Value x) { return log(x); },
      [](Value x) { return 1.0 / (1.0 / x); },
      [](Value x) { return x / (x / x); },
      [](Value x) { return tanh(1.0 / x) * log(x); },
      [](Value x) { return sigmoid(log(x)) / x; },
      [](Value x) { return pow(x, -0.5) * atan(1.0 / x); },
      [](Value x) { return exp(1.0 / x) - square(sin(1.0 / x)); },
      [](Value x) { return softplus(1.0 / x) * hypot(x, x) + cbrt(x) * atan2(x, x); },
      [](Value x) { return asin(1.0 + x) * acosh(1.0 + x) * erf(1.0 / x) * tan(1.0 / x); },
      [](Value x) { return fmod(x, x) + lgamma(x) + relu(1.0 / x) * abs(log(x)) + max(log(x), 1.0 / x); },
  };
  for (std::size_t i = 0; i < infinite.size(); ++i) {
    INFO("function " << i);
    for (const double at : {0.0, -0.0}) {
      CHECK(orders([&](Value x) { return where(x > 0.0, infinite[i](x), x * x * x); }, at) ==
            std::vector<double>{0.0, 0.0, 6.0});
    }
    // Where it is taken, it counts.
    const std::vector<double> alone = orders(infinite[i], 0.75);
    const std::vector<double> chosen = orders([&](Value x) { return where(x > 0.0, infinite[i](x), x * x * x); }, 0.75);
    for (std::size_t k = 0; k < 3; ++k) CHECK(close(alone[k], chosen[k], 1e-12, 1e-12));
  }
}
