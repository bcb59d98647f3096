// The notebooks record all samples in one graph, with constants as data. Such a recording compiles to the program of
// one sample with inputs; the results are the reference's.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <random>

#include "executor_results.h"
#include "processor_time.h"
#include "recorded_samples.h"
#include "tapeloom/compiler/fold/fold_samples.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

struct Loop {
  Tape tape;
  std::mt19937_64 random{7};
  MLP model{tape, 3, {{4, tapeloom::tanh}, {4, relu}, {1}}, uniform_initializer(random, -1.0, 1.0)};
  std::vector<Value> predictions;
  std::vector<double> rows;

  explicit Loop(std::size_t samples) : rows(recorded_numbers(4 * samples, samples)) {
    for (std::size_t s = 0; s < samples; ++s) predictions.push_back(model(std::span(rows).subspan(4 * s, 3))[0]);
  }
  double target(std::size_t s) const { return rows[4 * s + 3]; }
};

}  // namespace

TEST_CASE("fold: a loop over samples is the program of one sample, its data apart") {
  std::vector<Instruction> instructions;
  for (const std::size_t samples : {4, 20, 100}) {
    Loop loop(samples);
    Value loss = 0.0;
    for (std::size_t s = 0; s < samples; ++s) loss = loss + pow(loop.predictions[s] - loop.target(s), 2.0);
    expect_like_evaluate(loss, {}, static_cast<std::uint32_t>(samples));
    const Program program = compile(loss);
    std::printf("fold: %zu samples, %zu nodes, %zu instructions\n", samples, loop.tape.size(),
                program.instructions.size());
    if (instructions.empty()) instructions = program.instructions;
    CHECK(program.instructions == instructions);

    Tape tape;
    std::mt19937_64 random(7);
    const MLP model(tape, 3, {{4, tapeloom::tanh}, {4, relu}, {1}}, uniform_initializer(random, -1.0, 1.0));
    const std::vector<Value> x = tape.inputs("x", 4);
    const Program bound = compile(batch_sum(pow(model(std::span(x).first(3))[0] - x[3], 2.0)));
    REQUIRE(bound.instructions.size() == instructions.size());
    for (std::size_t i = 0; i < instructions.size(); ++i) CHECK(bound.instructions[i].kind == instructions[i].kind);
  }
}

TEST_CASE("fold: predictions can be read, losses averaged, added and penalised") {
  Loop loop(30);
  std::vector<Value> squares, hinges;
  for (std::size_t s = 0; s < 30; ++s) {
    squares.push_back(square(loop.predictions[s] + -loop.target(s)));
    hinges.push_back(relu(1.0 + -loop.target(s) * loop.predictions[s]));
  }
  const Value loss = sum(squares) * (1.0 / 30.0) + 0.5 * mean(hinges) + l2_penalty(loop.model.parameters(), 1e-3);
  expect_like_evaluate(loss, {loop.predictions[0], loop.predictions[29], hinges[3], loss}, 30);
}

TEST_CASE("fold: two sums in different orders, a value shared by all samples, subtraction") {
  Loop loop(8);
  const Value shared = exp(loop.model.parameters()[0] * 0.5);
  std::vector<Value> a, b;
  for (std::size_t s = 0; s < 8; ++s) {
    a.push_back(loop.predictions[s] * shared * loop.target(s));
    b.push_back(tapeloom::tanh(loop.predictions[s] - 0.25));
  }
  std::reverse(b.begin(), b.end());
  Value loss = sum(a);
  for (const Value& term : b) loss = loss - term;
  expect_like_evaluate(square(loss), {a[2], b[2]}, 8);
}

TEST_CASE("fold: equal samples have no data left, and still count") {
  Tape tape;
  const Value w = tape.parameter(0.7);
  Value loss = 0.0;
  for (int s = 0; s < 5; ++s) loss += square(w * 2.0 - 1.0);
  expect_like_evaluate(loss, {}, 5);
}

TEST_CASE("fold: what is no loop over samples is left as it is") {
  Loop loop(6);
  Value product = 1.0, chained = 0.0;
  for (std::size_t s = 0; s < 6; ++s) product *= loop.predictions[s];
  // Each sample uses the one before.
  for (std::size_t s = 0; s < 6; ++s) chained = tapeloom::tanh(chained + loop.predictions[s]);
  expect_like_evaluate(product, {loop.predictions[1]}, 0);
  expect_like_evaluate(chained, {}, 0);
  // A sample that is read from outside the sum.
  Value total = 0.0;
  for (const Value& p : loop.predictions) total += square(p);
  expect_like_evaluate(total + loop.predictions[2] * loop.predictions[3], {}, 0);
  // One that differs: the others are folded, and it is added.
  Value uneven = 0.0;
  for (std::size_t s = 0; s < 6; ++s) uneven += s == 3 ? exp(loop.predictions[s]) : square(loop.predictions[s]);
  expect_like_evaluate(uneven, {loop.predictions[3], loop.predictions[5]}, 5);
}

TEST_CASE("fold: samples whose alike parts were recorded in different orders are not mixed up") {
  Tape tape;
  const Value w = tape.parameter(0.7);
  const double data[3][2] = {{0.5, -1.5}, {2.0, 0.25}, {-0.75, 1.25}};
  Value loss = 0.0;
  for (int s = 0; s < 3; ++s) {
    Value parts[2];
    for (int k = 0; k < 2; ++k) {
      const int which = s == 1 ? 1 - k : k;
      parts[which] = tapeloom::tanh(w * data[s][which]);
    }
    const Value first = square(parts[0]);
    loss += first * parts[1];
  }
  expect_like_evaluate(loss, {}, 3);  // which part is the first is an input
}

TEST_CASE("fold: there is nothing to bind") {
  Loop loop(4);
  Executor<float> executor(compile(sum(loop.predictions), {.outputs = loop.predictions}));
  const std::vector<float> rows(12);
  CHECK_THROWS_SAYING(BindError, "constants of the recording", executor.bind(std::span<const float>(rows)));
  executor.step();
  CHECK(executor.outputs().size() == 4);
}

namespace {

/// Hand-written neurons of plain numbers, each of which is recorded anew where it is used: `order` is that of a
/// neuron's terms.
Value hand_written(Tape& tape, std::span<const double> rows, std::size_t features,
                   const std::function<std::size_t(std::size_t neuron, std::size_t term)>& order) {
  constexpr std::size_t neurons = 9;
  std::vector<Value> weights, out;
  for (std::size_t i = 0; i < neurons * features; ++i) weights.push_back(tape.parameter(0.01 * static_cast<double>(i)));
  for (std::size_t i = 0; i < neurons; ++i) out.push_back(tape.parameter(0.3 - 0.05 * static_cast<double>(i)));
  Value loss = 0.0;
  for (std::size_t first = 0; first < rows.size(); first += features + 1) {
    Value score = 0.0;
    for (std::size_t i = 0; i < neurons; ++i) {
      Value z = 0.0;
      for (std::size_t k = 0; k < features; ++k) {
        const std::size_t j = order(i, k);
        z = z + weights[i * features + j] * rows[first + j];
      }
      score = score + out[i] * tanh(z);
    }
    loss = loss + square(score - rows[first + features]);
  }
  return loss;
}

}  // namespace

TEST_CASE("fold: features are in the order of their weights, whatever that of the terms") {
  constexpr std::size_t samples = 12;
  for (const std::size_t features : {2, 3, 4, 8, 20}) {
    INFO(features << " features");
    std::vector<double> rows = some_numbers(samples * (features + 1));
    const auto compare = [&] {
      std::vector<Instruction> instructions;
      for (const int way : {0, 1, 2}) {
        Tape tape;
        const Value loss = hand_written(tape, rows, features, [&](std::size_t neuron, std::size_t term) {
          return way == 0 ? term : way == 1 ? features - 1 - term : (term + 7 * neuron) % features;
        });
        expect_like_evaluate(loss, {}, samples);
        const Program program = compile(loss);
        CHECK(program.input_count == features + 1);
        if (way == 0) instructions = program.instructions;
        CHECK(program.instructions == instructions);
      }
      return instructions.size();
    };
    const std::size_t instructions = compare();
    // A feature that is always 1, and two that are the same.
    for (std::size_t s = 0; s < samples; ++s) rows[s * (features + 1)] = 1.0;
    CHECK(compare() == instructions);
    for (std::size_t s = 0; s < samples; ++s) rows[s * (features + 1)] = rows[s * (features + 1) + 1];
    CHECK(compare() == instructions);
  }
}

TEST_CASE("fold: samples may have several terms that are alike, if they have something in common") {
  const auto instructions = [](std::size_t samples) {
    Tape tape;
    std::mt19937_64 random(3);
    const MLP model(tape, 3, {{4, tapeloom::tanh}, {2}}, uniform_initializer(random, -1.0, 1.0));
    const std::vector<double> rows = some_numbers(7 * samples);
    Value near = 0.0, small = 0.0, steps = 0.0;
    for (std::size_t s = 0; s < samples; ++s) {
      const auto row = std::span(rows).subspan(7 * s, 7);
      const std::vector<Value> a = model(row.first(3)), b = model(row.subspan(3, 3));
      near = near + square(square(a[0] - b[0]) + square(a[1] - b[1]) - row[6]);
      small = small + square(a[0]) + square(b[0]);
      steps = steps + relu(a[1] * b[0]) + relu(b[1] * a[0]);
    }
    const Value loss = near + 0.01 * small + steps / static_cast<double>(samples);
    expect_like_evaluate(loss, {}, static_cast<std::uint32_t>(samples));
    return compile(loss).instructions.size();
  };
  CHECK(instructions(30) == instructions(6));
}

TEST_CASE("fold: what is computed from parameters alone may be recorded for each sample") {
  const auto instructions = [](std::size_t samples) {
    Tape tape;
    std::vector<Value> means, widths;
    for (std::size_t i = 0; i < 6; ++i) {
      means.push_back(tape.parameter(0.2 * static_cast<double>(i) - 0.4));
      widths.push_back(tape.parameter(0.1 * static_cast<double>(i) - 0.3));
    }
    const std::vector<double> data = some_numbers(samples);
    Value loss = 0.0;
    for (const double x : data) {
      Value density = 0.0;
      for (std::size_t i = 0; i < means.size(); ++i) {
        const Value z = (x - means[i]) / exp(widths[i]);
        density = density + exp(-0.5 * z * z) / exp(widths[i]);
      }
      loss = loss - log(density);
    }
    expect_like_evaluate(loss, {}, static_cast<std::uint32_t>(samples));
    return compile(loss).instructions.size();
  };
  CHECK(instructions(40) == instructions(5));
}

TEST_CASE("fold: two samples of a linear model, whichever parameters it has") {
  for (std::size_t unused = 0; unused < 4; ++unused) {
    Tape tape;
    for (std::size_t i = 0; i < unused; ++i) tape.parameter(1.0);
    const Value w = tape.parameter(0.2), v = tape.parameter(0.5);
    const double rows[2][3] = {{0.1, 0.2, 0.3}, {0.5, 0.7, 0.9}};
    Value loss = 0.0;
    for (const auto& [a, b, target] : rows) {
      const Value error = w * a + v * b + tape.constant(target) * -1.0;
      loss = loss + error * error;
    }
    expect_like_evaluate(loss, {}, 2);
  }
}

TEST_CASE("fold: the time is linear in the number of sums over the samples") {
  const auto seconds = [](std::size_t sums) {
    Tape tape;
    const Value w = tape.parameter(0.3);
    const Value hidden[2] = {tanh(w * tape.constant(0.1)), tanh(w * tape.constant(0.7))};  // of two samples
    Value loss = 0.0;
    for (std::size_t i = 0; i < sums; ++i) {
      const Value v = tape.parameter(0.5);
      loss = loss + square(sin(v * hidden[0]) + sin(v * hidden[1]));
    }
    const compiler::Request request(tape, loss.id(), {});
    const ProcessorTime time;
    const std::optional<compiler::FoldedSamples> folded = compiler::fold_samples(request);
    const double result = time.seconds();
    REQUIRE(folded);
    CHECK(folded->samples == 2);
    return result;
  };
  const double few = std::min(seconds(8'000), seconds(8'000)), many = seconds(32'000);
  // 4 to 6 times; 16 where each sum looks through all.
  CHECK(many < 10.0 * few);
}

TEST_CASE("fold: the time is linear in the number of terms that share what is of no sample") {
  const auto seconds = [](std::size_t count) {
    Tape tape;
    std::mt19937_64 random(1);
    const auto datum = [&] { return tape.constant(static_cast<double>(random() >> 11) * 0x1p-53); };
    const Value u = tape.parameter(0.3), v = tape.parameter(0.4), w = tape.parameter(0.5);
    Value chain = w, loss = 0.0;
    for (std::size_t i = 0; i < 2 * count; ++i) chain = tanh(chain * datum());
    for (std::size_t i = 0; i < count; ++i) {  // samples, of which each has two terms
      const Value hidden = tanh(u * datum());
      loss = loss + square(v * hidden - datum());
      loss = loss + square(v * hidden - datum());
    }
    for (std::size_t i = 0; i < count; ++i) loss = loss + chain * datum();
    const compiler::Request request(tape, loss.id(), {});
    const ProcessorTime time;
    static_cast<void>(compiler::fold_samples(request));
    return time.seconds();
  };
  // 8 to 12 times; 64 where each term goes through all of the chain.
  CHECK(grows_less(seconds, 1'500, 12'000, 24.0));
}

TEST_CASE("fold: images that are recorded once a sample are read as images that are bound") {
  const auto score = [](std::span<const Value> kernels, std::span<const Value> image) {
    Value total = 0.0;
    for (std::size_t c = 0; c < 4; ++c) {
      for (std::size_t i = 0; i < 4; ++i) {
        for (std::size_t j = 0; j < 4; ++j) {
          Value z = 0.0;
          for (std::size_t k = 0; k < 9; ++k) z = z + kernels[9 * c + k] * image[6 * (i + k / 3) + j + k % 3];
          total = total + relu(z);
        }
      }
    }
    return square(total - image[36]);
  };
  const auto kernels = [](Tape& tape) {
    std::vector<Value> result;
    for (int i = 0; i < 36; ++i) result.push_back(tape.parameter(0.02 * i - 0.3));
    return result;
  };
  Tape recorded, bound;
  const std::vector<Value> weights = kernels(recorded), same = kernels(bound);
  const std::vector<double> rows = some_numbers(10 * 37);
  Value loss = 0.0;
  for (std::size_t s = 0; s < 10; ++s) {
    std::vector<Value> image;
    for (std::size_t k = 0; k < 37; ++k) image.push_back(recorded.constant(rows[37 * s + k]));
    loss = loss + score(weights, image);
  }
  expect_like_evaluate(loss, {}, 10);
  const Program one = compile(batch_sum(score(same, bound.inputs("image", 37))));
  const auto kind = [](const Instruction& instruction) { return instruction.kind; };
  CHECK(std::ranges::equal(compile(loss).instructions, one.instructions, {}, kind, kind));
}

TEST_CASE("fold samples: a sum whose alike terms are not as many of each sample keeps all of them") {
  // Of +b - a + a - b + a, where a and b compute alike, three terms are added and two are subtracted.
  Tape tape;
  Value loss = 0.0;
  for (double number : {1.0, 0.0}) {
    const Value x = tape.constant(number), a = 0.25 * x + 0.5 * x, b = 0.5 * x + 1.0 * x;
    Value each = b - a;
    each = each + a;
    each = each - b;
    loss += each + a;
  }
  REQUIRE(loss.data() == 0.75);
  for (const bool simplify : {true, false}) {
    CompileOptions options;
    options.simplify = simplify;
    Executor<double> executor(compile(loss, options));
    CHECK(executor.step() == 0.75);
  }
}

TEST_CASE("fold samples: a sum that ends before what another sample adds up is there is not folded") {
  // The second one's 1.0 * 1.0 is computed after where the first one's sum ends.
  Tape tape;
  const std::vector<std::vector<double>> rows = {{0.0, 0.0, 0.0, 0.0}, {0.0, 1.0, 0.0, 0.0}};
  Value loss = 0.0;
  for (const std::vector<double>& row : rows) {
    std::vector<Value> v;
    for (const double number : row) v.push_back(tape.constant(number));
    const Value sum = round(0.0 * v[0] + 1.0 * v[1] + 0.0 * v[2] + 0.0 * v[3]);
    loss += binary_cross_entropy(0.0, v[2], 1.0) + sum + binary_cross_entropy(0.0, v[0], 1.0);
  }
  for (const bool gradients : {true, false}) {
    Executor<double> executor(compile(loss, {.gradients = gradients}));
    CHECK(std::abs(executor.step() - (4.0 * std::log(2.0) + 1.0)) < 1e-14);
  }
}

TEST_CASE("fold samples: an executor has the room and the vectors for the samples there are") {
  for (const std::size_t samples : {4, 20}) {
    Loop loop(samples);
    Value loss = 0.0;
    for (std::size_t s = 0; s < samples; ++s) loss += square(loop.predictions[s] - loop.target(s));
    const Program program = compile(loss);
    REQUIRE(program.recorded_samples == samples);
    Executor<double> executor(program);
    CHECK(executor.arena_bytes() == Executor<double>(program, {.max_samples = samples}).arena_bytes());
    CHECK(executor.tile_samples() == Executor<double>(program, {.max_samples = samples}).tile_samples());

    // As where the samples are bound, to the bit, kernels for few samples among it.
    Tape tape;
    std::mt19937_64 random(7);
    const MLP model(tape, 3, {{4, tapeloom::tanh}, {4, relu}, {1}}, uniform_initializer(random, -1.0, 1.0));
    const std::vector<Value> x = tape.inputs("x", 4);
    Executor<double> bound(compile(batch_sum(square(model(std::span(x).first(3))[0] - x[3]))),
                           {.max_samples = samples});
    CHECK(executor.tile_samples() == bound.tile_samples());
    bound.bind(loop.rows);
    CHECK(executor.step() == bound.step());
  }
}

TEMPLATE_TEST_CASE("fold samples: few samples of a wide net are computed as few that are bound", "", float, double) {
  for (const std::size_t samples : {2, 3}) {
    INFO(samples << " samples");
    const std::vector<double> rows = some_numbers(3 * samples, 5);
    const auto record = [&](Tape& tape, std::span<const std::vector<Value>> inputs) {
      std::mt19937_64 random(7);
      const MLP model(tape, 3, {{64, tapeloom::tanh}, {64, tapeloom::tanh}, {1}}, glorot(random));
      Value loss = 0.0;
      for (const std::vector<Value>& x : inputs) loss += square(model(x)[0] - 0.5);
      return loss;
    };
    Tape recorded, tape;
    std::vector<std::vector<Value>> numbers(samples);
    for (std::size_t n = 0; n < rows.size(); ++n) numbers[n / 3].push_back(rows[n]);
    const Program folded = compile(record(recorded, numbers));
    REQUIRE(folded.recorded_samples == samples);
    REQUIRE(runtime::samples_by_rows(folded, samples, sizeof(TestType))[samples]);
    const std::vector<std::vector<Value>> x = {tape.inputs("x", 3)};
    Executor<TestType> executor(folded), bound(compile(batch_sum(record(tape, x))), {.max_samples = samples});
    bound.bind(rows);
    CHECK(executor.step() == bound.step());
    CHECK(copied(executor.gradients()) == copied(bound.gradients()));
  }
}
