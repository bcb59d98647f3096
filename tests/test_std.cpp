// Generic C++ code with Values after tapeloom/std.h: the numbers and derivatives of doubles, by differences in long
// double, and choices that need no guard.
#include "tapeloom/std.h"

#include <concepts>
#include <cstddef>
#include <iomanip>
#include <random>
#include <sstream>
#include <type_traits>

#include "catch.h"
#include "compare.h"
#include "generic_programs.h"
#include "random_numbers.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/record/derivatives.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/runtime/execute/executor.h"

using namespace tapeloom;
using generic_programs::List;
using test::close;
using test::inf;
using test::not_a_number;

namespace {

struct Program3 {
  const char* name;
  std::size_t numbers;
  double lower, upper;  ///< where its numbers are drawn from
  Value (*of_values)(const List<Value>&);
  double (*of_doubles)(const List<double>&);
  long double (*of_wide)(const List<long double>&);
  std::size_t guards;
};
#define TAPELOOM_TEST_GENERIC(f) \
  generic_programs::f<Value>, generic_programs::f<double>, generic_programs::f<long double>

const Program3 programs[] = {
    {"bundle adjustment", 17, 0.3, 1.7, TAPELOOM_TEST_GENERIC(reprojection_error), 1},
    {"mixture of Gaussians", 32, -1.0, 1.0, TAPELOOM_TEST_GENERIC(mixture), 0},
    {"k-means", 46, -1.0, 1.0, TAPELOOM_TEST_GENERIC(nearest_centres), 0},
    {"LSTM", 15, -1.5, 1.5, TAPELOOM_TEST_GENERIC(lstm), 0},
    {"all functions", 7, 0.2, 0.9, TAPELOOM_TEST_GENERIC(all_functions), 0},
    {"without a prefix", 7, 0.2, 0.9, TAPELOOM_TEST_GENERIC(unqualified), 0},
};

List<double> drawn(const Program3& program, std::uint64_t seed) {
  test::Random random(seed);
  List<double> numbers;
  for (std::size_t i = 0; i < program.numbers; ++i) {
    numbers.push_back(test::between(random, program.lower, program.upper));
  }
  return numbers;
}

/// By differences of fourth order in long double.
double slope(const Program3& program, const List<double>& at, std::size_t i) {
  constexpr long double h = 1e-4L;
  const auto shifted = [&](long double by) {
    List<long double> x(at.begin(), at.end());
    x[i] += by;
    return program.of_wide(x);
  };
  return static_cast<double>((8 * (shifted(h) - shifted(-h)) - (shifted(2 * h) - shifted(-2 * h))) / (12 * h));
}

}  // namespace

TEST_CASE("std: generic programs give with Values the numbers of double and the slopes of long double") {
  for (const Program3& program : programs) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
      INFO(program.name << ", seed " << seed);
      const List<double> numbers = drawn(program, seed);
      Tape tape;
      List<Value> x;
      for (double number : numbers) x.push_back(tape.parameter(number));
      const Value y = program.of_values(x);
      CHECK(close(y.data(), program.of_doubles(numbers), 1e-15, 1e-15));
      CHECK(tape.guards().size() == program.guards);
      y.backward();
      const Evaluation reference = evaluate(y, {});
      for (std::size_t i = 0; i < x.size(); ++i) {
        INFO("by number " << i);
        CHECK(reference.gradients[i] == x[i].grad());
        CHECK(close(x[i].grad(), slope(program, numbers, i), 1e-9, 1e-9));
      }
    }
  }
}

TEST_CASE("std: compiled once, generic programs are right for numbers that choose otherwise") {
  for (const Program3& program : programs) {
    Tape tape;
    const List<Value> x = tape.inputs("x", drawn(program, 1));
    const Value y = program.of_values(x);
    Executor<double> executor(compile(batch_sum(y), {.outputs = {y}, .input_gradients = true}));
    List<double> rows;
    constexpr std::uint64_t samples = 20;
    for (std::uint64_t seed = 1; seed <= samples; ++seed) {
      const List<double> row = drawn(program, seed);
      rows.insert(rows.end(), row.begin(), row.end());
    }
    executor.bind(rows);
    executor.step();
    for (std::size_t s = 0; s < samples; ++s) {
      INFO(program.name << ", sample " << s);
      CHECK(close(executor.outputs()[s], program.of_doubles(drawn(program, s + 1)), 1e-13, 1e-13));
      if (s < 6) {
        const Evaluation reference = evaluate(batch_sum(y), {.rows = drawn(program, s + 1), .samples = 1});
        for (std::size_t i = 0; i < program.numbers; ++i) {
          CHECK(close(executor.input_gradients()[s * program.numbers + i], reference.input_gradients[i], 1e-11, 1e-11));
        }
      }
    }
  }
}

TEST_CASE("std: max, min and clamp of Values are ops, and NaN comes through") {
  Tape tape;
  const Value a = tape.parameter(1.0), b = tape.parameter(not_a_number), c = tape.parameter(3.0);
  const Value most = std::max(a, c), mixed = std::max(a, 2.0), least = std::min(4, c), all = std::max({a, 2.5, c});
  CHECK(tape.op(most.id()) == Op::max);
  CHECK(most.data() == 3.0);
  CHECK(mixed.data() == 2.0);
  CHECK(least.data() == 3.0);
  CHECK(all.data() == 3.0);
  CHECK(std::min({c, a}).data() == 1.0);
  CHECK(std::clamp(c, 0.0, 2.0).data() == 2.0);
  for (const Value& spoiled : {std::max(a, b), std::max(b, a), std::min(a, b), std::min(b, a), std::clamp(b, a, c)}) {
    CHECK(std::isnan(spoiled.data()));
  }
  CHECK(std::fmax(a, b).data() == 1.0);
  CHECK(std::fmin(b, c).data() == 3.0);
  CHECK(std::hypot(a, 2.0, 2.0).data() == 3.0);
  CHECK(where(std::isnan(b), a, b).data() == 1.0);
  CHECK(tape.guards().empty());
  if (std::isnan(a) || !std::isfinite(a)) FAIL();
  CHECK(tape.guards().size() == 2);
  CHECK(std::max(a, c, [](Value x, Value y) { return y < x; }).data() == 1.0);  // by an order of one's own: guards
  CHECK(tape.guards().size() == 3);
}

namespace {

template <class T>
T hinge(const T& x) {
  const T most = std::max<T>(x, 0.0) + std::max<T>({x, 0.5, 0.25}) * std::min<T>({x, 2.0});
  return std::clamp<T>(most, 0.0, 6.0) + std::min<T>(0.0, x);
}

}  // namespace

TEST_CASE("std: max, min and clamp are ops also where their type is said") {
  Tape tape;
  const Value x = tape.input(1.0, "x"), y = hinge(x);
  CHECK(tape.guards().empty());
  Executor<double> executor(compile_inference(y));
  const std::vector<double> rows = {1.0, -2.0, 0.3, 5.0};
  executor.bind(rows);
  executor.step();
  for (std::size_t s = 0; s < rows.size(); ++s) CHECK(executor.outputs()[s] == hinge(rows[s]));
}

namespace {

template <class A, class B>
concept CanMax = requires(A a, B b) {
  std::max(a, b);
};
template <class A, class B, class C>
concept CanClamp = requires(A a, B b, C c) {
  std::clamp(a, b, c);
};

// What there is no op for, and what gives integers, is an error still.
#define TAPELOOM_TEST_CALL(name, ...) \
  template <class T>                  \
  concept name = requires(T x) {      \
    __VA_ARGS__;                      \
  };
TAPELOOM_TEST_CALL(CanExp, std::exp(x))
TAPELOOM_TEST_CALL(CanTgamma, std::tgamma(x))
TAPELOOM_TEST_CALL(CanTrunc, std::trunc(x))
TAPELOOM_TEST_CALL(CanRemainder, std::remainder(x, x))
TAPELOOM_TEST_CALL(CanFma, std::fma(x, x, x))
TAPELOOM_TEST_CALL(CanLerp, std::lerp(x, x, x))
TAPELOOM_TEST_CALL(CanBeta, std::beta(x, x))
TAPELOOM_TEST_CALL(CanLround, std::lround(x))
TAPELOOM_TEST_CALL(CanFrexp, std::frexp(x, static_cast<int*>(nullptr)))
TAPELOOM_TEST_CALL(CanIsgreater, std::isgreater(x, x))
#undef TAPELOOM_TEST_CALL
static_assert(CanExp<Value> && CanExp<Condition> && !CanTgamma<Value> && !CanTrunc<Value> && !CanRemainder<Value>);
static_assert(!CanFma<Value> && !CanLerp<Value> && !CanBeta<Value> && !CanLround<Value> && !CanFrexp<Value>);
static_assert(!CanIsgreater<Value>);

// Built-in numbers are none of the header's business.
static_assert(std::is_same_v<decltype(std::max(1, 2)), const int&>);
static_assert(std::is_same_v<decltype(std::min({1.0, 2.0})), double>);
static_assert(std::is_same_v<decltype(std::abs(-1)), int> && std::is_same_v<decltype(std::abs(-1.0f)), float>);
static_assert(std::is_same_v<decltype(std::pow(2, 3)), double> && std::is_same_v<decltype(std::hypot(3, 4.0)), double>);
static_assert(std::is_same_v<decltype(std::isnan(1.0)), bool> && std::is_same_v<decltype(std::round(1)), double>);
static_assert(std::is_same_v<decltype(std::fmax(1, 2.0f)), double>);
static_assert(CanMax<int, int> && !CanMax<int, double> && !CanMax<std::size_t, int>);
static_assert(CanMax<Value, double> && CanMax<int, Value> && CanMax<Value, Condition>);
static_assert(CanClamp<double, double, double> && !CanClamp<int, double, double> && !CanClamp<int, int, double>);
static_assert(CanClamp<Value, int, double>);
enum Unscoped { one };
static_assert(!CanMax<Unscoped, int> && !CanMax<double, Unscoped> && CanMax<Unscoped, Unscoped>);
// With the type said, as Eigen does, arguments may be mixed.
static_assert(std::max<long>(1L, 2UL) == 2 && std::min<double>(1, 2.5) == 1.0);
static_assert(std::is_same_v<decltype(std::max<std::size_t>(1, 2U)), const std::size_t&>);
static_assert(std::is_same_v<decltype(std::clamp<double>(0.5, 0, 1)), const double&>);
static_assert(std::max<double>({1, 2.5}) == 2.5);
static_assert(std::is_same_v<decltype(std::isnan(Value())), Condition>);

}  // namespace

TEST_CASE("std::hypot of three numbers has its second derivatives wherever one of them is not zero") {
  for (std::size_t of = 0; of < 3; ++of) {
    Tape tape;
    std::vector<Value> x;
    for (std::size_t i = 0; i < 3; ++i) x.push_back(tape.parameter(i == of ? -4.0 : 0.0));
    const Value y = std::hypot(x[0], x[1], x[2]);
    CHECK(y.data() == 4.0);
    const std::vector<Value> first = gradient(y, x), second = hessian(y, x);
    for (std::size_t i = 0; i < 3; ++i) {
      INFO("along " << of << ", by " << i);
      CHECK(first[i].data() == (i == of ? -1.0 : 0.0));
      for (std::size_t j = 0; j < 3; ++j) CHECK(second[3 * i + j].data() == (i == j && i != of ? 0.25 : 0.0));
    }
  }
  Tape tape;
  const Value zero = tape.parameter(0.0), infinite = tape.parameter(-inf), nothing = tape.parameter(not_a_number);
  CHECK(gradient(std::hypot(zero, zero, zero), {zero})[0].data() == 0.0);
  CHECK(std::hypot(nothing, 1.0, infinite).data() == inf);
  CHECK(std::hypot(infinite, 1.0, nothing).data() == inf);
}

TEST_CASE("std: a Value is printed as a double is, and a condition as 1 or 0 without a guard") {
  Tape tape;
  const Value x = tape.input(1.0 / 3.0, "x");
  std::ostringstream text;
  text << x << ' ' << std::setprecision(12) << x << ' ' << std::scientific << std::setprecision(1) << x << ' '
       << std::defaultfloat << Value(2.0) << ' ' << (x < 1.0) << ' ' << (x > 1.0) << ' ' << -x / 0.0;
  CHECK(text.str() == "0.333333 0.333333333333 3.3e-01 2 1 0 -inf");
  CHECK(tape.guards().empty());
  const Tape::Mark mark = tape.mark();
  const Value dropped = x + 1.0;
  tape.rewind(mark);
  CHECK_THROWS_AS(text << dropped, StaleValueError);
}
