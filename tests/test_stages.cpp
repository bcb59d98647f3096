// Batches of any size against evaluate(): ragged last tiles, several tiles, groups of tiles, and losses that need the
// whole batch before they can go on.
#include <cmath>

#include "against_evaluate.h"
#include "processor_time.h"
#include "tapeloom/core/base/error.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

// The comparisons allow for this many roundings of numbers as large as the largest of the list. A step of these tests
// has about 100 of them on the way to a number; sums over thousands of samples are added in parts.
constexpr double allowed = 400.0;

/// Sizes around a vector, a tile of the program, several tiles and more tiles than there are groups.
std::vector<std::size_t> sizes_around(std::size_t tile) {
  return {1, 2, 15, 16, 17, tile - 1, tile, tile + 1, 3 * tile - 5, 9 * tile + 7};
}

std::size_t tile_of(Value loss, const std::vector<Value>& outputs) {
  const CompileOptions options{.outputs = outputs, .input_gradients = true};
  return Executor<double>(compile(loss, options), {.max_samples = 100000}).tile_samples();
}

void expect_all_sizes(Value loss, const std::vector<Value>& outputs, std::size_t inputs) {
  const std::size_t tile = tile_of(loss, outputs);
  for (std::size_t samples : sizes_around(tile)) {
    expect_programs_like_evaluate(loss, outputs, some_numbers(samples * inputs, samples), samples, allowed);
  }
}

}  // namespace

TEST_CASE("stages: a plain loss over batches of every size") {
  SmallNet net;
  expect_all_sizes(net.loss, {net.prediction, net.loss}, 4);
}

TEST_CASE("stages: a program with so many values that its tiles are small") {
  Tape tape;
  const Value w = tape.parameter(0.3);
  std::vector<Value> x = tape.inputs("x", 2);
  Value v = x[0];
  std::vector<Value> kept;
  for (int i = 0; i < 600; ++i) kept.push_back(v = tanh(w * v + x[1]));
  Value total = 0.0;
  for (auto k = kept.rbegin(); k != kept.rend(); ++k) total += 0.01 * *k;  // so that all live at once
  const Value loss = batch_mean(total);
  const std::size_t tile = tile_of(loss, {});
  CHECK(tile <= 128);
  CHECK(tile % 16 == 0);
  expect_all_sizes(loss, {kept[10], total}, 2);
}

TEST_CASE("stages: the logarithm of a batch mean") {
  SmallNet net;
  const Value loss = log(batch_mean(exp(net.prediction * net.y)));
  expect_all_sizes(loss, {net.prediction, loss}, 4);
}

TEST_CASE("stages: a batch statistic in every sample") {
  SmallNet net;
  const Value mean = batch_mean(net.prediction), centred = net.prediction - mean;
  const Value variance = batch_mean(square(centred)), normal = centred / sqrt(variance + 1e-3);
  const Value loss = batch_mean(square(normal - net.y)) + square(mean);
  expect_all_sizes(loss, {normal, mean, variance, net.prediction}, 4);
}

TEST_CASE("stages: sums of sums, three stages deep, reused forward and backward") {
  SmallNet net;
  const Value v = net.prediction;
  const Value a = batch_mean(v), b = batch_mean(tanh(v - a)), c = batch_mean(exp(v * b - a) * net.x[0]);
  const Value d = batch_mean(square(v - c) + net.x[1] * a);
  const Value loss = log(d) + a * b + square(c) + batch_sum(sin(v * d)) * 0.01;
  expect_all_sizes(loss, {v * d, c, net.x[2]}, 4);
}

TEST_CASE("stages: the largest size of a step and its last rows do not change a result") {
  SmallNet net;
  const Value mean = batch_mean(net.prediction);
  const Value loss = batch_mean(square(net.prediction - mean - net.y));
  const Program program = compile(loss, {.outputs = {net.prediction - mean}, .input_gradients = true});
  for (std::size_t samples : {1, 15, 100, 511, 513, 1500}) {
    const std::vector<double> rows = some_numbers(4 * 2000);
    std::vector<std::vector<float>> seen;
    for (std::size_t max_samples : {samples, samples + 1, samples + 37, std::size_t{20000}}) {
      Executor<float> executor(program, {.max_samples = max_samples});
      executor.bind(std::span<const double>(rows));
      if (max_samples > 2000) executor.step();  // leaves other numbers in the buffers
      executor.step(0, samples);
      std::vector<float> all = {executor.loss()};
      for (auto list : {executor.gradients(), executor.outputs(), std::as_const(executor).input_gradients()}) {
        all.insert(all.end(), list.begin(), list.end());
      }
      seen.push_back(all);
    }
    INFO(samples << " samples");
    for (const auto& other : seen) CHECK(other == seen[0]);
  }
}

TEST_CASE("stages: what is the same for every sample") {
  Tape tape;
  const Value p = tape.parameter(0.7, "p"), q = tape.parameter(-1.5, "q"), x = tape.input(0.0, "x");
  // The adjoint of x + p is 1 for every sample: gradients are counts, not sums of computed numbers.
  for (bool simplify : {true, false}) {
    for (bool exact : {true, false}) {
      const CompileOptions options{.outputs = {p * q, where(p > 100.0, x, q), pow(x, 0.0)},
                                   .input_gradients = true,
                                   .exact = exact,
                                   .simplify = simplify,
                                   .verify = true};
      const Value loss = batch_sum(x + p) + batch_mean(q - x) + p * q;
      for (std::size_t samples : {1, 5, 700, 6000}) {
        Executor<double> executor(compile(loss, options), {.max_samples = samples});
        expect_step_like_evaluate(executor, loss, options.outputs, some_numbers(samples), samples, exact ? 0.0 : 16.0);
        CHECK(executor.gradients()[0] == static_cast<double>(samples) - 1.5);
        CHECK(executor.gradients()[1] == Approx(1.7));
      }
    }
  }
}

TEST_CASE("stages: losses that are a leaf, a constant, or have no samples in them") {
  Tape tape;
  const Value p = tape.parameter(0.7, "p"), t = tape.uniform_input(3.0, "t"), c = tape.constant(5.0);
  const Value x = tape.input(0.0, "x");
  const std::vector<double> rows = {1.0, 2.0};
  for (const Value& loss : {p, t, c, p * t + c, batch_sum(x), batch_mean(x) * 0.0 + p}) {
    for (bool exact : {true, false}) {
      const CompileOptions options{.outputs = {p, t, x}, .input_gradients = true, .exact = exact, .verify = true};
      Executor<double> executor(compile(loss, options), {.max_samples = 2});
      expect_step_like_evaluate(executor, loss, options.outputs, rows, 2, exact ? 0.0 : 4.0);
    }
  }
}

TEST_CASE("stages: without inputs a step has the same bits however many samples an executor is for") {
  Tape tape;
  Value loss = 0.0;
  for (std::uint32_t k = 0; k < 20; ++k) {
    Value sum = 0.0;
    for (std::uint32_t n = 0; n < 200; ++n) {
      const double x = 0.001 * n * n / (n + 3.7 + k);
      sum += sin(tape.parameter(x)) * tape.parameter(1.0 / (3.0 + x));
    }
    loss += square(sum);
  }
  const Program program = compile(loss);
  Executor<float> one(program, {.max_samples = 1}), many(program);
  CHECK(one.step() == many.step());
  CHECK(std::ranges::equal(one.gradients(), many.gradients()));
}

TEST_CASE("stages: without inputs a step has one sample") {
  Tape tape;
  const Value p = tape.parameter(3.0);
  Executor<double> executor(compile(square(p), {.outputs = {p + 1.0}}), {.max_samples = 4});
  CHECK(executor.step() == 9.0);
  CHECK(executor.gradients()[0] == 6.0);
  REQUIRE(executor.outputs().size() == 1);
  CHECK(executor.outputs()[0] == 4.0);
  CHECK(executor.step(0, 1) == 9.0);
  const std::uint32_t twice[] = {0, 0}, other[] = {1};
  CHECK(executor.step(std::span(twice).first(1)) == 9.0);
  CHECK_THROWS_SAYING(BindError, "has no inputs; step() computes it as a whole", executor.step(0, 3));
  CHECK_THROWS_SAYING(BindError, "has no inputs; step()", executor.step(1, 1));
  CHECK_THROWS_SAYING(BindError, "has no inputs; step()", executor.step(std::span(twice)));
  CHECK_THROWS_SAYING(BindError, "has no inputs; step()", executor.step(std::span(other)));
  CHECK_THROWS_SAYING(BindError, "empty", executor.step(0, 0));
  CHECK_THROWS_AS(executor.outputs(), BindError);
}

TEST_CASE("stages: a guard behind a batch statistic") {
  Tape tape;
  const Value w = tape.parameter(1.0, "w"), x = tape.input(1.0, "x");
  const Value mean = batch_mean(w * x).set_label("mean");
  const Value centred = (x - mean).set_label("centred");
  Value v = w * x;
  if (mean > 0.0) v = v * mean;
  if (centred < 2.0) v = v + centred;
  const Value loss = batch_mean(square(v));
  std::vector<double> rows(1500, 1.0);
  Executor<double> executor(compile(loss), {.max_samples = 2000});
  executor.bind(std::span<const double>(rows));
  CHECK(executor.step() == Approx(1.0));
  rows[1207] = 50.0;
  try {
    executor.step();
    FAIL("not refused");
  } catch (const GuardError& error) {
    CHECK(error.guard() == 1);
    CHECK(error.sample() == 1207);
    CHECK(contains(error.what(), "centred"));
    CHECK(contains(error.what(), "1207"));
  }
  rows.assign(rows.size(), -1.0);  // now the uniform guard fails, and the other one holds
  CHECK_THROWS_SAYING(GuardError, "mean", executor.step());
  rows.assign(rows.size(), 2.0);
  CHECK(executor.step() == Approx(16.0));
}

TEST_CASE("stages: instructions of one row compute enough samples at a time to be worth starting") {
  Tape tape;
  const Value w = tape.parameter(0.9), x = tape.inputs("x", 1)[0];
  Value y = x;
  for (int i = 0; i < 4000; ++i) y = w * sin(y) + x;
  const Value loss = batch_mean(square(y));
  const std::vector<double> rows = some_numbers(300);
  Executor<double> executor(compile(loss), {.max_samples = 300});
  CHECK(executor.tile_samples() >= 64);
  CHECK(executor.tile_samples() < 300);
  executor.bind(rows);
  const Evaluation expected = evaluate(loss, {.rows = rows, .samples = 300});
  CHECK(executor.step() == Approx(expected.root[0]));
  CHECK(executor.gradients()[0] == Approx(expected.gradients[0]));
  // Where that takes too much memory, it is less.
  for (int i = 0; i < 60000; ++i) y = w * sin(y) + x;
  CHECK(Executor<double>(compile(batch_mean(y)), {.max_samples = 300}).arena_bytes() < 40'000'000);
}

TEST_CASE("stages: a step whose rows lie otherwise than before is planned once, however many stages read them") {
  const std::vector<double> rows = {0.5, -1.0, 2.0}, apart = {0.5, 0.0, -1.0, 0.0, 2.0, 0.0};
  const auto seconds = [&](std::size_t means) {
    Tape tape;
    const Value w = tape.parameter(0.5), x = tape.input(0.0, "x");
    Value mean = w;
    for (std::size_t i = 0; i < means; ++i) mean = batch_mean(tanh(mean * x + 0.1));
    Executor<double> executor(compile(mean), {.max_samples = 20, .threads = 1});
    double expected = 0.5;
    for (std::size_t i = 0; i < means; ++i) {
      double sum = 0.0;
      for (const double row : rows) sum += std::tanh(expected * row + 0.1);
      expected = sum / 3.0;
    }
    const ProcessorTime time;
    for (int turn = 0; turn < 3; ++turn) {
      executor.bind(rows);
      CHECK(executor.step() == Approx(expected).epsilon(1e-12));
      executor.bind(apart, 2);
      CHECK(executor.step() == Approx(expected).epsilon(1e-12));
    }
    return time.seconds();
  };
  CHECK(grows_less(seconds, 250, 2'000, 24.0));  // 8 times; 64 where each stage plans all
}
