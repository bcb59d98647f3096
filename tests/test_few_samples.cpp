// Steps of few samples, which have the rows of blocks as the lanes of vectors where that takes less time.
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "against_evaluate.h"
#include "catch.h"
#include "compare.h"
#include "processor_time.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/compiler/compile_products.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/nets/attention.h"
#include "tapeloom/core/nets/convolution.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/nets/recurrent.h"
#include "tapeloom/core/program/cost.h"
#include "tapeloom/core/record/functions.h"
#include "tapeloom/runtime/execute/executor.h"
#include "tapeloom/runtime/execute/profile.h"
#include "tapeloom/runtime/execute/row_runner.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

/// Runs steps of 1 to 8 rows with rows as lanes, and compares with evaluate().
void expect_few_like_evaluate(Value loss, const std::vector<Value>& outputs, std::size_t columns) {
  const Program program = compile(loss, {.outputs = outputs, .input_gradients = true, .verify = true});
  REQUIRE(cost::may_have_rows_as_lanes(program));
  const runtime::ByRowsAlways always;
  Executor<double> in_double(program, {.max_samples = 8, .threads = 2});
  Executor<float> in_float(program, {.max_samples = 20, .threads = 1});
  for (const std::size_t samples : {1, 2, 3, 5, 8, 2}) {
    INFO(samples << " samples");
    const std::vector<double> rows = some_numbers(columns * samples, 11 + samples);
    expect_step_like_evaluate(in_double, loss, outputs, rows, samples, 4000);
    expect_step_like_evaluate(in_float, loss, outputs, rows, samples, 4000);
  }
}

Value squares(std::span<const Value> values) {
  Value sum = 0.0;
  for (const Value v : values) sum += square(v);
  return sum;
}

/// A net wide enough for rows to be lanes.
struct WideNet {
  Tape tape;
  std::mt19937 random{1};
  MLP net{tape, 12, {{64, relu}, {64, tanh}, {5}}, he(random)};
  std::vector<Value> x = tape.inputs("x", 12), y = net(x);
  Value loss = batch_mean(softmax_cross_entropy(y, 2));
  Program program = compile(loss, {.outputs = y});
};

}  // namespace

TEST_CASE("few samples of nets of all kinds are what evaluate() says") {
  Tape tape;
  std::mt19937 random(2);
  SECTION("dense layers, in whole vectors and not") {
    for (const std::vector<std::size_t>& widths :
         {std::vector<std::size_t>{96, 65, 5}, {16, 32, 1}, {3, 7, 2}, {1, 40, 8}}) {
      Tape own;
      const MLP net(own, 12, {{widths[0], relu}, {widths[1], tanh}, {widths[2]}}, he(random));
      const std::vector<Value> x = own.inputs("x", 12), y = net(x);
      expect_few_like_evaluate(batch_mean(squares(y)) + l2_penalty(net.parameters(), 0.01), y, 12);
    }
  }
  SECTION("recurrent cells") {
    const std::vector<Value> x = tape.inputs("x", 5 * 3);
    std::vector<std::vector<Value>> sequence;
    for (std::size_t t = 0; t < 5; ++t) sequence.emplace_back(x.begin() + t * 3, x.begin() + (t + 1) * 3);
    const LSTMCell lstm(tape, 3, 20, fan_in_uniform(random));
    const RNNCell rnn(tape, 3, 16, fan_in_uniform(random));
    const std::vector<LSTMState> states = unroll(lstm, std::span<const std::vector<Value>>(sequence));
    const auto others = unroll(rnn, std::span<const std::vector<Value>>(sequence));
    expect_few_like_evaluate(batch_mean(squares(states.back().h) + squares(others.back())), states.back().h, 15);
  }
  SECTION("convolutions, padded and not, and pools") {
    const Image image{1, 6, 6, tape.inputs("x", 36)};
    const Conv2d padded(tape, 1, 4, {.kernel = 3, .padding = 1, .activation = relu}, fan_in_uniform(random));
    const Conv2d plain(tape, 4, 3, {.kernel = 2, .activation = tanh}, fan_in_uniform(random));
    const Image last = plain(max_pool2d(padded(image), {.kernel = 2}));
    expect_few_like_evaluate(batch_mean(squares(last.values)), last.values, 36);
  }
  SECTION("attention") {
    const std::vector<Value> x = tape.inputs("x", 4 * 8);
    std::vector<std::vector<Value>> sequence;
    for (std::size_t t = 0; t < 4; ++t) sequence.emplace_back(x.begin() + t * 8, x.begin() + (t + 1) * 8);
    const MultiheadAttention attention(tape, 8, 2, glorot(random));
    Value loss = 0.0;
    for (const std::vector<Value>& row : attention(sequence)) loss += squares(row);
    expect_few_like_evaluate(batch_mean(loss), {loss}, 32);
  }
  SECTION("several stages, whose numbers cross from one to the next") {
    const MLP net(tape, 4, {{20, tanh}}, glorot(random));
    const std::vector<Value> x = tape.inputs("x", 4), h = net(x);
    Value loss = 0.0;
    for (const Value v : h) {
      const Value mean = batch_mean(v), apart = v - mean;
      loss += batch_mean(square(apart) * apart) / (1.0 + batch_mean(square(apart)));
    }
    expect_few_like_evaluate(loss, {h[0] - batch_mean(h[0])}, 4);
  }
  SECTION("rows by index, lists and irregular expressions") {
    std::vector<Value> w;
    for (const double number : some_numbers(40, 3)) w.push_back(tape.parameter(number));
    const std::vector<Value> x = tape.inputs("x", 40);
    Value loss = 0.0;
    for (std::size_t i = 0; i < 40; ++i) {
      const std::size_t a = i * 17 % 40, b = (i * i + 3) % 40;
      loss += exp(x[a] * w[b]) * x[b] + max(x[i], w[a] * x[b]);
      if (i % 3 == 0) loss += sin(x[a] + x[b] * x[i]) * w[i];
    }
    expect_few_like_evaluate(batch_mean(loss), {loss}, 40);
  }
}

TEST_CASE("nets wide enough have rows as lanes with few samples, small ones have samples") {
  const WideNet wide;
  const runtime::FewSamples samples = runtime::samples_by_rows(wide.program, 1000, sizeof(float));
  CHECK(samples[2]);
  CHECK_FALSE(samples[0]);
  CHECK(runtime::samples_by_rows(wide.program, 2, sizeof(float)).count() <= 2);
  Tape tape;
  std::mt19937 random(1);
  const MLP net(tape, 3, {{4, tanh}, {4, tanh}, {1}}, glorot(random));
  const Program small = compile(batch_mean(square(net(tape.inputs("x", 3))[0])));
  CHECK(runtime::samples_by_rows(small, 8, sizeof(float)).none());
  const Program exact = compile(wide.loss, {.exact = true});
  CHECK(runtime::samples_by_rows(exact, 8, sizeof(double)).none());
  const runtime::ByRowsAlways always;
  CHECK(runtime::samples_by_rows(small, 8, sizeof(float)).count() == 8);
  CHECK(runtime::samples_by_rows(exact, 8, sizeof(double)).none());
}

TEST_CASE("a step of few samples has the same bits whatever the most samples and threads are") {
  const WideNet wide;
  const std::vector<double> rows = some_numbers(12 * 300, 5);
  // From 9 samples on in float, where one table of kernels serves all.
  Executor<float> few(wide.program, {.max_samples = 9, .threads = 1}),
      many(wide.program, {.max_samples = 300, .threads = 2});
  for (Executor<float>* executor : {&few, &many}) executor->bind(rows);
  for (const std::size_t samples : {1, 2, 3, 8, 2}) {
    many.step();  // leaves nothing behind
    CHECK(same_bits(few.step(7, samples), many.step(7, samples)));
    std::vector<std::uint32_t> listed(samples);
    for (std::size_t i = 0; i < samples; ++i) listed[i] = static_cast<std::uint32_t>(7 + i);
    const std::vector<float> gradients(few.gradients().begin(), few.gradients().end());
    const std::vector<float> outputs(few.outputs().begin(), few.outputs().end());
    CHECK(same_bits(many.step(listed), few.loss()));
    for (std::size_t i = 0; i < gradients.size(); ++i) REQUIRE(same_bits(gradients[i], many.gradients()[i]));
    for (std::size_t i = 0; i < outputs.size(); ++i) REQUIRE(same_bits(outputs[i], many.outputs()[i]));
  }
}

TEST_CASE("guards name the sample that fails among few") {
  Tape tape;
  std::vector<Value> w;
  for (const double number : some_numbers(32, 3)) w.push_back(tape.parameter(2.0 + number));
  const Value x = tape.input(1.0, "x");
  Value loss = 0.0;
  for (const Value each : w) {
    Value y = each * x;
    if (y < 0.0) y = -y;  // decided here, for x = 1
    loss += y * y;
  }
  const runtime::ByRowsAlways always;
  Executor<double> executor(compile(batch_sum(loss)), {.max_samples = 3});
  const std::vector<double> rows = {1.0, 2.0, 3.0, 1.0, -2.0, -3.0};
  executor.bind(rows);
  CHECK(executor.step(0, 3) > 0.0);
  try {
    executor.step(3, 3);
    FAIL("a step that contradicts a branch");
  } catch (const GuardError& error) {
    CHECK(error.sample() == 1);
  }
  CHECK(executor.step(0, 2) > 0.0);
}

TEST_CASE("an adjoint of zero contributes nothing among few samples") {
  Tape tape;
  std::vector<Value> w;
  for (const double number : some_numbers(32, 3)) w.push_back(tape.parameter(number));
  const Value x = tape.input(1.0, "x");
  Value loss = 0.0;
  for (const Value each : w) loss += where(x > 0.0, log(x) * each, each);
  loss = batch_mean(square(loss));
  const runtime::ByRowsAlways always;
  Executor<double> executor(compile(loss), {.max_samples = 3});
  expect_step_like_evaluate(executor, loss, {}, std::vector<double>{1.5, 0.0, -1.0}, 3, 100);
}

TEST_CASE("one sample takes no longer than sixteen where rows are read by index") {
  // The best of three ways to fill each place, item by item.
  Tape tape;
  std::vector<Value> worth;
  for (const double number : some_numbers(60, 5)) worth.push_back(tape.parameter(std::abs(number)));
  std::vector<Value> best(40, 0.0);
  for (std::size_t item = 0; item < 30; ++item) {
    std::vector<Value> next = best;
    for (std::size_t place = 3; place < best.size(); ++place) {
      const Value one = best[place - 1 - item % 3] + worth[item], other = best[place - 3] + 2.0 * worth[30 + item];
      next[place] = max(best[place], max(one, other));
    }
    best = next;
  }
  const Program program = compile_jacobian_vector(std::span(&best.back(), 1), worth, {.verify = false});
  const std::vector<double> directions = some_numbers(60 * 16, 6);
  const auto seconds = [&](std::size_t samples) {
    Executor<double> executor(program, {.max_samples = 16, .threads = 1});
    executor.bind(directions);
    executor.step(0, samples);
    const ProcessorTime time;
    for (int step = 0; step < 2000; ++step) executor.step(0, samples);
    return time.seconds();
  };
  CHECK(grows_less(seconds, 16, 1, 1.2));  // 0.7; 1.6 where every instruction clears memory for many more rows
}

TEST_CASE("a profile of few samples has the time of every instruction") {
  const WideNet wide;
  const runtime::ByRowsAlways always;
  Executor<float> executor(wide.program, {.max_samples = 4, .threads = 1, .profile = true});
  const std::vector<double> rows = some_numbers(12 * 4);
  executor.bind(rows);
  executor.step(), executor.step(0, 2);
  const Profile profile = executor.profile();
  CHECK(profile.steps == 2);
  for (const Stage& stage : wide.program.stages) {
    for (std::uint32_t at = stage.tile.begin; at < stage.tile.end; ++at) {
      INFO("instruction " << at);
      CHECK(profile.instructions[at].runs >= 2);
    }
  }
}
