// Random numbers of a program, and what is another in training: dropout.
#include <algorithm>

#include "against_evaluate.h"
#include "tapeloom/compiler/ways.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/random_number.h"
#include "tapeloom/core/nets/dropout.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/record/functions.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

using Values = std::vector<Value>;

struct Dropped {
  explicit Dropped(Tape& tape, std::size_t width = 7) {
    const Values x = tape.inputs("x", 3);
    Random random(9);
    const Initializer initial = uniform_initializer(random, -1.0, 1.0);
    const Layer first(tape, 3, {width, relu}, initial), second(tape, width, {width, tanh}, initial),
        last(tape, width, {2}, initial);
    outputs = last(dropout(second(dropout(first(x), 0.5)), 0.2));
    Values squares;
    for (const Value& output : outputs) squares.push_back(square(output - tape.input(0.0)));
    loss = batch_mean(sum(squares));
  }
  Values outputs;
  Value loss;
};

/// What evaluate() reads: rows of all inputs in recorded order, random ones among them.
std::vector<double> with_random(const Tape& tape, std::span<const double> rows, std::size_t samples, std::uint64_t seed,
                                std::uint64_t step) {
  std::vector<double> all;
  std::size_t next = 0;
  for (std::size_t s = 0; s < samples; ++s) {
    std::size_t column = 0;
    for (const InputGroup& group : tape.input_groups()) {
      for (std::uint32_t i = 0; i < group.count; ++i) {
        all.push_back(group.random ? random_number(seed, step, column++, s) : rows[next++]);
      }
    }
  }
  return all;
}

}  // namespace

TEST_CASE("randoms: numbers are spread evenly, in every column, step and seed, and not alike") {
  double sum = 0.0, squares = 0.0, products = 0.0;
  constexpr std::size_t count = 200000;
  std::vector<std::size_t> tenths(10);
  for (std::size_t i = 0; i < count; ++i) {
    const double u = random_number(i % 3, i / 7 % 11, i % 5, i), v = random_number(i % 3, i / 7 % 11, i % 5, i + 1);
    REQUIRE((u >= 0.0 && u < 1.0));
    sum += u, squares += u * u, products += u * v;
    ++tenths[static_cast<std::size_t>(u * 10.0)];
    const float f = random_number<float>(i % 3, i / 7 % 11, i % 5, i);
    REQUIRE((f >= 0.0f && f < 1.0f && std::fabs(static_cast<double>(f) - u) < 0x1p-24));
  }
  CHECK(close(sum / count, 0.5, 0.003));
  CHECK(close(squares / count, 1.0 / 3.0, 0.004));
  CHECK(close(products / count, 0.25, 0.004));
  for (const std::size_t each : tenths) CHECK(close(static_cast<double>(each), count / 10.0, 600.0));
  // Those of neighbours in any one of the four.
  const double here = random_number(1, 2, 3, 4);
  for (const double there : {random_number(2, 2, 3, 4), random_number(1, 3, 3, 4), random_number(1, 2, 4, 4),
                             random_number(1, 2, 3, 5), random_number(2, 1, 3, 4), random_number(1, 2, 4, 3)}) {
    CHECK(here != there);
  }
}

TEST_CASE("randoms: a step with dropout is the reference's with the same numbers, at every size of batch") {
  for (const std::size_t samples : {1, 2, 5, 16, 37, 200}) {
    INFO(samples);
    Tape tape;
    const Dropped net(tape);
    const std::vector<double> rows = some_numbers(samples * 5, samples);
    const std::vector<double> all = with_random(tape, rows, samples, 11, 4);
    const auto against = [&]<class T>(const CompileOptions& options, double ulps) {
      const Evaluation expected = evaluate(net.loss, {.rows = all, .samples = samples}, net.outputs);
      CompileOptions with = options;
      with.outputs = net.outputs;
      Executor<T> executor(compile(net.loss, with), {.max_samples = samples});
      executor.bind(std::span<const double>(rows));
      executor.seed_random(11, 3);
      executor.step();
      const double before = static_cast<double>(executor.loss());
      executor.step();
      CHECK(static_cast<double>(executor.loss()) != before);
      const T loss = executor.loss();
      expect_numbers<T>("loss", std::span(&loss, 1), expected.root, ulps);
      expect_numbers<T>("gradients", executor.gradients(), expected.gradients, ulps);
      expect_numbers<T>("outputs", executor.outputs(), expected.outputs, ulps);
    };
    against.operator()<double>({}, 100.0);
    against.operator()<float>({}, 100.0);
    against.operator()<double>({.roll = false}, 100.0);
    against.operator()<double>({.exact = true}, 0.0);
    if (samples > 1) continue;
    const Evaluation expected = evaluate(net.loss, {.rows = all, .samples = 1}, net.outputs);
    const Program program = compiler::compile_in_way(net.loss, {.outputs = net.outputs}, {.one_sample = true});
    REQUIRE(program.of_one_sample != nullptr);
    Executor<double> executor(program, {.max_samples = 1});
    executor.bind(std::span<const double>(rows));
    executor.seed_random(11, 4);
    executor.step();
    expect_numbers<double>("gradients", executor.gradients(), expected.gradients, 100.0);
    expect_numbers<double>("outputs", executor.outputs(), expected.outputs, 100.0);
  }
}

TEST_CASE("randoms: exact mode is evaluate()'s bits where the chosen branch is used elsewhere, too") {
  Tape tape;
  const Value x = tape.input(0.0, "x"), w = tape.parameter(0.7);
  const Value loss = batch_sum(sin(x * where(tape.training(), w, 2.0)) + square(x * w));
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const std::vector<double> rows = some_numbers(3, seed);
    Executor<double> executor(compile(loss, {.training = true, .exact = true}));
    executor.bind(std::span<const double>(rows));
    executor.step();
    const Evaluation expected = evaluate(loss, {.rows = rows, .samples = 3});
    CHECK(same_bits(executor.gradients()[0], expected.gradients[0]));
    const std::vector<double> off = {0.0};
    const Evaluation inference = evaluate(loss, {.rows = rows, .samples = 3, .uniform_inputs = off});
    Executor<double> without(compile(loss, {.training = false, .exact = true}));
    without.bind(std::span<const double>(rows));
    without.step();
    CHECK(same_bits(without.gradients()[0], inference.gradients[0]));
    CHECK(same_bits(without.loss(), inference.root[0]));
  }
}

TEST_CASE("randoms: the same bits for every number of threads") {
  Tape tape;
  const Dropped net(tape, 40);
  const std::vector<double> rows = some_numbers(3000 * 5);
  const auto run = [&](std::size_t threads) {
    Executor<float> executor(compile(net.loss, {.outputs = net.outputs}), {.max_samples = 3000, .threads = threads});
    executor.bind(std::span<const double>(rows));
    executor.step();
    executor.step();
    std::vector<float> all(executor.gradients().begin(), executor.gradients().end());
    all.insert(all.end(), executor.outputs().begin(), executor.outputs().end());
    return all;
  };
  const std::vector<float> one = run(1);
  CHECK(run(2) == one);
  CHECK(run(3) == one);
}

TEST_CASE("randoms: in inference nothing is dropped, and nothing of it is left") {
  Tape tape;
  const Dropped net(tape);
  Tape plain;
  const Values x = plain.inputs("x", 3);
  Random random(9);
  const Initializer initial = uniform_initializer(random, -1.0, 1.0);
  const Layer first(plain, 3, {7, relu}, initial), second(plain, 7, {7, tanh}, initial), last(plain, 7, {2}, initial);
  const Values expected = last(second(first(x)));
  const Program inference = compile_inference(net.outputs), without = compile_inference(expected);
  CHECK(inference.instructions.size() == without.instructions.size());
  CHECK_FALSE(inference.is_of_training);
  Executor<double> executor(inference), other(without);
  const std::vector<double> rows = some_numbers(30);
  executor.bind("x", std::span<const double>(rows));
  other.bind("x", std::span<const double>(rows));
  executor.step();
  other.step();
  CHECK(std::ranges::equal(executor.outputs(), other.outputs()));

  // Asked for, there is dropout in inference, too.
  Executor<double> dropping(compile_inference(net.outputs, {.training = true}));
  dropping.bind("x", std::span<const double>(rows));
  dropping.step();
  CHECK_FALSE(std::ranges::equal(dropping.outputs(), other.outputs()));
}

TEST_CASE("randoms: as many instructions with dropout for every width") {
  const auto count = [](std::size_t width) {
    Tape tape;
    const Dropped net(tape, width);
    return compile(net.loss).instructions.size();
  };
  CHECK(count(8) == count(32));
}

TEST_CASE("randoms: dropout keeps the mean, and what it keeps is scaled") {
  for (const double p : {0.0, 0.3, 1.0}) {
    Tape tape;
    const Values y = dropout(tape.inputs("x", 50), p);
    Executor<float> executor(compile(batch_mean(sum(y) * tape.parameter(1.0)), {.outputs = y}));
    const std::vector<float> rows(50 * 1000, 1.0f);
    executor.bind("x", std::span<const float>(rows));
    executor.step();
    std::size_t kept = 0;
    for (const float each : executor.outputs()) {
      REQUIRE((each == 0.0f || each == static_cast<float>(1.0 / (1.0 - p))));
      kept += each != 0.0f ? 1 : 0;
    }
    CHECK(close(static_cast<double>(kept) / 50000.0, 1.0 - p, 0.01));
  }
}

TEST_CASE("randoms: noise goes into a layer, and a program may have no other inputs") {
  Tape tape;
  Random random(2);
  const Layer layer(tape, 4, {3, tanh}, uniform_initializer(random, -1.0, 1.0));
  const Values z = tape.randoms(4), y = layer(z);
  const Value loss = batch_mean(square(y[0]) + y[1] * y[2]);
  for (const std::size_t samples : {1, 40, 100}) {
    const std::vector<double> all = with_random(tape, {}, samples, 0, 0);
    const Evaluation expected = evaluate(loss, {.rows = all, .samples = samples}, y);
    Executor<double> executor(compile(loss, {.outputs = y}), {.max_samples = 128});
    executor.step(0, samples);
    expect_numbers<double>("gradients", executor.gradients(), expected.gradients, 40.0);
    expect_numbers<double>("outputs", executor.outputs(), expected.outputs, 40.0);
  }
}

TEST_CASE("randoms: derivatives by inputs are of those that are bound") {
  Tape tape;
  const Value noise = tape.randoms(1)[0], x = tape.input(0.0, "x"), more = tape.randoms(2)[1];
  Executor<double> executor(compile(batch_sum(x * x * (noise + more)), {.input_gradients = true}));
  const std::vector<double> rows = {1.0, 2.0, 3.0};
  executor.bind("x", std::span<const double>(rows));
  executor.step();
  REQUIRE(executor.input_gradients().size() == 3);
  for (std::size_t s = 0; s < 3; ++s) {
    const double factor = random_number(0, 0, 0, s) + random_number(0, 0, 2, s);
    CHECK(close(executor.input_gradients()[s], 2.0 * rows[s] * factor, 1e-14));
  }
  CHECK(executor.bound_row(1) == std::vector{2.0});
}

TEST_CASE("randoms: what cannot be meant is refused") {
  Tape tape;
  const Values x = tape.inputs("x", 2);
  CHECK_THROWS_SAYING(RecordingError, "must be in [0, 1]; it is 1.5", dropout(x, 1.5));
  CHECK_THROWS_SAYING(RecordingError, "must be in [0, 1]; it is nan", dropout(x, not_a_number));
  CHECK_THROWS_SAYING(RecordingError, "on no tape", dropout(Values{1.0, 2.0}));
  CHECK_THROWS_SAYING(RecordingError, "is not empty", tape.randoms(0));
  CHECK(dropout(Values{}).empty());
}
