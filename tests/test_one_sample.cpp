// Steps of one sample, which are computed side by side where that takes less time.
#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "against_evaluate.h"
#include "catch.h"
#include "counted.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/compiler/ways.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/record/functions.h"
#include "tapeloom/runtime/execute/executor.h"
#include "tapeloom/runtime/execute/profile.h"
#include "tapeloom/runtime/files/program_file.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

/// Runs one row after another through an executor of one sample, and compares with evaluate().
void expect_rows_like_evaluate(Value loss, const std::vector<Value>& outputs, std::size_t columns) {
  const CompileOptions options{.outputs = outputs, .input_gradients = true, .verify = true};
  const Program program = compiler::compile_in_way(loss, options, {.one_sample = true});
  REQUIRE(program.of_one_sample != nullptr);
  CHECK(program.of_one_sample->tile_slots == 0);
  Executor<double> in_double(program, {.max_samples = 1});
  Executor<float> in_float(program, {.max_samples = 1});
  for (std::size_t row = 0; row < 3; ++row) {
    INFO("row " << row);
    const std::vector<double> numbers = some_numbers(columns, 11 + row);
    expect_step_like_evaluate(in_double, loss, outputs, numbers, 1, 4000);
    expect_step_like_evaluate(in_float, loss, outputs, numbers, 1, 4000);
  }
}

std::vector<Value> parameters(Tape& tape, std::size_t count) {
  std::vector<Value> all;
  for (const double number : some_numbers(count)) all.push_back(tape.parameter(number));
  return all;
}

/// h' = tanh(b + W (x, h)), again and again; the loss is of the last one.
struct Recurrent {
  static constexpr std::size_t inputs = 3, width = 20;
  Tape tape;
  std::vector<Value> x, h;
  Value loss = 0.0;

  explicit Recurrent(std::size_t steps = 7) : x(tape.inputs("x", steps * inputs)) {
    std::mt19937 random(3);
    const Layer layer(tape, inputs + width, {width, tanh}, glorot(random));
    h.assign(width, tape.constant(0.25));
    for (std::size_t s = 0; s < steps; ++s) {
      std::vector<Value> all(x.begin() + s * inputs, x.begin() + (s + 1) * inputs);
      all.insert(all.end(), h.begin(), h.end());
      h = layer(all);
    }
    for (const Value& each : h) loss += square(each);
    loss = batch_mean(loss);
  }
};

}  // namespace

TEST_CASE("one sample of nets of all kinds is what evaluate() says") {
  SECTION("a classifier") {
    Tape tape;
    std::mt19937 random(1);
    const MLP net(tape, 12, {{96, relu}, {65, tanh}, {5}}, he(random));
    const std::vector<Value> x = tape.inputs("x", 12), y = net(x);
    const Value label = tape.input(2.0, "label");
    const Value loss = batch_mean(softmax_cross_entropy(y, label));
    const CompileOptions options{.outputs = y, .verify = true};
    const Program program = compile(loss, options);
    REQUIRE(program.of_one_sample != nullptr);  // also without being asked for
    Executor<double> executor(program, {.max_samples = 1});
    std::vector<double> row = some_numbers(13);
    for (const double class_number : {0.0, 3.0, 4.0}) {
      row[12] = class_number;
      expect_step_like_evaluate(executor, loss, y, row, 1, 4000);
    }
  }
  SECTION("a penalty, whose gradients are added to those of the weights") {
    Tape tape;
    std::mt19937 random(1);
    const MLP net(tape, 12, {{24, relu}, {17, tanh}, {5}}, he(random));
    Value loss = 0.0;
    for (const Value& y : net(tape.inputs("x", 12))) loss += square(y - 0.5);
    expect_rows_like_evaluate(batch_mean(loss) + l2_penalty(net.parameters(), 0.01), {}, 12);
  }
  SECTION("a recurrent net") {
    const Recurrent net;
    expect_rows_like_evaluate(net.loss, {net.h[0], net.h[19]}, net.x.size());
  }
  SECTION("what is normalised over the batch") {
    Tape tape;
    std::mt19937 random(2);
    const Layer layer(tape, 6, {10}, glorot(random));
    Value loss = tape.parameter(0.5);
    for (const Value& y : layer(tape.inputs("x", 6))) {
      const Value centred = y - batch_mean(y);
      loss += batch_mean(centred * y) + batch_sum(exp(0.125 * y)) + square(batch_mean(y) + 1.0);
    }
    expect_rows_like_evaluate(loss, {}, 6);
  }
  SECTION("choices, extremes and a product of two sums") {
    Tape tape;
    const std::vector<Value> x = tape.inputs("x", 9), w = parameters(tape, 9);
    Value a = 0.0, largest = x[0] * w[0];
    for (std::size_t i = 0; i < 9; ++i) {
      a += where(x[i] > 0.0, w[i] * x[i], exp(x[i]) * w[8 - i]);
      largest = max(largest, x[i] * w[i]);
    }
    const Value loss = batch_sum(a * largest + sqrt(square(a) + 1.0));
    expect_rows_like_evaluate(loss, {a, largest, loss}, 9);
  }
  SECTION("inputs that nothing reads, and none that anything does") {
    Tape tape;
    const std::vector<Value> x = tape.inputs("x", 3), unused = tape.inputs("unused", 2);
    const Value w = tape.parameter(1.5);
    expect_rows_like_evaluate(batch_mean(square(w * x[1])), {}, 5);
    const Program program = compiler::compile_in_way(w * w, {}, {.one_sample = true});
    Executor<double> executor(program, {.max_samples = 1});
    CHECK(executor.step() == 2.25);
  }
}

TEST_CASE("inference of one sample is computed so, too") {
  Tape tape;
  std::mt19937 random(1);
  const MLP net(tape, 30, {{40, relu}, {3}}, he(random));
  const std::vector<Value> y = net(tape.inputs("x", 30));
  const Program program = compile_inference(y);
  REQUIRE(program.of_one_sample != nullptr);
  Executor<double> one(program, {.max_samples = 1}), many(program, {.max_samples = 4});
  const std::vector<double> rows = some_numbers(30 * 4);
  one.bind(rows), many.bind(rows);
  many.step();
  const std::vector<double> expected(many.outputs().begin(), many.outputs().end());
  for (std::uint32_t row : {2, 0, 3}) {
    one.step(row, 1);
    for (std::size_t k = 0; k < 3; ++k) CHECK(close(one.outputs()[k], expected[3 * row + k], 1e-14));
    one.step(std::span<const std::uint32_t>(&row, 1));
    for (std::size_t k = 0; k < 3; ++k) CHECK(close(one.outputs()[k], expected[3 * row + k], 1e-14));
  }
}

TEST_CASE("small nets and irregular programs have no program of one sample") {
  Tape tape;
  std::mt19937 random(1);
  const MLP net(tape, 3, {4, 4, 1}, glorot(random), tanh);
  const Value loss = batch_mean(square(net(tape.inputs("x", 3))[0]));
  CHECK(compile(loss).of_one_sample == nullptr);
  CHECK(compile(loss, {.exact = true}).of_one_sample == nullptr);
  Value x = tape.input(0.5);
  for (int i = 0; i < 100; ++i) x = i % 3 == 0 ? sin(x) : i % 3 == 1 ? x * x : exp(-x);
  CHECK(compile(batch_sum(x)).of_one_sample == nullptr);
}

TEST_CASE("gradients of a matrix that is used again and again are as many products for every number of times") {
  const auto products = [](std::size_t steps) {
    const Recurrent net(steps);
    const Program program = compile(net.loss);
    REQUIRE(program.of_one_sample != nullptr);
    return count(*program.of_one_sample, InstructionKind::outer);
  };
  const std::size_t few = products(5);
  CHECK(few <= 3);  // of the first step, whose state is none, apart
  CHECK(products(10) == few);
}

TEST_CASE("gradients of a layer's weights are computed where they are read, and not added to zeros") {
  Tape tape;
  std::mt19937 random(1);
  const MLP net(tape, 32, {{32, relu}, {32, tanh}, {4}}, he(random));
  Value loss = 0.0;
  for (const Value& y : net(tape.inputs("x", 32))) loss += square(y);
  const Program program = compile(batch_mean(loss));
  REQUIRE(program.of_one_sample != nullptr);
  CHECK(count(*program.of_one_sample, InstructionKind::outer) == 3);
  CHECK(count(*program.of_one_sample, InstructionKind::zero) == 0);
  const auto accumulates = [](const Instruction& i) { return i.accumulates; };
  CHECK(std::ranges::none_of(program.of_one_sample->instructions, accumulates));
}

TEST_CASE("a program of one sample goes through files, whoever saved it") {
  const Recurrent net;
  const Program program = compile(net.loss);
  const std::string path = "one_sample.tapeloom";
  Executor<double> saved(program, {.max_samples = 1});
  const std::vector<double> row = some_numbers(net.x.size()), rows = some_numbers(net.x.size() * 5);
  saved.bind(row);
  const double loss = saved.step();
  for (const bool by_executor : {false, true}) {
    by_executor ? save_program(path, saved) : save_program(path, program);
    const Program loaded = load_program(path);
    REQUIRE(loaded.of_one_sample != nullptr);
    Executor<double> one(loaded, {.max_samples = 1}), many(loaded, {.max_samples = 5});
    one.bind(row), many.bind(rows);
    CHECK(same_bits(one.step(), loss));
    CHECK(std::ranges::equal(one.gradients(), saved.gradients()));
    CHECK(std::isfinite(many.step()));
  }
}

TEST_CASE("a program of one sample by itself runs steps of one sample, and refuses to take more") {
  const Recurrent net;
  const Program program = compile(net.loss);
  REQUIRE(program.of_one_sample != nullptr);
  const Program& alone = *program.of_one_sample;
  CHECK_THROWS_AS(Executor<double>(alone, {.max_samples = 2}), BindError);
  CHECK_THROWS_AS(Executor<double>(alone), BindError);
  CHECK(hash(alone) != hash(program));
  Executor<double> executor(alone, {.max_samples = 1, .profile = true}), whole(program, {.max_samples = 1});
  const std::vector<double> row = some_numbers(net.x.size());
  executor.bind(row), whole.bind(row);
  CHECK(same_bits(executor.step(), whole.step()));
  CHECK(explain(alone, executor.profile()) == explain(program, executor.profile()));
}

TEST_CASE("what steps of one sample are computed by is a part of a program's hash") {
  const Recurrent net;
  Program program = compile(net.loss);
  REQUIRE(program.of_one_sample != nullptr);
  const std::uint64_t whole = hash(program);
  Program other = *program.of_one_sample;
  other.constants.at(0) += 1.0;
  program.of_one_sample = std::make_shared<const Program>(other);
  CHECK(hash(program) != whole);
  program.of_one_sample = nullptr;
  CHECK(hash(program) != whole);
}

TEST_CASE("guards of one sample are reported as those of many") {
  Tape tape;
  const std::vector<Value> x = tape.inputs("x", 16), w = parameters(tape, 16);
  Value loss = 0.0;
  for (std::size_t i = 0; i < 16; ++i) loss += square(w[i] * x[i]);
  if (x[3] + 1.0 > x[4]) loss = 2.0 * loss;  // as recorded, at zeros
  const Program program = compiler::compile_in_way(batch_mean(loss), {.verify = true}, {.one_sample = true});
  REQUIRE(program.of_one_sample != nullptr);
  std::vector<double> row(16, 0.0);
  row[4] = 5.0;
  std::string said[2];
  for (const std::size_t most : {1, 2}) {
    Executor<double> executor(program, {.max_samples = most});
    executor.bind(row);
    try {
      executor.step();
    } catch (const GuardError& error) {
      said[most - 1] = error.what();
    }
  }
  CHECK(said[0].find("greater") != std::string::npos);
  CHECK(said[0] == said[1]);
}

TEST_CASE("an executor of one sample shares the parameters that another one trains") {
  const Recurrent net;
  const auto program = std::make_shared<const Program>(compile(net.loss, {.outputs = {net.h[0]}}));
  Executor<double> trained(program, {.max_samples = 8});
  Executor<double> one(*program, trained, {.max_samples = 1});
  const std::vector<double> rows = some_numbers(net.x.size() * 8);
  trained.bind(rows), one.bind(rows);
  for (double& p : trained.parameters()) p = 0.75 * p + 0.01;
  trained.step();
  one.step(6, 1);
  CHECK(close(one.outputs()[0], trained.outputs()[6], 1e-14));
}

TEST_CASE("a profile of one sample is explained with the instructions that ran") {
  const Recurrent net;
  const Program program = compile(net.loss);
  Executor<double> executor(program, {.max_samples = 1, .profile = true});
  const std::vector<double> row = some_numbers(net.x.size());
  executor.bind(row);
  executor.step();
  const Profile profile = executor.profile();
  CHECK(profile.of_one_sample);
  CHECK(profile.instructions.size() == program.of_one_sample->instructions.size());
  CHECK(explain(executor.program(), profile).find("outer") != std::string::npos);
}
