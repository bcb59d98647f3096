// What a step does not compute: guards against zero where a divisor is a number, signs of each sample, products with 0.
#include <algorithm>

#include "against_evaluate.h"
#include "bench/branches.h"
#include "tapeloom/core/base/error.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

/// How many rows of an op are computed, for each sample or once a step.
std::size_t rows_of(const Program& program, Op op, bool for_each_sample) {
  std::size_t rows = 0;
  for (const Stage& stage : program.stages) {
    const Range range = for_each_sample ? stage.tile : stage.uniform;
    for (std::uint32_t at = range.begin; at < range.end; ++at) {
      const Instruction& i = program.instructions[at];
      if (i.kind == InstructionKind::elementwise && i.op == op) rows += program.shapes[i.shape].rows;
    }
  }
  return rows;
}

std::size_t instructions_a_sample(const Program& program, InstructionKind kind) {
  std::size_t count = 0;
  for (const Stage& stage : program.stages) {
    for (std::uint32_t at = stage.tile.begin; at < stage.tile.end; ++at) {
      count += program.instructions[at].kind == kind ? 1 : 0;
    }
  }
  return count;
}

}  // namespace

TEST_CASE("less work: what is divided by a number that is not zero needs no guard against zero") {
  for (const double divisor : {3.0, -1e30, inf, 0.0, not_a_number, 1e-45}) {
    INFO(divisor);
    Tape tape;
    const Value w = tape.parameter(0.5), v = tape.parameter(2.0), x = tape.input(1.0, "x");
    const Value loss = batch_sum(where(x > 0.0, tanh(w * x) / divisor, v * x));
    const Program program = compile(loss);
    const bool guarded = divisor == 0.0 || std::isnan(divisor) || std::fabs(divisor) < 1e-38;
    CHECK((rows_of(program, Op::div_adjoint, true) + rows_of(program, Op::div_adjoint, false) > 0) == guarded);
    const std::vector<double> rows = {-1.0, -0.5, -2.0};  // the adjoint of the quotient is zero
    expect_programs_like_evaluate(loss, {}, rows, 3, 4.0);
    if (divisor == 3.0) expect_programs_like_evaluate(loss, {}, std::vector<double>{-1.0, 0.5, 2.0}, 3, 4.0);
  }
}

TEST_CASE("less work: signs and doublings are those of totals") {
  Tape tape;
  const std::vector<Value> c = {tape.parameter(0.25), tape.parameter(-0.5), tape.parameter(0.75)};
  const std::vector<Value> x = tape.inputs("x", 3);
  Value sum = 0.0;
  for (std::size_t i = 0; i < 3; ++i) sum = sum + square(x[i] - c[i]) * sin(x[(i + 1) % 3]);
  const Value loss = batch_mean(-sum);
  const Program program = compile(loss);
  CHECK(rows_of(program, Op::neg, true) == 0);
  CHECK(rows_of(program, Op::neg, false) > 0);
  const std::vector<double> rows = some_numbers(3 * 50);
  expect_programs_like_evaluate(loss, {}, rows, 50, 100.0);
  // Not more often than it takes: -y is computed for a sample that reads it elsewhere.
  const Value y = -tanh(c[0] * x[0]);
  const Value twice = batch_sum(y) + batch_sum(sin(y)) * batch_sum(-exp(x[1]));
  CHECK(rows_of(compile(twice, {.gradients = false}), Op::neg, true) == 1);
  CHECK(rows_of(compile(twice, {.gradients = false}), Op::neg, false) == 0);  // a product is subtracted
  CHECK(rows_of(compile(batch_sum(y), {.gradients = false}), Op::neg, true) == 0);
  expect_programs_like_evaluate(twice, {y}, rows, 50, 100.0);
  // Those of a product and of its factors make up for each other.
  const Value a = -sin(c[0] * x[0]), b = exp(c[1] * x[1]);
  for (const Value& each : {-(a * b), a * b, -(a * -b)}) {
    const Value total = batch_sum(each);
    Executor<double> loss_alone(compile(total, {.gradients = false}), {.max_samples = 50});
    CHECK(rows_of(loss_alone.program(), Op::neg, true) == 0);
    loss_alone.bind(std::span<const double>(rows));
    CHECK(loss_alone.step() == Approx(evaluate(total, {.rows = rows, .samples = 50}).root[0]));
    expect_programs_like_evaluate(total, {}, rows, 50, 100.0);
  }
}

TEST_CASE("less work: the bits of a total do not depend on where its sign is taken") {
  Tape tape;
  const Value w = tape.parameter(0.7), v = tape.parameter(-1.3), x = tape.input(0.0, "x");
  const auto run = [&](Value loss) {
    Executor<double> executor(compile(loss), {.max_samples = 300});
    const std::vector<double> rows = some_numbers(300);
    executor.bind(std::span<const double>(rows));
    executor.step();
    std::vector<double> all(executor.gradients().begin(), executor.gradients().end());
    all.push_back(executor.loss());
    return all;
  };
  const std::vector<double> inside = run(batch_sum(-sin(w * x + v))), outside = run(-batch_sum(sin(w * x + v)));
  REQUIRE(inside.size() == 3);
  for (std::size_t i = 0; i < inside.size(); ++i) CHECK(same_bits(inside[i], outside[i]));
}

TEST_CASE("less work: totals are put where they belong, not what is added up") {
  const bench::BranchingWork work = bench::kmeans_work(200, 10, 16);
  Tape tape;
  std::vector<Value> centres;
  for (double each : work.parameters) centres.push_back(tape.parameter(each));
  const Program program = compile(bench::kmeans<Value>(work, centres));
  REQUIRE(program.recorded_samples == 200);
  CHECK(rows_of(program, Op::neg, true) == 0);
  CHECK(rows_of(program, Op::add, true) == 0);
  // The distances, as sums of squares, and their adjoints.
  CHECK(instructions_a_sample(program, InstructionKind::gather) == 2);
  CHECK(rows_of(program, Op::square, true) == 0);
  for (const Instruction& i : program.instructions) {
    if (i.kind != InstructionKind::elementwise || i.op != Op::sub) continue;
    CHECK(program.shapes[i.shape].step[1] == 1);  // the centres, where they are
  }
}

TEST_CASE("less work: if all numbers are finite, products with a plain 0 are left out") {
  Tape tape;
  const Value w = tape.parameter(0.5), v = tape.parameter(2.0), u = tape.uniform_input(3.0, "u");
  const std::vector<Value> x = tape.inputs("x", 2);
  const Value y = w * x[0] + 0.0 * exp(v * x[1]) - sin(x[1]) * 0.0 + 0.0 / (x[0] + 5.0);
  const Value loss =
      batch_mean(square(y - 0.0)) + batch_sum(0.0 * x[0]) + (0.0 - u * v * v) + batch_mean(u * w + 0.0 * x[1]);
  const Program plain = compile(loss, {.outputs = {y, 0.0 * x[1]}});
  const Program finite = compile(loss, {.outputs = {y, 0.0 * x[1]}, .assume_finite = true});
  CHECK(rows_of(plain, Op::exp, true) == 1);
  CHECK(rows_of(finite, Op::exp, true) == 0);
  CHECK(rows_of(finite, Op::sin, true) == 0);
  CHECK(finite.instructions.size() < plain.instructions.size());
  CHECK(finite.parameters.size() == 2);
  CHECK(finite.input_groups[0].name == "x");
  const std::vector<double> rows = some_numbers(2 * 20);
  Executor<double> executor(finite, {.max_samples = 20});
  expect_step_like_evaluate(executor, loss, std::vector<Value>{y, 0.0 * x[1]}, rows, 20, 10.0);
  executor.set_uniform_input("u", -1.0);
  executor.step();
  CHECK(executor.gradients()[1] == 4.0);
  const Value shared = batch_sum(v + 0.0 * x[0]);  // of as many samples as there are
  Executor<double> of_shared(compile(shared, {.assume_finite = true}), {.max_samples = 20});
  expect_step_like_evaluate(of_shared, shared, {}, rows, 20, 10.0);
  // Otherwise they are what they are.
  std::vector<double> bad = rows;
  bad[1] = inf;
  Executor<double> strict(plain, {.max_samples = 20});
  strict.bind(std::span<const double>(bad));
  CHECK(std::isnan(strict.step()));
  executor.bind(std::span<const double>(bad));
  CHECK(std::isfinite(executor.step()));
  Executor<double> exact(compile(loss, {.exact = true, .assume_finite = true}), {.max_samples = 20});
  exact.bind(std::span<const double>(bad));
  CHECK(std::isnan(exact.step()));
}

TEST_CASE("less work: zeros among the data of recorded samples stay data, and guards stay guards") {
  Tape tape;
  const Value w = tape.parameter(0.5), v = tape.parameter(0.25);
  const double data[][2] = {{0.0, 1.0}, {1.0, 0.0}, {0.5, 0.5}, {0.0, 0.0}, {2.0, -1.0}};
  Value loss = 0.0;
  for (const auto& [a, b] : data) {
    const Value z = w * a + v * b + w;
    loss = loss + square((z > 0.0 ? z : z) + exp(z) * 0.0);
  }
  const CompileOptions options{.assume_finite = true};
  Executor<double> executor(compile(loss, options));
  CHECK(executor.program().recorded_samples == 5);
  CHECK(executor.program().guards.size() == 5);
  CHECK(rows_of(executor.program(), Op::exp, true) == 0);
  expect_step_like_evaluate(executor, loss, {}, {}, 1, 10.0);
  const std::vector<double> other = {0.5, 9.0};
  executor.set_parameters(other);
  try {
    executor.step();
    FAIL("not refused");
  } catch (const GuardError& error) {
    CHECK(error.guard() == 4);
    CHECK(contains(error.what(), tape.describe_guard(4)));
  }
}

TEST_CASE("less work: a product with what is negated is subtracted") {
  Tape tape;
  const std::vector<Value> x = tape.inputs("x", 4);
  const Value w = tape.parameter(0.5);
  const Value n = -tanh(w * x[0]), m = -x[3];
  struct Form {
    Value value;
    Op op;
  };
  const Form forms[] = {{x[1] + n * x[2], Op::subtract_product},
                        {x[1] - x[2] * n, Op::multiply_add},
                        {n * x[2] + x[1], Op::subtract_product},
                        {n * m + x[1], Op::multiply_add},
                        {n * n + x[1], Op::multiply_add}};
  const std::vector<double> rows = some_numbers(4 * 20);
  for (const Form& form : forms) {
    const Program program = compile(batch_sum(sin(form.value)), {.gradients = false});
    INFO(to_string(program));
    CHECK(rows_of(program, Op::neg, true) == 0);
    CHECK(rows_of(program, form.op, true) == 1);
    expect_programs_like_evaluate(batch_sum(sin(form.value)), {form.value}, rows, 20, 100.0);
  }
  // Signs of zero are those of the sum as it was written.
  const Value zero = x[1] + n * x[2];
  Executor<double> executor(compile(batch_sum(zero), {.outputs = {zero}}), {.max_samples = 4});
  const std::vector<double> zeros = {0.0, -0.0, 1.0, 0.0, 0.0, 0.0,  1.0,  0.0,
                                     1.0, -0.0, 0.0, 0.0, 1.0, -0.0, -0.0, 0.0};
  executor.bind(std::span<const double>(zeros));
  executor.step();
  for (int s = 0; s < 4; ++s) {
    const double written = zeros[4 * s + 1] + -std::tanh(0.5 * zeros[4 * s]) * zeros[4 * s + 2];
    CHECK(std::signbit(executor.outputs()[s]) == std::signbit(written));
  }
}
