// Odd uses of derivatives that are Values: zeros in every order, rewinds, samples that fold, reductions to
// differentiate by, and gradients by sample.
#include <array>
#include <cmath>
#include <map>
#include <random>
#include <vector>

#include "catch.h"
#include "compare.h"
#include "random_numbers.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/record/derivatives.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/core/record/functions.h"
#include "tapeloom/core/record/print.h"
#include "tapeloom/runtime/execute/executor.h"

using namespace tapeloom;
using test::below;
using test::chance;
using test::close;
using test::same_bits;

namespace {

constexpr std::uint64_t seed = 20261202;
constexpr std::size_t variables = 3;

/// With whole coefficients, by exponents: what is computed of it at whole numbers is exact.
class Polynomial {
 public:
  using Exponents = std::array<unsigned, variables>;
  static Polynomial number(double number) { return Polynomial({{Exponents{}, number}}); }
  static Polynomial variable(std::size_t i) {
    Exponents exponents{};
    exponents[i] = 1;
    return Polynomial({{exponents, 1.0}});
  }
  Polynomial plus(const Polynomial& other, double sign) const {
    Polynomial sum = *this;
    for (const auto& [exponents, coefficient] : other.terms_) sum.terms_[exponents] += sign * coefficient;
    return sum;
  }
  Polynomial times(const Polynomial& other) const {
    Polynomial product;
    for (const auto& [a, x] : terms_) {
      for (const auto& [b, y] : other.terms_) product.terms_[{a[0] + b[0], a[1] + b[1], a[2] + b[2]}] += x * y;
    }
    return product;
  }
  Polynomial derivative(std::size_t i) const {
    Polynomial result;
    for (const auto& [exponents, coefficient] : terms_) {
      if (exponents[i] == 0) continue;
      Exponents less = exponents;
      --less[i];
      result.terms_[less] += coefficient * exponents[i];
    }
    return result;
  }
  double at(std::span<const double> x) const {
    double sum = 0.0;
    for (const auto& [exponents, coefficient] : terms_) {
      double term = coefficient;
      for (std::size_t i = 0; i < variables; ++i) {
        for (unsigned k = 0; k < exponents[i]; ++k) term *= x[i];
      }
      sum += term;
    }
    return sum;
  }
  unsigned degree() const {
    unsigned largest = 0;
    for (const auto& [e, coefficient] : terms_) largest = std::max(largest, e[0] + e[1] + e[2]);
    return largest;
  }

 private:
  explicit Polynomial(std::map<Exponents, double> terms = {}) : terms_(std::move(terms)) {}
  std::map<Exponents, double> terms_;
};

struct Both {
  Value value;
  Polynomial polynomial;
};

/// Shared subexpressions of the variables and small numbers.
Both draw_polynomial(test::Random& random, std::span<const Value> x) {
  std::vector<Both> all;
  for (std::size_t i = 0; i < variables; ++i) all.push_back({x[i], Polynomial::variable(i)});
  for (std::size_t step = 4 + below(random, 6); step-- > 0;) {
    const Both a = all[below(random, all.size())], b = all[below(random, all.size())];
    const bool small = a.polynomial.degree() + b.polynomial.degree() <= 6;
    const Polynomial twice = a.polynomial.times(a.polynomial);
    switch (below(random, 7)) {
      case 0:
        all.push_back({a.value + b.value, a.polynomial.plus(b.polynomial, 1.0)});
        break;
      case 1:
        all.push_back({a.value - b.value, a.polynomial.plus(b.polynomial, -1.0)});
        break;
      case 2:
        all.push_back({a.value + 1.0, a.polynomial.plus(Polynomial::number(1.0), 1.0)});
        break;
      case 3:
        if (a.polynomial.degree() <= 3) all.push_back({square(a.value), twice});
        break;
      case 4:
        if (a.polynomial.degree() <= 2) all.push_back({pow(a.value, 3.0), twice.times(a.polynomial)});
        break;
      default:
        if (small) all.push_back({a.value * b.value, a.polynomial.times(b.polynomial)});
    }
  }
  return {all.back().value * x[0], all.back().polynomial.times(Polynomial::variable(0))};
}

}  // namespace

TEST_CASE("derivatives of polynomials are exact at zeros, to the fourth order, with choices and without") {
  test::Random random(seed);
  int high = 0;  // numbers of the third order and the fourth that are not zero
  for (int n = 0; n < 200; ++n) {
    INFO("polynomial " << n << ", seed " << seed);
    Tape tape;
    const std::vector<Value> x = tape.inputs("x", variables);
    const Both taken = draw_polynomial(random, x), other = draw_polynomial(random, x);
    const bool chooses = chance(random, 0.5);
    // What is not taken is infinite, or not a number, where x[1] is 0, and so are its derivatives.
    Value y = chooses ? where(x[1] > 0.0, other.value / x[1], taken.value) : taken.value;
    Polynomial expected = taken.polynomial;
    std::vector<Value> outputs;
    std::vector<Polynomial> right;
    for (int order = 1; order <= 4; ++order) {
      const std::size_t by = below(random, variables);
      y = chance(random, 0.3) ? derivative(y, x[by]) : gradient(y, {x[by]})[0];
      expected = expected.derivative(by);
      outputs.push_back(y);
      right.push_back(expected);
    }
    std::vector<double> rows;
    constexpr std::size_t samples = 12;
    for (std::size_t i = 0; i < samples * variables; ++i) {
      const bool chosen = chooses && i % variables == 1;
      rows.push_back(chance(random, 0.4) ? 0.0 : (chosen ? -1.0 : 1.0) * static_cast<double>(1 + below(random, 2)));
    }
    Executor<double> executor(compile_inference(outputs), {.max_samples = samples});
    executor.bind(rows);
    executor.step();
    for (std::size_t s = 0; s < samples; ++s) {
      for (std::size_t k = 0; k < outputs.size(); ++k) {
        INFO("order " << k + 1 << " of sample " << s);
        const double is = executor.outputs()[s * outputs.size() + k];
        const double exactly = right[k].at(std::span(rows).subspan(s * variables, variables));
        CHECK(is == exactly);
        high += k >= 2 && exactly != 0.0 ? 1 : 0;
      }
    }
  }
  CHECK(high > 300);
}

TEST_CASE("derivatives are the same after a rewind, and those before the mark are kept") {
  Tape tape;
  const Value x = tape.parameter(0.75), y = tanh(x) * exp(x), first = gradient(y, {x})[0];
  const Tape::Mark mark = tape.mark();
  const Value second = gradient(first, {x})[0];
  const double number = second.data();
  const std::string text = to_string(tape);
  tape.rewind(mark);
  CHECK_THROWS_AS(gradient(second, {x}), StaleValueError);
  const Value again = gradient(first, {x})[0];
  CHECK(same_bits(again.data(), number));
  CHECK(to_string(tape) == text);
  Executor<double> executor(compile(first));
  executor.step();
  CHECK(close(executor.gradients()[0], number, 1e-15));
}

TEST_CASE("samples recorded one after another fold with their derivatives into a batch") {
  std::vector<double> rows;
  test::Random random(seed);
  for (int i = 0; i < 2 * 6; ++i) rows.push_back(test::between(random, -1.0, 1.0));
  const auto residual = [](const MLP& net, Value x, Value t) {
    const Value u = net({{x, t}})[0];
    const std::vector<Value> first = gradient(u, {x, t});
    return square(first[1] + u * first[0] - gradient(first[0], {x})[0]);
  };
  Tape one, each;
  std::mt19937_64 a(seed), b(seed);
  const MLP batched(one, 2, {{5, tanh}, {1}}, glorot(a)), listed(each, 2, {{5, tanh}, {1}}, glorot(b));
  const std::vector<Value> x = one.inputs("x", 2);
  Executor<double> expected(compile(batch_mean(residual(batched, x[0], x[1]))), {.max_samples = 6});
  expected.bind(rows);
  std::vector<Value> all;
  for (std::size_t s = 0; s < 6; ++s) {
    all.push_back(residual(listed, each.constant(rows[2 * s]), each.constant(rows[2 * s + 1])));
  }
  Executor<double> executor(compile(mean(all)));
  CHECK(executor.program().recorded_samples == 6);
  CHECK(close(executor.step(), expected.step(), 1e-13));
  for (std::size_t i = 0; i < expected.gradients().size(); ++i) {
    CHECK(close(executor.gradients()[i], expected.gradients()[i], 1e-12, 1e-15));
  }
}

TEST_CASE("by the result of a reduction, and by what is reduced") {
  Tape tape;
  const Value x = tape.input(1.0, "x"), w = tape.parameter(0.5);
  const Value v = w * x, m = batch_mean(v), loss = batch_sum(square(v - m)) + 3.0 * m * m;
  // By m: -2 sum(v - m) + 6 m, of which the sum is 0; by v of a sample 2 (v - m) + 6 m / n, m counted as well.
  const std::vector<Value> by = gradient(loss, {m, v}), outputs = {by[0], by[1], derivative(by[0], m)};
  const std::vector<double> rows = {1.0, 2.0, 4.0, 5.0};
  const std::vector<double> got = evaluate(loss, {.rows = rows, .samples = 4}, outputs).outputs;
  for (std::size_t s = 0; s < 4; ++s) {
    CHECK(close(got[3 * s], 9.0, 1e-14));
    CHECK(close(got[3 * s + 1], (rows[s] - 3.0) + 6.0 * 1.5 / 4.0, 1e-14));
    CHECK(close(got[3 * s + 2], 2.0 * 4.0 + 6.0, 1e-14));
  }
}

TEST_CASE("gradients by sample, clipped by their norms, are as many instructions for every width") {
  struct Clipped {
    explicit Clipped(std::size_t width) : net(tape, 2, {{width, tanh}, {width, tanh}, {1}}, glorot(random)) {
      loss = square(net(x)[0] - y);
      slopes = gradient(loss, net.parameters());
      Value squares = 0.0;
      for (const Value& slope : slopes) squares += square(slope);
      norm = sqrt(squares);
      clipped = batch_mean(stop_gradient(min(1.0, 0.5 / norm)) * loss);
    }
    Program program() const { return compile(clipped, {.outputs = {norm}}); }
    Tape tape;
    std::mt19937_64 random{seed};
    std::vector<Value> x = tape.inputs("x", 2);
    Value y = tape.input(0.0, "y");
    MLP net;
    std::vector<Value> slopes;
    Value loss, norm, clipped;
  };
  const Clipped narrow(12), wide(24);
  CHECK(narrow.program().instructions.size() < 80);
  CHECK(wide.program().instructions.size() == narrow.program().instructions.size());

  const std::vector<double> rows = {0.5, -1.0, 0.25, 1.0, 1.0, -3.0, -0.5, 0.75, 0.0};
  const std::size_t samples = 3, n = narrow.slopes.size();
  std::vector<double> expected(n);
  Executor<double> executor(narrow.program(), {.max_samples = samples});
  executor.bind(rows, 3);
  executor.step();
  for (std::size_t s = 0; s < samples; ++s) {
    const auto row = std::span(rows).subspan(3 * s, 3);
    const std::vector<double> alone = evaluate(batch_sum(narrow.loss), {.rows = row, .samples = 1}).gradients;
    double norm = 0.0;
    for (double each : alone) norm += each * each;
    norm = std::sqrt(norm);
    CHECK(close(executor.outputs()[s], norm, 1e-13));
    for (std::size_t i = 0; i < n; ++i) expected[i] += std::min(1.0, 0.5 / norm) * alone[i] / samples;
  }
  for (std::size_t i = 0; i < n; ++i) CHECK(close(executor.gradients()[i], expected[i], 1e-12, 1e-15));
}
