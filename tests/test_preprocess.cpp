#include "tapeloom/runtime/preprocess.h"

#include <cmath>
#include <limits>

#include "catch.h"
#include "tapeloom/core/error.h"

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
  CHECK_THROWS_SAYING(BindError, "2.000000 is none of the 3 categories", code.index(2));
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
  const auto spoilt = [&](std::vector<double> mean, std::vector<double> deviation) {
    return TensorFile{Standardisation{std::move(mean), std::move(deviation)}.tensors("s"), {}};
  };
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {0.0, -1.0, infinity, std::nan("")}) {
    CHECK_THROWS_SAYING(BindError, "no means and deviations", Standardisation::from(spoilt({1, 2}, {1, bad}), "s"));
  }
  CHECK_THROWS_SAYING(BindError, "no means and deviations", Standardisation::from(spoilt({infinity}, {1}), "s"));
  TensorFile uneven = spoilt({1}, {1, 2});
  uneven.tensors[1].shape = {2};
  CHECK_THROWS_SAYING(BindError, "different lengths", Standardisation::from(uneven, "s"));
  uneven.tensors[0].shape = {1, 1};
  CHECK_THROWS_SAYING(BindError, "is no list", Standardisation::from(uneven, "s"));
  for (const std::vector<double>& bad : {std::vector<double>{1, 1}, {2, 1}, {std::nan("")}}) {
    CHECK_THROWS_SAYING(BindError, "does not ascend", OneHot::from({OneHot{bad}.tensors("c"), {}}, "c"));
  }
}

TEST_CASE("preprocess: what does not fit is refused") {
  const Standardisation s = standardise(rows, 3);
  std::vector<double> eight(8);
  CHECK_THROWS_SAYING(BindError, "8 numbers are no whole number of rows of 3", s.apply(eight));
  CHECK_THROWS_SAYING(BindError, "no whole number of rows of 3, 2 apart", s.apply(eight, 2));
  CHECK_THROWS_SAYING(BindError, "rows of 0", standardise(rows, 0));
  CHECK_THROWS_SAYING(BindError, "no rows", standardise(std::vector<double>{}, 3));
  const std::vector<std::uint32_t> none = {3};
  CHECK_THROWS_SAYING(BindError, "there is no row 3", standardise(rows, 3, none));
  std::vector<double> bad = rows;
  bad[4] = std::nan("");
  CHECK_THROWS_SAYING(BindError, "row 1, column 1 is not finite", standardise(bad, 3));
}
