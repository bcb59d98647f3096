// Guards: a comparison in an `if` holds the recording to data that decides alike.
#include "against_evaluate.h"
#include "tapeloom/core/base/error.h"

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

TEST_CASE("guards: branches_from leaves out what the user says has chosen nothing") {
  Tape tape;
  const Value w = tape.parameter(1.0, "w"), x = tape.input(1.0, "x");
  if (x > 0.0) static_cast<void>(w + 1.0);
  const Tape::Mark mark = tape.mark();
  const Value loss = batch_mean(w * x);
  const std::vector<double> rows = {-1.0};
  CHECK(compile(loss).guards.size() == 1);
  CHECK_THROWS_AS(evaluate(loss, {.rows = rows}), GuardError);
  CHECK(compile(loss, {.branches_from = mark}).guards.empty());
  CHECK(evaluate(loss, {.rows = rows, .branches_from = mark}).root[0] == -1.0);
  for (const bool exact : {false, true}) {
    Executor<double> executor(compile(loss, {.exact = exact, .branches_from = mark}), {.max_samples = 1});
    executor.bind("x", std::span<const double>(rows));
    CHECK(executor.step() == -1.0);
  }
  // Of the guards since the mark, each keeps its number on the tape.
  if (x < 5.0) static_cast<void>(w + 1.0);
  Executor<double> executor(compile(loss, {.branches_from = mark}), {.max_samples = 1});
  const std::vector<double> large = {7.0};
  executor.bind("x", std::span<const double>(large));
  CHECK(refusal(executor).guard() == 1);
  const Tape::Mark later = tape.mark();
  tape.rewind(mark);
  CHECK_THROWS_AS(compile(loss, {.branches_from = later}), RecordingError);
  CHECK_THROWS_AS(evaluate(loss, {.rows = rows, .branches_from = later}), RecordingError);
}

namespace {

/// What a choice by C++'s own means gives for x and w, recorded with x = 2 and w = 3, and for other data, where right
/// is what the same code gives for them, or a GuardError.
template <class Choose>
void choice_holds(const Choose& choose) {
  Tape tape;
  const Value x = tape.input(2.0, "x"), w = tape.parameter(3.0, "w");
  const Value y = choose(x, w);
  for (const auto& [data, weight] :
       {std::pair(2.0, 3.0), std::pair(-5.0, 4.0), std::pair(7.0, 1.0), std::pair(-2.0, -3.0), std::pair(0.5, 8.0)}) {
    const double right = choose(Value(data), Value(weight)).data();
    const auto is_right = [&](const auto& compute) {
      try {
        const double got = compute();
        CHECK(got == Approx(right));
      } catch (const GuardError& error) {
        CHECK(contains(error.what(), "recorded as"));
      }
    };
    const std::vector<double> rows = {data}, parameters = {weight};
    is_right([&] { return evaluate(y, {.rows = rows, .parameters = parameters}).root[0]; });
    for (const bool exact : {false, true}) {
      const auto run = [&](Program program, bool inference) {
        Executor<double> executor(std::move(program), {.max_samples = 1});
        executor.bind("x", std::span<const double>(rows));
        executor.set_parameters(parameters);
        is_right([&] {
          const double loss = executor.step();
          return inference ? executor.outputs()[0] : loss;
        });
      };
      run(compile(batch_sum(y + 0.0 * x), {.exact = exact}), false);
      run(compile_inference(std::span(&y, 1), {.exact = exact}), true);
    }
    x.set_data(data), w.set_data(weight);
    is_right([&] {
      recompute(tape);
      return y.data();
    });
  }
}

}  // namespace

TEST_CASE("guards: what a branch chooses among older values holds, or is refused") {
  choice_holds([](Value x, Value w) {
    const Value a = x * x, b = w * w;
    return std::max(a, b);
  });
  choice_holds([](Value x, Value w) {
    Value y = x * w;
    if (y < 0.0) y = -y;
    return y;
  });
  choice_holds([](Value x, Value w) {
    Value y = x * w;
    if (y > 10.0) y = 10.0;
    return y;
  });
  choice_holds([](Value x, Value w) {  // an early return
    const Value y = x * w, z = x + w;
    if (z > 4.0) return y;
    return z;
  });
  choice_holds([](Value x, Value w) {
    std::vector<Value> list = {x * w, x + w, w * w, x - w};
    std::sort(list.begin(), list.end(), [](Value a, Value b) { return bool(a < b); });
    return list[1];
  });
}

TEST_CASE("guards: recompute changes nothing where a branch would go the other way") {
  Tape tape;
  const Value x = tape.parameter(2.0, "x"), y = x * 3.0;
  const Tape::Mark before = tape.mark();
  const Value z = y > 0.0 ? y + 1.0 : y - 1.0;
  x.set_data(-1.0);
  CHECK_THROWS_SAYING(GuardError, "recorded as true", recompute(tape));
  CHECK(y.data() == 6.0);
  CHECK(z.data() == 7.0);
  x.set_data(4.0);
  recompute(tape);
  CHECK(z.data() == 13.0);
  x.set_data(-1.0);
  recompute(tape, tape.mark());
  CHECK(z.data() == -2.0);
  CHECK_THROWS_AS(recompute(tape, before), GuardError);
}

TEST_CASE("guards: what constants alone decide needs no check, unless they are set to something else") {
  Tape tape;
  const Value w = tape.parameter(1.0), x = tape.input(1.0, "x"), c = tape.constant(2.0, "c");
  const Value larger = std::max(c * c, tape.constant(3.0));
  const Value loss = batch_mean(w * x + larger);
  REQUIRE(tape.guards().size() == 1);
  CHECK(compile(loss).guards.empty());
  CHECK(compile(loss, {.exact = true}).guards.empty());
  c.set_data(1.0);
  CHECK_THROWS_SAYING(GuardError, "less", compile(loss));
  CHECK_THROWS_AS(compile(loss, {.exact = true}), GuardError);
  CHECK_THROWS_AS(recompute(tape), GuardError);
  const std::vector<double> rows = {1.0};
  CHECK_THROWS_AS(evaluate(loss, {.rows = rows}), GuardError);
}

TEST_CASE("guards: recorded samples whose labels are compared while recording still fold into a batch") {
  Tape tape;
  const Value w = tape.parameter(0.5, "w");
  Value loss = 0.0;
  for (const double x : {1.0, 2.0, 3.0, 4.0}) {
    const Value number = tape.constant(x), target = tape.constant(2.0 * x);
    if (number < target) loss += square(w * number - target);
  }
  const Program program = compile(loss);
  CHECK(program.recorded_samples == 4);
  Executor<double> executor(program);
  CHECK(executor.step() == Approx(2.25 * 30.0));
}

TEST_CASE("guards: a condition that constants decide holds in every step; conditions joined without a guard") {
  Tape tape;
  const Value w = tape.parameter(1.0), x = tape.input(1.0, "x"), one = tape.constant(1.0);
  Value y = w * x;
  if (one < 2.0) y += 1.0;
  if ((x > 0.0) & !(x > 5.0)) y += 1.0;
  for (bool fold : {true, false}) {
    const Program program = compile(batch_mean(y), {.fold_constants = fold});
    CHECK(program.guards.size() == 1);
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

TEST_CASE("guards: a value is never less than the same value recorded again, in whichever order sums are added up") {
  // Shortest paths, relaxed again and again: each edge of a shortest path is a tie in the later rounds.
  constexpr std::size_t places = 5;
  Tape tape;
  std::vector<Value> weights, nearest(places, std::numeric_limits<double>::infinity());
  for (std::size_t i = 0; i < 2 * places; ++i)
    weights.push_back(tape.parameter(std::sin(3.0 * static_cast<double>(i))));
  nearest[0] = 0.0;
  for (int round = 0; round < 4; ++round) {
    for (std::size_t i = 0; i < places; ++i) {
      for (std::size_t edge : {0, 1}) {
        Value& there = nearest[edge == 0 ? (i + 1) % places : (i * i + 2) % places];
        const Value way = nearest[i] + exp(weights[2 * i + edge]);
        if (way < there) there = way;
      }
    }
  }
  Value loss = 0.0;
  for (const Value& way : nearest) {
    if (way.data() < std::numeric_limits<double>::infinity()) loss += square(way);
  }
  Executor<double> executor(compile(loss));
  for (int k = 0; k < 300; ++k) {
    std::vector<double> numbers;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      numbers.push_back(weights[i].data() + 1e-4 * std::cos(1.7 * static_cast<double>(i) + k));
    }
    const Evaluation reference = evaluate(loss, {.rows = {}, .parameters = numbers});
    executor.set_parameters(numbers);
    REQUIRE_NOTHROW(executor.step());
    REQUIRE(std::abs(executor.loss() - reference.root[0]) < 1e-12);
  }
}
