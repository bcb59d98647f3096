// Chains max(max(a, b), c) ... and those of min become one instruction over rows, and one for their adjoint: ties, NaN
// and infinities are treated as evaluate() does, operand by operand.
#include <algorithm>
#include <functional>
#include <random>
#include <string>

#include "against_evaluate.h"
#include "counted.h"
#include "forced_isa.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/runtime/execute/row_runner.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

using Values = std::vector<Value>;

Value chain(Value (*op)(Value, Value), const Values& x) {
  Value result = x[0];
  for (std::size_t i = 1; i < x.size(); ++i) result = op(result, x[i]);
  return result;
}
Value largest(const Values& x) { return chain(tapeloom::max, x); }
Value smallest(const Values& x) { return chain(tapeloom::min, x); }

/// A net with so many outputs, and the loss that something makes of them.
std::size_t instructions_of(std::size_t width, const std::function<Value(const Values&)>& loss) {
  Tape tape;
  std::mt19937_64 random(1);
  const MLP model(tape, 5, {{6, tapeloom::tanh}, {width}}, uniform_initializer(random, -1.0, 1.0));
  return compile(batch_mean(loss(model(tape.inputs("x", 5))))).instructions.size();
}

const std::vector<double> odd_numbers = {0.0, -0.0, 1.0, 1.0, -1.0, 2.0, inf, -inf, not_a_number};

}  // namespace

TEST_CASE("extremes: the number of instructions does not depend on how many operands there are") {
  const auto softmax = [](const Values& z, Value shift) {
    Values e;
    for (const Value& each : z) e.push_back(exp(each - shift));
    const Value total = sum(e);
    for (Value& each : e) each = each / total;
    return e;
  };
  const std::pair<const char*, std::function<Value(const Values&)>> losses[] = {
      {"largest", [](const Values& z) { return square(largest(z)); }},
      {"smallest", [](const Values& z) { return square(smallest(z)); }},
      {"both", [](const Values& z) { return largest(z) - smallest(z); }},
      {"softmax", [=](const Values& z) { return -log(softmax(z, largest(z))[0]); }},
      {"log-sum-exp",
       [](const Values& z) {
         const Value shift = largest(z);
         Value total = 0.0;
         for (const Value& each : z) total += exp(each - shift);
         return log(total) + shift;
       }},
      {"cross-entropy", [](const Values& z) { return softmax_cross_entropy_of_class(z, 1); }},
      {"margin",
       [](const Values& z) {
         Values others;
         for (std::size_t i = 1; i < z.size(); ++i) others.push_back(z[i] + 1.0);
         return relu(largest(others) - z[0]);
       }},
  };
  for (const auto& [name, loss] : losses) {
    INFO(name);
    const std::size_t few = instructions_of(5, loss);
    for (const std::size_t width : {8, 17, 64, 300}) CHECK(instructions_of(width, loss) == few);
  }
}

TEST_CASE("extremes: ties, NaN and infinities in any place, bit for bit as evaluate() has them") {
  // All sequences of four of the odd numbers, as samples of four inputs.
  std::vector<double> rows;
  const std::size_t n = odd_numbers.size();
  for (std::size_t s = 0; s < n * n * n * n; ++s) {
    for (std::size_t k = 0, rest = s; k < 4; ++k, rest /= n) rows.push_back(odd_numbers[rest % n]);
  }
  const std::size_t samples = rows.size() / 4;
  for (const auto extreme : {largest, smallest}) {
    Tape tape;
    const Values x = tape.inputs("x", 4);
    const std::vector<Value> outputs = {extreme(x), extreme({x[2], x[0], x[3], x[1], x[0]})};
    const Value loss = batch_sum(where(outputs[0] == outputs[0], outputs[0] * 3.0, 0.0) + outputs[1]);
    for (const std::string& name : instruction_sets()) {
      const ForcedIsa isa(name);
      const CompileOptions options{.outputs = outputs, .input_gradients = true, .verify = true};
      Executor<double> executor(compile(loss, options), {.max_samples = samples});
      CHECK(count(executor.program(), InstructionKind::row_extreme) == 2);
      CHECK(count(executor.program(), InstructionKind::row_extreme_reverse) == 2);
      expect_step_like_evaluate(executor, loss, outputs, rows, samples, 0.0);
      Executor<float> in_float(compile(loss, options), {.max_samples = samples});
      expect_step_like_evaluate(in_float, loss, outputs, rows, samples, 0.0);
    }
  }
}

TEST_CASE("extremes: of parameters, once a step") {
  for (const auto extreme : {largest, smallest}) {
    for (std::size_t first = 0; first < odd_numbers.size(); ++first) {
      for (std::size_t second = 0; second < odd_numbers.size(); ++second) {
        Tape tape;
        const Values w = {tape.parameter(odd_numbers[first]), tape.parameter(0.5), tape.parameter(odd_numbers[second]),
                          tape.parameter(1.0)};
        const Value x = tape.input(0.0, "x"), chosen = extreme(w), loss = batch_sum(x * 2.0) * 0.25 + chosen;
        const std::vector<Value> outputs = {chosen};
        Executor<double> executor(compile(loss, {.outputs = outputs, .verify = true}), {.max_samples = 4});
        CHECK(count(executor.program(), InstructionKind::row_extreme) == 1);
        expect_step_like_evaluate(executor, loss, outputs, some_numbers(3), 3, 0.0);
      }
    }
  }
}

TEST_CASE("extremes: of many pools, an adjoint for each, once a step and with rows as lanes") {
  // In no order, so that they are gathered, and are one instruction.
  constexpr std::size_t pools = 20, operands = 4;
  std::vector<std::size_t> order(pools * operands);
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::mt19937_64 random(5);
  std::ranges::shuffle(order, random);
  const runtime::ByRowsAlways always;
  for (const bool of_inputs : {false, true}) {
    Tape tape;
    const std::vector<double> numbers = some_numbers(order.size(), 7);
    const Value other = tape.input(0.0, "other"), scale = tape.parameter(0.75);
    Values x = tape.inputs("x", order.size());
    if (!of_inputs) std::ranges::transform(numbers, x.begin(), [&](double n) { return tape.parameter(n); });
    Value each = other;
    for (std::size_t p = 0; p < pools; ++p) {
      Values pool;
      for (std::size_t k = 0; k < operands; ++k) pool.push_back(tanh(scale * x[order[p * operands + k]]));
      const Value chosen = p % 2 == 0 ? largest(pool) : -smallest(pool);
      each += square(chosen) * (0.1 + static_cast<double>(p));
    }
    const Value loss = batch_mean(square(each));
    for (const std::size_t samples : {1, 3, 8, 20}) {
      INFO((of_inputs ? "of inputs, " : "of parameters, ") << samples << " samples");
      expect_programs_like_evaluate(loss, {each}, some_numbers(samples * (1 + order.size()), samples), samples, 4000);
    }
    CHECK(count(compile(loss), InstructionKind::row_extreme) == 2);
    CHECK(count(compile(loss), InstructionKind::row_extreme_reverse) == 2);
  }
}

TEST_CASE("extremes: of windows of a list they are side by side where these are long enough for their operands") {
  const auto row_extremes = [](std::size_t window, std::size_t places) {
    Tape tape;
    const Value scale = tape.parameter(0.75);
    Values y;
    for (const Value& x : tape.inputs("x", places + window - 1)) y.push_back(tanh(scale * x));
    Value each = 0.0;
    for (std::size_t i = 0; i < places; ++i) {
      each += square(largest(Values(y.begin() + i, y.begin() + i + window))) * (0.1 + static_cast<double>(i));
    }
    const Value loss = batch_mean(each);
    for (const std::size_t samples : {1, 4, 33}) {
      INFO(window << " operands at " << places << " places, " << samples << " samples");
      expect_programs_like_evaluate(loss, {each}, some_numbers(samples * y.size(), samples), samples, 4000);
    }
    return count(compile(loss), InstructionKind::row_extreme);
  };
  CHECK(row_extremes(4, 3) == 0);
  CHECK(row_extremes(7, 14) == 0);
  CHECK(row_extremes(7, 13) == 1);
  CHECK(row_extremes(24, 64) == 0);
}

TEST_CASE("extremes: an adjoint of each sample, although the operands turn out to be the same for all") {
  // Merging shows that both branches are one, the second simplification that nothing is left to choose.
  Tape tape;
  const Values x = tape.inputs("x", 3);
  Values p, same;
  for (std::size_t i = 0; i < 3; ++i) p.push_back(tape.parameter(0.1 * static_cast<double>(i)));
  for (std::size_t i = 0; i < 3; ++i) same.push_back(where(x[i] > 0.1, tanh(p[i]), tanh(-(-p[i]))));
  const Value loss = batch_mean(square(largest(same) - x[0]) + smallest(same) * x[1]);
  Executor<double> executor(compile(loss, {.verify = true}), {.max_samples = 37});
  expect_step_like_evaluate(executor, loss, {}, some_numbers(3 * 37), 37, 400);
}

TEST_CASE("extremes: other ways to nest them, and operands in other orders, compute what evaluate() does") {
  std::mt19937_64 random(11);
  for (std::size_t round = 0; round < 60; ++round) {
    Tape tape;
    const Values x = tape.inputs("x", 6);
    const Value w = tape.parameter(0.5);
    Values pool = x;
    for (const Value& each : x) pool.push_back(each * w);
    pool.push_back(0.0);
    const auto any = [&] { return pool[random() % pool.size()]; };
    Values outputs;
    for (std::size_t k = 0; k < 4; ++k) {
      Value result = any();
      for (std::size_t length = 1 + random() % 7; length-- > 0;) {
        const std::size_t way = random() % 12;
        const Value other = way == 0 ? max(any(), any()) : way == 1 ? min(any(), any()) : any();
        result = way == 2 ? min(result, other) : way == 3 ? max(other, result) : max(result, other);
        if (way == 4) pool.push_back(result);  // used elsewhere, too
      }
      outputs.push_back(result + 0.0 * w);
    }
    const Value loss = batch_sum(dot(Values{0.5, -1.0, 2.0, 1.5}, outputs));
    std::vector<double> rows;
    for (std::size_t i = 0; i < 6 * 50; ++i) rows.push_back(static_cast<double>(random() % 5) - 2.0);
    for (const bool roll : {true, false}) {
      CompileOptions options{.outputs = outputs, .input_gradients = true, .roll = roll, .verify = true};
      Executor<double> executor(compile(loss, options), {.max_samples = 50});
      expect_step_like_evaluate(executor, loss, outputs, rows, 50, 100);
    }
  }
}

TEST_CASE("extremes: pooling takes instructions by the size of a pool, not by how many there are") {
  std::size_t few = 0;
  for (const std::size_t pools : {4, 16, 50}) {
    Tape tape;
    std::mt19937_64 random(2);
    const MLP model(tape, 3, {{4 * pools, tapeloom::tanh}}, uniform_initializer(random, -1.0, 1.0));
    const Values x = tape.inputs("x", 3), h = model(x);
    Values pooled;
    for (std::size_t i = 0; i < pools; ++i) pooled.push_back(largest(Values(h.begin() + 4 * i, h.begin() + 4 * i + 4)));
    const Value loss = batch_mean(square(sum(pooled)));
    Executor<double> executor(compile(loss, {.outputs = pooled, .verify = true}), {.max_samples = 20});
    expect_step_like_evaluate(executor, loss, pooled, some_numbers(60), 20, 4000);
    const std::size_t without_outputs = compile(loss).instructions.size();
    if (few == 0) few = without_outputs;
    CHECK(without_outputs == few);
  }
}
