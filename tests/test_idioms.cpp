// Functions written through others: that they are recognised, that values and derivatives are those of closed forms in
// long double, where they overflow as they were written too, and that whatever only looks like them is left as it is.
#include <cmath>
#include <functional>

#include "against_evaluate.h"
#include "idioms.h"
#include "instruction_sets.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

using Function = std::function<Value(Value)>;

Closed relu_of(long double x) { return {std::fmax(x, 0.0L), x > 0.0L ? 1.0L : 0.0L}; }

/// a f(b x).
std::function<Closed(long double)> scaled(Closed (*f)(long double), long double a, long double b) {
  return [=](long double x) {
    const Closed inner = f(b * x);
    return Closed{a * inner.value, a * b * inner.derivative};
  };
}

struct Style {
  const char* name;
  Op op;
  Function written;
  std::function<Closed(long double)> closed;
};

const Style styles[] = {
    {"(e - 1) / (e + 1)", Op::tanh,
     [](Value x) {
       const Value e = exp(2.0 * x);
       return (e - 1.0) / (e + 1.0);
     },
     tanh_of},
    {"(e - 1) * (e + 1)^-1", Op::tanh,
     [](Value x) {
       const Value e = exp(x * 2.0);
       return (e + -1.0) * pow(e + 1.0, -1.0);
     },
     tanh_of},
    {"(e - 1) / (e + 1), exp recorded twice", Op::tanh, [](Value x) { return (exp(x + x) - 1.0) / (exp(x + x) + 1.0); },
     tanh_of},
    {"sinh / cosh", Op::tanh, [](Value x) { return (exp(x) - exp(-x)) / (exp(x) + exp(-x)); }, tanh_of},
    {"sinh / cosh with halves", Op::tanh,
     [](Value x) {
       const Value up = exp(x), down = exp(-1.0 * x);
       return ((up - down) / 2.0) / (0.5 * (up + down));
     },
     tanh_of},
    {"(1 - e) / (1 + e)", Op::tanh,
     [](Value x) {
       const Value e = exp(-2.0 * x);
       return (1.0 - e) / (1.0 + e);
     },
     tanh_of},
    {"1 - 2 / (e + 1)", Op::tanh, [](Value x) { return 1.0 - 2.0 / (exp(2.0 * x) + 1.0); }, tanh_of},
    {"1 - 2 * (e + 1)^-1", Op::tanh, [](Value x) { return 1.0 - 2.0 * pow(exp(2.0 * x) + 1.0, -1.0); }, tanh_of},
    {"2 / (1 + e^-2x) - 1", Op::tanh, [](Value x) { return 2.0 / (1.0 + exp(-2.0 * x)) - 1.0; }, tanh_of},
    {"2 sigmoid(2x) - 1", Op::tanh, [](Value x) { return 2.0 * sigmoid(2.0 * x) - 1.0; }, tanh_of},
    {"expm1", Op::tanh, [](Value x) { return expm1(2.0 * x) / (expm1(2.0 * x) + 2.0); }, tanh_of},
    {"tanh(x / 2)", Op::tanh, [](Value x) { return (exp(x) - 1.0) / (exp(x) + 1.0); }, scaled(tanh_of, 1.0L, 0.5L)},
    {"1.7159 tanh(2x / 3)", Op::tanh,
     [](Value x) {
       const Value e = exp(x * (4.0 / 3.0));
       return 1.7159 * ((e - 1.0) / (e + 1.0));
     },
     scaled(tanh_of, 1.7159L, static_cast<long double>(4.0 / 3.0) / 2.0L)},
    {"1 / (1 + e^-x)", Op::sigmoid, [](Value x) { return 1.0 / (1.0 + exp(-x)); }, sigmoid_of},
    {"(1 + e^-x)^-1", Op::sigmoid, [](Value x) { return pow(exp(x * -1.0) + 1.0, -1.0); }, sigmoid_of},
    {"e / (1 + e)", Op::sigmoid,
     [](Value x) {
       const Value e = exp(x);
       return e / (1.0 + e);
     },
     sigmoid_of},
    {"log(1 + e)", Op::softplus, [](Value x) { return log(1.0 + exp(x)); }, softplus_of},
    {"log1p(e)", Op::softplus, [](Value x) { return log1p(exp(x)); }, softplus_of},
    {"-log(1 / (1 + e^-x))", Op::softplus, [](Value x) { return -log(1.0 / (1.0 + exp(-x))); },
     scaled(softplus_of, 1.0L, -1.0L)},
    {"-log(1 - sigmoid(x))", Op::softplus, [](Value x) { return -log(1.0 - sigmoid(x)); }, softplus_of},
    {"-log(sigmoid(x))", Op::softplus, [](Value x) { return -log(sigmoid(x)); }, scaled(softplus_of, 1.0L, -1.0L)},
    {"max(0, x)", Op::relu, [](Value x) { return max(0.0, x); }, relu_of},
    {"x * (x > 0)", Op::relu, [](Value x) { return x * (x > 0.0); }, relu_of},
    {"(0 < x) * x", Op::relu, [](Value x) { return (0.0 < x) * x; }, relu_of},
    {"where(x <= 0, 0, x)", Op::relu, [](Value x) { return where(x <= 0.0, 0.0, x); }, relu_of},
    {"where(0 >= x, 0, x)", Op::relu, [](Value x) { return where(0.0 >= x, 0.0, x); }, relu_of},
};

std::vector<double> points(double largest) {
  std::vector<double> x = {0.0, 1e-8, -1e-8, 1e-3, -1e-3, largest, -largest};
  for (int i = -120; i <= 120; ++i) x.push_back(i / 4.0);
  return x;
}

/// Values and derivatives of a style at the points, within so many ulps of their magnitude. Derivatives are computed
/// from the results, as 1 - y^2 is, so they are as exact as those.
template <class T>
void expect_closed_form(const Style& style, double largest) {
  Tape tape;
  const Value x = tape.input(0.5, "x"), y = style.written(x);
  Executor<T> executor(compile(batch_sum(y), {.outputs = {y}, .input_gradients = true, .verify = true}),
                       {.max_samples = 256});
  const std::vector<double> at = points(largest);
  executor.bind(at);
  executor.step();
  const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
  for (std::size_t i = 0; i < at.size(); ++i) {
    const Closed expected = style.closed(static_cast<long double>(static_cast<T>(at[i])));
    const double value = static_cast<double>(executor.outputs()[i]);
    const double derivative = static_cast<double>(executor.input_gradients()[i]);
    INFO(style.name << " at " << at[i] << ": " << value << ", derivative " << derivative);
    const double tiny = static_cast<double>(std::numeric_limits<T>::min());
    REQUIRE(close(value, static_cast<double>(expected.value), {.relative = 16 * eps, .absolute = tiny}));
    REQUIRE(close(derivative, static_cast<double>(expected.derivative), {.relative = 16 * eps, .absolute = 4 * eps}));
  }
}

/// Two layers of neurons with that activation, and a linear one.
struct Net {
  Tape tape;
  std::vector<Value> hidden;
  Value out, loss;

  explicit Net(const Function& activation, std::size_t width = 5) {
    const std::vector<double> initial = some_numbers(1000, 3);
    std::size_t next = 0;
    const auto layer = [&](const std::vector<Value>& x, std::size_t outputs) {
      std::vector<Value> sums;
      for (std::size_t j = 0; j < outputs; ++j) {
        Value total = tape.parameter(initial[next++]);
        for (const Value& each : x) total = total + tape.parameter(initial[next++]) * each;
        sums.push_back(total);
      }
      return sums;
    };
    const auto activated = [&](std::vector<Value> x) {
      for (Value& each : x) each = activation(each);
      return x;
    };
    hidden = activated(layer(activated(layer(tape.inputs("x", 3), width)), width));
    out = layer(hidden, 1)[0];
    loss = batch_mean(square(out - tape.input(0.0, "y")));
  }
};

/// The same function as one op of the table.
Value op_alone(Op op, Value x) { return tapeloom::apply(op, std::span<const Value>(&x, 1)); }

}  // namespace

TEST_CASE(
    "idioms: values and derivatives are those of closed forms, also where the original overflows, with every "
    "instruction set") {
  for (const std::string& name : instruction_sets()) {
    const ForcedIsa isa(name);
    INFO(name);
    for (const Style& style : styles) {
      expect_closed_form<double>(style, 1000.0);
      expect_closed_form<float>(style, 100.0);
    }
  }
}

TEST_CASE("idioms: a net takes as many instructions as one with the op itself, and computes what evaluate() does") {
  const std::vector<double> rows = some_numbers(4 * 37);
  for (const Style& style : styles) {
    INFO(style.name);
    Net net(style.written), plain([&](Value x) { return op_alone(style.op, x); });
    const Program program = compile(net.loss, {.verify = true});
    CHECK(written_out(program) == written_out(compile(plain.loss)));
    CHECK(count(program, style.op) >= 2);
    const bool just_the_op = style.closed(1.0L).value == styles[0].closed(1.0L).value ||
                             std::string_view(style.name) == "1 / (1 + e^-x)" || style.op == Op::relu;
    if (just_the_op) CHECK(program.instructions.size() == compile(plain.loss).instructions.size());

    for (const bool roll : {true, false}) {
      for (const bool simplify : {true, false}) {
        for (const bool merge : {true, false}) {
          CompileOptions options{.outputs = {net.out, net.hidden[1]}, .input_gradients = true};
          options.roll = roll, options.simplify = simplify, options.common_subexpressions = merge;
          options.verify = true;
          Executor<double> executor(compile(net.loss, options), {.max_samples = 37});
          expect_step_like_evaluate(executor, net.loss, options.outputs, rows, 37, 4000);
          options.idioms = false;
          Executor<double> without(compile(net.loss, options), {.max_samples = 37});
          expect_step_like_evaluate(without, net.loss, options.outputs, rows, 37, 4000);
          if (style.op == Op::softplus) continue;  // may be longer than a logarithm: it is there to be exact
          CHECK(without.program().instructions.size() >= executor.program().instructions.size());
        }
      }
    }
  }
}

TEST_CASE("idioms: exact mode and the switch leave functions as they were written") {
  for (const Style& style : styles) {
    INFO(style.name);
    Net net(style.written);
    CHECK(written_out(compile(net.loss, {.idioms = false})) > 0);
    if (std::string_view(style.name).find("sigmoid(") != std::string_view::npos) continue;
    CHECK(count(compile(net.loss, {.idioms = false}), style.op) == 0);
    CHECK(count(compile(net.loss, {.exact = true}), style.op) == 0);
  }
}

TEST_CASE("idioms: what a function was written with may be used elsewhere") {
  Tape tape;
  const Value w = tape.parameter(0.7), x = tape.input(0.0, "x"), z = w * x;
  const Value e = exp(2.0 * z), up = e - 1.0, down = e + 1.0, t = up / down;
  const Value p = 1.0 / (1.0 + exp(-z)), q = 1.0 - p;
  const std::vector<Value> outputs = {e, up, down, t, p, q};
  const Value loss = batch_mean(t * e + log(down) + p * q + square(up) * 0.1 - x * log(p) - (1.0 - x) * log(q));
  for (const bool roll : {true, false}) {
    Executor<double> executor(
        compile(loss, {.outputs = outputs, .input_gradients = true, .roll = roll, .verify = true}),
        {.max_samples = 64});
    expect_step_like_evaluate(executor, loss, outputs, some_numbers(40), 40, 400);
    CHECK(count(executor.program(), Op::tanh) == 1);
    CHECK(count(executor.program(), Op::sigmoid) >= 1);
    CHECK(count(executor.program(), Op::exp) == 1);
    CHECK(count(executor.program(), Op::log) == 0);
  }
}

TEST_CASE("idioms: a cross-entropy written with sigmoid and log stays finite") {
  Tape tape;
  const Value z = tape.input(0.0, "z"), y = tape.input(0.0, "y");
  const Value p = 1.0 / (1.0 + exp(-z));
  const Value loss = batch_sum(-(y * log(p) + (1.0 - y) * log(1.0 - p)));
  Executor<float> executor(compile(loss, {.input_gradients = true}), {.max_samples = 4});
  const std::vector<double> rows = {200, 0, -200, 1, 200, 1, -200, 0};
  executor.bind(rows);
  CHECK(executor.step() == 400.0f);
  CHECK(executor.input_gradients()[0] == 1.0f);
  CHECK(executor.input_gradients()[2] == -1.0f);
  CHECK(executor.input_gradients()[4] == 0.0f);
  CHECK(executor.input_gradients()[6] == 0.0f);
}

TEST_CASE("idioms: what has another value or derivative somewhere is left as it is") {
  const auto e = [](Value x) { return exp(2.0 * x); };
  const std::pair<const char*, std::function<Value(Value, Value)>> others[] = {
      {"max(x, 0): derivative 1 at 0", [](Value x, Value) { return max(x, 0.0); }},
      {"x * (x >= 0): derivative 1 at 0", [](Value x, Value) { return x * (x >= 0.0); }},
      {"where(x > 0, x, 0): 0 for NaN", [](Value x, Value) { return where(x > 0.0, x, 0.0); }},
      {"where(x < 0, 0, x): derivative 1 at 0", [](Value x, Value) { return where(x < 0.0, 0.0, x); }},
      {"where(x <= 0, x, 0)", [](Value x, Value) { return where(x <= 0.0, x, 0.0); }},
      {"x * (y > 0)", [](Value x, Value y) { return x * (y > 0.0); }},
      {"max(0, x) with another number", [](Value x, Value) { return max(0.5, x); }},
      {"(e - 1) / (e + 2)", [=](Value x, Value) { return (e(x) - 1.0) / (e(x) + 2.0); }},
      {"(e - 1) / (1 - 2e)", [=](Value x, Value) { return (e(x) - 1.0) / (1.0 - 2.0 * e(x)); }},
      {"(e + 3) / (e + 1)", [=](Value x, Value) { return (e(x) + 3.0) / (e(x) + 1.0); }},
      {"of two operands", [=](Value x, Value y) { return (e(x) - 1.0) / (e(y) + 2.0); }},
      {"of two powers", [=](Value x, Value) { return (exp(3.0 * x) - 1.0) / (e(x) + 2.0); }},
      {"1 / (y + e)", [](Value x, Value y) { return 1.0 / (square(y) + exp(x)); }},
      {"log(2 + e)", [](Value x, Value) { return log(2.0 + exp(x)); }},
      {"log(e + e)", [](Value x, Value y) { return log(exp(x) + exp(y)); }},
      {"(e - 1)^2 / (e + 2)", [=](Value x, Value) { return square(e(x) - 1.0) / (e(x) + 2.0); }},
      {"1 / (e - e + 1)", [=](Value x, Value) { return 1.0 / (e(x) - e(x) + 1.0); }},
  };
  std::vector<double> rows = {0.0, 0.5, -0.0, -0.25, 1.0, 0.0, 0.0, 0.0};
  for (double number : some_numbers(60)) rows.push_back(number);
  for (const auto& [name, function] : others) {
    INFO(name);
    Tape tape;
    const Value x = tape.input(0.3, "x"), y = tape.input(0.2, "y"), result = function(x, y);
    const Value loss = batch_sum(result * result + result);
    const std::vector<Value> outputs = {result};
    const Program program = compile(loss, {.outputs = outputs, .input_gradients = true, .verify = true});
    for (const Op op : {Op::tanh, Op::sigmoid, Op::softplus, Op::relu}) CHECK(count(program, op) == 0);
    Executor<double> executor(program, {.max_samples = 64});
    expect_step_like_evaluate(executor, loss, outputs, rows, rows.size() / 2, 100);
  }
}

TEST_CASE("idioms: a quotient that is more than a sigmoid is a product with one") {
  const auto e = [](Value x) { return exp(2.0 * x); };
  const std::pair<const char*, std::function<Value(Value, Value)>> products[] = {
      {"x / (1 + e)", [](Value x, Value) { return x / (1.0 + exp(-x)); }},
      {"y / (1 + e)", [](Value x, Value y) { return y / (1.0 + exp(x)); }},
      {"of two operands", [=](Value x, Value y) { return (e(x) - 1.0) / (e(y) + 1.0); }},
      {"of two powers", [=](Value x, Value) { return (exp(3.0 * x) - 1.0) / (e(x) + 1.0); }},
      {"of a square", [=](Value x, Value) { return square(e(x) - 1.0) / (e(x) + 1.0); }},
  };
  for (const auto& [name, function] : products) {
    INFO(name);
    Tape tape;
    const Value x = tape.input(0.3, "x"), y = tape.input(0.2, "y"), result = function(x, y);
    const Value loss = batch_sum(result * result + result);
    const std::vector<Value> outputs = {result};
    Executor<double> executor(compile(loss, {.outputs = outputs, .input_gradients = true, .verify = true}),
                              {.max_samples = 64});
    expect_step_like_evaluate(executor, loss, outputs, some_numbers(120), 60, 100);
    CHECK(count(executor.program(), Op::tanh) == 0);
    CHECK(count(executor.program(), Op::sigmoid) == 1);
  }
}

TEST_CASE("idioms: max(0, x) of NaN is NaN, and where(x > 0, x, 0) is not") {
  Tape tape;
  const Value x = tape.input(0.0, "x");
  const std::vector<Value> outputs = {max(0.0, x), x * (x > 0.0), where(x <= 0.0, 0.0, x), where(x > 0.0, x, 0.0)};
  Executor<double> executor(compile_inference(outputs), {.max_samples = 4});
  const std::vector<double> rows = {not_a_number, inf, -inf};
  executor.bind(rows);
  executor.step();
  const double expected[] = {not_a_number, not_a_number, not_a_number, 0.0, inf, inf, inf, inf, 0.0, 0.0, 0.0, 0.0};
  for (std::size_t i = 0; i < 12; ++i) CHECK(same_bits(executor.outputs()[i], expected[i]));
}
