// Functions that are written with ops: values and derivatives against formulas in long double, with the numbers where
// they bend, overflow or are not finite.
#include <array>
#include <cmath>
#include <functional>
#include <numbers>
#include <span>
#include <vector>

#include "catch.h"
#include "compare.h"
#include "instruction_sets.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/nets/activation.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/record/derivatives.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/core/record/functions.h"
#include "tapeloom/runtime/execute/executor.h"

using namespace tapeloom;
using test::close;
using test::inf;
using test::not_a_number;
using test::same_bits;

namespace {

using Wide = long double;

Wide phi(Wide x) { return std::erfc(-x / std::numbers::sqrt2_v<Wide>) / 2; }
Wide bell(Wide x) { return std::exp(-x * x / 2) * std::numbers::inv_sqrtpi_v<Wide> / std::numbers::sqrt2_v<Wide>; }
Wide logistic(Wide x) { return 1 / (1 + std::exp(-x)); }

struct Function {
  const char* name;
  Value (*function)(Value);
  Wide (*value)(Wide);
  Wide (*derivative)(Wide);
};

const Function functions[] = {
    {"gelu", [](Value x) { return gelu(x); }, [](Wide x) { return x * phi(x); },
     [](Wide x) { return phi(x) + x * bell(x); }},
    {"silu", [](Value x) { return silu(x); }, [](Wide x) { return x * logistic(x); },
     [](Wide x) { return logistic(x) * (1 + x * logistic(-x)); }},
    {"elu", [](Value x) { return elu(x); }, [](Wide x) { return x > 0 ? x : std::expm1(x); },
     [](Wide x) { return x > 0 ? 1 : std::exp(x); }},
    {"elu with alpha", [](Value x) { return elu(x, 0.25); }, [](Wide x) { return x > 0 ? x : std::expm1(x) / 4; },
     [](Wide x) { return x > 0 ? 1 : std::exp(x) / 4; }},
    {"huber", [](Value x) { return huber(x, 0.5); },
     [](Wide x) { return std::fabs(x - 0.5L) <= 1 ? (x - 0.5L) * (x - 0.5L) / 2 : std::fabs(x - 0.5L) - 0.5L; },
     [](Wide x) { return std::fmax(-1, std::fmin(1, x - 0.5L)); }},
    {"huber with delta", [](Value x) { return huber(1.0, x, 0.25, 3.0); },
     [](Wide x) {
       const Wide d = std::fabs(x - 1);
       return 3 * (d <= 0.25L ? d * d / 2 : 0.25L * (d - 0.125L));
     },
     [](Wide x) { return 3 * std::fmax(-0.25L, std::fmin(0.25L, x - 1)); }},
    {"clamp", [](Value x) { return clamp(x, -0.5, 1.5); }, [](Wide x) { return std::clamp<Wide>(x, -0.5L, 1.5L); },
     [](Wide x) -> Wide { return x >= -0.5L && x <= 1.5L; }},
};

const double arguments[] = {-1e4, -700.0, -40.0, -10.0, -3.0, -1.0, -0.75, -0.5, -1e-3, -1e-20, 0.0,   1e-20,
                            1e-3, 0.25,   0.5,   0.75,  1.0,  1.25, 1.5,   2.5,  7.0,   40.0,   700.0, 1e4};

template <class T>
void check_compiled(const Function& f) {
  Tape tape;
  const Value x = tape.input(0.5, "x"), y = f.function(x);
  Executor<T> executor(compile(batch_sum(y), {.outputs = {y}, .input_gradients = true}));
  std::vector<T> rows(std::begin(arguments), std::end(arguments));
  executor.bind("x", std::span<const T>(rows));
  executor.step();
  const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    INFO(f.name << " at " << rows[i]);
    // Derivatives are sums of terms near 1, that of expm1 among them.
    // The argument of what decays like exp(-x^2) is rounded: relatively the error is x^2 eps, of what is small then.
    const double least = static_cast<double>(std::numeric_limits<T>::min());
    const double few = 16.0 * eps, size = std::min(1.0 + static_cast<double>(rows[i] * rows[i]), 400.0);
    const Wide at = static_cast<Wide>(rows[i]);
    CHECK(close(static_cast<double>(executor.outputs()[i]), static_cast<double>(f.value(at)), few * size, 40 * least));
    CHECK(close(static_cast<double>(executor.input_gradients()[i]), static_cast<double>(f.derivative(at)), few * size,
                4 * eps));
  }
}

/// Of a list that is recorded as inputs: its value and derivatives, on the tape.
struct AtList {
  double value;
  std::vector<double> derivatives;
};
AtList at(const std::function<Value(std::span<const Value>)>& f, const std::vector<double>& z) {
  Tape tape;
  std::vector<Value> x;
  for (double number : z) x.push_back(tape.parameter(number));
  const Value y = f(x);
  y.backward();
  AtList result{y.data(), {}};
  for (const Value& each : x) result.derivatives.push_back(each.grad());
  return result;
}

}  // namespace

TEST_CASE("functions: activations, clamp and huber have their formulas' values and derivatives, with every kernel") {
  for (const Function& f : functions) {
    for (double x : arguments) {
      INFO(f.name << " at " << x);
      Tape tape;
      const Value leaf = tape.parameter(x), y = f.function(leaf);
      y.backward();
      const double size = std::min(1.0 + x * x, 400.0);
      CHECK(close(y.data(), static_cast<double>(f.value(x)), 4e-16 * size, 1e-306));
      CHECK(close(leaf.grad(), static_cast<double>(f.derivative(x)), 4e-16 * size, 4e-16));
    }
    test::with_each_instruction_set([&] {
      check_compiled<double>(f);
      check_compiled<float>(f);
    });
    Tape tape;
    CHECK(std::isnan(f.function(tape.parameter(not_a_number)).data()));
    CHECK(f.function(tape.parameter(inf)).data() == (std::string_view(f.name) == "clamp" ? 1.5 : inf));
  }
}

TEST_CASE("functions: activations are given by their names") {
  Tape tape;
  std::mt19937_64 random(1);
  const MLP network(tape, 1, {{2, gelu}, {2, silu}, {1, elu}}, glorot(random));
  CHECK(std::isfinite(network({tape.input(0.5)})[0].data()));
}

TEST_CASE("functions: the ends of clamp pass the derivative to what is clamped, and the upper one wins") {
  const auto clamped = [](double x, double low, double high) {
    return at([](std::span<const Value> z) { return clamp(z[0], z[1], z[2]); }, {x, low, high});
  };
  CHECK(clamped(2.0, 2.0, 3.0).derivatives == std::vector<double>{1.0, 0.0, 0.0});
  CHECK(clamped(3.0, 2.0, 3.0).derivatives == std::vector<double>{1.0, 0.0, 0.0});
  CHECK(clamped(1.0, 2.0, 3.0).derivatives == std::vector<double>{0.0, 1.0, 0.0});
  CHECK(clamped(4.0, 2.0, 3.0).derivatives == std::vector<double>{0.0, 0.0, 1.0});
  CHECK(clamped(0.0, 3.0, 2.0).value == 2.0);
  CHECK(std::isnan(clamped(0.0, not_a_number, 1.0).value));
}

TEST_CASE("functions: fmax and fmin pass over NaN, and ties go to the first") {
  const auto two = [](Value (*f)(Value, Value), double a, double b) {
    return at([f](std::span<const Value> z) { return f(z[0], z[1]); }, {a, b});
  };
  const double numbers[] = {0.0, 1.0, -2.0, inf, -inf, not_a_number, 1e-310};
  for (double a : numbers) {
    for (double b : numbers) {
      INFO(a << " and " << b);
      CHECK(same_bits(two(fmax, a, b).value, std::fmax(a, b)));
      CHECK(same_bits(two(fmin, a, b).value, std::fmin(a, b)));
      const bool second = std::isnan(a) || b > a;
      CHECK(two(fmax, a, b).derivatives == std::vector<double>{second ? 0.0 : 1.0, second ? 1.0 : 0.0});
    }
  }
}

TEST_CASE("functions: isnan, isinf, isfinite and signbit choose sample by sample, and guard as a bool") {
  const std::vector<double> rows = {0.0, -0.0, 1.5, -2.0, inf, -inf, not_a_number, 5e-324, -1e308};
  Tape tape;
  const Value x = tape.input(1.0, "x");
  const std::vector<Value> asked = {isnan(x), isinf(x), isfinite(x), signbit(x), where(isnan(x), -1.0, x)};
  CHECK(tape.guards().empty());
  const Program programs[] = {compile_inference(asked), compile_inference(asked, {.exact = true})};
  for (const Program& program : programs) {
    Executor<double> executor(program);
    executor.bind(rows);
    executor.step();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      INFO(rows[i]);
      const std::span<const double> got = executor.outputs().subspan(5 * i, 5);
      CHECK((got[0] == 1.0) == std::isnan(rows[i]));
      CHECK((got[1] == 1.0) == std::isinf(rows[i]));
      CHECK((got[2] == 1.0) == std::isfinite(rows[i]));
      if (!std::isnan(rows[i])) CHECK((got[3] == 1.0) == std::signbit(rows[i]));
      CHECK(got[4] == (std::isnan(rows[i]) ? -1.0 : rows[i]));
    }
  }
  const bool decided = isfinite(x);
  CHECK(decided);
  CHECK(tape.guards().size() == 1);
}

TEST_CASE("functions: logsumexp and log_softmax do not overflow, and their derivatives are softmax") {
  const std::vector<std::vector<double>> lists = {
      {0.3}, {0.5, -1.25, 2.0}, {1000.0, 999.0, 0.0}, {-1000.0, -1001.0}, {1e300, -1e300, 1e300}, {-inf, 2.0, 1.0}};
  for (const std::vector<double>& z : lists) {
    Wide most = -inf, total = 0;
    for (double each : z) most = std::fmax(most, static_cast<Wide>(each));
    for (double each : z) total += std::exp(each - most);
    const AtList got = at([](std::span<const Value> x) { return logsumexp(x); }, z);
    CHECK(close(got.value, static_cast<double>(std::log(total) + most), 4e-16, 2e-16));
    for (std::size_t k = 0; k < z.size(); ++k) {
      const Wide p = std::exp(z[k] - most) / total;
      INFO(k << " of " << z.size() << ", the first of which is " << z[0]);
      CHECK(close(got.derivatives[k], static_cast<double>(p), 4e-16, 4e-16));
      const AtList log_p = at([k](std::span<const Value> x) { return log_softmax(x)[k]; }, z);
      CHECK(close(log_p.value, static_cast<double>(z[k] - most - std::log(total)), 4e-16, 4e-16));
      for (std::size_t j = 0; j < z.size(); ++j) {
        const Wide by_j = (j == k ? 1 : 0) - std::exp(z[j] - most) / total;
        CHECK(close(log_p.derivatives[j], static_cast<double>(by_j), 1e-15, 1e-15));
      }
    }
  }
  const auto value = [](const std::vector<double>& z) {
    return at([](std::span<const Value> x) { return logsumexp(x); }, z).value;
  };
  CHECK(value({-inf, -inf}) == -inf);
  CHECK(value({inf, 1.0}) == inf);
  CHECK(value({inf, -inf}) == inf);
  CHECK(std::isnan(value({1.0, not_a_number})));
  CHECK(logsumexp({0.0, 0.0}).data() == std::log(2.0));
  CHECK(log_softmax({0.0, 0.0})[1].data() == -std::log(2.0));
  CHECK_THROWS_AS(logsumexp({}), RecordingError);
  CHECK_THROWS_AS(log_softmax({}), RecordingError);
}

TEST_CASE("functions: logsumexp of a batch is right where a row is infinite, in float and double") {
  Tape tape;
  const std::vector<Value> z = tape.inputs("z", 3);
  const Value y = logsumexp(z);
  const double rows[] = {1.0, 2.0, 3.0, -inf, -inf, -inf, 1000.0, 1000.0, -inf, inf, 0.0, 0.0};
  const double expected[] = {3.0 + std::log(1.0 + std::exp(-1.0) + std::exp(-2.0)), -inf, 1000.0 + std::log(2.0), inf};
  const auto check = [&]<class T>(T bound) {
    Executor<T> executor(compile_inference(y));
    const std::vector<T> numbers(std::begin(rows), std::end(rows));
    executor.bind("z", std::span<const T>(numbers));
    executor.step();
    for (std::size_t i = 0; i < 4; ++i) {
      const double got = static_cast<double>(executor.outputs()[i]);
      CHECK(
          (got == expected[i] || std::fabs(got - expected[i]) <= static_cast<double>(bound) * std::fabs(expected[i])));
    }
  };
  check(1e-15);
  check(4e-7f);
}

TEST_CASE("functions: huber over lists of samples, weighted and not") {
  Tape tape;
  const std::vector<Value> y = {tape.parameter(1.0), tape.parameter(-3.0), tape.parameter(0.5)};
  const std::vector<Value> t = {0.5, 0.0, 0.5}, w = {2.0, 1.0, 5.0};
  CHECK(huber_sum(y, t).data() == 0.125 + 2.5);
  CHECK(huber_mean(y, t, 1.0, w).data() == (0.25 + 2.5) / 8.0);
  CHECK(huber_sum(y, t, 0.25).data() == 0.25 * (0.5 - 0.125) + 0.25 * (3.0 - 0.125));
  CHECK(huber(y[0], not_a_number, 1.0, 0.0).data() == 0.0);
  CHECK_THROWS_AS(huber_sum(y, std::vector<Value>{0.5}), RecordingError);
  CHECK_THROWS_SAYING(RecordingError, "huber: delta must be zero or more; it is -1", huber(y[0], t[0], -1.0));
  CHECK_THROWS_SAYING(RecordingError, "huber: delta must be zero or more; it is nan", huber_mean(y, t, not_a_number));
  CHECK_THROWS_SAYING(RecordingError, "smooth_l1: beta must be zero or more; it is -1", smooth_l1(y[0], t[0], -1.0));
  huber_sum(y, t).backward();
  CHECK(y[0].grad() == 0.5);
  CHECK(y[1].grad() == -1.0);
  CHECK(y[2].grad() == 0.0);
}

TEST_CASE("functions: stop_gradient has the value and no derivative, on the tape and of every order") {
  Tape tape;
  const Value x = tape.parameter(3.0), y = stop_gradient(x) * x;
  CHECK(y.data() == 9.0);
  CHECK(evaluate(y, {}).gradients[0] == 3.0);
  y.backward();
  CHECK(x.grad() == 3.0);
  const Value slope = gradient(y, std::vector<Value>{x})[0], ahead = derivative(y, x);
  CHECK(slope.data() == 3.0);
  CHECK(ahead.data() == 3.0);
  CHECK(gradient(slope, std::vector<Value>{x})[0].data() == 0.0);
  CHECK(gradient(ahead, std::vector<Value>{x})[0].data() == 0.0);
  CHECK(derivative(slope, x).data() == 0.0);
  CHECK(stop_gradient(2.0).is_plain());
  CHECK(same_bits(stop_gradient(-0.0).data(), -0.0));
  // What stands behind it may be infinite or NaN.
  for (const double bad : {inf, -inf, not_a_number}) {
    const Value z = tape.parameter(bad), all = where(z == 0.0, stop_gradient(1.0 / z), 2.0) + stop_gradient(square(z));
    CHECK(same_bits(all.data(), bad * bad + 2.0));
    CHECK(gradient(all, std::vector<Value>{z})[0].data() == 0.0);
  }
}

TEST_CASE("functions: stop_gradient is computed anew in each step, compiled in every way, and costs nothing") {
  const std::vector<double> rows = {0.5, -2.0, 0.0, inf};
  for (const int way : {0, 1, 2, 3}) {
    INFO("way " << way);
    Tape tape;
    const Value x = tape.input(0.25, "x"), w = tape.parameter(3.0), wx = w * x;
    // Neither a square, nor 0 to be left out: the first has the derivative wx by wx, the second 1 by w.
    const Value y = stop_gradient(wx) * wx + (w - stop_gradient(w));
    CompileOptions options{.outputs = {y}, .input_gradients = true};
    options.simplify = way != 1, options.roll = way != 2, options.exact = way == 3;
    Executor<double> executor(compile(batch_sum(y), options));
    executor.bind("x", std::span(rows).first(3));
    for (const double number : {3.0, -1.0}) {
      executor.set_parameters(std::vector<double>{number});
      executor.step();
      double by_w = 0.0;
      for (std::size_t i = 0; i < 3; ++i) {
        CHECK(executor.outputs()[i] == number * number * rows[i] * rows[i]);
        CHECK(executor.input_gradients()[i] == number * number * rows[i]);
        by_w += number * rows[i] * rows[i] + 1.0;
      }
      CHECK(executor.gradients()[0] == by_w);
    }
  }
  const auto instructions = [](Value (*function)(Value)) {
    Tape tape;
    const Value x = tape.input(0.25, "x"), w = tape.parameter(3.0);
    return compile(batch_sum(tanh(w * x) * function(exp(w)))).instructions.size();
  };
  CHECK(instructions([](Value v) { return stop_gradient(v); }) < instructions([](Value v) { return v; }));
}

TEST_CASE("functions: a shift by stop_gradient follows the data of a compiled program, and one by data() does not") {
  const auto softmax_by = [](Value (*shift)(Value)) {
    Tape tape;
    const std::vector<Value> z = tape.inputs("z", 2);  // numbers of a recording: zeros
    const Value by = shift(max(z[0], z[1])), a = exp(z[0] - by), b = exp(z[1] - by);
    Executor<float> executor(compile(batch_sum(a / (a + b)), {.input_gradients = true}));
    const std::vector<float> rows = {1000.0f, 1000.0f};
    executor.bind(std::span<const float>(rows));
    executor.step();
    return std::pair(executor.loss(), executor.input_gradients()[0]);
  };
  CHECK(softmax_by([](Value most) { return stop_gradient(most); }) == std::pair(0.5f, 0.25f));
  CHECK(std::isnan(softmax_by([](Value most) { return Value(most.data()); }).first));
}

TEST_CASE("functions: lists of Values are given in braces, or as vectors, arrays and spans of any kind") {
  Tape tape;
  const Value a = tape.parameter(2.0), b = tape.parameter(5.0);
  std::vector<Value> vector = {a, b};
  const std::array<Value, 2> array = {a, b};
  const Value plain[] = {a, b};
  for (const Value& total : {sum({a, b}), sum(vector), sum(array), sum(plain), sum(std::span(vector)),
                             sum(std::span<const Value>(vector)), sum({a, 5.0})}) {
    CHECK(total.data() == 7.0);
  }
  CHECK(dot({a, b}, vector).data() == 29.0);
  CHECK(dot(array, {3.0, 4.0}).data() == 26.0);
  CHECK(apply(Op::sub, {b, a}).data() == 3.0);
  CHECK(apply(Op::sub, array).data() == -3.0);
  // One in braces is what it is by itself; nothing in braces is an empty list.
  CHECK(sum({a}).data() == 2.0);
  CHECK(sum({}).data() == 0.0);
  CHECK(derivative(a * b, {a}, {b}).data() == 25.0);
  CHECK(derivative(a * b, {a, b}, {1.0, 1.0}).data() == 7.0);
  CHECK(derivative({a * b, a + b}, vector, {1.0, 0.0})[0].data() == 5.0);
  CHECK(jacobian({a * b}, vector)[1].data() == 2.0);
  CHECK(compile_inference({a}).outputs.size() == 1);
  CHECK(compile_inference({1.0, a}).outputs.size() == 2);
}
