// Guards: a comparison in an `if` holds the recording to data that decides alike.
#include "against_evaluate.h"
#include "tapeloom/core/error.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

/// A recording with a branch on x, recorded with x = 1.
struct Branching {
  Tape tape;
  Value w = tape.parameter(2.0, "w"), x = tape.input(1.0, "x"), y, loss;
  Branching() {
    y = w * x;
    if (x > 0.0) {
      y = square(y);
    } else {
      y = -y;
    }
    loss = batch_mean(y);
  }
};

GuardError refusal(Executor<double>& executor) {
  try {
    executor.step();
  } catch (const GuardError& error) {
    return error;
  }
  FAIL("the step was not refused");
  throw;  // not reached: FAIL throws
}

}  // namespace

TEST_CASE("guards: a step that decides otherwise is refused, and nothing is updated") {
  Branching b;
  for (bool exact : {false, true}) {
    Executor<double> executor(compile(b.loss, {.outputs = {b.y}, .exact = exact}), {.max_samples = 4096});
    std::vector<double> rows(3000, 1.0);
    executor.bind("x", std::span<const double>(rows));
    CHECK(executor.step() == Approx(4.0));
    const std::vector<double> before(executor.parameters().begin(), executor.parameters().end());
    for (std::size_t bad : {std::size_t{0}, std::size_t{1}, executor.tile_samples() - 1, executor.tile_samples(),
                            std::size_t{2222}, std::size_t{2999}}) {
      rows[bad] = -1.0;
      rows[2999] = -1.0;  // the first one counts
      const GuardError error = refusal(executor);
      CHECK(error.guard() == 0);
      CHECK(error.sample() == bad);
      CHECK(contains(error.what(), "guard 0"));
      CHECK(contains(error.what(), "greater"));
      CHECK(contains(error.what(), "\"x\""));
      CHECK(contains(error.what(), std::to_string(bad)));
      CHECK(contains(error.what(), "recorded as true"));
      CHECK_THROWS_AS(executor.loss(), BindError);
      CHECK_THROWS_AS(executor.gradients(), BindError);
      CHECK_THROWS_AS(executor.outputs(), BindError);
      CHECK(std::equal(before.begin(), before.end(), executor.parameters().begin()));
      rows[bad] = rows[2999] = 1.0;
      CHECK(executor.step() == Approx(4.0));
      CHECK(executor.gradients()[0] == Approx(4.0));
    }
  }
}

TEST_CASE("guards: the padding of a ragged tile is not looked at") {
  Branching b;
  Executor<double> executor(compile(b.loss), {.max_samples = 64});
  std::vector<double> rows(33, 1.0);
  rows[32] = -1.0;
  executor.bind("x", std::span<const double>(rows));
  executor.bind("x", std::span<const double>(rows).first(32));
  CHECK(executor.step() == Approx(4.0));
  executor.bind("x", std::span<const double>(rows));
  CHECK_THROWS_AS(executor.step(), GuardError);  // leaves -1 in the lanes of the second tile's padding
  CHECK(executor.step(0, 32) == Approx(4.0));
  CHECK(executor.step(3, 1) == Approx(4.0));
  const std::uint32_t listed[] = {5, 32, 6};
  try {
    executor.step(listed);
    FAIL("not refused");
  } catch (const GuardError& error) {
    CHECK(error.sample() == 1);  // its place in the batch, not its row
  }
}

TEST_CASE("guards: NaN decides like a comparison in C++") {
  Tape tape;
  const Value w = tape.parameter(1.0), x = tape.input(-1.0, "x");
  const Value y = x > 0.0 ? w * x : w - x;  // recorded as false
  Executor<double> executor(compile(batch_mean(y)), {.max_samples = 4});
  const std::vector<double> rows = {not_a_number};
  executor.bind("x", std::span<const double>(rows));
  CHECK_NOTHROW(executor.step());  // NaN > 0 is false, as recorded
  CHECK(std::isnan(executor.loss()));

  Branching recorded_true;
  Executor<double> other(compile(recorded_true.loss), {.max_samples = 4});
  other.bind("x", std::span<const double>(rows));
  CHECK_THROWS_AS(other.step(), GuardError);
}

TEST_CASE("guards: the first guard in recorded order is named, whichever sample fails first") {
  Tape tape;
  const Value w = tape.parameter(1.0, "w"), x = tape.input(1.0, "x"), z = tape.input(1.0, "z");
  Value y = w * x;
  if (x > 0.0) y += 1.0;
  if (z > 0.0) y += 2.0;
  const Value loss = batch_mean(y);
  std::vector<double> rows(2 * 1200, 1.0);
  rows[2 * 3 + 1] = -1.0;  // z of sample 3
  rows[2 * 1100] = -1.0;   // x of sample 1100, in a later tile
  Executor<double> executor(compile(loss), {.max_samples = 1200});
  executor.bind(std::span<const double>(rows));
  const GuardError error = refusal(executor);
  CHECK(error.guard() == 0);
  CHECK(error.sample() == 1100);
  try {
    evaluate(loss, {.rows = rows, .samples = 1200});
    FAIL("not refused");
  } catch (const GuardError& reference) {
    CHECK(reference.guard() == error.guard());
    CHECK(reference.sample() == error.sample());
    CHECK(std::string(reference.what()) == error.what());
  }
}

TEST_CASE("guards: on uniform values") {
  Tape tape;
  const Value w = tape.parameter(1.0, "w"), t = tape.uniform_input(1.0, "t"), x = tape.input(1.0, "x");
  Value y = w * x;
  if (w * t < 5.0) y = y * 2.0;
  Executor<double> executor(compile(batch_mean(y)), {.max_samples = 10});
  const std::vector<double> rows(10, 1.0);
  executor.bind("x", std::span<const double>(rows));
  CHECK(executor.step() == Approx(2.0));
  executor.set_uniform_input("t", 6.0);
  CHECK(refusal(executor).sample() == 0);
  executor.set_uniform_input("t", 1.0);
  CHECK(executor.step() == Approx(2.0));
  executor.parameters()[0] = 7.0;
  CHECK_THROWS_SAYING(GuardError, "less", executor.step());
  CHECK(executor.parameters()[0] == 7.0);
}

TEST_CASE("guards: they survive dead-code removal, and keep their inputs in use") {
  Tape tape;
  const Value w = tape.parameter(1.0, "w"), x = tape.input(1.0, "x"), only_here = tape.input(3.0, "only here");
  Value y = w * x;
  if (exp(only_here) + 1.0 > 2.0) y = y + 1.0;
  const Program program = compile(batch_mean(y));
  CHECK(program.input_groups[1].used);
  Executor<double> executor(program, {.max_samples = 2});
  std::vector<double> rows = {1.0, 3.0, 1.0, 3.0};
  executor.bind(std::span<const double>(rows));
  CHECK(executor.step() == 2.0);
  rows[3] = -3.0;
  CHECK(refusal(executor).sample() == 1);

  // In a program for inference as well.
  const std::vector<Value> outputs = {y};
  Executor<double> inference(compile_inference(outputs), {.max_samples = 2});
  inference.bind(std::span<const double>(rows));
  CHECK_THROWS_AS(inference.step(), GuardError);
}

TEST_CASE("guards: one recorded after the loss does not matter to it") {
  Tape tape;
  const Value w = tape.parameter(1.0, "w"), x = tape.input(1.0, "x");
  const Value loss = batch_mean(w * x);
  if (x > 0.0) static_cast<void>(w + 1.0);
  const Program program = compile(loss);
  CHECK(program.guards.empty());
  const std::vector<double> rows = {-1.0};
  Executor<double> executor(program, {.max_samples = 1});
  executor.bind("x", std::span<const double>(rows));
  CHECK(executor.step() == -1.0);
  // What is recorded after it does depend on it.
  CHECK(compile(batch_mean(w * x)).guards.size() == 1);
}

TEST_CASE("guards: a condition that constants decide holds in every step; conditions joined without a guard") {
  Tape tape;
  const Value w = tape.parameter(1.0), x = tape.input(1.0, "x"), one = tape.constant(1.0);
  Value y = w * x;
  if (one < 2.0) y += 1.0;
  if ((x > 0.0) & !(x > 5.0)) y += 1.0;
  for (bool fold : {true, false}) {
    const Program program = compile(batch_mean(y), {.fold_constants = fold});
    CHECK(program.guards.size() == 2);
    Executor<double> executor(program, {.max_samples = 2});
    std::vector<double> rows = {4.0, 1.0};
    executor.bind("x", std::span<const double>(rows));
    CHECK(executor.step() == 4.5);
    rows[1] = 6.0;
    const GuardError error = refusal(executor);
    CHECK(error.guard() == 1);
    CHECK(error.sample() == 1);
  }
}
