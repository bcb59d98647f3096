// Steps of fewer samples than a tile get one that is as large as they are, and the same results.
#include <string>
#include <vector>

#include "against_evaluate.h"
#include "executor_results.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/record/functions.h"
#include "tapeloom/runtime/execute/executor.h"
#include "tapeloom/runtime/execute/profile.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

/// Neighbours in a ring, again and again: rows are read by index, and no product is.
struct Ring {
  Tape tape;
  std::vector<Value> x, outputs;
  Value loss;

  explicit Ring(bool guarded = false) {
    x = tape.inputs("x", 2);
    std::vector<Value> u;
    for (const double number : some_numbers(12, 3)) u.push_back(tape.parameter(number));
    for (int step = 0; step < 3; ++step) {
      std::vector<Value> next;
      for (std::size_t i = 0; i < u.size(); ++i) {
        next.push_back(u[i] + 0.1 * (x[i % 2] * u[(i + 5) % 12] - tanh(u[(i + 11) % 12])));
      }
      u = next;
    }
    outputs = {u[0], u[7]};
    Value sum = 0.0;
    for (const Value& each : u) sum += each * each;
    if (guarded && x[0] < 100.0) sum += x[1];
    loss = batch_mean(sum);
  }
};

constexpr std::size_t largest = 40;

template <class T>
struct Results {
  T loss;
  std::vector<T> gradients, outputs;
  friend bool operator==(const Results&, const Results&) = default;
};

template <class T>
Results<T> step(Executor<T>& executor, std::size_t samples) {
  executor.step(0, samples);
  return {executor.loss(), copied(executor.gradients()), copied(executor.outputs())};
}

}  // namespace

TEMPLATE_TEST_CASE("short tiles: the same bits in every step, and for every size", "", float, double) {
  const Ring ring;
  const Program program = compile(ring.loss, {.outputs = ring.outputs, .verify = true});
  const std::vector<double> rows = some_numbers(2 * largest, 7);
  for (const std::size_t threads : {1, 2}) {
    Executor<TestType> executor(program, {.threads = threads});
    executor.bind(rows, 2);
    for (const std::size_t samples : {9, 17, 40, 33, 9, 12}) {
      INFO(samples << " samples");
      const Results<TestType> first = step(executor, samples);
      const std::size_t bytes = executor.arena_bytes();
      CHECK(step(executor, samples) == first);
      CHECK(step(executor, samples) == first);
      if (samples == 9) CHECK(executor.arena_bytes() != bytes);  // the second step has one of its own
      const Evaluation expected =
          evaluate(ring.loss, {.rows = std::span(rows).first(2 * samples), .samples = samples}, ring.outputs);
      CHECK(static_cast<double>(first.loss) == Approx(expected.root[0]).epsilon(1e-5));
      CHECK(static_cast<double>(first.outputs.back()) == Approx(expected.outputs.back()).epsilon(1e-4));
    }
  }
}

TEST_CASE("short tiles: sizes by turns keep the one there is") {
  const Ring ring;
  Executor<double> executor(compile(ring.loss), {.threads = 1});
  const std::vector<double> rows = some_numbers(2 * largest, 7);
  executor.bind(rows, 2);
  for (int i = 0; i < 2; ++i) executor.step(0, 24);
  const std::size_t bytes = executor.arena_bytes();
  for (int i = 0; i < 3; ++i) executor.step(0, 24), executor.step(24, 10);
  CHECK(executor.arena_bytes() == bytes);
}

TEST_CASE("short tiles: guards and profiles") {
  const Ring ring(true);
  const Program program = compile(ring.loss);
  REQUIRE(program.guards.size() == 1);
  Executor<double> executor(program, {.threads = 1, .profile = true});
  std::vector<double> rows = some_numbers(2 * largest, 7);
  executor.bind(rows, 2);
  for (int i = 0; i < 3; ++i) executor.step(0, 20);
  for (int i = 0; i < 2; ++i) executor.step(0, 30);
  rows[2 * 13] = 101.0;
  CHECK_THROWS_SAYING(GuardError, "sample 13", executor.step(0, 30));
  rows[2 * 13] = 1.0;
  executor.step(0, 30);
  for (const InstructionTime& time : executor.profile().instructions) CHECK(time.runs >= 7);
}
