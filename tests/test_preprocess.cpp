#include "tapeloom/runtime/train/preprocess.h"

#include <cmath>
#include <limits>

#include "catch.h"
#include "tapeloom/core/base/error.h"

using namespace tapeloom;

namespace {

const std::vector<double> rows = {1, 10, 5, /**/ 3, 10, 6, /**/ 5, 10, 10};  // the middle column is the same everywhere

}  // namespace

TEMPLATE_TEST_CASE("preprocess: means and deviations, computed by hand", "", float, double) {
  const std::vector<TestType> numbers(rows.begin(), rows.end());
  const Standardisation s = standardise(numbers, 3);
  CHECK(s.mean[0] == Approx(3.0));
  CHECK(s.mean[1] == 10.0);
  CHECK(s.mean[2] == Approx(7.0));
  CHECK(s.deviation[0] == Approx(std::sqrt(8.0 / 3.0)));
  CHECK(s.deviation[1] == 1.0);
  CHECK(s.deviation[2] == Approx(std::sqrt(14.0 / 3.0)));  // 4 + 1 + 9

  std::vector<TestType> changed = numbers;
  s.apply(changed);
  CHECK(changed[0] == Approx(-2.0 / std::sqrt(8.0 / 3.0)));
  CHECK(changed[1] == 0);
  CHECK(changed[8] == Approx(3.0 / std::sqrt(14.0 / 3.0)));
  s.undo(changed);
  for (std::size_t i = 0; i < 9; ++i) CHECK(changed[i] == Approx(numbers[i]));
}

TEST_CASE("preprocess: of chosen rows, and of a part of the columns") {
  const std::vector<std::uint32_t> chosen = {2, 0};
  const Standardisation s = standardise(rows, 2, chosen, 3);
  CHECK(s.columns() == 2);
  CHECK(s.mean[0] == Approx(3.0));
  CHECK(s.deviation[0] == Approx(2.0));
  std::vector<double> changed = rows;
  s.apply(changed, 3);
  CHECK(changed[0] == Approx(-1.0));
  CHECK(changed[2] == 5.0);
  CHECK(changed[5] == 6.0);
  // The numbers behind the last row may be missing.
  changed.pop_back();
  s.undo(changed, 3);
  CHECK(changed[0] == Approx(1.0));
}

TEST_CASE("preprocess: a large mean costs no digits") {
  std::vector<double> numbers;
  for (int i = 0; i < 1000; ++i) numbers.push_back(1e9 + i % 2);
  CHECK(standardise(numbers, 1).deviation[0] == Approx(0.5).epsilon(1e-12));
}

TEST_CASE("preprocess: a list of categories") {
  const OneHot code = one_hot(std::vector<float>{3, 1, 3, 7, 1});
  CHECK(code.categories == std::vector<double>{1, 3, 7});
  CHECK(code.index(3) == 1);
  CHECK(code.encode(std::vector<double>{7, 1}) == std::vector<double>{0, 0, 1, 1, 0, 0});
  CHECK(code.decode(std::vector<float>{-5, -1, -2}) == 3.0);
  CHECK_THROWS_SAYING(BindError, "2 is none of the 3 categories", code.index(2));
  CHECK_THROWS_SAYING(BindError, "1e-10 is none of", code.index(1e-10));
  CHECK_THROWS_SAYING(BindError, "is none of", code.index(8));
  CHECK_THROWS_SAYING(BindError, "is none of", code.index(std::nan("")));
  CHECK_THROWS_SAYING(BindError, "2 scores for 3 categories", code.decode(std::vector<double>{1, 2}));
  CHECK_THROWS_SAYING(BindError, "NaN is no category", one_hot(std::vector<double>{std::nan("")}));
}

TEST_CASE("preprocess: saved with a model and read again") {
  const Standardisation s = standardise(rows, 3);
  const OneHot code = one_hot(std::vector<double>{2, 1, 0.1});
  TensorFile file{s.tensors("inputs"), {}};
  for (Tensor& tensor : code.tensors("classes")) file.tensors.push_back(std::move(tensor));
  write_safetensors("preprocess.safetensors", file);
  TensorFile read = read_safetensors("preprocess.safetensors");
  CHECK(Standardisation::from(read, "inputs") == s);
  CHECK(OneHot::from(read, "classes") == code);

  CHECK_THROWS_SAYING(BindError, "no tensor \"x.mean\"", Standardisation::from(read, "x"));
  CHECK_THROWS_SAYING(BindError, "no tensor \"x\"", OneHot::from(read, "x"));
  const auto spoilt = [&](const std::vector<double>& mean, const std::vector<double>& deviation) {
    return TensorFile{{{"s.mean", {mean.size()}, mean}, {"s.deviation", {deviation.size()}, deviation}}, {}};
  };
  // What cannot be read cannot be saved, or used, either.
  const auto check_refused = [&](const char* why, const std::vector<double>& mean,
                                 const std::vector<double>& deviation) {
    const Standardisation bad{mean, deviation};
    std::vector<double> numbers(mean.size());
    const std::string said = std::string(" are no means and deviations: ") + why;
    CHECK_THROWS_SAYING(BindError, "the tensors of \"s\"" + said, Standardisation::from(spoilt(mean, deviation), "s"));
    CHECK_THROWS_SAYING(BindError, "to be saved as \"s\"" + said, bad.tensors("s"));
    CHECK_THROWS_SAYING(BindError, said, bad.apply(numbers));
    CHECK_THROWS_SAYING(BindError, said, bad.undo(numbers));
  };
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {0.0, -1.0}) check_refused("a deviation is not above zero", {1, 2}, {1, bad});
  for (const double bad : {infinity, std::nan("")}) check_refused("one is not finite", {1, 2}, {1, bad});
  check_refused("one is not finite", {infinity}, {1});
  check_refused("they are of different lengths", {1, 2}, {1});
  TensorFile uneven = spoilt({1}, {1, 2});
  uneven.tensors[0].shape = {1, 1};
  CHECK_THROWS_SAYING(BindError, "is no list", Standardisation::from(uneven, "s"));
  for (const std::vector<double>& bad : {std::vector<double>{1, 1}, {2, 1}, {std::nan("")}}) {
    CHECK_THROWS_SAYING(BindError, "does not ascend", OneHot::from({{{"c", {bad.size()}, bad}}, {}}, "c"));
    CHECK_THROWS_SAYING(BindError, "does not ascend", OneHot{bad}.tensors("c"));
  }
}

namespace {

/// Mean and deviation of one column, saved and read again.
template <class T>
Standardisation of_column(const std::vector<T>& column) {
  const Standardisation s = standardise(std::span<const T>(column), 1);
  write_safetensors("column.safetensors", {s.tensors("s"), {}});
  CHECK(Standardisation::from(read_safetensors("column.safetensors"), "s") == s);
  return s;
}

template <class T>
std::vector<T> applied(const Standardisation& s, std::vector<T> column) {
  s.apply(column);
  return column;
}

}  // namespace

TEMPLATE_TEST_CASE("preprocess: numbers of every size are standardised, saved and read again", "", float, double) {
  using Limits = std::numeric_limits<TestType>;
  const std::vector<TestType> sizes = {Limits::max() / 2, Limits::max() / 3, 1e30F, 1, 1e-30F,
                                       Limits::min(),     Limits::min() / 64};
  for (const TestType size : sizes) {
    INFO(size);
    const std::vector<TestType> column = {size, -size, size, -size, size, -size};
    const Standardisation s = of_column(column);
    CHECK(s.mean[0] == Approx(0.0).margin(static_cast<double>(size) * 1e-15));
    CHECK(s.deviation[0] / static_cast<double>(size) == Approx(1.0).epsilon(1e-12));
    std::vector<TestType> changed = applied(s, column);
    for (std::size_t i = 0; i < column.size(); ++i) CHECK(changed[i] == Approx(i % 2 == 0 ? 1.0 : -1.0));
    s.undo(changed);
    for (std::size_t i = 0; i < column.size(); ++i) CHECK(changed[i] / size == Approx(i % 2 == 0 ? 1.0 : -1.0));
  }
  const std::vector<TestType> ends = {Limits::max(), Limits::lowest()};
  std::vector<TestType> changed = applied(of_column(ends), ends);
  CHECK(changed == std::vector<TestType>{1, -1});
  of_column(ends).undo(changed);
  CHECK(changed == ends);
}

TEST_CASE("preprocess: spreads whose squares no double holds") {
  const Standardisation huge = of_column<double>({1e200, -1e200}), tiny = of_column<double>({1e-200, -1e-200});
  CHECK(huge.mean[0] == 0.0);
  CHECK(huge.deviation[0] == Approx(1e200));
  CHECK(applied<double>(huge, {1e200, -1e200}) == std::vector<double>{1, -1});
  CHECK(tiny.mean[0] == 0.0);
  CHECK(tiny.deviation[0] / 1e-200 == Approx(1.0));
  CHECK(applied<double>(tiny, {1e-200, -1e-200})[0] == Approx(1.0));
  // One column says nothing about the other.
  const std::vector<double> both = {1e200, 1e-200, -1e200, -1e-200};
  const Standardisation s = standardise(std::span<const double>(both), 2);
  CHECK(s.deviation[0] == huge.deviation[0]);
  CHECK(s.deviation[1] == tiny.deviation[0]);
  // Neither x - mean nor z * deviation fits into a double here: 1.5 times the largest.
  const double largest = std::numeric_limits<double>::max();
  const Standardisation lopsided = of_column<double>({-largest, -largest, -largest, largest});
  CHECK(lopsided.mean[0] / largest == Approx(-0.5));
  CHECK(lopsided.deviation[0] / largest == Approx(std::sqrt(0.75)));
  const std::vector<double> changed = applied<double>(lopsided, {largest, -largest});
  CHECK(changed[0] == Approx(std::sqrt(3.0)));
  CHECK(changed[1] == Approx(-std::sqrt(1.0 / 3.0)));
  std::vector<double> back = {1.5, -0.5};
  lopsided.undo(back);
  CHECK(back[0] / largest == Approx(1.5 * std::sqrt(0.75) - 0.5));
  CHECK(back[1] / largest == Approx(-0.5 * std::sqrt(0.75) - 0.5));
}

TEMPLATE_TEST_CASE("preprocess: a column that differs by rounding is not blown up", "", float, double) {
  using Limits = std::numeric_limits<TestType>;
  const TestType next = std::nextafter(TestType(1), TestType(2)), least = Limits::denorm_min();
  for (const TestType size : {TestType(1), TestType(-3), TestType(1e-30F), TestType(1e30F), Limits::max() / 2}) {
    INFO(size);
    const std::vector<TestType> column = {size, size * next, size, size * next * next};
    const Standardisation s = of_column(column);
    for (const TestType x : applied(s, column)) CHECK(std::abs(x) < 1);
  }
  CHECK(of_column<TestType>({1, next}).deviation[0] == 1.0);
  CHECK(of_column<TestType>({0, least}).deviation[0] == 1.0);
  // Rare is not the same as rounded: 1000 times the last place, in one row of a hundred.
  std::vector<TestType> rare(100, 1);
  rare[7] += 1000 * (next - 1);
  CHECK(applied(of_column(rare), rare)[7] == Approx(std::sqrt(99.0)));
}

TEST_CASE("preprocess: numbers below the smallest normal one") {
  const Standardisation s = of_column<double>({0, 1e-310, 0, 1e-310});
  CHECK(s.mean[0] / 1e-310 == Approx(0.5));
  CHECK(s.deviation[0] / 1e-310 == Approx(0.5));
  CHECK(applied<double>(s, {1e-310})[0] == Approx(1.0));
  // The deviation, a hundredth of the smallest double, becomes that and not zero.
  std::vector<double> column(1'000'000);
  column[0] = 10 * std::numeric_limits<double>::denorm_min();
  CHECK(of_column(column).deviation[0] == std::numeric_limits<double>::denorm_min());
}

TEST_CASE("preprocess: what does not fit is refused") {
  const Standardisation s = standardise(rows, 3);
  std::vector<double> eight(8);
  CHECK_THROWS_SAYING(BindError, "8 numbers are no whole number of rows of 3", s.apply(eight));
  CHECK_THROWS_SAYING(BindError, "no whole number of rows of 3, 2 apart", s.apply(eight, 2));
  std::vector<double> four(4);
  CHECK_THROWS_SAYING(BindError, "no whole number of rows of 3", s.apply(four, SIZE_MAX));
  CHECK_THROWS_SAYING(BindError, "no whole number of rows of 3", s.apply(std::span(four).first(2)));
  CHECK_THROWS_SAYING(BindError, "rows of 0", standardise(rows, 0));
  CHECK_THROWS_SAYING(BindError, "no rows", standardise(std::vector<double>{}, 3));
  const std::vector<std::uint32_t> none = {3};
  CHECK_THROWS_SAYING(BindError, "there is no row 3", standardise(rows, 3, none));
  std::vector<double> bad = rows;
  bad[4] = std::nan("");
  CHECK_THROWS_SAYING(BindError, "row 1, column 1 is not finite", standardise(bad, 3));
}
