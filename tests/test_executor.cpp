// Running steps and reading results, in the states an executor can be in.
#include <utility>

#include "executor_results.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/nets/nn.h"

using namespace tapeloom;
using namespace tapeloom::test;

TEST_CASE("executor: outputs that a program does not have are refused, before a step and after") {
  SmallNet net;
  const std::vector<double> rows = some_numbers(4 * 5);
  Executor<double> executor(compile(net.loss));
  CHECK_THROWS_SAYING(BindError, "compiled without any; name the Values", executor.outputs());
  executor.bind(std::span<const double>(rows));
  executor.step();
  CHECK_THROWS_SAYING(BindError, "compiled without any; name the Values", executor.outputs());
}

TEST_CASE("executor: there are no results before a good step and after a refused one") {
  SmallNet net;
  const std::vector<double> rows = some_numbers(4 * 5);
  Executor<double> executor = executor_of<double>(net);
  const auto expect_nothing = [&] {
    CHECK_THROWS_SAYING(BindError, "loss", executor.loss());
    CHECK_THROWS_SAYING(BindError, "outputs", executor.outputs());
    CHECK_THROWS_SAYING(BindError, "gradients", executor.gradients());
    CHECK_THROWS_SAYING(BindError, "input_gradients", executor.input_gradients());
  };
  expect_nothing();
  executor.bind(std::span<const double>(rows));
  expect_nothing();
  executor.step();
  CHECK_NOTHROW(executor.loss());
  CHECK_THROWS_AS(executor.step(5, 1), BindError);
  expect_nothing();
  executor.step(4, 1);
  CHECK(executor.outputs().size() == 1);
  executor.bind("y", std::span<const double>(rows).first(4));  // not as many rows as "x" has
  CHECK_THROWS_AS(executor.step(), BindError);
  expect_nothing();

  Executor<double> plain(compile(net.loss), {.max_samples = 8});
  plain.bind(std::span<const double>(rows));
  plain.step();
  CHECK_THROWS_SAYING(BindError, "CompileOptions::input_gradients", plain.input_gradients());
  CHECK_THROWS_SAYING(BindError, "outputs: the program was compiled without any", plain.outputs());
}

TEMPLATE_TEST_CASE("executor: uniform inputs hold for the steps after they are set", "", float, double) {
  Tape tape;
  const Value w = tape.parameter(0.5, "w"), x = tape.input(0.0, "x");
  const Value temperature = tape.uniform_input(2.0, "temperature"), weight = tape.uniform_input(1.0);
  const Value loss = batch_mean(square(w * x / temperature)) * weight;
  const std::vector<double> rows = {1.0, 2.0, 3.0};
  Executor<TestType> executor(compile(loss), {.max_samples = 4});
  executor.bind("x", std::span<const double>(rows));
  const double mean = 14.0 / 3.0 * 0.25;
  CHECK(executor.step() == Approx(mean / 4));  // the number it had while recording
  executor.set_uniform_input("temperature", 1.0);
  CHECK(executor.step() == Approx(mean));
  executor.set_uniform_input("uniform_input1", 10.0);
  CHECK(executor.step() == Approx(10 * mean));
  CHECK(executor.step() == Approx(10 * mean));
  CHECK_THROWS_SAYING(BindError, "\"x\"; the program has \"temperature\" \"uniform_input1\"",
                      executor.set_uniform_input("x", 1.0));
  CHECK_NOTHROW(executor.set_uniform_input("temperature", inf));
  Executor<TestType> checking(compile(loss), {.max_samples = 4, .check_finite = true});
  CHECK_THROWS_SAYING(BindError, "temperature", checking.set_uniform_input("temperature", inf));
  CHECK_THROWS_SAYING(BindError, "temperature", checking.set_uniform_input("temperature", not_a_number));
}

TEMPLATE_TEST_CASE("executor: a uniform input that is set after a step changes none of its results", "", float,
                   double) {
  Tape tape;
  const Value kept = tape.parameter(0.0, "kept"), w = tape.parameter(2.0, "w"), rate = tape.uniform_input(3.0, "rate");
  tape.set_frozen(kept);
  const Value used = where(tape.training(), rate, kept);
  tape.assign(kept, rate, used);
  Executor<TestType> executor(compile(rate * w + used, {.outputs = {rate}}));  // the derivative is the input itself
  executor.step();
  executor.set_uniform_input("rate", 7.0);
  CHECK(executor.loss() == 9);
  CHECK(executor.outputs()[0] == 3);
  CHECK(copied(executor.gradients()) == std::vector<TestType>{0, 3});
  executor.descend(TestType(1));
  executor.apply_assignments();
  CHECK(copied(std::as_const(executor).parameters()) == std::vector<TestType>{3, -1});
  CHECK(executor.step() == 0);
  CHECK(copied(executor.gradients()) == std::vector<TestType>{0, 7});

  tape.clear();
  const Value alone = tape.parameter(2.0, "w");
  Executor<TestType> in_place(compile(tape.uniform_input(3.0, "rate") * alone));
  in_place.step();
  const std::span<const TestType> gradients = in_place.gradients();
  in_place.set_uniform_input("rate", 7.0);
  CHECK(gradients[0] == 3);
  CHECK(in_place.gradients()[0] == 3);
  in_place.step();
  CHECK(gradients[0] == 7);
}

TEMPLATE_TEST_CASE("executor: parameters are read, written and copied back", "", float, double) {
  SmallNet net;
  const std::vector<double> rows = some_numbers(4 * 9);
  Executor<TestType> executor = executor_of<TestType>(net);
  REQUIRE(executor.parameters().size() == 6);
  for (std::size_t i = 0; i < 6; ++i) CHECK(executor.parameters()[i] == static_cast<TestType>(net.w[i].data()));
  CHECK_THROWS_SAYING(BindError, "7 numbers for 6", executor.set_parameters(std::vector<TestType>(7)));
  CHECK_THROWS_SAYING(BindError, "5 numbers for 6", executor.set_parameters(std::vector<TestType>(5)));

  std::vector<TestType> numbers;
  for (double number : some_numbers(6, 99)) numbers.push_back(static_cast<TestType>(number));
  executor.set_parameters(numbers);
  CHECK(copied(std::as_const(executor).parameters()) == numbers);
  executor.parameters()[2] = TestType(0.25);
  numbers[2] = TestType(0.25);
  const std::vector<Value> outputs = {net.prediction};
  expect_step_like_evaluate<TestType>(executor, net.loss, outputs, rows, 9, 64);

  CHECK(net.w[2].data() != 0.25);
  executor.copy_parameters_to(net.tape);
  for (std::size_t i = 0; i < 6; ++i) CHECK(net.w[i].data() == static_cast<double>(numbers[i]));
  CHECK(executor.loss() == Approx(evaluate(net.loss, {.rows = rows, .samples = 9}).root[0]).epsilon(1e-5));

  SmallNet same;  // recorded alike, so its leaves are the same
  CHECK_NOTHROW(executor.copy_parameters_to(same.tape));
  Tape other;
  CHECK_THROWS_SAYING(BindError, "\"w0\"", executor.copy_parameters_to(other));
  for (int i = 0; i < 6; ++i) other.parameter(1.0, "v" + std::to_string(i));
  CHECK_THROWS_SAYING(BindError, "\"w0\"", executor.copy_parameters_to(other));
  CHECK(other.data(NodeId(0)) == 1.0);
}

TEST_CASE("executor: parameters go back to leaves that rewinds have left alone, and to no others") {
  Tape tape;
  const Tape::Mark empty = tape.mark();
  const auto expect_refused = [&](const Executor<double>& executor) {
    const std::vector<double> before = {tape.data(NodeId(0)), tape.data(NodeId(1))};
    CHECK_THROWS_SAYING(BindError, "dropped or moved", executor.copy_parameters_to(tape));
    CHECK(std::vector{tape.data(NodeId(0)), tape.data(NodeId(1))} == before);
  };
  const Value unused = tape.parameter(7.0), a = tape.parameter(2.0), b = tape.parameter(3.0);
  const Tape::Mark mark = tape.mark();
  Executor<double> executor(compile(a * b));
  executor.set_parameters(std::vector{1.5, 2.5, 3.5});

  SECTION("a loop that rewinds to a mark after them") {
    for (int step = 0; step < 3; ++step) {
      tape.rewind(mark);
      const Value loss = a * b + tape.parameter(1.0);  // one of the step's own
      loss.backward();
      executor.parameters()[1] -= 0.5;
      executor.copy_parameters_to(tape);
    }
    CHECK(a.data() == 1.0);
    CHECK(b.data() == 3.5);
  }
  SECTION("a rewind that drops them") {
    tape.rewind(empty);
    const Value x = tape.parameter(10.0), y = tape.parameter(20.0), z = tape.parameter(30.0);
    expect_refused(executor);
    Executor<double> again(compile(x * y * z));
    again.parameters()[2] = 31.0;
    again.copy_parameters_to(tape);
    CHECK(z.data() == 31.0);
  }
  SECTION("a compaction that moves them, and others to their places") {
    tape.parameter(10.0);
    const std::vector<NodeId> alive = {a.id(), b.id(), NodeId(tape.size() - 1)};
    tape.compact(alive);
    REQUIRE(tape.parameters().size() == 3);
    expect_refused(executor);
    CHECK_THROWS_SAYING(BindError, "compile again", executor.copy_parameters_to(tape));
  }
  static_cast<void>(unused);
}

TEST_CASE("executor: moved, it keeps its buffers, bindings and results") {
  SmallNet net;
  const std::vector<double> rows = some_numbers(4 * 9);
  Executor<double> first = executor_of<double>(net);
  first.bind(std::span<const double>(rows));
  first.step();
  const auto expected = results(first);
  Executor<double> second(std::move(first));
  CHECK(results(second) == expected);
  second.step();
  CHECK(results(second) == expected);
  Executor<double> third = executor_of<double>(net, 1);
  third = std::move(second);
  third.step();
  CHECK(results(third) == expected);
  CHECK(third.max_samples() == 64);
}

TEST_CASE("executor: more memory than there can be is refused with its size") {
  Tape tape;
  Program program = compile(batch_mean(tape.input(0.0, "x") * tape.parameter(1.0)));
  program.outputs.resize(1U << 17, {.label = "", .varying = false, .slot = 0});
  CHECK_THROWS_SAYING(BindError, "ExecutorOptions::max_samples",
                      Executor<double>(std::move(program), {.max_samples = UINT32_MAX}));
}

TEST_CASE("executor: pointers to nothing are refused") {
  const std::shared_ptr<const Program> none;
  CHECK_THROWS_SAYING(BindError, "no program", Executor<float>(none));
  Tape tape;
  const auto program = std::make_shared<const Program>(compile(tape.parameter(1.0) * 2.0));
  CHECK_THROWS_SAYING(BindError, "no parameters", Executor<float>(program, nullptr, {}));
  CHECK_THROWS_SAYING(BindError, "no program", Executor<float>(none, Executor<float>(program).shared_parameters()));
}

TEST_CASE("executor: an exact program is refused in float") {
  SmallNet net;
  const Program program = compile(net.loss, {.exact = true});
  CHECK_THROWS_SAYING(BindError, "Executor<double>", Executor<float>(program));
  CHECK_NOTHROW(Executor<double>(program));
}

TEST_CASE("executor: an exact program descends by the gradients it has") {
  SmallNet net;
  const std::vector<double> rows = some_numbers(4 * 5);
  Executor<double> executor(compile(net.loss, {.exact = true}));
  executor.bind(rows);
  executor.step();
  const std::vector<double> start = copied<double>(executor.parameters());
  executor.descend(0.25);
  for (std::size_t i = 0; i < start.size(); ++i) {
    REQUIRE(executor.parameters()[i] == start[i] - 0.25 * executor.gradients()[i]);
  }
}

TEMPLATE_TEST_CASE("executor: repeated steps give the same bits", "", float, double) {
  SmallNet net;
  const std::vector<double> rows = some_numbers(4 * 3000);
  Executor<TestType> executor = executor_of<TestType>(net, 3000);
  executor.bind(std::span<const double>(rows));
  executor.step();
  const auto expected = results(executor);
  executor.step(17, 100);  // leaves other numbers in the buffers
  executor.step();
  CHECK(results(executor) == expected);
  Executor<TestType> another = executor_of<TestType>(net, 5000);
  another.bind(std::span<const double>(rows));
  another.step();
  CHECK(results(another) == expected);
}

TEMPLATE_TEST_CASE("executor: inputs that are changed before the first layer", "", float, double) {
  // What is computed from inputs that nothing else reads takes their slots, and the first layer's gradient must not be
  // taken from the bound rows then. Whole vectors of terms, so that rows are read in place where they may be.
  for (const bool changed : {true, false}) {
    Tape tape;
    std::mt19937_64 random(5);
    std::vector<Value> x = tape.inputs("x", 64);
    if (changed) {
      for (Value& value : x) value = tanh(value);
    }
    const Layer layer(tape, 64, {32, tanh}, glorot(random));
    Value total = 0.0;
    for (const Value& output : layer(x)) total += square(output - 0.25);
    const Value loss = batch_mean(total);
    const std::size_t samples = 80;
    const std::vector<double> rows = some_numbers(samples * 64);
    Executor<TestType> executor(compile(loss), {.max_samples = samples});
    const std::vector<double> parameters(executor.parameters().begin(), executor.parameters().end());
    const Evaluation expected = evaluate(loss, {.rows = rows, .samples = samples, .parameters = parameters});
    const std::vector<TestType> in_place(rows.begin(), rows.end());
    executor.bind(std::span<const TestType>(in_place));
    std::vector<std::uint32_t> order(samples);
    std::iota(order.begin(), order.end(), 0u);
    executor.step();
    expect_numbers<TestType>("rows in place", executor.gradients(), expected.gradients, 1000);
    executor.step(order);
    expect_numbers<TestType>("rows gathered", executor.gradients(), expected.gradients, 1000);
  }
}
