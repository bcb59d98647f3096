// A DataView reads numbers where they are, so it takes none that are gone after the statement.
#include "tapeloom/runtime/data_view.h"

#include <array>
#include <initializer_list>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/value.h"
#include "tapeloom/runtime/csv.h"
#include "tapeloom/runtime/metrics.h"
#include "tapeloom/runtime/number_array.h"
#include "tapeloom/runtime/safetensors.h"

using namespace tapeloom;

namespace {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;
using Array = std::array<double, 4>;
using Plain = float[4];

template <class Rows>
constexpr bool views = std::is_constructible_v<DataView, Rows> &&
    std::is_constructible_v<DataView, Rows, std::size_t> && requires(DataView view, Rows&& rows) {
  view.add("x", std::forward<Rows>(rows));
  view.add(std::string("x"), std::forward<Rows>(rows), std::size_t{4});
  DataView().add("x", std::forward<Rows>(rows));
};

/// None of the four ways.
template <class Rows>
constexpr bool refused = !std::is_constructible_v<DataView, Rows> &&
    !std::is_constructible_v<DataView, Rows, std::size_t> &&
    !requires(DataView view, Rows&& rows) { view.add("x", std::forward<Rows>(rows)); } &&
    !requires(Rows&& rows) { DataView().add("x", std::forward<Rows>(rows)); };

/// A container of somebody else's that shows itself as a span.
struct Matrix {
  Doubles numbers;
  operator std::span<const double>() const { return numbers; }
};

template <class Rows>
constexpr bool has_row = requires(Rows&& rows) { std::forward<Rows>(rows).row(0); };
template <class File>
constexpr bool finds = requires(File&& file) { std::forward<File>(file).find("x"); };

/// x0 - 2 x1
Program difference(Tape& tape) {
  const std::vector<Value> x = tape.inputs("x", 2);
  const Value y = x[0] - 2.0 * x[1];
  return compile_inference(std::span(&y, 1));
}

}  // namespace

TEST_CASE("data_view: containers that are gone after the statement are refused, spans and what stays are taken") {
  STATIC_REQUIRE(views<Floats&>);
  STATIC_REQUIRE(views<const Doubles&>);
  STATIC_REQUIRE(views<Array&>);
  STATIC_REQUIRE(views<const Plain&>);
  STATIC_REQUIRE(views<std::span<const float>>);
  STATIC_REQUIRE(views<std::span<double>>);
  STATIC_REQUIRE(views<const std::span<const double, 4>>);
  STATIC_REQUIRE(views<std::span<float>&>);
  STATIC_REQUIRE(views<const Matrix&>);

  STATIC_REQUIRE(refused<Floats>);
  STATIC_REQUIRE(refused<const Doubles>);
  STATIC_REQUIRE(refused<Array>);
  STATIC_REQUIRE(refused<const Array>);
  STATIC_REQUIRE(refused<Plain>);
  STATIC_REQUIRE(refused<std::initializer_list<double>>);
  STATIC_REQUIRE(refused<Matrix>);
  STATIC_REQUIRE(refused<decltype(read_csv("").values)>);
  STATIC_REQUIRE(refused<decltype((read_csv("").values))>);
}

TEST_CASE("data_view: tables, arrays and files show no part of themselves that is gone after the statement") {
  STATIC_REQUIRE(has_row<const Table&>);
  STATIC_REQUIRE(!has_row<Table>);
  STATIC_REQUIRE(!has_row<const Table>);
  STATIC_REQUIRE(has_row<NumberArray<float>&>);
  STATIC_REQUIRE(!has_row<NumberArray<float>>);
  STATIC_REQUIRE(finds<const TensorFile&>);
  STATIC_REQUIRE(!finds<TensorFile>);
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
  CHECK(predict(executor, second) == Doubles{-1, -2});
}
