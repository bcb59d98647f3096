#include "tapeloom/runtime/train/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <Eigen/Core>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/number_text.h"
#include "tapeloom/core/base/text.h"
#include "tapeloom/runtime/execute/parameter_buffer.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

double ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? nan : static_cast<double>(part) / static_cast<double>(whole);
}

template <class T>
std::size_t largest(std::span<const T> scores) {
  if (scores.empty()) throw BindError("the largest of no scores");
  std::size_t best = 0;
  for (std::size_t i = 1; i < scores.size(); ++i) {
    if (scores[i] > scores[best] || (std::isnan(scores[best]) && !std::isnan(scores[i]))) best = i;
  }
  return best;
}

/// A class number that is stored as a floating-point number.
template <class T>
std::size_t class_of(T number, std::size_t classes) {
  const auto value = static_cast<double>(number);
  if (value >= 0.0 && value < static_cast<double>(classes) && value == std::floor(value)) {
    return static_cast<std::size_t>(value);
  }
  throw BindError(number_text(value) + " is not the number of one of " + std::to_string(classes) + " classes");
}

/// Rows are the expected classes.
auto matrix_of(const std::vector<std::uint64_t>& counts, std::size_t classes) {
  using Counts = Eigen::Matrix<std::uint64_t, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto size = static_cast<Eigen::Index>(classes);
  return Eigen::Map<const Counts>(counts.data(), size, size);
}

}  // namespace

std::size_t largest_of(std::span<const float> scores) { return largest(scores); }
std::size_t largest_of(std::span<const double> scores) { return largest(scores); }

ConfusionMatrix::ConfusionMatrix(std::size_t classes) : classes_(classes) {
  if (classes == 0) throw BindError("a confusion matrix needs at least one class");
  constexpr std::size_t most = std::size_t{1} << 28;  // the square of more would not be a vector's size
  if (classes > most) throw BindError("a confusion matrix of " + std::to_string(classes) + " classes is too large");
  counts_.resize(classes * classes);
}

std::size_t ConfusionMatrix::place(std::size_t expected, std::size_t predicted) const {
  if (expected >= classes_ || predicted >= classes_) {
    throw BindError(std::to_string(std::max(expected, predicted)) + " is not the number of one of " +
                    std::to_string(classes_) + " classes");
  }
  return expected * classes_ + predicted;
}

void ConfusionMatrix::add(std::size_t expected, std::size_t predicted) { ++counts_[place(expected, predicted)]; }
std::uint64_t ConfusionMatrix::count(std::size_t expected, std::size_t predicted) const {
  return counts_[place(expected, predicted)];
}

template <class T>
void ConfusionMatrix::add_rows(std::span<const T> scores, std::span<const T> expected) {
  const bool one_score = classes_ == 2 && scores.size() == expected.size();
  const std::size_t width = one_score ? 1 : classes_;
  if (scores.size() != expected.size() * width) {
    throw BindError(std::to_string(scores.size()) + " scores for " + std::to_string(expected.size()) + " samples of " +
                    std::to_string(classes_) + " classes");
  }
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto of_sample = scores.subspan(i * width, width);
    const std::size_t predicted = one_score ? (of_sample[0] > T(0) ? 1 : 0) : largest(of_sample);
    add(class_of(expected[i], classes_), predicted);
  }
}

void ConfusionMatrix::add(std::span<const float> scores, std::span<const float> expected) {
  add_rows(scores, expected);
}
void ConfusionMatrix::add(std::span<const double> scores, std::span<const double> expected) {
  add_rows(scores, expected);
}

std::uint64_t ConfusionMatrix::total() const { return matrix_of(counts_, classes_).sum(); }
std::uint64_t ConfusionMatrix::correct() const { return matrix_of(counts_, classes_).trace(); }
double ConfusionMatrix::accuracy() const { return ratio(correct(), total()); }

double ConfusionMatrix::precision(std::size_t of_class) const {
  const std::uint64_t hits = count(of_class, of_class);
  return ratio(hits, matrix_of(counts_, classes_).col(static_cast<Eigen::Index>(of_class)).sum());
}

double ConfusionMatrix::recall(std::size_t of_class) const {
  const std::uint64_t hits = count(of_class, of_class);
  return ratio(hits, matrix_of(counts_, classes_).row(static_cast<Eigen::Index>(of_class)).sum());
}

double ConfusionMatrix::f1(std::size_t of_class) const {
  const std::uint64_t hits = count(of_class, of_class);
  const auto matrix = matrix_of(counts_, classes_);
  const auto k = static_cast<Eigen::Index>(of_class);
  return ratio(2 * hits, matrix.row(k).sum() + matrix.col(k).sum());  // 2 hits / (taken for it + of it)
}

double ConfusionMatrix::balanced_accuracy() const {
  double sum = 0.0;
  std::size_t classes = 0;
  for (std::size_t k = 0; k < classes_; ++k) {
    const double part = recall(k);
    if (std::isnan(part)) continue;
    sum += part;
    ++classes;
  }
  return classes == 0 ? nan : sum / static_cast<double>(classes);
}

std::string ConfusionMatrix::to_string() const {
  const std::uint64_t most = std::max<std::uint64_t>(*std::max_element(counts_.begin(), counts_.end()), classes_);
  const std::size_t width = std::to_string(most).size() + 2;
  std::string text = "expected \\ predicted";
  const std::string margin(text.size(), ' ');
  for (std::size_t p = 0; p < classes_; ++p) text += right(p, width);
  text += "\n";
  for (std::size_t e = 0; e < classes_; ++e) {
    const std::string name = std::to_string(e);
    text += margin.substr(std::min(margin.size(), name.size())) + name;
    for (std::size_t p = 0; p < classes_; ++p) text += right(count(e, p), width);
    text += "\n";
  }
  return text;
}

namespace {

template <class T>
double accuracy_of(std::span<const T> scores, std::span<const T> expected, std::size_t classes) {
  ConfusionMatrix matrix(classes);
  matrix.add(scores, expected);
  return matrix.accuracy();
}

}  // namespace

double accuracy(std::span<const float> scores, std::span<const float> expected, std::size_t classes) {
  return accuracy_of(scores, expected, classes);
}
double accuracy(std::span<const double> scores, std::span<const double> expected, std::size_t classes) {
  return accuracy_of(scores, expected, classes);
}

void ErrorSums::add(double predicted, double expected) {
  const double error = predicted - expected, magnitude = std::fabs(error);
  ++count_;
  sum_ += error;
  absolute_ += magnitude;
  squared_ += error * error;
  // NaN stays once it is there.
  if (magnitude > largest_ || std::isnan(magnitude)) largest_ = magnitude;
  // Welford's update: "Note on a method for calculating corrected sums of squares and products", 1962.
  const double before = expected - expected_mean_;
  expected_mean_ += before / static_cast<double>(count_);
  expected_squares_ += before * (expected - expected_mean_);
}

template <class T>
void ErrorSums::add_all(std::span<const T> predicted, std::span<const T> expected) {
  if (predicted.size() != expected.size()) {
    throw BindError(std::to_string(predicted.size()) + " predictions for " + std::to_string(expected.size()) +
                    " expected numbers");
  }
  for (std::size_t i = 0; i < predicted.size(); ++i) {
    add(static_cast<double>(predicted[i]), static_cast<double>(expected[i]));
  }
}

void ErrorSums::add(std::span<const float> predicted, std::span<const float> expected) { add_all(predicted, expected); }
void ErrorSums::add(std::span<const double> predicted, std::span<const double> expected) {
  add_all(predicted, expected);
}

double ErrorSums::mean_absolute() const { return count_ == 0 ? nan : absolute_ / static_cast<double>(count_); }
double ErrorSums::mean_squared() const { return count_ == 0 ? nan : squared_ / static_cast<double>(count_); }
double ErrorSums::root_mean_squared() const { return std::sqrt(mean_squared()); }
double ErrorSums::largest_absolute() const { return count_ == 0 ? nan : largest_; }
double ErrorSums::bias() const { return count_ == 0 ? nan : sum_ / static_cast<double>(count_); }
double ErrorSums::r_squared() const { return expected_squares_ > 0.0 ? 1.0 - squared_ / expected_squares_ : nan; }

template <class T>
std::vector<T> predict(Executor<T>& executor, const DataView& data) {
  const std::size_t width = executor.program().outputs.size();
  if (width == 0) throw BindError("predict: the program was compiled without outputs");
  if (executor.program().is_of_training && executor.program().has_gradients) {
    throw BindError(
        "predict: this program computes something else in training than in inference, as dropout and batch "
        "normalisation do, and it trains; predict by an executor that shares its parameters, whose program is compiled "
        "by compile_inference");
  }
  runtime::check_not_forgotten("predict", executor.program(), *executor.shared_parameters());
  data.bind(executor);
  data.check_complete(executor.program());
  const std::size_t rows = executor.bound_rows();
  std::vector<T> predictions;
  predictions.reserve(rows * width);
  for (std::size_t first = 0; first < rows; first += executor.max_samples()) {
    executor.step(first, std::min(executor.max_samples(), rows - first));
    predictions.insert(predictions.end(), executor.outputs().begin(), executor.outputs().end());
  }
  return predictions;
}

template std::vector<float> predict(Executor<float>&, const DataView&);
template std::vector<double> predict(Executor<double>&, const DataView&);

}  // namespace tapeloom::inline TAPELOOM_ABI
