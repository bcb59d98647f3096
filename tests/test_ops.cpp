// Every op of the table, against a second table of formulas in long double (op_oracle.h) and finite differences.
#include "tapeloom/core/ops/ops.h"

#include <limits>
#include <random>

#include "catch.h"
#include "compare.h"
#include "op_oracle.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/base/check.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/runtime/execute/executor.h"

using namespace tapeloom;
using test::close;
using test::OpOracle;

namespace {

constexpr std::uint64_t seed = 20240607;
constexpr int draws = 200;
// The reverse formulas reuse the value (1 - tanh^2), which costs them a few digits near saturation.
constexpr test::Bound rounding{.relative = 1e-13, .absolute = 1e-15, .ulps = 0};

std::array<long double, 3> wide(const std::array<double, 3>& x) { return {x[0], x[1], x[2]}; }

std::string text(Op op, const std::array<double, 3>& x) {
  std::string result = std::string(op_name(op)) + "(";
  for (std::size_t i = 0; i < op_arity(op); ++i) result += (i == 0 ? "" : ", ") + Catch::Detail::stringify(x[i]);
  return result + "), seed " + std::to_string(seed);
}

/// Calls f(op, operands) `draws` times for every op.
template <class F>
void for_drawn_operands(double distance_from_kinks, F&& f) {
  std::mt19937_64 generator(seed);
  std::size_t count = 0;
  test::for_each_scalar_op([&](Op op, std::span<const ops::Domain> domain) {
    ++count;
    REQUIRE(domain.size() == op_arity(op));
    for (int i = 0; i < draws; ++i) f(op, test::draw_operands(domain, generator, distance_from_kinks));
  });
  CHECK(count == op_count - 6);  // four leaves, two reductions
}

/// Leaves for the operands of an op, made by `leaf`.
template <class F>
std::array<Value, 3> leaves(Op op, const std::array<double, 3>& x, F&& leaf) {
  std::array<Value, 3> values;
  for (std::size_t i = 0; i < op_arity(op); ++i) values[i] = leaf(x[i]);
  return values;
}

/// d f / d x_i by central differences, f in long double.
template <class F>
long double difference(F&& f, std::array<long double, 3> x, std::size_t i, long double h) {
  const long double at = x[i];
  x[i] = at + h;
  const long double above = f(x);
  x[i] = at - h;
  return (above - f(x)) / (2 * h);
}

}  // namespace

TEST_CASE("names, kinds and arities come from the table") {
  CHECK(std::string(op_name(Op::add)) == "add");
  CHECK(std::string(op_name(Op::uniform_input)) == "uniform_input");
  CHECK(std::string(op_name(Op::where)) == "where");
  CHECK(op_kind(Op::parameter) == OpKind::leaf);
  CHECK(op_kind(Op::batch_mean) == OpKind::reduction);
  CHECK(op_kind(Op::less_equal) == OpKind::comparison);
  CHECK(op_kind(Op::tanh) == OpKind::scalar);
  CHECK(op_arity(Op::constant) == 0);
  CHECK(op_arity(Op::batch_sum) == 1);
  CHECK(op_arity(Op::exp) == 1);
  CHECK(op_arity(Op::pow) == 2);
  CHECK(op_arity(Op::where) == 3);
}

TEST_CASE("the second table agrees with finite differences of itself") {
  for_drawn_operands(1e-3, [](Op op, const std::array<double, 3>& x) {
    const OpOracle expected = test::op_oracle(op, wide(x));
    for (std::size_t i = 0; i < op_arity(op); ++i) {
      if (!test::is_drawn(op, i)) continue;
      const auto value = [op](const auto& at) { return test::op_oracle(op, at).value; };
      if (!close(difference(value, wide(x), i, 1e-6L), expected.partial[i], 1e-8, 1e-9)) {
        FAIL_CHECK(text(op, x) << ", operand " << i);
      }
    }
  });
}

TEST_CASE("eager numbers are those of the op, of Values and of plain numbers") {
  Tape tape;
  for_drawn_operands(0.0, [&](Op op, const std::array<double, 3>& x) {
    const double expected = static_cast<double>(test::op_oracle(op, wide(x)).value);
    const Value recorded = test::record_op(op, leaves(op, x, [&](double v) { return tape.parameter(v); }));
    const Value plain = test::record_op(op, leaves(op, x, [](double v) { return Value(v); }));
    if (!close(recorded.data(), expected, rounding) || tape.op(recorded.id()) != op) FAIL_CHECK(text(op, x));
    if (!plain.is_plain() || !test::same_bits(plain.data(), recorded.data())) FAIL_CHECK("plain " << text(op, x));
    if (!test::same_bits(forward_op(op, x), recorded.data())) FAIL_CHECK("forward_op " << text(op, x));
  });
}

TEST_CASE("evaluate and backward give the op's value and derivatives by parameters") {
  for_drawn_operands(1e-3, [](Op op, const std::array<double, 3>& x) {
    Tape tape;
    const auto operands = leaves(op, x, [&](double v) { return tape.parameter(v); });
    const Value root = test::record_op(op, operands);
    const OpOracle expected = test::op_oracle(op, wide(x));
    constexpr double weight = 1.75;
    const Evaluation result = evaluate(root, {}, {}, weight);
    root.backward(weight);
    CHECK(close(result.root.at(0), static_cast<double>(expected.value), rounding));
    for (std::size_t i = 0; i < op_arity(op); ++i) {
      INFO(text(op, x) << ", operand " << i);
      const double derivative = static_cast<double>(weight * expected.partial[i]);
      CHECK(close(result.gradients.at(i), derivative, rounding));
      CHECK(test::same_bits(operands[i].grad(), result.gradients.at(i)));
    }
  });
}

TEST_CASE("derivatives agree with finite differences of the eager numbers") {
  for_drawn_operands(1e-3, [](Op op, const std::array<double, 3>& x) {
    const std::array<double, 3> derivatives = reverse_op(op, x, forward_op(op, x), 1.0);
    for (std::size_t i = 0; i < op_arity(op); ++i) {
      if (!test::is_drawn(op, i)) continue;
      const auto value = [op](const std::array<long double, 3>& at) -> long double {
        return forward_op(op, {static_cast<double>(at[0]), static_cast<double>(at[1]), static_cast<double>(at[2])});
      };
      const auto expected = static_cast<double>(difference(value, wide(x), i, 1e-5L));
      if (!close(derivatives[i], expected, 1e-6, 1e-8)) FAIL_CHECK(text(op, x) << ", operand " << i);
      if (derivatives[i] != 0.0 && (differentiable_operands(op) >> i & 1) == 0) {
        FAIL_CHECK(text(op, x) << " says that operand " << i << " has no derivative");
      }
    }
  });
}

TEST_CASE("a batch gives each sample its own value and derivatives") {
  std::mt19937_64 generator(seed + 1);
  test::for_each_scalar_op([&](Op op, std::span<const ops::Domain> domain) {
    INFO(op_name(op) << ", seed " << seed + 1);
    constexpr std::size_t samples = 7;
    const std::size_t arity = op_arity(op);
    std::vector<double> rows;
    std::vector<std::array<double, 3>> drawn;
    for (std::size_t s = 0; s < samples; ++s) {
      drawn.push_back(test::draw_operands(domain, generator, 1e-3));
      rows.insert(rows.end(), drawn.back().begin(), drawn.back().begin() + static_cast<std::ptrdiff_t>(arity));
    }
    Tape tape;
    const Value root = test::record_op(op, leaves(op, {}, [&](double v) { return tape.input(v); }));
    const Evaluation result = evaluate(root, {.rows = rows, .samples = samples});
    REQUIRE(result.root.size() == samples);
    REQUIRE(result.input_gradients.size() == samples * arity);
    for (std::size_t s = 0; s < samples; ++s) {
      const OpOracle expected = test::op_oracle(op, wide(drawn[s]));
      CHECK(close(result.root[s], static_cast<double>(expected.value), rounding));
      for (std::size_t i = 0; i < arity; ++i) {
        CHECK(close(result.input_gradients[s * arity + i], static_cast<double>(expected.partial[i]), rounding));
      }
    }
  });
}

namespace {

/// Compiles one op of inputs and one of parameters, runs them and compares values and derivatives with the second table
/// at the numbers that T can hold.
template <class T>
void expect_compiled_like_oracle(Op op, std::span<const ops::Domain> domain, bool exact) {
  constexpr std::size_t samples = 37;  // no whole number of vectors or tiles
  const double unit = static_cast<double>(std::numeric_limits<T>::epsilon()) / std::numeric_limits<double>::epsilon();
  const test::Bound bound{.relative = rounding.relative * unit, .absolute = rounding.absolute * unit, .ulps = 0};
  const std::size_t arity = op_arity(op);
  std::mt19937_64 generator(seed + 2);
  std::vector<T> rows;
  for (std::size_t s = 0; s < samples; ++s) {
    const auto drawn = test::draw_operands(domain, generator, 1e-3);
    for (std::size_t i = 0; i < arity; ++i) rows.push_back(static_cast<T>(drawn[i]));
  }
  Tape tape;
  const std::vector<Value> x = tape.inputs("x", arity);
  std::array<Value, 3> of_inputs, of_parameters;
  for (std::size_t i = 0; i < arity; ++i) of_inputs[i] = x[i], of_parameters[i] = tape.parameter(1.0);
  const Value varying = test::record_op(op, of_inputs), uniform = test::record_op(op, of_parameters);
  CompileOptions options{.outputs = {varying, uniform}, .input_gradients = true, .exact = exact};
  Executor<T> executor(compile(batch_sum(varying) + uniform, options), {.max_samples = samples});
  executor.bind(std::span<const T>(rows));
  executor.set_parameters(std::span(rows).first(arity));
  executor.step();
  for (std::size_t s = 0; s < samples; ++s) {
    std::array<double, 3> at{};
    for (std::size_t i = 0; i < arity; ++i) at[i] = static_cast<double>(rows[s * arity + i]);
    INFO(text(op, at) << ", sample " << s);
    const OpOracle expected = test::op_oracle(op, wide(at));
    const auto agrees = [&](T got, long double wanted) {
      return close(static_cast<double>(got), static_cast<double>(wanted), bound);
    };
    CHECK(agrees(executor.outputs()[2 * s], expected.value));
    if (s == 0) CHECK(agrees(executor.outputs()[1], expected.value));
    for (std::size_t i = 0; i < arity; ++i) {
      CHECK(agrees(executor.input_gradients()[s * arity + i], expected.partial[i]));
      if (s == 0) CHECK(agrees(executor.gradients()[i], expected.partial[i]));
    }
  }
}

}  // namespace

TEST_CASE("compiled, every op gives its value and derivatives in float, double and exact mode") {
  test::for_each_scalar_op([](Op op, std::span<const ops::Domain> domain) {
    {
      INFO("float");
      expect_compiled_like_oracle<float>(op, domain, false);
    }
    {
      INFO("double");
      expect_compiled_like_oracle<double>(op, domain, false);
    }
    INFO("exact");
    expect_compiled_like_oracle<double>(op, domain, true);
  });
}
