// Zeros, infinities, NaN, ties and overflow: what each op does there, and that a derivative which is infinite does not
// reach through a branch that was not taken.
#include <cmath>
#include <functional>

#include "catch.h"
#include "compare.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/runtime/execute/executor.h"

using namespace tapeloom;
using test::close;
using test::inf;
using test::not_a_number;
using test::same_bits;

namespace {

/// The function's value at x and its derivative, by the reference evaluator.
struct At {
  double value;
  double derivative;
};

At at(const std::function<Value(Value)>& f, double x) {
  Tape tape;
  const Value root = f(tape.parameter(x)).on(tape);
  const Evaluation result = evaluate(root, {});
  CHECK(same_bits(result.root[0], root.data()));
  return {result.root[0], result.gradients[0]};
}

/// Value and both derivatives of a function of two values.
struct At2 {
  double value;
  double first, second;
};

At2 at(const std::function<Value(Value, Value)>& f, double a, double b) {
  Tape tape;
  const Value x = tape.parameter(a), y = tape.parameter(b);
  const Evaluation result = evaluate(f(x, y).on(tape), {});
  return {result.root[0], result.gradients[0], result.gradients[1]};
}

void check(const At& given, double value, double derivative) {
  CHECK(same_bits(given.value, value));
  CHECK(close(given.derivative, derivative, 1e-15));  // the sign of a zero derivative is nobody's business
}

void check(const At2& given, double value, double first, double second) {
  CHECK(same_bits(given.value, value));
  CHECK(close(given.first, first, 1e-15));
  CHECK(close(given.second, second, 1e-15));
}

}  // namespace

TEST_CASE("exp and log at the ends") {
  check(at(tapeloom::exp, 1000.0), inf, inf);
  check(at(tapeloom::exp, -1000.0), 0.0, 0.0);
  check(at(tapeloom::exp, -inf), 0.0, 0.0);
  check(at(tapeloom::exp, not_a_number), not_a_number, not_a_number);
  check(at(tapeloom::expm1, -1000.0), -1.0, 0.0);
  check(at(tapeloom::expm1, 1e-20), 1e-20, 1.0);
  check(at(tapeloom::expm1, -0.0), -0.0, 1.0);
  check(at(tapeloom::log, 0.0), -inf, inf);
  check(at(tapeloom::log, inf), inf, 0.0);
  CHECK(std::isnan(at(tapeloom::log, -1.0).value));
  check(at(tapeloom::log1p, 1e-20), 1e-20, 1.0);
  check(at(tapeloom::log1p, -1.0), -inf, inf);
  check(at(tapeloom::sqrt, 0.0), 0.0, inf);
  CHECK(std::isnan(at(tapeloom::sqrt, -1.0).value));
  check(at(tapeloom::sqrt, inf), inf, 0.0);
}

TEST_CASE("squashing functions saturate without overflow") {
  check(at(tapeloom::tanh, 1000.0), 1.0, 0.0);
  check(at(tapeloom::tanh, -inf), -1.0, 0.0);
  check(at(tapeloom::tanh, -0.0), -0.0, 1.0);
  check(at(tapeloom::sigmoid, 1000.0), 1.0, 0.0);
  check(at(tapeloom::sigmoid, -1000.0), 0.0, 0.0);
  check(at(tapeloom::sigmoid, -700.0), std::exp(-700.0), std::exp(-700.0));
  check(at(tapeloom::sigmoid, 0.0), 0.5, 0.25);
  check(at(tapeloom::sigmoid, inf), 1.0, 0.0);
  check(at(tapeloom::sigmoid, -inf), 0.0, 0.0);
  check(at(tapeloom::softplus, 1000.0), 1000.0, 1.0);
  check(at(tapeloom::softplus, -1000.0), 0.0, 0.0);
  check(at(tapeloom::softplus, -700.0), std::exp(-700.0), std::exp(-700.0));
  check(at(tapeloom::softplus, inf), inf, 1.0);
  check(at(tapeloom::softplus, -inf), 0.0, 0.0);
  check(at(tapeloom::atan, inf), std::atan(inf), 0.0);
  check(at(tapeloom::erf, inf), 1.0, 0.0);
  check(at(tapeloom::erf, -30.0), -1.0, 0.0);
  check(at(tapeloom::erf, -0.0), -0.0, 2.0 / std::sqrt(M_PI));
  check(at(tapeloom::erfc, inf), 0.0, 0.0);
  check(at(tapeloom::erfc, -inf), 2.0, 0.0);
  check(at(tapeloom::erfc, 0.0), 1.0, -2.0 / std::sqrt(M_PI));
  check(at(tapeloom::erf, not_a_number), not_a_number, not_a_number);
  check(at(tapeloom::sigmoid, not_a_number), not_a_number, not_a_number);
  check(at(tapeloom::softplus, not_a_number), not_a_number, not_a_number);
}

namespace {

/// What a huge adjoint shows of a derivative below the smallest number: seed times the derivative, for one operand.
double sent(const std::function<Value(Value)>& f, double x, double seed) {
  Tape tape;
  const Value leaf = tape.parameter(x), root = f(leaf);
  root.backward(seed);
  CHECK(evaluate(root, {}, {}, seed).gradients[0] == leaf.grad());
  return leaf.grad();
}

}  // namespace

TEST_CASE("derivatives do not overflow on the way where they are numbers") {
  // 1 / (1 + x^2), of which 1e300 is left at 1e200.
  CHECK(close(sent(tapeloom::atan, 1e200, 1e300), 1e-100, 1e-15));
  CHECK(close(sent(tapeloom::atan, -1.5e154, 1.0), 1.0 / 1.5e154 / 1.5e154, 1e-15));
  CHECK(close(sent(tapeloom::atan, 1e154, 1e10), 1e10 / 1e154 / 1e154, 1e-15));
  CHECK(close(sent(tapeloom::atan, 2e9, 1.0), 2.5e-19, 1e-15));
  CHECK(close(sent(tapeloom::atan, 9.9e8, 1.0), 1.0 / (9.9e8 * 9.9e8), 1e-15));
  CHECK(close(sent(tapeloom::asinh, 1e300, 1.0), 1e-300, 1e-15));
  CHECK(close(sent(tapeloom::asinh, -1e300, 1.0), 1e-300, 1e-15));
  CHECK(close(sent(tapeloom::acosh, 1.7976931348623157e308, 1e10), 1e10 / 1.7976931348623157e308, 1e-15));
  check(at(tapeloom::hypot, 3e200, 4e200), std::hypot(3e200, 4e200), 0.6, 0.8);
  check(at(tapeloom::hypot, -3e-200, 4e-200), std::hypot(3e-200, 4e-200), -0.6, 0.8);
  const At2 far = at(tapeloom::atan2, 3e200, 4e200), near = at(tapeloom::atan2, -3e-200, 4e-200);
  check(far, std::atan2(3.0, 4.0), 4.0 / 25.0 * 1e-200, -3.0 / 25.0 * 1e-200);
  CHECK(close(near.first, 4.0 / 25.0 * 1e200, 1e-15));
  CHECK(close(near.second, 3.0 / 25.0 * 1e200, 1e-15));
}

TEST_CASE("trigonometric and hyperbolic functions at the ends of where they are defined") {
  check(at(tapeloom::tan, -0.0), -0.0, 1.0);
  CHECK(std::isnan(at(tapeloom::tan, inf).value));
  check(at(tapeloom::asin, 1.0), std::asin(1.0), inf);
  check(at(tapeloom::asin, -0.0), -0.0, 1.0);
  check(at(tapeloom::asin, 1.5), not_a_number, not_a_number);
  check(at(tapeloom::acos, 1.0), 0.0, -inf);
  check(at(tapeloom::acos, -1.0), std::acos(-1.0), -inf);
  check(at(tapeloom::acos, -1.5), not_a_number, not_a_number);
  check(at(tapeloom::sinh, 1000.0), inf, inf);
  check(at(tapeloom::sinh, -0.0), -0.0, 1.0);
  check(at(tapeloom::cosh, -1000.0), inf, -inf);
  check(at(tapeloom::cosh, 0.0), 1.0, 0.0);
  check(at(tapeloom::asinh, inf), inf, 0.0);
  check(at(tapeloom::asinh, -0.0), -0.0, 1.0);
  check(at(tapeloom::acosh, 1.0), 0.0, inf);
  check(at(tapeloom::acosh, 0.5), not_a_number, not_a_number);
  check(at(tapeloom::acosh, -3.0), not_a_number, not_a_number);
  check(at(tapeloom::acosh, inf), inf, 0.0);
  check(at(tapeloom::atanh, 1.0), inf, inf);
  check(at(tapeloom::atanh, -0.0), -0.0, 1.0);
  check(at(tapeloom::exp2, 1024.0), inf, inf);
  check(at(tapeloom::exp2, -inf), 0.0, 0.0);
  check(at(tapeloom::exp2, 3.0), 8.0, 8.0 * std::log(2.0));
  check(at(tapeloom::log2, 0.0), -inf, inf);
  check(at(tapeloom::log2, 8.0), 3.0, 0.125 / std::log(2.0));
  check(at(tapeloom::log10, 1000.0), 3.0, 1e-3 / std::log(10.0));
  CHECK(std::isnan(at(tapeloom::log10, -1.0).value));
  check(at(tapeloom::cbrt, -8.0), -2.0, 1.0 / 12.0);
  check(at(tapeloom::cbrt, 0.0), 0.0, inf);
  check(at(tapeloom::cbrt, -0.0), -0.0, inf);
}

TEST_CASE("the gamma function's logarithm and its derivatives: known values and poles") {
  constexpr long double pi = 3.14159265358979323846L, euler = 0.57721566490153286061L, zeta3 = 1.20205690315959428540L;
  constexpr long double catalan = 0.91596559417721901505L, ln2 = 0.69314718055994530942L;
  const auto is = [](double got, long double exact) { return close(got, static_cast<double>(exact), 4e-16); };
  const auto lgamma_is = [&](double x, long double value, long double derivative) {
    CHECK(is(at(tapeloom::lgamma, x).value, value));
    CHECK(is(at(tapeloom::lgamma, x).derivative, derivative));
  };
  lgamma_is(1.0, 0.0L, -euler);
  lgamma_is(2.0, 0.0L, 1.0L - euler);
  lgamma_is(0.5, std::log(pi) / 2.0L, -euler - 2.0L * ln2);
  lgamma_is(-0.5, std::log(2.0L * std::sqrt(pi)), -euler - 2.0L * ln2 + 2.0L);
  CHECK(is(at(tapeloom::lgamma, 101.0).value, 363.73937555556349014L));
  check(at(tapeloom::lgamma, 0.0), inf, -inf);
  check(at(tapeloom::lgamma, -0.0), inf, inf);
  CHECK(at(tapeloom::lgamma, -2.0).value == inf);
  CHECK(std::isnan(at(tapeloom::lgamma, -2.0).derivative));
  check(at(tapeloom::lgamma, inf), inf, inf);
  const auto digamma_is = [&](double x, long double value, long double derivative) {
    CHECK(is(at(tapeloom::digamma, x).value, value));
    CHECK(is(at(tapeloom::digamma, x).derivative, derivative));
  };
  digamma_is(1.0, -euler, pi * pi / 6.0L);
  digamma_is(0.5, -euler - 2.0L * ln2, pi * pi / 2.0L);
  digamma_is(0.25, -euler - pi / 2.0L - 3.0L * ln2, pi * pi + 8.0L * catalan);
  digamma_is(-0.5, -euler - 2.0L * ln2 + 2.0L, pi * pi / 2.0L + 4.0L);
  digamma_is(-1.5, -euler - 2.0L * ln2 + 2.0L + 2.0L / 3.0L, pi * pi / 2.0L + 4.0L + 4.0L / 9.0L);
  digamma_is(1e-30, -1e30L, 1e60L);
  digamma_is(-1e-30, 1e30L, 1e60L);
  digamma_is(1e300, std::log(1e300L), 1e-300L);
  CHECK(std::fabs(at(tapeloom::digamma, 1.4616321449683622).value) < 2e-16);  // its zero is at ...3623413
  const auto order = [](double n) { return [n](Value x) { return polygamma(n, x); }; };
  CHECK(is(at(order(0), 1.0).value, -euler));
  CHECK(is(at(order(1), 1.0).derivative, -2.0 * zeta3));
  CHECK(is(at(order(2), 1.0).value, -2.0 * zeta3));
  CHECK(is(at(order(2), 0.5).value, -14.0 * zeta3));
  CHECK(is(at(order(3), 1.0).value, std::pow(pi, 4) / 15.0));
  CHECK(is(at(order(3), -0.5).value, std::pow(pi, 4) + 96.0));
  CHECK(close(at(order(100), 1.0).value, -9.33262154439441e157, 1e-13));
  CHECK(at(order(1), -3.0).value == inf);
  CHECK(std::isnan(at(order(2), -3.0).value));
  for (double none : {-1.0, 0.5, 101.0, not_a_number, inf}) CHECK(std::isnan(at(order(none), 2.0).value));
}

TEST_CASE("what rounds is a step: its derivative is zero, its sign that of its operand") {
  for (const auto& f : {tapeloom::floor, tapeloom::ceil, tapeloom::round}) {
    for (double x : {0.0, -0.0, inf, -inf, 3.0, -7.0, 0x1p60}) check(at(f, x), x, 0.0);
    check(at(f, not_a_number), not_a_number, 0.0);
  }
  check(at(tapeloom::floor, -0.25), -1.0, 0.0);
  check(at(tapeloom::ceil, -0.25), -0.0, 0.0);
  check(at(tapeloom::round, -0.25), -0.0, 0.0);
  check(at(tapeloom::round, 2.5), 3.0, 0.0);
  check(at(tapeloom::round, -2.5), -3.0, 0.0);
  check(at(tapeloom::round, 0.49999999999999994), 0.0, 0.0);
}

TEST_CASE("hypot, atan2, fmod and copysign at zeros and jumps") {
  check(at(tapeloom::hypot, 0.0, 0.0), 0.0, 0.0, 0.0);
  check(at(tapeloom::hypot, -0.0, 2.0), 2.0, 0.0, 1.0);
  CHECK(at(tapeloom::hypot, inf, not_a_number).value == inf);
  check(at(tapeloom::atan2, 0.0, 0.0), 0.0, 0.0, 0.0);
  check(at(tapeloom::atan2, 0.0, -0.0), std::atan2(0.0, -0.0), 0.0, 0.0);
  check(at(tapeloom::atan2, 0.0, -2.0), std::atan2(0.0, -2.0), -0.5, 0.0);
  check(at(tapeloom::atan2, -0.0, -2.0), -std::atan2(0.0, -2.0), -0.5, 0.0);
  CHECK(at(tapeloom::atan2, 1e-310, 0.0).second == -inf);
  CHECK(at(tapeloom::atan2, 1e-310, 0.0).first == 0.0);
  check(at(tapeloom::fmod, 7.5, 2.0), 1.5, 1.0, -3.0);
  check(at(tapeloom::fmod, -7.5, 2.0), -1.5, 1.0, 3.0);
  check(at(tapeloom::fmod, 7.5, -2.0), 1.5, 1.0, 3.0);
  check(at(tapeloom::fmod, -6.0, 2.0), -0.0, 1.0, 3.0);
  check(at(tapeloom::fmod, 3.0, inf), 3.0, 1.0, 0.0);
  CHECK(std::isnan(at(tapeloom::fmod, 3.0, 0.0).value));
  // 3 b less the last digit, whose quotient rounds to 3.
  const double b = 0.1, a = std::nextafter(3.0 * b, 0.0);
  CHECK(at(tapeloom::fmod, a, b).second == -std::trunc((a - std::fmod(a, b)) / b + 0.5));
  CHECK(at(tapeloom::fmod, a, b).second == (std::fmod(a, b) > 0.05 ? -2.0 : -3.0));
  check(at(tapeloom::copysign, 3.0, -2.0), -3.0, -1.0, 0.0);
  check(at(tapeloom::copysign, -3.0, -2.0), -3.0, 1.0, 0.0);
  check(at(tapeloom::copysign, -3.0, 0.0), 3.0, -1.0, 0.0);
  check(at(tapeloom::copysign, 3.0, -0.0), -3.0, -1.0, 0.0);
  check(at(tapeloom::copysign, 0.0, -1.0), -0.0, 0.0, 0.0);
}

TEST_CASE("kinks have the stated derivative and NaN passes") {
  check(at(tapeloom::relu, 0.0), 0.0, 0.0);
  check(at(tapeloom::relu, -0.0), 0.0, 0.0);
  check(at(tapeloom::relu, -inf), 0.0, 0.0);
  check(at(tapeloom::relu, inf), inf, 1.0);
  CHECK(std::isnan(at(tapeloom::relu, not_a_number).value));
  check(at(tapeloom::abs, 0.0), 0.0, 0.0);
  check(at(tapeloom::abs, -0.0), 0.0, 0.0);
  check(at(tapeloom::abs, -inf), inf, -1.0);
  CHECK(std::isnan(at(tapeloom::abs, not_a_number).value));
  check(at(tapeloom::leaky_relu, 0.0, 0.25), 0.0, 0.25, 0.0);
  check(at(tapeloom::leaky_relu, -2.0, 0.25), -0.5, 0.25, -2.0);
  CHECK(std::isnan(at(tapeloom::leaky_relu, not_a_number, 0.25).value));
}

TEST_CASE("ties of max and min go to the first operand, NaN to the result") {
  check(at(tapeloom::max, 2.0, 2.0), 2.0, 1.0, 0.0);
  check(at(tapeloom::min, 2.0, 2.0), 2.0, 1.0, 0.0);
  check(at(tapeloom::max, 0.0, -0.0), 0.0, 1.0, 0.0);
  check(at(tapeloom::max, -0.0, 0.0), -0.0, 1.0, 0.0);
  check(at(tapeloom::min, 0.0, -0.0), 0.0, 1.0, 0.0);
  check(at(tapeloom::max, inf, -inf), inf, 1.0, 0.0);
  check(at(tapeloom::min, inf, -inf), -inf, 0.0, 1.0);
  check(at(tapeloom::max, -inf, -inf), -inf, 1.0, 0.0);
  for (const auto& f : {tapeloom::max, tapeloom::min}) {
    check(at(f, not_a_number, 1.0), not_a_number, 1.0, 0.0);
    check(at(f, 1.0, not_a_number), not_a_number, 1.0, 0.0);
  }
}

TEST_CASE("pow at zero follows the limits") {
  check(at(tapeloom::pow, 0.0, 2.0), 0.0, 0.0, 0.0);
  check(at(tapeloom::pow, 0.0, 1.0), 0.0, 1.0, 0.0);
  check(at(tapeloom::pow, 0.0, 0.5), 0.0, inf, 0.0);
  check(at(tapeloom::pow, 0.0, 0.0), 1.0, 0.0, 0.0);
  check(at(tapeloom::pow, 0.0, -1.0), inf, -inf, -inf);
  check(at(tapeloom::pow, 3.0, 0.0), 1.0, 0.0, std::log(3.0));
  const At negative_base = at([](Value x) { return pow(x, 3.0); }, -2.0);
  check(negative_base, -8.0, 12.0);
}

TEST_CASE("division by zero and infinity") {
  const auto divide = [](Value a, Value b) { return a / b; };
  check(at(divide, 1.0, 0.0), inf, inf, -inf);
  check(at(divide, -1.0, 0.0), -inf, inf, inf);
  check(at(divide, 1.0, -0.0), -inf, -inf, -inf);
  CHECK(std::isnan(at(divide, 0.0, 0.0).value));
  check(at(divide, 1.0, inf), 0.0, 0.0, 0.0);
}

TEST_CASE("comparisons with NaN are false, but for !=") {
  const auto compare = [](auto f, double a, double b) {
    return at([&](Value x, Value y) { return Value(f(x, y)); }, a, b);
  };
  check(compare([](Value x, Value y) { return x < y; }, not_a_number, 1.0), 0.0, 0.0, 0.0);
  check(compare([](Value x, Value y) { return x <= y; }, 1.0, not_a_number), 0.0, 0.0, 0.0);
  check(compare([](Value x, Value y) { return x > y; }, not_a_number, 1.0), 0.0, 0.0, 0.0);
  check(compare([](Value x, Value y) { return x >= y; }, not_a_number, not_a_number), 0.0, 0.0, 0.0);
  check(compare([](Value x, Value y) { return x == y; }, not_a_number, not_a_number), 0.0, 0.0, 0.0);
  check(compare([](Value x, Value y) { return x != y; }, not_a_number, not_a_number), 1.0, 0.0, 0.0);
  check(compare([](Value x, Value y) { return x == y; }, 0.0, -0.0), 1.0, 0.0, 0.0);
  check(compare([](Value x, Value y) { return x <= y; }, -inf, inf), 1.0, 0.0, 0.0);
}

TEST_CASE("where takes one side, and NaN counts as true") {
  for (double condition : {1.0, -1.0, 1e-300, inf, not_a_number}) {
    check(at([&](Value a, Value b) { return where(condition, a, b); }, 2.0, 3.0), 2.0, 1.0, 0.0);
  }
  for (double condition : {0.0, -0.0}) {
    check(at([&](Value a, Value b) { return where(condition, a, b); }, 2.0, 3.0), 3.0, 0.0, 1.0);
  }
}

TEST_CASE("an infinite derivative does not reach through the branch not taken") {
  struct Case {
    const char* name;
    double x;
    std::function<Value(Value)> f;
  };
  const Case cases[] = {
      {"log(0)", 0.0, [](Value x) { return log(x); }},
      {"log1p(-1)", -1.0, [](Value x) { return log1p(x); }},
      {"sqrt(0)", 0.0, [](Value x) { return sqrt(x); }},
      {"exp(1000)", 1000.0, [](Value x) { return exp(x); }},
      {"expm1(1000)", 1000.0, [](Value x) { return expm1(x); }},
      {"1 / 0", 0.0, [](Value x) { return 1.0 / x; }},
      {"0 / 0", 0.0, [](Value x) { return x / x; }},
      {"pow(0, -1)", 0.0, [](Value x) { return pow(x, -1.0); }},
      {"pow(0, 0.5)", 0.0, [](Value x) { return pow(x, 0.5); }},
      {"pow(0, x) at -1", -1.0, [](Value x) { return pow(0.0, x); }},
      {"pow(-1, x) at 0.5", 0.5, [](Value x) { return pow(-1.0, x); }},
      {"log(log(1))", 1.0, [](Value x) { return log(log(x)); }},
      {"square(1e200)", 1e200, [](Value x) { return square(x); }},
      {"asin(1)", 1.0, [](Value x) { return asin(x); }},
      {"acos(2)", 2.0, [](Value x) { return acos(x); }},
      {"acosh(0)", 0.0, [](Value x) { return acosh(x); }},
      {"atanh(1)", 1.0, [](Value x) { return atanh(x); }},
      {"cosh(1000)", 1000.0, [](Value x) { return cosh(x); }},
      {"cbrt(0)", 0.0, [](Value x) { return cbrt(x); }},
      {"log2(0)", 0.0, [](Value x) { return log2(x); }},
      {"lgamma(0)", 0.0, [](Value x) { return lgamma(x); }},
      {"digamma(-1)", -1.0, [](Value x) { return digamma(x); }},
      {"atan2(x, 0) at 1e-310", 1e-310, [](Value x) { return atan2(1e-310, x - 1e-310); }},
      {"fmod(1, 0)", 0.0, [](Value x) { return fmod(1.0, x); }},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    // Taken, there is something to keep out (square excepted, whose derivative is finite though its value is not).
    const At taken = at(c.f, c.x);
    CHECK((!std::isfinite(taken.value) || !std::isfinite(taken.derivative)));
    check(at([&](Value x) { return where(x != x, c.f(x), 5.0); }, c.x), 5.0, 0.0);
    check(at([&](Value x) { return where(x == x, x * 3.0, c.f(x)); }, c.x), c.x * 3.0, 3.0);
  }
}

TEST_CASE("a quotient that is NaN has derivatives that are NaN, also where a part of them is zero") {
  for (const double x : {inf, -inf}) {
    INFO(x);
    Tape tape;
    const Value a = tape.parameter(x);
    const Value loss = a / a;
    CHECK(std::isnan(evaluate(loss, {}).gradients[0]));
    Executor<double> executor(compile(loss, {.exact = true}), {});
    executor.step();
    CHECK(std::isnan(executor.gradients()[0]));
  }
}
