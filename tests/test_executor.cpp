// Binding rows, running steps and reading results; and what is refused, with which words.
#include <filesystem>
#include <numeric>
#include <utility>

#include "against_evaluate.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/nets/tensor_layout.h"
#include "tapeloom/runtime/files/program_file.h"
#include "tapeloom/runtime/train/metrics.h"
#include "tapeloom/runtime/train/optimizer.h"
#include "tapeloom/runtime/train/weights.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

std::vector<float> as_floats(const std::vector<double>& numbers) { return {numbers.begin(), numbers.end()}; }

template <class T>
std::vector<T> copied(std::span<const T> numbers) {
  return {numbers.begin(), numbers.end()};
}

/// Columns [first, first + count) of rows of four numbers.
std::vector<double> columns(const std::vector<double>& rows, std::size_t first, std::size_t count) {
  std::vector<double> part;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i % 4 >= first && i % 4 < first + count) part.push_back(rows[i]);
  }
  return part;
}

/// Everything a step gave, to compare steps bit for bit.
template <class T>
std::vector<T> results(const Executor<T>& executor) {
  std::vector<T> all = {executor.loss()};
  for (auto list : {executor.gradients(), executor.outputs()}) all.insert(all.end(), list.begin(), list.end());
  if (executor.program().has_input_gradients) {
    const auto list = executor.input_gradients();
    all.insert(all.end(), list.begin(), list.end());
  }
  return all;
}

template <class T>
Executor<T> executor_of(SmallNet& net, std::size_t max_samples = 64) {
  return Executor<T>(compile(net.loss, {.outputs = {net.prediction}, .input_gradients = true}),
                     {.max_samples = max_samples});
}

}  // namespace

TEMPLATE_TEST_CASE("executor: groups, all at once, strides, both number types bind the same rows", "", float, double) {
  SmallNet net;
  const std::vector<double> rows = some_numbers(4 * 20);
  Executor<TestType> executor = executor_of<TestType>(net);
  executor.bind(std::span<const double>(rows));
  executor.step();
  const auto expected = results(executor);
  CHECK(executor.outputs().size() == 20);
  CHECK(executor.input_gradients().size() == 80);

  const std::vector<double> x = columns(rows, 0, 3), y = columns(rows, 3, 1);
  executor.bind("x", std::span<const double>(x));
  executor.bind("y", std::span<const double>(y));
  executor.step();
  CHECK(results(executor) == expected);

  // Both groups out of the rows of four, without copying: the gap after the last row may be missing.
  executor.bind("x", std::span<const double>(rows), 4);
  executor.bind("y", std::span<const double>(rows).subspan(3), 4);
  executor.step();
  CHECK(results(executor) == expected);

  // Rows of seven of which the first four count, with and without the last gap.
  std::vector<double> wide(7 * 20, not_a_number);
  for (std::size_t i = 0; i < rows.size(); ++i) wide[i / 4 * 7 + i % 4] = rows[i];
  executor.bind(std::span<const double>(wide), 7);
  executor.step();
  CHECK(results(executor) == expected);
  executor.bind(std::span<const double>(wide).first(7 * 19 + 4), 7);
  executor.step();
  CHECK(results(executor) == expected);

  // Floats, against the same numbers as doubles.
  const std::vector<float> floats = as_floats(rows), float_y = as_floats(y);
  const std::vector<double> rounded(floats.begin(), floats.end());
  executor.bind(std::span<const double>(rounded));
  executor.step();
  const auto from_rounded = results(executor);
  executor.bind(std::span<const float>(floats));
  executor.step();
  CHECK(results(executor) == from_rounded);
  executor.bind("x", std::span<const float>(floats), 4);
  executor.bind("y", std::span<const float>(float_y));
  executor.step();
  CHECK(results(executor) == from_rounded);
}

TEST_CASE("executor: rows are read in place, so a change of the data is seen by the next step") {
  SmallNet net;
  std::vector<double> rows = some_numbers(4 * 3);
  Executor<double> executor = executor_of<double>(net);
  executor.bind(std::span<const double>(rows));
  const double before = executor.step();
  rows[3] += 1.0;
  CHECK(executor.step() != before);
  CHECK(executor.step() == Approx(evaluate(net.loss, {.rows = rows, .samples = 3}).root[0]));
}

template <class... Rows>
constexpr bool binds = requires(Executor<float> executor, Rows... rows) {
  executor.bind(std::forward<Rows>(rows)...);
};

TEST_CASE("executor: numbers that would be gone before the step cannot be bound") {
  using Floats = std::vector<float>;
  using Doubles = std::vector<double>;
  STATIC_REQUIRE(binds<Floats&>);
  STATIC_REQUIRE(binds<const Doubles&, std::size_t>);
  STATIC_REQUIRE(binds<const char*, Doubles&>);
  STATIC_REQUIRE(binds<std::string, const Floats&, std::size_t>);
  STATIC_REQUIRE(binds<std::span<const float>>);
  STATIC_REQUIRE(binds<std::string_view, std::span<const double>>);
  STATIC_REQUIRE(!binds<Floats>);
  STATIC_REQUIRE(!binds<const Doubles, std::size_t>);
  STATIC_REQUIRE(!binds<const char*, Doubles>);
  STATIC_REQUIRE(!binds<std::string, Floats, std::size_t>);
  using Array = std::array<float, 4>;
  using Plain = float[4];
  STATIC_REQUIRE(binds<Array&>);
  STATIC_REQUIRE(binds<const Plain&, std::size_t>);
  STATIC_REQUIRE(binds<std::string_view, std::span<double>>);
  STATIC_REQUIRE(binds<const std::span<const float, 4>>);
  STATIC_REQUIRE(!binds<Array>);
  STATIC_REQUIRE(!binds<std::string_view, const std::array<double, 4>>);
  STATIC_REQUIRE(!binds<Plain>);
  STATIC_REQUIRE(!binds<std::initializer_list<float>>);
}

TEST_CASE("executor: wrong bindings are refused with the group's name") {
  SmallNet net;
  const std::vector<double> rows = some_numbers(4 * 20);
  const std::span<const double> all(rows);
  Executor<double> executor = executor_of<double>(net, 12);
  CHECK_THROWS_SAYING(BindError, "\"x\" is not bound", executor.step());
  CHECK_THROWS_SAYING(BindError, "\"x\" is not bound", executor.step(0, 1));
  CHECK_THROWS_SAYING(BindError, "\"z\"", executor.bind("z", all));
  CHECK_THROWS_SAYING(BindError, "\"x\" \"y\"", executor.bind("z", all));
  CHECK_THROWS_SAYING(BindError, "\"x\"", executor.bind("x", all.first(4)));
  CHECK_THROWS_SAYING(BindError, "rows of 3", executor.bind("x", all.first(4)));
  CHECK_THROWS_SAYING(BindError, "\"x\"", executor.bind("x", all.first(9), 4));
  CHECK_THROWS_SAYING(BindError, "\"x\"", executor.bind("x", all.first(6), 2));
  CHECK_THROWS_SAYING(BindError, "all inputs: rows of 4 numbers are needed; 7", executor.bind(all.first(7)));
  CHECK_THROWS_SAYING(BindError, "all inputs: rows of 4 numbers, 5 apart, are needed", executor.bind(all.first(8), 5));
  CHECK_THROWS_AS(executor.bind("x", all.first(0)), BindError);
  CHECK_THROWS_AS(executor.bind(all.first(0)), BindError);
  CHECK_THROWS_AS(executor.bind(all.first(2), 3), BindError);

  executor.bind("x", all.first(3 * 5));
  CHECK_THROWS_SAYING(BindError, "\"y\" is not bound", executor.step());
  executor.bind("y", all.first(6));
  CHECK_THROWS_SAYING(BindError, "5", executor.step());
  CHECK_THROWS_SAYING(BindError, "6 rows", executor.step());
  CHECK_NOTHROW(executor.step(0, 5));  // rows that both groups have
  CHECK_THROWS_SAYING(BindError, "row 5", executor.step(1, 5));

  executor.bind(all);
  CHECK_THROWS_SAYING(BindError, "empty", executor.step(0, 0));
  CHECK_THROWS_SAYING(BindError, "empty", executor.step(std::span<const std::uint32_t>()));
  CHECK_THROWS_SAYING(BindError, "max_samples = 12", executor.step());
  CHECK_THROWS_SAYING(BindError, "max_samples = 12", executor.step(0, 13));
  CHECK_THROWS_AS(executor.step(20, 1), BindError);
  CHECK_THROWS_AS(executor.step(19, 2), BindError);
  CHECK_THROWS_AS(executor.step(SIZE_MAX, 1), BindError);
  CHECK_THROWS_AS(executor.step(SIZE_MAX, 2), BindError);
  CHECK_THROWS_AS(executor.step(2, SIZE_MAX), BindError);
  CHECK_NOTHROW(executor.step(8, 12));
  const std::vector<std::uint32_t> beyond = {0, 20, 1};
  CHECK_THROWS_SAYING(BindError, "row 20", executor.step(beyond));
  const std::vector<std::uint32_t> last = {0, 19, 1};
  CHECK_NOTHROW(executor.step(last));

  CHECK_THROWS_SAYING(BindError, "\"temperature\"; the program has none",
                      executor.set_uniform_input("temperature", 1.0));
  CHECK_THROWS_SAYING(BindError, "max_samples", executor_of<double>(net, 0));
}

TEST_CASE("executor: rows without a name are refused where they could be of two widths") {
  SmallNet net;
  const std::vector<Value> outputs = {net.prediction};
  Executor<double> inference(compile_inference(outputs));  // reads "x", 3 numbers, and not "y", 1 number
  // Twelve numbers: three rows of both groups, or four rows of "x".
  const std::vector<double> rows = some_numbers(12);
  const std::span<const double> all(rows);
  const char* const names = "reads \"x\" (3 numbers) and not \"y\" (1 number), so a row may have 3 numbers or all 4";
  CHECK_THROWS_SAYING(BindError, names, inference.bind(all));
  CHECK_THROWS_SAYING(BindError, "bind(\"x\", rows), or say by row_stride", inference.bind(all));
  // Refused whatever their number, so that it does not depend on how many rows there happen to be.
  CHECK_THROWS_SAYING(BindError, names, inference.bind(all.first(9)));
  CHECK_THROWS_SAYING(BindError, names, inference.bind(all.first(8)));
  CHECK_THROWS_SAYING(BindError, "with row_stride = 2", inference.bind(all, 2));
  CHECK_THROWS_SAYING(BindError, names, inference.bind(std::span<const float>(as_floats(rows))));
  CHECK_THROWS_SAYING(BindError, "\"x\" is not bound", inference.step());

  const auto predicted = [&] {
    inference.step();
    return copied(inference.outputs());
  };
  const auto expected = [&](std::span<const double> of, std::size_t samples) {
    return evaluate(net.prediction, {.rows = of, .samples = samples}).root;
  };
  inference.bind("x", all);
  std::vector<double> with_y;
  for (std::size_t i = 0; i < 12; ++i) {
    with_y.push_back(rows[i]);
    if (i % 3 == 2) with_y.push_back(not_a_number);
  }
  const std::vector<double> four = expected(with_y, 4), three = expected(all, 3);
  expect_numbers<double>("by name", predicted(), four, 8);
  inference.bind(all, 3);
  expect_numbers<double>("the used group alone", predicted(), four, 8);
  inference.bind(all, 4);
  expect_numbers<double>("both groups", predicted(), three, 8);
  std::vector<double> wide;
  for (std::size_t i = 0; i < 12; ++i) {
    wide.push_back(rows[i]);
    if (i % 4 == 3) wide.push_back(not_a_number);
  }
  inference.bind(std::span<const double>(wide), 5);
  expect_numbers<double>("both groups and a gap", predicted(), three, 8);
  CHECK_THROWS_SAYING(BindError, "all inputs: rows of 3 numbers are needed; 11", inference.bind(all.first(11), 3));

  // An unused group before a used one, and one between.
  Tape tape;
  std::vector<Value> v;
  for (const char* const name : {"a", "b", "c", "d"}) v.push_back(tape.input(0.0, name));
  Executor<double> differences(compile_inference(std::vector<Value>{v[1] - v[3]}));
  CHECK_THROWS_SAYING(BindError, "\"b\" (1 number), \"d\" (1 number) and not \"a\" (1 number), \"c\" (1 number)",
                      differences.bind(all));
  const std::vector<double> numbers = {1, 2, 4, 8, 16, 32, 64, 128};
  differences.bind(std::span<const double>(numbers), 2);
  differences.step();
  CHECK(copied(differences.outputs()) == std::vector<double>{-1, -4, -16, -64});
  differences.bind(std::span<const double>(numbers), 4);
  differences.step();
  CHECK(copied(differences.outputs()) == std::vector<double>{2 - 8, 32 - 128});

  // A program that reads none of its groups has as many samples as there are rows, and one reading.
  const Value w = tape.parameter(0.5);
  Executor<double> none(compile_inference(std::vector<Value>{w * 2.0}));
  none.bind(std::span<const double>(numbers));
  none.step();
  CHECK(none.outputs().size() == 2);
}

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

TEMPLATE_TEST_CASE("executor: lists of rows, with repeats and in any order", "", float, double) {
  SmallNet net;
  const std::vector<double> rows = some_numbers(4 * 50);
  Executor<TestType> executor = executor_of<TestType>(net);
  executor.bind(std::span<const double>(rows));
  executor.step(10, 30);
  const auto contiguous = results(executor);
  std::vector<std::uint32_t> list(30);
  std::iota(list.begin(), list.end(), 10u);
  executor.step(list);
  CHECK(results(executor) == contiguous);

  std::reverse(list.begin(), list.end());
  const std::vector<TestType> forward = [&] {
    executor.step(10, 30);
    return copied(executor.outputs());
  }();
  const TestType loss = executor.loss();
  executor.step(list);
  CHECK(executor.loss() == Approx(loss).epsilon(32.0 * std::numeric_limits<TestType>::epsilon()));
  for (std::size_t s = 0; s < 30; ++s) CHECK(executor.outputs()[s] == forward[29 - s]);

  const std::vector<std::uint32_t> repeated = {7, 7, 3, 49, 7, 0};
  std::vector<double> copies;
  for (std::uint32_t row : repeated) copies.insert(copies.end(), rows.begin() + 4 * row, rows.begin() + 4 * row + 4);
  executor.step(repeated);
  const auto listed = results(executor);
  executor.bind(std::span<const double>(copies));
  executor.step();
  CHECK(results(executor) == listed);
}

TEST_CASE("executor: non-finite data is refused while binding, if asked") {
  SmallNet net;
  std::vector<double> rows = some_numbers(4 * 3);
  for (double bad : {not_a_number, inf, -inf}) {
    rows[4 * 1 + 2] = bad;
    Executor<double> checking(compile(net.loss), {.max_samples = 8, .check_finite = true});
    CHECK_THROWS_SAYING(BindError, "all inputs: row 1, column 2 is not finite",
                        checking.bind(std::span<const double>(rows)));
    CHECK_THROWS_SAYING(BindError, "\"x\"", checking.bind("x", std::span<const double>(rows), 4));
    CHECK_NOTHROW(checking.bind("y", std::span<const double>(rows).subspan(3), 4));  // the bad one is not in "y"
    const std::vector<float> floats = as_floats(rows);
    CHECK_THROWS_SAYING(BindError, "row 1, column 2", checking.bind(std::span<const float>(floats)));
    CHECK_NOTHROW(checking.bind(std::span<const double>(rows).first(4)));
    Executor<double> not_checking = executor_of<double>(net);
    CHECK_NOTHROW(not_checking.bind(std::span<const double>(rows)));
    not_checking.step();
    CHECK(std::isnan(not_checking.loss()) == std::isnan(bad));  // tanh of an infinity is finite
  }
  // A number that a float cannot hold is infinite by the time it is used.
  rows[4 * 1 + 2] = 1e300;
  Executor<float> checking(compile(net.loss), {.max_samples = 8, .check_finite = true});
  CHECK_THROWS_SAYING(BindError, "row 1, column 2 is too large", checking.bind(std::span<const double>(rows)));
  CHECK_THROWS_SAYING(BindError, "\"t\"", [&] {
    Tape tape;
    const Value p = tape.parameter(1.0);
    Executor<float>(compile(p * tape.uniform_input(1.0, "t")), {.check_finite = true}).set_uniform_input("t", -1e39);
  }());
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

TEMPLATE_TEST_CASE("executor: the way to predict that is natural is right or refused", "", float, double) {
  SmallNet net;
  const std::vector<double> rows = some_numbers(4 * 10), x = columns(rows, 0, 3);
  const std::vector<Value> outputs = {net.prediction};
  const Program program = compile(net.loss, {.outputs = outputs}), inference = compile_inference(outputs);
  const char* const forgotten = "another executor for the same tape has trained its own. Share them";

  Executor<TestType> second(program), predictor(inference);
  Executor<double> in_double(inference);
  predictor.bind("x", std::span<const double>(x));
  in_double.bind("x", std::span<const double>(x));
  second.bind(std::span<const double>(rows));
  CHECK_NOTHROW(predictor.step());  // nothing is trained yet
  CHECK_NOTHROW(predict(second, DataView(rows)));
  {
    Executor<TestType> trained(program);
    CHECK(trained.parameters().size() == 6);  // to be written, but it is not
    CHECK_NOTHROW(predictor.step());
    trained.bind(std::span<const double>(rows));
    trained.step();
    CHECK_NOTHROW(predictor.step());
    Sgd<TestType>({.learning_rate = 0.1}).update(trained);

    CHECK_THROWS_SAYING(BindError, forgotten, predictor.step());
    CHECK_THROWS_SAYING(BindError, forgotten, predictor.step(0, 2));
    CHECK_THROWS_SAYING(BindError, "no results", predictor.outputs());
    CHECK_THROWS_SAYING(BindError, forgotten, in_double.step());
    CHECK_THROWS_SAYING(BindError, forgotten, predict(second, DataView(rows)));
    CHECK_THROWS_SAYING(BindError, forgotten, export_weights(second));
    CHECK_THROWS_SAYING(BindError, forgotten, save_program("forgotten.tapeloom", second));
    CHECK_THROWS_SAYING(BindError, "save_program(path, executor) saves those",
                        save_program("forgotten.tapeloom", trained.program()));
    CHECK_THROWS_SAYING(BindError, "save_program(path, executor) saves those",
                        save_program("forgotten.tapeloom", inference));
    CHECK_FALSE(std::filesystem::exists("forgotten.tapeloom"));
    CHECK_NOTHROW(second.step());  // the first step of a training run of its own

    // What the messages advise.
    trained.step();
    const std::vector<TestType> expected = copied(trained.outputs());
    Executor<TestType> sharing(inference, trained);
    CHECK(predict(sharing, DataView().add("x", x)) == expected);
    save_program("trained.tapeloom", trained);
    Executor<TestType> loaded(load_program("trained.tapeloom"));
    CHECK(predict(loaded, DataView(rows)) == expected);
    predictor.set_parameters(trained.parameters());
    predictor.step();
    CHECK(copied(predictor.outputs()) == expected);
    second.set_parameters(second.parameters());  // the initial ones are meant
    CHECK_NOTHROW(predict(second, DataView(rows)));
    Program initial = program;
    initial.recording = 0;
    CHECK_NOTHROW(save_program("initial.tapeloom", initial));

    // A program that is compiled after the tape got other numbers begins with those.
    trained.copy_parameters_to(net.tape);
    Executor<double> later(compile_inference(outputs));
    later.bind("x", std::span<const double>(x));
    CHECK_NOTHROW(later.step());
    CHECK(later.outputs()[3] == Approx(expected[3]).epsilon(1e-6));
  }
  // Nobody has trained numbers any more.
  predictor.set_parameters(second.parameters());
  CHECK_NOTHROW(in_double.step());
  CHECK_NOTHROW(save_program("initial.tapeloom", program));
}

TEST_CASE("executor: parameters that were written by hand are trained ones, too") {
  SmallNet net;
  const std::vector<double> rows = some_numbers(4 * 10);
  const std::vector<Value> outputs = {net.prediction};
  Executor<double> trained(compile(net.loss)), predictor(compile_inference(outputs));
  trained.bind(std::span<const double>(rows));
  predictor.bind(std::span<const double>(rows), 4);
  const std::span<double> parameters = trained.parameters();
  CHECK_NOTHROW(predictor.step());
  for (int i = 0; i < 2; ++i) {
    trained.step();
    for (std::size_t k = 0; k < 6; ++k) parameters[k] -= 0.1 * trained.gradients()[k];
  }
  CHECK_THROWS_SAYING(BindError, "Share them", predictor.step());
  const std::span<double> own = predictor.parameters();
  CHECK_THROWS_SAYING(BindError, "Share them", predictor.step());
  own[2] = 0.125;
  CHECK_NOTHROW(predictor.step());
}

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

TEST_CASE("executor: a validation loss by initial parameters is refused, too") {
  Tape tape;
  const Value w = tape.parameter(0.5, "w"), x = tape.input(0.0, "x");
  const Value loss = batch_mean(square(w * x - 3.0));
  const std::vector<double> numbers = {1.0, 2.0};
  Executor<double> trained(compile(loss));
  trained.bind(numbers);
  trained.step();
  Sgd<double> sgd({.learning_rate = 0.1});
  sgd.update(trained);
  Executor<double> forgotten(compile(loss, {.gradients = false}));
  forgotten.bind(numbers);
  CHECK_THROWS_SAYING(BindError, "Share them", forgotten.step());
  Executor<double> sharing(compile(loss, {.gradients = false}), trained);
  sharing.bind(numbers);
  CHECK(sharing.step() == trained.step());
}
