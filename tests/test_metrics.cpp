#include "tapeloom/runtime/train/metrics.h"

#include <cmath>
#include <limits>

#include "against_evaluate.h"
#include "tapeloom/core/base/error.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

constexpr float no_number = std::numeric_limits<float>::quiet_NaN();
const std::vector<float> no_floats;

}  // namespace

TEST_CASE("metrics: a confusion matrix of three classes, counted by hand") {
  ConfusionMatrix matrix(3);
  //                          0                1           1           1           2
  const std::vector<float> scores = {3, 1, 2, /**/ 0, 5, 1, 9, 0, 1, -3, -1, -2, 0, 1, 0};
  const std::vector<float> expected = {0, 1, 1, 1, 2};
  matrix.add(scores, expected);
  CHECK(matrix.count(0, 0) == 1);
  CHECK(matrix.count(1, 1) == 2);
  CHECK(matrix.count(1, 0) == 1);
  CHECK(matrix.count(2, 1) == 1);
  CHECK(matrix.total() == 5);
  CHECK(matrix.correct() == 3);
  CHECK(matrix.accuracy() == Approx(0.6));
  CHECK(matrix.precision(0) == Approx(0.5));
  CHECK(matrix.recall(0) == 1.0);
  CHECK(matrix.f1(0) == Approx(2.0 / 3.0));
  CHECK(matrix.precision(1) == Approx(2.0 / 3.0));
  CHECK(matrix.recall(1) == Approx(2.0 / 3.0));
  CHECK(std::isnan(matrix.precision(2)));  // nothing was taken for it
  CHECK(matrix.recall(2) == 0.0);
  CHECK(matrix.f1(2) == 0.0);
  CHECK(matrix.balanced_accuracy() == Approx((1.0 + 2.0 / 3.0 + 0.0) / 3.0));
  CHECK(accuracy(scores, expected, 3) == Approx(0.6));
  CHECK(matrix.to_string() ==
        "expected \\ predicted  0  1  2\n"
        "                   0  1  0  0\n"
        "                   1  1  2  0\n"
        "                   2  0  1  0\n");
}

TEST_CASE("metrics: the first of equal scores is the largest, and NaN never") {
  CHECK(largest_of(std::vector<float>{1, 2, 2}) == 1);
  CHECK(largest_of(std::vector<float>{no_number, 2, no_number, 3}) == 3);
  CHECK(largest_of(std::vector<float>{-1, no_number}) == 0);
  CHECK(largest_of(std::vector<float>{no_number, no_number}) == 0);
  CHECK_THROWS_SAYING(BindError, "no scores", largest_of(no_floats));
}

TEST_CASE("metrics: one score a sample tells two classes apart") {
  const std::vector<double> scores = {-1.5, 0.0, 0.1, 7.0}, expected = {0, 1, 0, 1};
  CHECK(accuracy(scores, expected, 2) == 0.5);
  CHECK(accuracy(std::vector<double>{1, 2, 4, 3}, std::vector<double>{1, 1}, 2) == 0.5);
}

TEST_CASE("metrics: without samples there is no accuracy") {
  CHECK(std::isnan(accuracy(no_floats, no_floats, 3)));
  CHECK(std::isnan(ConfusionMatrix(2).balanced_accuracy()));
}

TEST_CASE("metrics: what is no class is refused") {
  ConfusionMatrix matrix(2);
  CHECK_THROWS_SAYING(BindError, "2 is not the number of one of 2 classes", matrix.add(std::size_t{2}, 0));
  CHECK_THROWS_SAYING(BindError, "2 is not the number of one of 2 classes", matrix.add(std::size_t{0}, 2));
  const std::vector<float> scores = {0.0, 1.0};
  for (float label : {2.0f, -1.0f, 0.5f, no_number, std::numeric_limits<float>::infinity()}) {
    CHECK_THROWS_SAYING(BindError, "is not the number of one of 2 classes",
                        matrix.add(scores, std::vector<float>{label}));
  }
  CHECK(matrix.total() == 0);
  CHECK_THROWS_SAYING(BindError, "2 scores for 3 samples of 2 classes", matrix.add(scores, std::vector<float>(3)));
  CHECK_THROWS_SAYING(BindError, "at least one class", ConfusionMatrix(0));
}

TEST_CASE("metrics: mean errors, computed by hand") {
  ErrorSums errors;
  errors.add(std::vector<double>{1.0, 2.0, 5.0, 4.0}, std::vector<double>{2.0, 2.0, 2.0, 6.0});  // -1, 0, 3, -2
  CHECK(errors.count() == 4);
  CHECK(errors.mean_absolute() == 1.5);
  CHECK(errors.mean_squared() == 3.5);
  CHECK(errors.root_mean_squared() == Approx(std::sqrt(3.5)));
  CHECK(errors.largest_absolute() == 3.0);
  CHECK(errors.bias() == 0.0);
  CHECK(errors.r_squared() == Approx(1.0 - 14.0 / 12.0));  // expected: mean 3, squares 1 + 1 + 1 + 9

  ErrorSums nothing;
  CHECK(std::isnan(nothing.mean_absolute()));
  CHECK(std::isnan(nothing.root_mean_squared()));
  CHECK(std::isnan(nothing.largest_absolute()));
  CHECK(std::isnan(nothing.bias()));
  CHECK(std::isnan(nothing.r_squared()));
  nothing.add(3.0, 3.0);
  CHECK(nothing.mean_squared() == 0.0);
  CHECK(std::isnan(nothing.r_squared()));
  CHECK_THROWS_SAYING(BindError, "2 predictions for 1 expected",
                      nothing.add(std::vector<float>(2), std::vector<float>(1)));
  nothing.add(std::nan(""), 1.0);
  nothing.add(1.0, 1.0);
  CHECK(std::isnan(nothing.largest_absolute()));
}

TEST_CASE("metrics: r squared does not suffer from a large mean") {
  ErrorSums errors;
  for (int i = 0; i < 1000; ++i) errors.add(1e9 + i % 2 + 0.25, 1e9 + i % 2);
  CHECK(errors.r_squared() == Approx(1.0 - 0.0625 / 0.25).epsilon(1e-12));
}

TEMPLATE_TEST_CASE("metrics: predictions for more rows than a step may have", "", float, double) {
  SmallNet net;
  const Program program = compile(net.loss, {.outputs = {net.prediction, net.y}});
  const std::vector<double> rows = some_numbers(4 * 23);
  Executor<TestType> small(program, {.max_samples = 5}), large(program, {.max_samples = 23});
  const auto in_parts = predict(small, DataView(rows));
  large.bind(std::span<const double>(rows));
  large.step();
  const std::vector<TestType> at_once(large.outputs().begin(), large.outputs().end());
  CHECK(in_parts == at_once);
  CHECK(in_parts[1] == static_cast<TestType>(rows[3]));
  Executor<TestType> blind(compile(net.loss));
  CHECK_THROWS_SAYING(BindError, "without outputs", predict(blind, DataView(rows)));
}

TEMPLATE_TEST_CASE("metrics: four rows of one feature give four predictions though there is a target", "", float,
                   double) {
  Tape tape;
  const Value x = tape.input(0.0, "x"), y = tape.input(0.0, "y"), w = tape.parameter(2.0);
  const Value prediction = w * x;
  const Value loss = batch_mean(square(prediction - y));
  Executor<TestType> trained(compile(loss, {.outputs = {prediction}}));
  Executor<TestType> predictor(compile_inference(std::vector<Value>{prediction}), trained);
  const std::vector<double> features = {1, 2, 3, 4};
  const std::vector<TestType> four = {2, 4, 6, 8}, two = {2, 6};
  CHECK_THROWS_SAYING(BindError, "a row may have 1 number or all 2", predict(predictor, DataView(features)));
  CHECK(predict(predictor, DataView().add("x", features)) == four);
  CHECK(predict(predictor, DataView(features, 1)) == four);
  CHECK(predict(predictor, DataView(features, 2)) == two);
  CHECK(predict(trained, DataView(features)) == two);  // it computes a loss, so a row has a target
}
