// Functions written through others as rows of blocks and terms of sums: recognised there too, with the digits of the
// closed forms.
#include <algorithm>
#include <cmath>
#include <functional>
#include <tuple>
#include <utility>
#include <vector>

#include "catch.h"
#include "idioms.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/record/functions.h"
#include "tapeloom/runtime/execute/executor.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

using Function = std::function<Value(Value)>;

}  // namespace

TEST_CASE("idioms: a tanh that is written as a sum loses no digits within a longer one") {
  const std::pair<const char*, Function> ways[] = {
      {"2 sigmoid(2x) - 1", [](Value x) { return 2.0 * sigmoid(2.0 * x) - 1.0; }},
      {"-1 + sigmoid(2x) * 2", [](Value x) { return -1.0 + sigmoid(2.0 * x) * 2.0; }},
      {"1 - 2 / (e + 1)", [](Value x) { return 1.0 - 2.0 / (exp(2.0 * x) + 1.0); }},
      {"2 / (1 + e^-2x) - 1", [](Value x) { return 2.0 / (1.0 + exp(-2.0 * x)) - 1.0; }},
      {"2 (1 + e^-2x)^-1 - 1", [](Value x) { return 2.0 * pow(1.0 + exp(-2.0 * x), -1.0) - 1.0; }},
      {"-(1 - 2 sigmoid(2x))", [](Value x) { return -(1.0 - 2.0 * sigmoid(2.0 * x)); }},
  };
  for (const auto& [name, written] : ways) {
    INFO(name);
    Tape tape;
    const std::vector<Value> x = tape.inputs("x", 3);
    const Value w = tape.parameter(0.5);
    Value all = 0.0;  // of all activations, whose sums would be one
    for (const Value& each : x) all += written(each);
    const std::vector<Value> outputs = {w * x[0] + written(x[0]), x[1] - written(w * x[1]), all};
    Executor<double> executor(compile(batch_sum(sum(outputs)), {.outputs = outputs, .verify = true}));
    CHECK(count(executor.program(), Op::tanh) > 0);
    CHECK(written_out(executor.program()) == 0);
    const std::vector<double> row = {1e-7, 2e-7, -4e-7};
    executor.bind(row);
    executor.step();
    const double expected[] = {0.5 * row[0] + std::tanh(row[0]), row[1] - std::tanh(0.5 * row[1]),
                               std::tanh(row[0]) + std::tanh(row[1]) + std::tanh(row[2])};
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(std::abs(executor.outputs()[i] - expected[i]) < 1e-14 * std::abs(expected[i]));
    }
  }
}

TEST_CASE("idioms: a tanh of multiples is one, though its powers of e look like samples or rows of a sum") {
  for (const double factor : {1.0, 2.0, -3.0}) {
    for (const std::size_t count : {1u, 2u, 5u}) {
      for (const bool fold : {true, false}) {
        INFO(factor << ", " << count << " rows" << (fold ? "" : ", samples are not folded"));
        Tape tape;
        std::vector<Value> x, outputs;
        for (std::size_t i = 0; i < count; ++i) {
          x.push_back(tape.parameter(i % 2 == 0 ? 800.0 : -1e-8));
          outputs.push_back((exp(factor * x[i]) - exp(-factor * x[i])) / (exp(factor * x[i]) + exp(-factor * x[i])));
        }
        Executor<double> executor(compile(sum(outputs), {.outputs = outputs, .fold_samples = fold, .verify = true}));
        CHECK(written_out(executor.program()) == 0);
        executor.step();
        for (std::size_t i = 0; i < count; ++i) {
          const double expected = std::tanh(factor * x[i].data());
          CHECK(std::abs(executor.outputs()[i] - expected) < 1e-14 * std::abs(expected));
          CHECK(std::abs(executor.gradients()[i] - (i % 2 == 0 ? 0.0 : factor)) < 1e-14 * std::abs(factor));
        }
      }
    }
  }
}

TEST_CASE("idioms: rows of one block are a tanh of another multiple each") {
  const double factors[] = {1.0, 2.0, -0.5, 3.0};
  for (const bool one_x : {true, false}) {
    for (const std::size_t count : {2u, 3u, 4u}) {
      INFO(count << " rows of " << (one_x ? "one number" : "as many numbers"));
      Tape tape;
      std::vector<Value> x, outputs;
      for (std::size_t i = 0; i < count; ++i) {
        x.push_back(one_x && i > 0 ? x[0] : tape.parameter(800.0));
        const Value up = exp(factors[i] * x[i]), down = exp(-factors[i] * x[i]);
        outputs.push_back((up - down) / (up + down));
      }
      // Of one number they could be samples, whose data are the factors.
      Executor<double> executor(compile(sum(outputs), {.outputs = outputs, .fold_samples = !one_x, .verify = true}));
      CHECK(written_out(executor.program()) == 0);
      for (const double number : {800.0, -1e-8, 0.3}) {
        std::ranges::fill(executor.parameters(), number);
        executor.step();
        for (std::size_t i = 0; i < count; ++i) {
          const double expected = std::tanh(factors[i] * number);
          CHECK(std::abs(executor.outputs()[i] - expected) < 1e-14 * std::abs(expected));
        }
      }
    }
  }
}

TEST_CASE("idioms: a tanh is one beside a sigmoid that shares its denominator") {
  Tape tape;
  const Value x = tape.input(0.0, "x"), below = exp(x) + 1.0;
  const std::vector<Value> outputs = {1.0 - 2.0 / below, 1.0 / below};
  Executor<double> executor(compile(batch_sum(sum(outputs)), {.outputs = outputs, .verify = true}));
  const std::vector<double> row = {1e-7};
  executor.bind(row);
  executor.step();
  const double expected = std::tanh(0.5e-7);
  CHECK(std::abs(executor.outputs()[0] - expected) < 1e-14 * expected);  // not 1 - 2 * sigmoid(-x)
}

/// A rod of which one cell in three grows by an exponential of the slope, and the others by `function` of it.
template <class S, class F>
std::vector<S> rod(std::vector<S> u, F function) {
  using std::exp;
  for (int step = 0; step < 20; ++step) {
    const std::vector<S> before = u;
    for (std::size_t i = 1; i < u.size(); ++i) {
      const S slope = before[i - 1] - before[i];
      u[i] += i % 3 == 2 ? 0.01 * exp(0.001 * slope) : 0.1 * function(slope);
    }
  }
  return u;
}

TEST_CASE("idioms: functions are found among rows that are gathered from blocks of exponentials") {
  // Rolled by level, all exponentials of a step are rows of one block.
  const auto sigmoid_number = [](double x) { return static_cast<double>(sigmoid_of(x).value); };
  const auto softplus_number = [](double x) { return static_cast<double>(softplus_of(x).value); };
  const auto tanh_number = [](double x) { return std::tanh(x); };
  const std::tuple<const char*, Op, Function, std::function<double(double)>> ways[] = {
      {"sinh / cosh", Op::tanh, [](Value x) { return (exp(x) - exp(-x)) / (exp(x) + exp(-x)); }, tanh_number},
      {"(e - 1) / (e + 1)", Op::tanh, [](Value x) { return (exp(2.0 * x) - 1.0) / (exp(2.0 * x) + 1.0); }, tanh_number},
      {"1 / (1 + e^-x)", Op::sigmoid, [](Value x) { return 1.0 / (1.0 + exp(-x)); }, sigmoid_number},
      {"e / (1 + e)", Op::sigmoid, [](Value x) { return exp(x) / (1.0 + exp(x)); }, sigmoid_number},
      {"log(1 + e)", Op::softplus, [](Value x) { return log(1.0 + exp(x)); }, softplus_number},
  };
  const std::vector<double> row = {1500, 0, 1400, 0, 1300, 1, 1200, 0, 1100, 0, 1000, 2};
  for (const auto& [name, op, written, function] : ways) {
    INFO(name);
    Tape tape;
    const std::vector<Value> outputs = rod(tape.inputs("x", row.size()), written);
    Executor<double> executor(compile_inference(outputs, {.verify = true}));
    CHECK(count(executor.program(), op) >= 20);
    executor.bind(row);
    executor.step();
    const std::vector<double> expected = rod(row, function);
    for (std::size_t i = 0; i < row.size(); ++i) {
      CHECK(std::abs(executor.outputs()[i] - expected[i]) < 1e-12 * std::abs(expected[i]));
    }
  }
}

TEST_CASE("idioms: rows of one block are a tanh each that are written in other ways") {
  const auto by_one_power = [](Value x) { return (exp(2.0 * x) - 1.0) / (exp(2.0 * x) + 1.0); };
  const auto by_two_powers = [](Value x) { return (exp(x) - exp(-x)) / (exp(x) + exp(-x)); };
  for (const std::size_t pairs : {1u, 2u, 5u}) {
    for (const bool in_turn : {true, false}) {
      INFO(pairs << " of each way and length" << (in_turn ? ", in turn" : ""));
      // Sums of two terms, and of one, are blocks of their own, but the quotients are not.
      Tape tape;
      const std::vector<Value> x = tape.inputs("x", 8 * pairs);
      const Value a = tape.parameter(0.5), b = tape.parameter(1.5), c = tape.parameter(0.1);
      std::vector<Value> outputs;
      for (std::size_t i = 0; i < 4 * pairs; ++i) {
        const std::size_t kind = in_turn ? i % 4 : i / pairs;
        const Value z = kind % 2 == 0 ? c + a * x[2 * i] + b * x[2 * i + 1] : c + a * x[2 * i];
        outputs.push_back(kind < 2 ? by_one_power(z) : by_two_powers(z));
      }
      Value loss = 0.0;
      for (const Value& y : outputs) loss += square(y);
      Executor<double> executor(compile(batch_sum(loss), {.outputs = outputs, .verify = true}));
      CHECK(written_out(executor.program()) == 0);
      for (const double number : {800.0, -1e-8, 0.3}) {
        const std::vector<double> row(x.size(), number);
        executor.bind(row);
        executor.step();
        for (std::size_t i = 0; i < outputs.size(); ++i) {
          const std::size_t kind = in_turn ? i % 4 : i / pairs;
          const double expected = std::tanh(kind % 2 == 0 ? 0.1 + 0.5 * number + 1.5 * number : 0.1 + 0.5 * number);
          CHECK(std::abs(executor.outputs()[i] - expected) < 1e-14 * std::abs(expected));
        }
        CHECK(std::isfinite(executor.gradients()[0]));
      }
    }
  }
}
