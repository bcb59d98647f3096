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

std::vector<double> numbers(std::span<const Value> values) {
  std::vector<double> result;
  for (const Value& value : values) result.push_back(value.data());
  return result;
}

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

/// Five functions of two values each that are wrapped in one another.
Value nested(Value x, Value y) {
  return tanh(x * y) + exp(x / (y * y + 1.0)) * sigmoid(y) - log(square(x) + 0.5) * sin(y) + pow(square(y) + 0.1, x);
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

TEST_CASE("derivatives by leaves of any kind and by computed values") {
  Tape tape;
  const Value p = tape.parameter(2.0), in = tape.input(3.0, "in"), u = tape.uniform_input(5.0, "u"),
              c = tape.constant(7.0);
  tape.set_frozen(p);
  const Value inner = p * in, y = square(inner) * u + c;
  CHECK(numbers(gradient(y, {p, in, u, c, inner, y})) == std::vector<double>{180.0, 120.0, 36.0, 1.0, 60.0, 1.0});
  // Derivatives by a value computed from another one that is also asked for count both ways.
  CHECK(numbers(gradient(inner * p, {p, inner})) == std::vector<double>{12.0, 2.0});
  // The same one twice.
  const std::vector<Value> twice = gradient(y, {in, in});
  CHECK(numbers(twice) == std::vector<double>{120.0, 120.0});
  // Independent, plain, and newer than y.
  const Value other = tape.parameter(1.0);
  const std::vector<Value> none = gradient(y, {other});
  CHECK(none[0].data() == 0.0);
  CHECK(tape.op(none[0].id()) == Op::constant);
  CHECK(numbers(gradient(4.0, {p})) == std::vector<double>{0.0});
  CHECK(numbers(gradient(floor(p), {p})) == std::vector<double>{0.0});
  CHECK(gradient(y, std::span<const Value>()).empty());
  // They vary where what they are computed from does.
  CHECK(gradient(y, {in})[0].varying());
  CHECK_FALSE(gradient(in * p, {in})[0].varying());
  // They can be labelled, drawn and printed like others.
  const Value slope = gradient(y, {in})[0].set_label("slope");
  CHECK(draw_dot(slope).find("slope") != std::string::npos);
  CHECK(to_string(tape).find("slope") != std::string::npos);
}

TEST_CASE("what cannot be differentiated is refused, and leaves the tape as it was") {
  Tape tape, elsewhere;
  const Value p = tape.parameter(2.0), in = tape.input(3.0, "in"), stranger = elsewhere.parameter(1.0);
  const Tape::Mark mark = tape.mark();
  const Value dropped = p * in;
  tape.rewind(mark);
  const Value y = in * p, normalised = y / batch_mean(y), shared = square(batch_mean(square(y)));
  const std::string before = to_string(tape);
  CHECK_THROWS_SAYING(RecordingError, "another tape", gradient(y, {stranger}));
  CHECK_THROWS_SAYING(RecordingError, "another tape", gradient(y, {p, stranger}));
  CHECK_THROWS_SAYING(RecordingError, "another tape", gradient(stranger, {p}));
  CHECK_THROWS_SAYING(RecordingError, "plain number", gradient(y, {p, 1.0}));
  CHECK_THROWS_SAYING(StaleValueError, "dropped by a rewind", gradient(dropped, {p}));
  CHECK_THROWS_SAYING(StaleValueError, "dropped by a rewind", gradient(y, {dropped}));
  CHECK_THROWS_SAYING(RecordingError, "each pair of samples", gradient(normalised, {p}));
  CHECK_THROWS_SAYING(RecordingError, "batch_mean", gradient(normalised, {in}));
  CHECK_THROWS_SAYING(RecordingError, "each pair of samples", hessian(shared, {in}));
  CHECK_THROWS_SAYING(RecordingError, "a direction of 1", derivative(y, {p, in}, {1.0}));
  CHECK_THROWS_SAYING(RecordingError, "another tape", derivative(y, p, stranger));
  CHECK_THROWS_SAYING(RecordingError, "nothing to differentiate by", laplacian(y, std::span<const Value>()));
  CHECK(to_string(tape) == before);
  CHECK(y.data() == 6.0);
}

TEST_CASE("only what lies between x and y is recorded, and depth costs no stack") {
  Tape tape;
  const Value x = tape.parameter(0.5);
  Value apart = tape.parameter(0.25);
  for (int i = 0; i < 100; ++i) apart = tanh(apart) * 1.01;
  const Value y = x * apart + apart;
  const std::size_t before = tape.size();
  CHECK(gradient(y, {x})[0].data() == apart.data());
  CHECK(tape.size() - before == 2);  // the constant 1, and the product with it
  const std::size_t forward = tape.size();
  CHECK(derivative(y, x).data() == apart.data());
  CHECK(tape.size() - forward == 2);

  constexpr std::size_t depth = 1'000'000;
  Value deep = x;
  for (std::size_t i = 0; i < depth; ++i) deep = deep * 1.0000001;
  const std::size_t deepest = tape.size();
  CHECK(close(gradient(deep, {x})[0].data(), std::pow(1.0000001, 1e6), 1e-9));
  CHECK(tape.size() - deepest == depth + 1);
}

TEST_CASE("jacobian, hessian, hessian_vector, laplacian and derivative agree with one another") {
  Tape tape;
  const std::vector<Value> x = {tape.parameter(0.75), tape.parameter(-0.5), tape.parameter(0.3)};
  const Value y = nested(x[0], x[1]) * nested(x[1], x[2]) + x[0] * x[2];
  const std::vector<Value> second = hessian(y, x);
  REQUIRE(second.size() == 9);
  double trace = 0.0;
  for (std::size_t i = 0; i < 3; ++i) {
    trace += second[i * 3 + i].data();
    for (std::size_t j = 0; j < 3; ++j) CHECK(close(second[i * 3 + j].data(), second[j * 3 + i].data(), 1e-12));
  }
  CHECK(close(laplacian(y, x).data(), trace, 1e-13));
  const std::vector<Value> along = {0.5, tape.parameter(-2.0), 0.0};
  const std::vector<Value> product = hessian_vector(y, x, along);
  for (std::size_t i = 0; i < 3; ++i) {
    double expected = 0.0;
    for (std::size_t j = 0; j < 3; ++j) expected += second[i * 3 + j].data() * along[j].data();
    CHECK(close(product[i].data(), expected, 1e-12));
  }
  // The vector is taken as it is, also where it is computed from x.
  const std::vector<Value> first = gradient(y, x), by_first = hessian_vector(y, x, first);
  for (std::size_t i = 0; i < 3; ++i) {
    double expected = 0.0;
    for (std::size_t j = 0; j < 3; ++j) expected += second[i * 3 + j].data() * first[j].data();
    CHECK(close(by_first[i].data(), expected, 1e-12));
  }
  // A row for each y, whichever mode is taken.
  const std::vector<Value> many = {y, x[0], y * y, x[1] * x[2], exp(y)};
  const std::vector<Value> tall = jacobian(many, x), wide = jacobian(std::span(many).first(2), x);
  REQUIRE(tall.size() == 15);
  REQUIRE(wide.size() == 6);
  for (std::size_t i = 0; i < 5; ++i) {
    const std::vector<Value> row = gradient(many[i], x);
    double along_row = 0.0;
    for (std::size_t j = 0; j < 3; ++j) {
      CHECK(close(tall[i * 3 + j].data(), row[j].data(), 1e-12));
      if (i < 2) CHECK(close(wide[i * 3 + j].data(), row[j].data(), 1e-12));
      along_row += row[j].data() * along[j].data();
    }
    CHECK(close(derivative(many[i], x, along).data(), along_row, 1e-12));
  }
  const std::vector<Value> all_along = derivative(many, x, along);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(same_bits(all_along[i].data(), derivative(many[i], x, along).data()));
  }
}

TEST_CASE("lists of y, x and directions may stand in braces, each or together") {
  Tape tape;
  const Value a = tape.parameter(2.0), b = tape.parameter(3.0);
  const std::vector<Value> x = {a, b}, y = {a * b, a * a};
  const auto numbers = [](const std::vector<Value>& values) {
    std::vector<double> list;
    for (const Value& value : values) list.push_back(value.data());
    return list;
  };
  const std::vector<double> rows = {3.0, 2.0, 4.0, 0.0};  // of a b and a^2 by a and b
  CHECK(numbers(jacobian({y[0], y[1]}, {a, b})) == rows);
  CHECK(numbers(jacobian({y[0], y[1]}, x)) == rows);
  CHECK(numbers(jacobian(y, {a, b})) == rows);
  const std::vector<Value> direction = {1.0, 10.0};
  CHECK(derivative(y[0], {a, b}, direction).data() == 23.0);
  CHECK(derivative(y[0], x, {1.0, 10.0}).data() == 23.0);
  const std::vector<double> product = {10.0, 1.0};
  CHECK(numbers(hessian_vector(y[0], {a, b}, {1.0, 10.0})) == product);
  CHECK(numbers(hessian_vector(y[0], {a, b}, direction)) == product);
  CHECK(numbers(hessian_vector(y[0], x, {1.0, 10.0})) == product);

  const auto products = [](Program program) {
    Executor<double> executor(std::move(program));
    const std::vector<double> bound = {1.0, 10.0};
    executor.bind(bound);
    executor.step();
    return std::vector<double>(executor.outputs().begin(), executor.outputs().end());
  };
  const std::vector<double> by_rows = {43.0, 2.0}, by_columns = {23.0, 4.0};
  CHECK(products(compile_vector_jacobian({y[0], y[1]}, x)) == by_rows);
  CHECK(products(compile_vector_jacobian(y, {a, b})) == by_rows);
  CHECK(products(compile_jacobian_vector({y[0], y[1]}, x)) == by_columns);
  CHECK(products(compile_jacobian_vector(y, {a, b})) == by_columns);
}

TEST_CASE("a compaction keeps derivatives, and they can be differentiated after it") {
  Tape tape;
  const Value x = tape.parameter(0.75);
  Value y = tanh(x);
  for (int i = 0; i < 3; ++i) y = exp(where(y > 0.5, 1.0 / y, log(y)));
  const Value slope = gradient(y, {x})[0];
  const double before = slope.data(), second = gradient(slope, {x})[0].data();
  const NodeId roots[] = {slope.id(), x.id()};
  const Compaction moved = tape.compact(roots);
  const Value kept = tape.value(NodeId(std::size_t{moved.nodes[roots[0].index]}));
  const Value kept_x = tape.value(NodeId(std::size_t{moved.nodes[roots[1].index]}));
  CHECK(same_bits(kept.data(), before));
  CHECK(close(gradient(kept, {kept_x})[0].data(), second, 1e-13));
  recompute(tape);
  CHECK(same_bits(kept.data(), before));
}
