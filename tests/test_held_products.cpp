// Gradients of large matrices, which a step of one sample forms only for those who look at them.
#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include "against_evaluate.h"
#include "catch.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/record/functions.h"
#include "tapeloom/runtime/execute/executor.h"
#include "tapeloom/runtime/execute/held_products.h"
#include "tapeloom/runtime/execute/interpreter.h"
#include "tapeloom/runtime/train/optimizer.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

constexpr std::size_t inputs = 300, targets = 3;

/// Layers that are wide and of which none has a width that fills vectors: 300-37-70-3.
struct Net {
  Tape tape;
  std::vector<Value> x = tape.inputs("x", inputs), y = tape.inputs("y", targets);
  std::vector<Layer> layers;
  Value loss = 0.0;
  std::vector<double> rows = some_numbers(2 * (inputs + targets), 5);

  explicit Net(const Activation& activation = tanh) {
    std::mt19937 random(1);
    const MLP net(tape, inputs, {{37, activation}, {70, activation}, {targets}}, glorot(random));
    layers.assign(net.layers().begin(), net.layers().end());
    loss = batch_mean(squared_error_sum(net(x), y));
  }
  template <class T>
  Executor<T> executor() const {
    Executor<T> made(compile(loss), {.max_samples = 1});
    made.bind(rows);
    return made;
  }
  std::vector<double> gradients(std::size_t row, std::span<const double> parameters = {}) const {
    const std::size_t columns = inputs + targets;
    return evaluate(loss,
                    {.rows = std::span(rows).subspan(row * columns, columns), .samples = 1, .parameters = parameters})
        .gradients;
  }
};

template <class T>
void expect_near(std::span<const T> numbers, std::span<const double> expected) {
  REQUIRE(numbers.size() == expected.size());
  const double most = std::abs(*std::ranges::max_element(expected, {}, [](double x) { return std::abs(x); }));
  const double tolerance = 100.0 * std::numeric_limits<T>::epsilon() * most;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    INFO("number " << i);
    REQUIRE(std::abs(static_cast<double>(numbers[i]) - expected[i]) <= tolerance);
  }
}

template <class T>
std::vector<T> copy_of(std::span<const T> numbers) {
  return {numbers.begin(), numbers.end()};
}

}  // namespace

TEST_CASE("the gradients of wide layers are held, and those of narrow ones are not") {
  const Net net;
  const Program program = compile(net.loss);
  REQUIRE(program.of_one_sample != nullptr);
  CHECK(runtime::find_held_products(*program.of_one_sample).size() == 2);
  CHECK(runtime::find_held_products(program).empty());
}

TEST_CASE("rows of a few vectors are held only if these are full") {
  const auto held = [](std::size_t width, const runtime::VectorLanes& lanes) {
    Tape tape;
    std::mt19937 random(1);
    const MLP net(tape, width, {{1000, tanh}, {1}}, glorot(random));
    const Program program = compile(batch_mean(square(net(tape.inputs("x", width))[0])));
    REQUIRE(program.of_one_sample != nullptr);
    return runtime::find_held_products(*program.of_one_sample, lanes).size();
  };
  for (const std::size_t width : {8, 16, 32, 48, 65, 70}) CHECK(held(width, {16, 8}) == 1);
  for (const std::size_t width : {5, 10, 12, 17, 40, 63}) CHECK(held(width, {16, 8}) == 0);
  for (const std::size_t width : {4, 8, 16, 33}) CHECK(held(width, {8, 4}) == 1);
  for (const std::size_t width : {5, 12, 20, 31}) CHECK(held(width, {8, 4}) == 0);
}

TEMPLATE_TEST_CASE("gradients that were held are those of the step, whenever one looks at them", "", float, double) {
  const Net net;
  Executor<TestType> executor = net.executor<TestType>();
  executor.step(0, 1);
  const std::vector<double> expected = net.gradients(0);
  SECTION("after the parameters have changed") {
    std::ranges::fill(executor.parameters(), TestType(7));
    expect_near<TestType>(executor.gradients(), expected);
  }
  SECTION("after descending by them") {
    Sgd<TestType>({.learning_rate = 0.5}).update(executor);
    expect_near<TestType>(executor.gradients(), expected);
  }
  SECTION("after other rows were bound") {
    const std::vector<double> others(inputs + targets, 3.0);
    executor.bind(others);
    expect_near<TestType>(executor.gradients(), expected);
  }
  SECTION("in two threads") {
    std::span<const TestType> in_thread;
    std::thread other([&] { in_thread = executor.gradients(); });
    expect_near<TestType>(executor.gradients(), expected);
    other.join();
    expect_near(in_thread, expected);
  }
  SECTION("by a span of a step before") {
    const std::span<const TestType> gradients = executor.gradients();
    executor.step(1, 1);
    expect_near(gradients, net.gradients(1));
  }
}

TEMPLATE_TEST_CASE("to descend by held gradients is parameters - rate * gradients", "", float, double) {
  const Net net;
  Executor<TestType> executor = net.executor<TestType>(), watched = net.executor<TestType>();
  const std::vector<double> start(
      net.tape.parameters().size() > 0 ? executor.parameters().begin() : executor.parameters().end(),
      executor.parameters().end());
  Sgd<TestType> sgd({.learning_rate = 0.25}), other({.learning_rate = 0.25});
  std::vector<double> expected = start;
  for (const std::size_t row : {0, 1, 0}) {
    const std::vector<double> gradients = net.gradients(row, expected);
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] -= 0.25 * gradients[i];
    executor.step(row, 1);
    sgd.update(executor);
    watched.step(row, 1);
    static_cast<void>(watched.gradients());  // to look at them changes nothing
    other.update(watched);
  }
  expect_near<TestType>(executor.parameters(), expected);
  CHECK(copy_of<TestType>(executor.parameters()) == copy_of<TestType>(watched.parameters()));
}

TEST_CASE("rows that all have one adjoint descend, too") {
  Tape tape;
  std::mt19937 random(1);
  const std::vector<Value> x = tape.inputs("x", 300);
  const Layer layer(tape, 300, {20}, glorot(random));
  Value sum = 0.0;
  const std::vector<Value> h = layer(x);
  for (const Value each : h) sum += each;
  const Value loss = batch_mean(square(sum));
  const Program program = compile(loss, {.outputs = h});  // without, all is one sum
  REQUIRE(program.of_one_sample != nullptr);
  REQUIRE(runtime::find_held_products(*program.of_one_sample).size() == 1);
  Executor<double> executor(program, {.max_samples = 1});
  const std::vector<double> row = some_numbers(300);
  executor.bind(row);
  const std::vector<double> start = copy_of<double>(executor.parameters());
  executor.step();
  executor.descend(0.5);
  const std::vector<double> gradients = evaluate(loss, {.rows = row, .samples = 1}).gradients;
  for (std::size_t i = 0; i < start.size(); ++i) {
    REQUIRE(std::abs(executor.parameters()[i] - (start[i] - 0.5 * gradients[i])) < 1e-10);
  }
}

TEST_CASE("frozen layers stay what they are when others descend") {
  const Net net;
  Executor<double> executor = net.executor<double>();
  executor.step(0, 1);
  executor.set_frozen(tensor_layout(net.layers[0]));
  const std::vector<double> start = copy_of<double>(executor.parameters());
  std::vector<double> expected = net.gradients(0);
  const std::size_t first = (inputs + 1) * 37;
  std::fill_n(expected.begin(), first, 0.0);
  expect_near<double>(executor.gradients(), expected);
  for (int steps = 0; steps < 2; ++steps) {
    executor.descend(1.0);
    executor.set_parameters(start);
    executor.step(0, 1);
  }
  executor.descend(1.0);
  for (std::size_t i = 0; i < start.size(); ++i) {
    REQUIRE(std::abs(executor.parameters()[i] - (start[i] - expected[i])) < 1e-12);
  }
}

TEST_CASE("what is infinite does not reach the gradients of units it does not touch") {
  // relu has a derivative of 0 at -inf, and 0 * inf is not counted where a choice was not taken.
  Tape tape;
  std::mt19937 random(1);
  const std::vector<Value> x = tape.inputs("x", 60);
  const Layer layer(tape, 60, {40, tanh}, glorot(random));
  std::vector<Value> chosen;
  for (const Value h : layer(x)) chosen.push_back(where(x[0] > 0.0, h, 1.0));
  Value loss = 0.0;
  for (const Value h : chosen) loss += square(h);
  loss = batch_mean(loss);
  const Program program = compile(loss);
  REQUIRE(program.of_one_sample != nullptr);
  REQUIRE(runtime::find_held_products(*program.of_one_sample).size() == 1);
  Executor<double> executor(program, {.max_samples = 1, .check_finite = false});
  std::vector<double> row = some_numbers(60);
  row[0] = -1.0, row[5] = std::numeric_limits<double>::infinity();
  executor.bind(row);
  const std::vector<double> start = copy_of<double>(executor.parameters());
  executor.step();
  executor.descend(1.0);
  CHECK(copy_of<double>(executor.parameters()) == start);  // the layer was not chosen: all gradients are zero
  CHECK(std::ranges::all_of(executor.gradients(), [](double g) { return g == 0.0; }));
  row[0] = 1.0, row[5] = 0.5;
  executor.bind(row);
  executor.step();
  executor.descend(1.0);
  CHECK(copy_of<double>(executor.parameters()) != start);
}

TEST_CASE("gradients of products that run once are watched by their first row and column") {
  // Two uses of a matrix are added up, so its gradient is not held; the first row and column say whether it is finite.
  Tape tape;
  std::mt19937 random(1);
  const std::vector<Value> x = tape.inputs("x", 40);
  const Layer layer(tape, 40, {40, relu}, glorot(random));
  Value loss = 0.0;
  for (const Value h : layer(layer(x))) loss += where(x[0] > 0.0, h, 0.0);
  loss = batch_mean(loss);
  const Program program = compile(loss);
  REQUIRE(program.of_one_sample != nullptr);
  Executor<double> executor(program, {.max_samples = 1, .check_finite = false});
  std::vector<double> row = some_numbers(40);
  row[0] = -1.0, row[7] = std::numeric_limits<double>::infinity();
  executor.bind(row);
  executor.step();
  CHECK(std::ranges::all_of(executor.gradients(), [](double g) { return g == 0.0; }));
}
