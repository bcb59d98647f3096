// Steps of a few samples that are the mean of a step of each.
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "against_evaluate.h"
#include "attention_net.h"
#include "catch.h"
#include "executor_results.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/compiler/ways.h"
#include "tapeloom/core/nets/attention.h"
#include "tapeloom/core/record/functions.h"
#include "tapeloom/runtime/execute/executor.h"
#include "tapeloom/runtime/execute/one_by_one.h"
#include "tapeloom/runtime/train/optimizer.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

constexpr std::size_t tokens = 12, width = 16;

/// Attention whose loss has what a mean over samples may have beside it: a penalty, a factor, a uniform input.
struct Net {
  Tape tape;
  std::vector<Value> outputs = record_attention(tape, tokens, width, 2, true);
  Value each = 0.0, loss;

  Net() {
    std::vector<Value> squares;
    for (const Value& y : outputs) squares.push_back(square(y - 0.25));
    each = sum(squares);
    const Value w = tape.parameter(0.3), scale = tape.uniform_input(1.5, "scale");
    loss = scale * batch_mean(each) - exp(w) * batch_mean(outputs[3]) / 2.0 + square(w);
  }
};

bool is_mean(Value loss, std::vector<Value> outputs = {}) {
  const Program program =
      compiler::compile_in_way(loss, {.outputs = std::move(outputs), .verify = true}, {.one_sample = true});
  return program.of_one_sample != nullptr && program.of_one_sample->is_mean_over_samples;
}

}  // namespace

TEMPLATE_TEST_CASE("one by one: what few samples give is what evaluate() says", "", float, double) {
  const Net net;
  const CompileOptions options{.outputs = {net.outputs[0], net.outputs[tokens]}, .input_gradients = true};
  const Program program = compile(net.loss, options);
  REQUIRE(runtime::samples_one_by_one(program, 8, sizeof(TestType)).test(2));
  Executor<TestType> executor(program, {.max_samples = 8});
  const std::vector<double> rows = some_numbers(8 * tokens * width, 7);
  for (const std::size_t samples : {2, 3, 8, 1, 4}) {
    INFO(samples << " samples");
    const auto of = std::span(rows).first(samples * tokens * width);
    expect_step_like_evaluate(executor, net.loss, options.outputs, of, samples, 20000);
  }
  // Any rows in any order, far apart, of the other type of numbers.
  std::vector<double> wide(5 * (tokens * width + 7), 1e30), listed;
  for (std::size_t i = 0; i < 5 * tokens * width; ++i) {
    wide[i / (tokens * width) * (tokens * width + 7) + i % (tokens * width)] = rows[i];
  }
  const std::vector<float> floats(wide.begin(), wide.end());
  const std::uint32_t order[] = {4, 1};
  for (const std::uint32_t row : order) {
    for (std::size_t i = 0; i < tokens * width; ++i) {
      listed.push_back(static_cast<double>(floats[row * (tokens * width + 7) + i]));
    }
  }
  std::vector<double> parameters(executor.parameters().begin(), executor.parameters().end());
  const Evaluation right =
      evaluate(net.loss, {.rows = listed, .samples = 2, .parameters = parameters}, options.outputs);
  executor.bind(std::span(floats), tokens * width + 7);
  const TestType loss = executor.step(order);
  expect_numbers<TestType>("loss", std::span(&loss, 1), right.root, 20000);
  expect_numbers<TestType>("gradients", executor.gradients(), right.gradients, 20000);
  expect_numbers<TestType>("outputs", executor.outputs(), right.outputs, 20000);
  expect_numbers<TestType>("input gradients", executor.input_gradients(), right.input_gradients, 20000);
}

TEST_CASE("one by one: uniform inputs, frozen parameters and training are those of other steps") {
  const Net net;
  const Program program = compile(net.loss);
  REQUIRE(runtime::samples_one_by_one(program, 2, sizeof(double)).test(2));
  // With a profile, all samples are computed together.
  Executor<double> one_by_one(program, {.max_samples = 2}), together(program, {.max_samples = 2, .profile = true});
  const std::vector<double> rows = some_numbers(2 * tokens * width, 9);
  const ParameterId frozen[] = {ParameterId(std::size_t{5})};
  Adam<double> adams[2];
  for (int step = 0; step < 6; ++step) {
    INFO("step " << step);
    Executor<double>* const executors[] = {&one_by_one, &together};
    for (int k = 0; k < 2; ++k) {
      Executor<double>& executor = *executors[k];
      executor.bind(rows);
      executor.set_uniform_input("scale", 1.0 + step);
      if (step == 2) executor.set_frozen(frozen);
      executor.step();
      adams[k].update(executor);
    }
    CHECK(one_by_one.loss() == Approx(together.loss()).epsilon(1e-10));
    for (std::size_t i = 0; i < one_by_one.gradients().size(); ++i) {
      INFO(i);
      REQUIRE(one_by_one.gradients()[i] == Approx(together.gradients()[i]).epsilon(1e-8).margin(1e-9));
      REQUIRE(one_by_one.parameters()[i] == Approx(together.parameters()[i]).epsilon(1e-6).margin(1e-7));
    }
  }
}

/// Attention of inputs alone, whose loss is a number of each sample times what all samples share.
struct FewParameters {
  Tape tape;
  Vectors x;
  Value each = 0.0, u = tape.uniform_input(0.1, "u");

  FewParameters() {
    for (std::size_t t = 0; t < tokens; ++t) x.push_back(tape.inputs("token " + std::to_string(t), width));
    std::vector<Value> squares;
    for (const auto& mixed : scaled_dot_product_attention(x, x, x, {.causal = true})) {
      for (const Value& y : mixed) squares.push_back(square(y - 0.25));
    }
    each = sum(squares);
  }
};

TEST_CASE("one by one: gradients that are one number are added up once") {
  FewParameters net;
  std::vector<Value> shared;
  for (const double number : {0.3, 0.7, -0.4, 0.9}) shared.push_back(net.tape.parameter(number));
  const Value loss = batch_mean(net.each * sum(shared));
  const Program program = compile(loss);
  REQUIRE(runtime::samples_one_by_one(program, 2, sizeof(double)).test(2));
  REQUIRE(program.gradients.size() == 4);  // all of one slot
  Executor<double> executor(program, {.max_samples = 8});
  const std::vector<double> rows = some_numbers(8 * tokens * width, 11);
  const ParameterId frozen[] = {ParameterId(std::size_t{1})};
  for (const std::size_t samples : {2, 8, 1, 2}) {
    INFO(samples << " samples");
    const auto of = std::span(rows).first(samples * tokens * width);
    expect_step_like_evaluate(executor, loss, {}, of, samples, 20000);
    const double right = executor.gradients()[0];
    executor.set_frozen(frozen);
    CHECK(copied(executor.gradients()) == std::vector<double>{right, 0.0, right, right});
    executor.set_frozen(frozen, false);
    CHECK(copied(executor.gradients()) == std::vector<double>(4, right));
  }
}

TEST_CASE("one by one: a gradient that is a constant, a uniform input or a parameter leaves it what it is") {
  const std::vector<double> rows = some_numbers(5 * tokens * width, 13);
  for (const std::string of : {"constant", "uniform input", "parameter"}) {
    INFO(of);
    FewParameters net;
    const Value w = net.tape.parameter(0.1);
    const Value factor = of == "constant" ? net.tape.constant(0.1) : of == "parameter" ? stop_gradient(w) : net.u;
    const Value loss = batch_mean(net.each) + w * factor;
    Executor<double> executor(compile(loss, {.input_gradients = true}), {.max_samples = 5});
    executor.bind(rows);
    for (const std::size_t samples : {3, 1, 5, 1, 2}) {
      INFO(samples << " samples");
      executor.step(0, samples);
      CHECK(executor.gradients()[0] == 0.1);
    }
  }
}

TEST_CASE("one by one: only what is a mean over samples, and nothing else of them") {
  Net net;
  CHECK(is_mean(net.loss));
  CHECK(is_mean(net.loss, {net.outputs[0]}));
  CHECK(is_mean(batch_mean(net.each) + batch_mean(net.outputs[0])));
  CHECK_FALSE(is_mean(batch_sum(net.each)));
  CHECK_FALSE(is_mean(batch_mean(net.each) + batch_sum(net.outputs[0])));
  CHECK_FALSE(is_mean(log(batch_mean(net.each))));
  CHECK_FALSE(is_mean(square(batch_mean(net.each))));
  CHECK_FALSE(is_mean(batch_mean(net.each) * batch_mean(net.outputs[0])));
  CHECK_FALSE(is_mean(batch_mean(net.outputs[0]) / batch_mean(net.each)));
  CHECK_FALSE(is_mean(batch_mean(net.each) / batch_sum(square(net.outputs[0]))));
  CHECK_FALSE(is_mean(batch_mean(square(net.outputs[0] - batch_mean(net.outputs[1])))));
  CHECK_FALSE(is_mean(max(batch_mean(net.each), batch_mean(net.outputs[0]))));
  CHECK_FALSE(is_mean(net.loss, {batch_mean(net.outputs[0])}));
  if (net.outputs[0] < 1e9) {
    CHECK_FALSE(is_mean(net.loss));  // has a guard
  }
}
