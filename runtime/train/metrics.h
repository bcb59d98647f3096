// How good predictions are: counts of classes taken for one another, and mean errors of numbers.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/runtime/execute/data_view.h"
#include "tapeloom/runtime/execute/executor.h"

namespace tapeloom::inline TAPELOOM_ABI {

// --- classes ---------------------------------------------------------------------------------------------------------

/// How often a sample of one class was taken for each class.
class TAPELOOM_API ConfusionMatrix {
 public:
  /// Throws BindError for no classes.
  explicit ConfusionMatrix(std::size_t classes);

  /// Counts one sample. Throws BindError for a number that is no class.
  void add(std::size_t expected, std::size_t predicted);
  /// Counts samples by their scores, row-major, one a class: the largest is the prediction, the first one of several
  /// alike; NaN is never it. With two classes there may be one score a sample: above zero is class 1, as of a logit.
  /// `expected` has the numbers of the classes. Throws BindError for lengths that do not fit and for no class numbers.
  void add(std::span<const float> scores, std::span<const float> expected);
  void add(std::span<const double> scores, std::span<const double> expected);

  std::size_t classes() const { return classes_; }
  /// Throws BindError for a number that is no class, as do precision, recall and f1.
  std::uint64_t count(std::size_t expected, std::size_t predicted) const;
  std::uint64_t total() const;
  std::uint64_t correct() const;

  // Fractions; NaN where there is nothing to divide by.

  /// correct() / total()
  double accuracy() const;
  /// Of the samples taken for the class, those that are of it.
  double precision(std::size_t of_class) const;
  /// Of the samples of the class, those taken for it.
  double recall(std::size_t of_class) const;
  /// 2 / (1 / precision + 1 / recall)
  double f1(std::size_t of_class) const;
  /// The mean of the recall over the classes that have samples.
  double balanced_accuracy() const;

  /// A table: a line for each expected class, a column for each predicted one.
  std::string to_string() const;

 private:
  std::size_t place(std::size_t expected, std::size_t predicted) const;
  template <class T>
  void add_rows(std::span<const T> scores, std::span<const T> expected);

  std::size_t classes_;
  std::vector<std::uint64_t> counts_;
};

/// Which of the scores is the largest: the first of several alike; NaN never is, unless there is nothing else. Throws
/// BindError for no scores.
TAPELOOM_API std::size_t largest_of(std::span<const float> scores);
TAPELOOM_API std::size_t largest_of(std::span<const double> scores);

/// The fraction of samples whose class is predicted, as ConfusionMatrix::add does; NaN without samples.
TAPELOOM_API double accuracy(std::span<const float> scores, std::span<const float> expected, std::size_t classes);
TAPELOOM_API double accuracy(std::span<const double> scores, std::span<const double> expected, std::size_t classes);

// --- numbers ---------------------------------------------------------------------------------------------------------

/// Mean errors of predicted numbers, computed in double over all that were added. NaN before any.
class TAPELOOM_API ErrorSums {
 public:
  void add(double predicted, double expected);
  /// Throws BindError for lists of different lengths.
  void add(std::span<const float> predicted, std::span<const float> expected);
  void add(std::span<const double> predicted, std::span<const double> expected);

  std::uint64_t count() const { return count_; }
  /// mean |p - e|
  double mean_absolute() const;
  /// mean (p - e)^2
  double mean_squared() const;
  double root_mean_squared() const;
  double largest_absolute() const;
  /// mean (p - e)
  double bias() const;
  /// 1 - sum (p - e)^2 / sum (e - mean e)^2: 1 for exact predictions, 0 for those as good as the mean, NaN where all
  /// expected numbers are the same.
  double r_squared() const;

 private:
  template <class T>
  void add_all(std::span<const T> predicted, std::span<const T> expected);

  std::uint64_t count_ = 0;
  double sum_ = 0.0, absolute_ = 0.0, squared_ = 0.0, largest_ = 0.0;
  double expected_mean_ = 0.0, expected_squares_ = 0.0;  // of the differences from the mean
};

// --- predictions -----------------------------------------------------------------------------------------------------

/// The program's outputs for all rows of the data, samples x outputs, computed max_samples() at a time. The executor
/// stays bound to the data. Throws BindError for a program without outputs, and for one that trains and would predict
/// otherwise (see CompileOptions::training).
template <class T>
TAPELOOM_API std::vector<T> predict(Executor<T>& executor, const DataView& data);

}  // namespace tapeloom::inline TAPELOOM_ABI
