// Guards over rows, and equal ones. What must be refused, and which guard is named, says evaluate().
#include <algorithm>

#include "bench/branches.h"
#include "forced_isa.h"
#include "refusals.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

/// How many guard instructions there are.
std::size_t guard_instructions(const Program& program) {
  return static_cast<std::size_t>(std::ranges::count(program.instructions, InstructionKind::guard, &Instruction::kind));
}

}  // namespace

TEST_CASE("guards: alike comparisons are one instruction over rows") {
  const auto record = [](Tape& tape, std::size_t count, std::vector<Value>& x) {
    x = tape.inputs("x", std::vector<double>(count, 1.0));
    const Value w = tape.parameter(1.0, "w");
    Value sum = 0.0;
    for (std::size_t i = 0; i < count; ++i) {
      Value y = w * x[i];
      if (y < static_cast<double>(i)) y = -y;  // false of the first two, true of the others
      sum = sum + square(y) * x[i];
    }
    return batch_mean(sum);
  };
  std::vector<std::size_t> instructions;
  for (const std::size_t count : {8, 40}) {
    Tape tape;
    std::vector<Value> x;
    const Value loss = record(tape, count, x);
    const Program program = compile(loss);
    CHECK(program.guards.size() == count);
    CHECK(guard_instructions(program) == 1);
    for (const std::string& isa : instruction_sets()) {
      const ForcedIsa forced(isa);
      for (const std::size_t samples : {std::size_t{1}, std::size_t{37}, std::size_t{1000}}) {
        for (const std::size_t threads : {1, 2}) {
          Executor<double> executor(program, {.max_samples = samples, .threads = threads});
          std::vector<double> rows(samples * count, 1.0);
          executor.bind(std::span<const double>(rows));
          CHECK(!refusal_of([&] { executor.step(); }));
          // One that fails later, in an earlier sample and an earlier row of the block, if there are so many.
          for (const auto& [sample, column] :
               {std::pair{samples - 1, std::size_t{5}}, std::pair{samples / 2, std::size_t{3}},
                std::pair{samples / 3, std::size_t{6}}, std::pair{samples / 3, std::size_t{3}}}) {
            rows[sample * count + column] = 50.0;
            executor.bind(std::span<const double>(rows));
            expect_same_refusal(refusal_of([&] { executor.step(); }),
                                refusal_of([&] { evaluate(loss, {.rows = rows, .samples = samples}); }));
          }
        }
      }
    }
    CHECK(guard_instructions(compile(loss, {.exact = true})) == count);
  }
}

TEST_CASE("guards: rows of a block that are guarded here and there are gathered") {
  Tape tape;
  const std::vector<Value> x = tape.inputs("x", std::vector<double>(24, 1.0));
  const Value w = tape.parameter(1.0);
  Value sum = 0.0;
  const std::vector<std::size_t> guarded = {0, 1, 5, 6, 7, 12, 20, 23};
  std::vector<Condition> conditions;
  for (const Value& each : x) {
    conditions.push_back(w * each > 0.0);
    sum = sum + where(conditions.back(), each, -each) * w;
  }
  for (std::size_t i : guarded) static_cast<void>(bool(conditions[i]));
  const Value loss = batch_sum(sum);
  const Program program = compile(loss);
  CHECK(guard_instructions(program) == 1);
  CHECK(program.guards.size() == guarded.size());
  Executor<double> executor(program, {.max_samples = 9});
  for (std::size_t i = 0; i < x.size(); ++i) {
    std::vector<double> rows(9 * 24, 1.0);
    rows[4 * 24 + i] = rows[7 * 24 + (i + 1) % 24] = -1.0;
    executor.bind(std::span<const double>(rows));
    expect_same_refusal(refusal_of([&] { executor.step(); }),
                        refusal_of([&] { evaluate(loss, {.rows = rows, .samples = 9}); }));
  }
}

TEST_CASE("guards: equal ones are one, and what contradicts itself is refused by the later") {
  Tape tape;
  const Value w = tape.parameter(1.0), x = tape.input(1.0, "x");
  Value y = w * x;
  for (int i = 0; i < 4; ++i) {
    if (y > 0.0) y = y + 0.0 * x;  // compared anew each time, mostly with the same
  }
  const Condition positive = x > 0.0;
  for (int i = 0; i < 3; ++i) static_cast<void>(bool(positive));
  if (x > 0.0) y = y * 2.0;
  const Value loss = batch_sum(y);
  CHECK(tape.guards().size() == 8);
  CHECK(compile(loss).guards.size() < 8);
  CHECK(compile(loss, {.exact = true}).guards.size() == 6);
  x.set_data(-1.0);
  recompute(tape, tape.mark());
  if (x > 0.0) y = y * 2.0;  // false now
  Executor<double> executor(compile(loss), {.max_samples = 1});
  for (const double number : {1.0, -1.0, 0.0}) {
    const std::vector<double> rows = {number};
    executor.bind(std::span<const double>(rows));
    const auto right = refusal_of([&] { evaluate(loss, {.rows = rows}); });
    REQUIRE(right.has_value());
    expect_same_refusal(refusal_of([&] { executor.step(); }), right);
  }
}

TEST_CASE("guards: of ten thousand parameters, the largest is found with as many instructions as of ten") {
  const auto instructions = [](std::size_t count) {
    const bench::BranchingWork work = bench::log_sum_exp_work(count);
    Tape tape;
    const std::vector<Value> values = parameters_of(tape, work.parameters);
    const Value loss = bench::log_sum_exp<Value>(values);
    CHECK(compile(loss).guards.size() == count - 1);
    std::vector<std::vector<double>> steps = {work.parameters};
    for (const std::size_t i : {count - 1, count / 2, std::size_t{2}, std::size_t{0}}) {
      steps.push_back(work.parameters);
      steps.back()[i] = 9.0;
    }
    CHECK(compare_steps(loss, {}, steps, 0) >= 3);
    return compile(loss).instructions.size();
  };
  CHECK(instructions(10000) < instructions(100) + 30);
}
