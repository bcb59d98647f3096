// A DataView reads numbers where they are, so it takes none that are gone after the statement.
#include "tapeloom/runtime/execute/data_view.h"

#include <array>
#include <cmath>
#include <initializer_list>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/record/value.h"
#include "tapeloom/runtime/files/csv.h"
#include "tapeloom/runtime/files/number_array.h"
#include "tapeloom/runtime/files/safetensors.h"
#include "tapeloom/runtime/train/lbfgs.h"
#include "tapeloom/runtime/train/metrics.h"
#include "tapeloom/runtime/train/trainer.h"

using namespace tapeloom;

namespace {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;
using Array = std::array<double, 4>;
using Plain = float[4];

template <class View, class Rows>
concept Adds = requires(View&& view, Rows&& rows) {
  std::forward<View>(view).add("x", std::forward<Rows>(rows));
  std::forward<View>(view).add(std::string("x"), std::forward<Rows>(rows), std::size_t{4});
};

/// In how many of four ways a view of the rows can be made.
template <class Rows>
constexpr int ways = std::is_constructible_v<DataView, Rows> + std::is_constructible_v<DataView, Rows, std::size_t> +
                     Adds<DataView&, Rows> + Adds<DataView, Rows>;

/// A container of somebody else's that shows itself as a span.
struct Matrix {
  Doubles numbers;
  operator std::span<const double>() const { return numbers; }
};

template <class Rows>
concept HasRow = requires(Rows&& rows) {
  std::forward<Rows>(rows).row(0);
};
template <class File>
concept Finds = requires(File&& file) {
  std::forward<File>(file).find("x");
};

/// x0 - 2 x1
Program difference(Tape& tape) {
  const std::vector<Value> x = tape.inputs("x", 2);
  const Value y = x[0] - 2.0 * x[1];
  return compile_inference(std::span(&y, 1));
}

}  // namespace

TEST_CASE("data_view: containers that are gone after the statement are refused, spans and what stays are taken") {
  STATIC_REQUIRE(ways<Floats&> == 4);
  STATIC_REQUIRE(ways<const Doubles&> == 4);
  STATIC_REQUIRE(ways<Array&> == 4);
  STATIC_REQUIRE(ways<const Plain&> == 4);
  STATIC_REQUIRE(ways<std::span<const float>> == 4);
  STATIC_REQUIRE(ways<std::span<double>> == 4);
  STATIC_REQUIRE(ways<const std::span<const double, 4>> == 4);
  STATIC_REQUIRE(ways<std::span<float>&> == 4);
  STATIC_REQUIRE(ways<const Matrix&> == 4);

  STATIC_REQUIRE(ways<Floats> == 0);
  STATIC_REQUIRE(ways<const Doubles> == 0);
  STATIC_REQUIRE(ways<Array> == 0);
  STATIC_REQUIRE(ways<const Array> == 0);
  STATIC_REQUIRE(ways<Plain> == 0);
  STATIC_REQUIRE(ways<std::initializer_list<double>> == 0);
  STATIC_REQUIRE(ways<Matrix> == 0);
  STATIC_REQUIRE(ways<decltype(read_csv("").values)> == 0);
  STATIC_REQUIRE(ways<decltype((read_csv("").values))> == 0);
}

TEST_CASE("data_view: tables, arrays and files show no part of themselves that is gone after the statement") {
  STATIC_REQUIRE(HasRow<const Table&>);
  STATIC_REQUIRE(!HasRow<Table>);
  STATIC_REQUIRE(!HasRow<const Table>);
  STATIC_REQUIRE(HasRow<NumberArray<float>&>);
  STATIC_REQUIRE(!HasRow<NumberArray<float>>);
  STATIC_REQUIRE(Finds<const TensorFile&>);
  STATIC_REQUIRE(!Finds<TensorFile>);
}

TEST_CASE("data_view: a view that is added to where it is made is a view of its own") {
  Tape tape;
  Executor<double> executor(difference(tape));
  const Doubles rows = {5, 1, 7, 3};
  const DataView& view = DataView().add("x", std::span<const double>(rows));  // lives as long as its name
  STATIC_REQUIRE(std::is_same_v<decltype(DataView().add("x", rows)), DataView>);
  CHECK(predict(executor, view) == Doubles{3, 1});
  const float floats[] = {1, 1, 0, 9, 2, 0};
  DataView second;
  second.add("x", floats, 3);
  CHECK(predict(executor, second) == Doubles{-1, 5});
}

TEST_CASE("data views: what is bound does not stand for a group that is missing") {
  Tape tape;
  const Value x = tape.input(0.0, "x"), y = tape.input(0.0, "y"), w = tape.parameter(1.0);
  Executor<double> executor(compile(batch_mean(pow(w * x - y, 2.0))));
  const Doubles first = {1.0, 2.0}, second = {3.0, 4.0};
  executor.bind("x", first);
  executor.bind("y", first);
  const char* const missing = "no rows for the group \"y\"";
  const DataView part = DataView().add("x", second);
  CHECK_THROWS_SAYING(BindError, missing, fit(executor, part, {}));
  CHECK_THROWS_SAYING(BindError, missing, lbfgs(executor, part, {}));
  const DataView whole = DataView().add("x", second).add("y", second);
  CHECK_THROWS_SAYING(BindError, missing, fit(executor, whole, {.validation_data = part}));
  const std::vector<Value> results = {w * x, y};
  Executor<double> predictor(compile_inference(results), executor);
  predictor.bind("y", first);
  CHECK_THROWS_SAYING(BindError, missing, predict(predictor, part));
  CHECK_THROWS_SAYING(BindError, missing, fit(executor, part, {.validation_fraction = 0.5}, &predictor));
  CHECK(fit(executor, DataView(), {.epochs = 1}).epochs.size() == 1);  // all stays bound
}

TEMPLATE_TEST_CASE("data views: all groups are bound, or none", "", float, double) {
  Tape tape;
  const Value x = tape.input(0.0, "x"), y = tape.input(0.0, "y"), w = tape.parameter(1.0);
  const Program program = compile(batch_sum(square(w * x - y)));
  Executor<TestType> executor(program, {.check_finite = true});
  const Doubles first = {1, 2}, second = {3, 4}, other = {10, 20}, none = {}, wrong = {1, std::nan("")};
  executor.bind("x", first);
  executor.bind("y", second);
  const TestType loss = executor.step();
  const auto check_refused = [&](const DataView& view, const char* what) {
    CHECK_THROWS_SAYING(BindError, what, view.bind(executor));
    CHECK(executor.step() == loss);
  };
  check_refused(DataView().add("x", other).add("y", none), "no rows");
  check_refused(DataView().add("x", other).add("z", other), "no input group \"z\"");
  check_refused(DataView().add("x", other).add("y", wrong), "not finite");
  check_refused(DataView(std::span<const double>(other)).add("y", std::span<const double>(other), 0).add("y", none),
                "no rows");
  CHECK_THROWS_AS(fit(executor, DataView().add("x", other).add("y", none)), BindError);
  CHECK(executor.step() == loss);
}
