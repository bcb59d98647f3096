// Parameters that are not trained: frozen on the tape, or while training.
#include <utility>

#include "executor_results.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/nets/tensor_layout.h"
#include "tapeloom/runtime/train/optimizer.h"
#include "tapeloom/runtime/train/weights.h"

using namespace tapeloom;
using namespace tapeloom::test;

TEMPLATE_TEST_CASE("executor: parameters are frozen and thawed while training", "", float, double) {
  SmallNet net;
  net.tape.set_frozen(net.w[2]);
  const std::vector<double> rows = some_numbers(4 * 10);
  const Program program = compile(net.loss, {.outputs = {net.prediction}});
  Executor<TestType> executor(program), plain(program);
  executor.bind(std::span<const double>(rows));
  plain.bind(std::span<const double>(rows));
  plain.step();
  executor.step();
  const std::vector<TestType> all = copied(plain.gradients());
  CHECK(all[2] == 0);
  CHECK(all[0] != 0);
  const std::vector<ParameterId> first_and_last = {ParameterId(0), ParameterId(5)};
  executor.set_frozen(first_and_last);
  const std::vector<TestType> without = {0, all[1], 0, all[3], all[4], 0};
  CHECK(copied(executor.gradients()) == without);  // of the last step as of the next
  CHECK(executor.step() == plain.loss());
  CHECK(copied(executor.gradients()) == without);
  CHECK(std::vector<Range>(executor.trained().begin(), executor.trained().end()) == std::vector<Range>{{1, 2}, {3, 5}});

  const std::vector<TestType> before = copied(std::as_const(executor).parameters());
  const auto expect_moved = [&](std::initializer_list<std::size_t> which) {
    const std::vector<TestType> now = copied(std::as_const(executor).parameters());
    for (std::size_t i = 0; i < 6; ++i) {
      INFO("parameter " << i);
      CHECK((now[i] != before[i]) == (std::find(which.begin(), which.end(), i) != which.end()));
    }
    executor.set_parameters(before);
  };
  Sgd<TestType> sgd({.learning_rate = 0.1}), decay({.learning_rate = 0.1, .momentum = 0.5, .weight_decay = 0.5});
  Adam<TestType> adam({.learning_rate = 0.1, .weight_decay = 0.5});
  sgd.update(executor);
  expect_moved({1, 3, 4});
  decay.update(executor);
  expect_moved({1, 3, 4});
  adam.update(executor);
  expect_moved({1, 3, 4});

  executor.set_frozen(labelled_layout(program));  // all of them
  CHECK(executor.trained().empty());
  executor.step();
  CHECK(copied(executor.gradients()) == std::vector<TestType>(6, 0));
  decay.update(executor);
  expect_moved({});
  executor.set_frozen(first_and_last, false);
  executor.step();
  CHECK(copied(executor.gradients()) == std::vector<TestType>{all[0], 0, 0, 0, 0, all[5]});
  adam.update(executor);
  expect_moved({0, 5});

  // What cannot be thawed or frozen; then nothing is.
  const std::vector<ParameterId> frozen_before = {ParameterId(1), ParameterId(2)},
                                 beyond = {ParameterId(1), ParameterId(6)};
  CHECK_THROWS_SAYING(BindError, "parameter 2, \"w2\", was frozen when the program was compiled",
                      executor.set_frozen(frozen_before, false));
  CHECK_THROWS_SAYING(BindError, "parameter 6 of a program that has 6", executor.set_frozen(beyond, false));
  CHECK(executor.trained().size() == 2);
  CHECK_NOTHROW(executor.set_frozen(frozen_before));
  Executor<TestType> blind(compile(net.loss, {.gradients = false}));
  CHECK_THROWS_SAYING(BindError, "set_frozen: the program was compiled for inference", blind.set_frozen(beyond));
}

TEMPLATE_TEST_CASE("executor: gradients stay where they are, whatever is frozen and thawed", "", float, double) {
  const std::vector<ParameterId> some = {ParameterId(0), ParameterId(3)};
  const std::vector<double> rows = some_numbers(4 * 10);
  SmallNet net;
  const Program program = compile(net.loss);
  const bool all_at_first = GENERATE(true, false);
  Executor<TestType> executor(program, {.profile = GENERATE(false, true)}), expected(program);
  executor.bind(std::span<const double>(rows));
  expected.bind(std::span<const double>(rows));
  executor.set_frozen(some, !all_at_first);
  executor.step();
  const std::span<const TestType> gradients = executor.gradients();
  const auto check = [&](bool frozen) {
    expected.step();
    const std::span<const TestType> all = expected.gradients();
    CHECK(executor.gradients().data() == gradients.data());
    for (std::size_t i = 0; i < all.size(); ++i) CHECK(gradients[i] == (frozen && i % 3 == 0 && i < 4 ? 0 : all[i]));
  };
  check(!all_at_first);
  for (const bool frozen : {all_at_first, !all_at_first, all_at_first}) {
    executor.set_frozen(some, frozen);
    check(frozen);  // those of the last step
    executor.parameters()[1] += TestType(0.25);
    expected.parameters()[1] += TestType(0.25);
    executor.step();
    check(frozen);
    executor.descend(TestType(0.1));
    for (std::size_t i = 0; i < gradients.size(); ++i) expected.parameters()[i] = executor.parameters()[i];
    executor.step();
    check(frozen);
  }
}

TEST_CASE("executor: what others need is not where gradients of frozen parameters are zeros") {
  Tape tape;
  const Value w = tape.parameter(2.0), rate = tape.uniform_input(3.0, "rate"), half = tape.constant(0.5);
  for (const Value& factor : {rate, half}) {
    Executor<double> executor(compile(factor * w, {.outputs = {factor}}));
    executor.set_frozen(std::vector<ParameterId>{ParameterId(0)});
    for (int i = 0; i < 2; ++i) {
      CHECK(executor.step() == 2.0 * factor.data());
      CHECK(executor.outputs()[0] == factor.data());
      CHECK(executor.gradients()[0] == 0.0);
    }
    executor.set_frozen(std::vector<ParameterId>{ParameterId(0)}, false);
    CHECK(executor.gradients()[0] == factor.data());
  }
}

TEST_CASE("executor: a layer is frozen by its layout, where gradients lie side by side") {
  Tape tape;
  std::mt19937_64 random(1);
  const std::vector<Value> x = tape.inputs("x", 5);
  const MLP network(tape, 5, {{8, tanh}, {3}}, glorot(random));
  const std::vector<Value> scores = network(x);
  Executor<float> executor(compile(batch_mean(square(scores[0]) + scores[1] * scores[2])));
  const std::vector<double> rows = some_numbers(5 * 30);
  executor.bind(std::span<const double>(rows));
  executor.step();
  const std::vector<float> all = copied(executor.gradients());
  const TensorLayout layer = tensor_layout(network.layers()[0]);
  executor.set_frozen(layer);
  std::vector<float> without = all;
  for (const ParameterTensor& tensor : layer) {
    for (const ParameterId id : tensor.parameters) without[id.index] = 0.0f;
  }
  CHECK(std::count(without.begin(), without.end(), 0.0f) == 48);
  CHECK(copied(executor.gradients()) == without);
  executor.step();
  CHECK(copied(executor.gradients()) == without);
  executor.set_frozen(layer, false);
  CHECK(copied(executor.gradients()) == all);
  executor.step();
  CHECK(copied(executor.gradients()) == all);
}

TEST_CASE("executor: programs keep what was frozen and the constants they were compiled with") {
  Tape tape;
  const Value w = tape.parameter(3.0, "w"), c = tape.constant(2.0, "c");
  const Value loss = c * w;
  Executor<double> executor(compile(loss));
  tape.set_frozen(w);
  c.set_data(5.0);
  w.set_data(7.0);
  CHECK(executor.step() == 6.0);
  CHECK(executor.gradients()[0] == 2.0);
  Executor<double> compiled_again(compile(loss));
  CHECK(compiled_again.step() == 35.0);
  CHECK(compiled_again.gradients()[0] == 0.0);
}
