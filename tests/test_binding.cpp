// Binding rows: in which ways, and what is refused with which words.
#include <array>
#include <numeric>
#include <utility>

#include "executor_results.h"
#include "tapeloom/core/base/error.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

std::vector<float> as_floats(const std::vector<double>& numbers) { return {numbers.begin(), numbers.end()}; }

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

TEST_CASE("executor: a group that only a branch reads is said to be such a one") {
  Tape tape;
  const Value x = tape.input(1.0, "x"), w = tape.parameter(2.0, "w");
  const Value loss = x > 0.0 ? w * w : w;
  Executor<double> guarded(compile(loss));
  CHECK_THROWS_SAYING(BindError, "\"x\" is not bound; if no result needs it, a branch", guarded.step());
  Executor<double> other(compile(w * w, {.branches_from = tape.mark()}));
  other.step();
  CHECK(other.loss() == 4.0);
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
