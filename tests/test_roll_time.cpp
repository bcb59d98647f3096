// Compiling takes time in proportion to the recording, however little of it rolls.
#include <random>
#include <vector>

#include "catch.h"
#include "processor_time.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/record/functions.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

using Values = std::vector<Value>;

constexpr std::size_t width = 8, window = 5;

Values window_weights(Tape& tape) {
  Values weights;
  for (std::size_t k = 0; k < window; ++k) weights.push_back(tape.parameter(0.1));
  return weights;
}

/// Windows that reach past both ends, where terms are left out.
Values padded_windows(const Values& x, const Values& weights) {
  Values y;
  for (std::size_t i = 0; i < width; ++i) {
    Value sum = 0.0;
    for (std::size_t k = 0; k < window; ++k) {
      if (i + k >= window / 2 && i + k - window / 2 < width) sum += weights[k] * x[i + k - window / 2];
    }
    y.push_back(tanh(sum));
  }
  return y;
}

}  // namespace

TEST_CASE("roll: many sums of a class that do not fit one block take time in proportion to their number") {
  const auto seconds = [](std::size_t count) {
    std::mt19937_64 random(1);
    Tape tape;
    const Values x = tape.inputs("x", 2);
    Values h;
    for (std::size_t i = 0; i < count; ++i) h.push_back(tanh(tape.parameter(0.1) * x[0] + tape.parameter(0.2) * x[1]));
    Value loss = 0.0;
    for (std::size_t i = 0; i < count; ++i) loss += square(h[i] - h[random() % count]);
    const ProcessorTime time;
    static_cast<void>(compile(batch_mean(loss), {.verify = false}));
    return time.seconds();
  };
  // A quadratic would take 32 * 32 times as long.
  CHECK(grows_less(seconds, 1000, 32000, 32 * 6.0));
}

TEST_CASE("roll: the time is linear in the number of terms of sums that do not fit one block") {
  const auto seconds = [](std::size_t terms) {
    constexpr std::size_t sums = 60;
    Tape tape;
    const Value w = tape.parameter(0.5);
    Values v;
    for (std::size_t i = 0; i < sums * terms; ++i) v.push_back(sin(tape.parameter(0.1) * w));
    Value loss = 0.0;
    for (std::size_t i = 0; i < sums; ++i) {
      Value sum = 0.0;
      for (std::size_t j = 0; j < terms; ++j) {
        const std::size_t aside = j % 7 == 0 && i % 9 == 8 ? 1 : 0;
        sum += v[(j * sums + i + aside) % v.size()];
      }
      loss += tanh(sum);
    }
    const ProcessorTime time;
    static_cast<void>(compile(loss, {.verify = false}));
    return time.seconds();
  };
  // 8 to 10 times; 64 where as many orders are tried as there are terms.
  CHECK(grows_less(seconds, 300, 2400, 24.0));
}

TEST_CASE("roll: layers of padded windows take time in proportion to their weights, however many others there are") {
  const auto seconds = [](std::size_t layers, std::size_t others) {
    Tape tape;
    Value loss = 0.0;
    for (std::size_t i = 0; i < others; ++i) loss += tape.parameter(0.1);
    Values x = tape.inputs("x", width);
    for (std::size_t layer = 0; layer < layers; ++layer) x = padded_windows(x, window_weights(tape));
    loss = batch_mean(loss + sum(x));
    const ProcessorTime time;
    static_cast<void>(compile(loss, {.gradients = false, .verify = false}));
    return time.seconds();
  };
  constexpr std::size_t layers = 2'000, others = 400'000;
  // 1 to 1.5; above 5 where each layer goes through all parameters.
  const auto both = [&](std::size_t whether) {
    return whether == 1 ? seconds(layers, others) : seconds(layers, 1) + seconds(1, others);
  };
  CHECK(grows_less(both, 0, 1, 3.0));
}

TEST_CASE("roll: the time is linear in the number of steps that read the same padded windows") {
  const auto seconds = [](std::size_t steps) {
    Tape tape;
    const Values weights = window_weights(tape);
    Values x = tape.inputs("x", width);
    for (std::size_t step = 0; step < steps; ++step) x = padded_windows(x, weights);
    const Value loss = batch_mean(sum(x));
    const ProcessorTime time;
    static_cast<void>(compile(loss, {.verify = false}));
    return time.seconds();
  };
  // 16 to 20 times; above 100 where what windows lack is copied with each step.
  CHECK(grows_less(seconds, 750, 12'000, 45.0));
}
