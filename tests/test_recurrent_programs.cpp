// What recurrent nets come down to: gates that are put together, biases that are added first, matrices that every step
// reads.
#include <algorithm>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "against_evaluate.h"
#include "catch.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/nets/recurrent.h"
#include "tapeloom/core/record/functions.h"
#include "tapeloom/runtime/execute/executor.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

/// Squares of the states after some steps, and of all of them where `all` says so.
template <class Cell>
struct Sequence {
  Tape tape;
  std::vector<Value> x;
  Value loss = 0.0;

  Sequence(std::size_t inputs, std::size_t width, std::size_t steps, bool all) : x(tape.inputs("x", inputs * steps)) {
    std::mt19937_64 random(5);
    const Cell cell(tape, inputs, width, uniform_initializer(random, -0.4, 0.4));
    std::vector<std::vector<Value>> rows;
    for (std::size_t s = 0; s < steps; ++s) rows.emplace_back(x.begin() + s * inputs, x.begin() + (s + 1) * inputs);
    const auto states = unroll(cell, std::span<const std::vector<Value>>(rows));
    for (std::size_t s = all ? 0 : steps - 1; s < steps; ++s) {
      for (const Value& h : hidden(states[s])) loss += square(h);
    }
    loss = batch_mean(loss);
  }

 private:
  static const std::vector<Value>& hidden(const std::vector<Value>& state) { return state; }
  static const std::vector<Value>& hidden(const LSTMState& state) { return state.h; }
};

template <class Cell>
void expect_like_evaluate(std::size_t inputs, std::size_t width, std::size_t steps, bool all, std::size_t samples) {
  INFO(inputs << " inputs, " << width << " wide, " << steps << " steps, " << samples << " samples");
  const Sequence<Cell> net(inputs, width, steps, all);
  const Program program = compile(net.loss, {.input_gradients = true, .verify = true});
  Executor<double> in_double(program, {.max_samples = samples});
  Executor<float> in_float(program, {.max_samples = samples});
  for (const std::size_t seed : {1, 2}) {
    const std::vector<double> rows = some_numbers(samples * inputs * steps, seed);
    expect_step_like_evaluate(in_double, net.loss, {}, rows, samples, 8000);
    expect_step_like_evaluate(in_float, net.loss, {}, rows, samples, 8000);
  }
}

std::size_t count(const Program& program, const auto& is_one) {
  return static_cast<std::size_t>(std::ranges::count_if(program.instructions, is_one));
}
bool is_gather(const Instruction& i) { return i.kind == InstructionKind::gather; }

}  // namespace

TEST_CASE("recurrent nets of any width are what evaluate() says, one sample or many") {
  for (const std::size_t samples : {1, 3, 40}) {
    for (const std::size_t width : {1, 5, 8, 19, 32}) {
      for (const bool all : {false, true}) {
        expect_like_evaluate<LSTMCell>(3, width, 4, all, samples);
        expect_like_evaluate<GRUCell>(3, width, 3, all, samples);
        expect_like_evaluate<RNNCell>(3, width, 5, all, samples);
      }
    }
  }
}

TEST_CASE("matrices that are larger than the first-level cache are read back and forth") {
  expect_like_evaluate<LSTMCell>(3, 52, 4, false, 1);  // 208 x 52 numbers
  expect_like_evaluate<RNNCell>(2, 150, 3, true, 1);
  expect_like_evaluate<GRUCell>(4, 61, 3, false, 1);
}

TEST_CASE("the adjoints of an LSTM's gates are computed where they lie side by side") {
  const auto gathers = [](std::size_t steps) {
    const Program program = compile(Sequence<LSTMCell>(3, 16, steps, false).loss);
    REQUIRE(program.of_one_sample != nullptr);
    CHECK(count(*program.of_one_sample, is_gather) <= 1);  // of the inputs
    return count(program, is_gather);
  };
  const std::size_t few = gathers(4);
  CHECK(few <= 2);
  CHECK(gathers(9) == few);
}

TEST_CASE("the biases of a cell are added to one another once a step, and not one by one in every step of a sequence") {
  const auto additions = [](std::size_t steps) {
    const Program program = compile_inference(Sequence<RNNCell>(3, 16, steps, false).loss);
    return count(program,
                 [](const Instruction& i) { return i.kind == InstructionKind::elementwise && i.op == Op::add; });
  };
  CHECK(additions(4) == additions(12));
  // A sum of three is not taken apart where somebody else reads a part of it.
  Tape tape;
  const Value x = tape.input(0.5, "x"), p = tape.parameter(0.25), q = tape.parameter(-1.5), r = tape.parameter(3.0);
  const Value part = x + p;
  const Value loss = batch_sum(square(part + q + r) + sin(part));
  Executor<double> executor(compile(loss, {.input_gradients = true, .verify = true}));
  const std::vector<double> rows = {0.5, -2.0, 1.25};
  expect_step_like_evaluate(executor, loss, {}, rows, 3, 64);
}
