#include "tapeloom/runtime/train/preprocess.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/number_text.h"
#include "tapeloom/runtime/train/metrics.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

/// The number of rows. The gap after the last one may be missing.
std::size_t count_rows(std::size_t size, std::size_t columns, std::size_t stride) {
  if (columns > 0 && stride >= columns && size == 0) return 0;
  if (columns > 0 && stride >= columns && size >= columns) {
    const std::size_t gaps = (size - columns) / stride, left = (size - columns) % stride;
    if (left == 0 || left == stride - columns) return gaps + 1;
  }
  throw BindError(std::to_string(size) + " numbers are no whole number of rows of " + std::to_string(columns) +
                  (stride == columns ? "" : ", " + std::to_string(stride) + " apart"));
}

/// What is wrong with a standardisation, or null.
const char* fault_of(const Standardisation& s) {
  if (s.mean.size() != s.deviation.size()) return "they are of different lengths";
  for (std::size_t c = 0; c < s.columns(); ++c) {
    if (!std::isfinite(s.mean[c]) || !std::isfinite(s.deviation[c])) return "one is not finite";
    if (!(s.deviation[c] > 0.0)) return "a deviation is not above zero";
  }
  return nullptr;
}

void check(const Standardisation& s, const std::string& whose) {
  if (const char* const fault = fault_of(s)) throw BindError(whose + " are no means and deviations: " + fault);
}

template <class T, class F>
void each_number(const Standardisation& s, std::span<T> rows, std::size_t row_stride, F change) {
  check(s, "Standardisation::mean and deviation");
  const std::size_t stride = row_stride == 0 ? s.columns() : row_stride;
  const std::size_t count = count_rows(rows.size(), s.columns(), stride);
  for (std::size_t r = 0; r < count; ++r) {
    for (std::size_t c = 0; c < s.columns(); ++c) {
      T& x = rows[r * stride + c];
      x = static_cast<T>(change(static_cast<double>(x), s.mean[c], s.deviation[c]));
    }
  }
}

// Both by halves where what comes in between is too large for a double, though the result need not be.

double put(double x, double mean, double deviation) {
  const double difference = x - mean;
  if (std::isinf(difference)) return (x / 2 - mean / 2) / (deviation / 2);
  return difference / deviation;
}

double take_back(double x, double mean, double deviation) {
  const double sum = x * deviation + mean;
  if (std::isinf(sum)) return 2 * (x * (deviation / 2) + mean / 2);
  return sum;
}

/// Numbers that lie no further apart are called the same: so many of the largest one's last places. A number that is
/// computed in two ways is off by 1 to 6 of them: those from 1 to 1000 in other units and back by 1 or 2, as the cube
/// of a cube root by up to 6 (a million random doubles each).
constexpr int places_of_rounding = 8;

/// The numbers of a column that count.
template <class T>
struct Extent {
  T smallest = std::numeric_limits<T>::max(), largest = std::numeric_limits<T>::lowest();

  void add(T x) {
    smallest = std::min(smallest, x);
    largest = std::max(largest, x);
  }
  T magnitude() const { return std::max(std::abs(smallest), std::abs(largest)); }
  /// How far numbers of this size that ought to be the same may lie apart.
  double rounding() const {
    return places_of_rounding * static_cast<double>(magnitude() - std::nextafter(magnitude(), T(0)));
  }
  bool constant() const { return static_cast<double>(largest) - static_cast<double>(smallest) <= rounding(); }
  /// A power of two that brings the numbers to about one, so that their squares neither overflow nor vanish.
  double scale() const {
    int exponent = 0;
    std::frexp(static_cast<double>(magnitude()), &exponent);
    return std::ldexp(1.0, -std::clamp(exponent, -1022, 1022));
  }
};

template <class T>
class Statistics {
 public:
  Statistics(std::span<const T> rows, std::size_t columns, std::span<const std::uint32_t> chosen,
             std::size_t row_stride)
      : rows_(rows),
        columns_(columns),
        chosen_(chosen),
        stride_(row_stride == 0 ? columns : row_stride),
        there_(count_rows(rows.size(), columns, stride_)) {
    if (count() == 0) throw BindError("standardise: no rows");
  }

  Standardisation standardisation() const {
    const std::vector<Extent<T>> extents = this->extents();
    Standardisation result{std::vector<double>(columns_), std::vector<double>(columns_)};
    std::vector<double>& mean = result.mean;
    std::vector<double>& squares = result.deviation;
    std::vector<double> scale, origin;
    for (const Extent<T>& extent : extents) {
      scale.push_back(extent.scale());
      origin.push_back(static_cast<double>(extent.smallest) * scale.back());
    }
    // Welford's updates ("Note on a method for calculating corrected sums of squares and products", Technometrics 1962)
    // of the differences from the smallest number, so that large means do not cost digits.
    for (std::size_t i = 0; i < count(); ++i) {
      for (std::size_t c = 0; c < columns_; ++c) {
        const double x = static_cast<double>(number(i, c)) * scale[c] - origin[c];
        const double before = x - mean[c];
        mean[c] += before / static_cast<double>(i + 1);
        squares[c] += before * (x - mean[c]);
      }
    }
    for (std::size_t c = 0; c < columns_; ++c) {
      const Extent<T>& extent = extents[c];
      // Rounding may lead out of where the results must lie, and out of what a double holds.
      mean[c] = std::clamp((origin[c] + mean[c]) / scale[c], static_cast<double>(extent.smallest),
                           static_cast<double>(extent.largest));
      const double deviation = std::sqrt(squares[c] / static_cast<double>(count())) / scale[c];
      result.deviation[c] = extent.constant() ? std::max(1.0, extent.rounding())
                                              : std::clamp(deviation, std::numeric_limits<double>::denorm_min(),
                                                           std::numeric_limits<double>::max());
    }
    return result;
  }

 private:
  std::size_t count() const { return chosen_.empty() ? there_ : chosen_.size(); }
  T number(std::size_t i, std::size_t column) const {
    return rows_[(chosen_.empty() ? i : chosen_[i]) * stride_ + column];
  }

  std::vector<Extent<T>> extents() const {
    std::vector<Extent<T>> extents(columns_);
    for (std::size_t i = 0; i < count(); ++i) {
      const std::size_t row = chosen_.empty() ? i : chosen_[i];
      if (row >= there_) throw BindError("standardise: there is no row " + std::to_string(row));
      for (std::size_t c = 0; c < columns_; ++c) {
        const T x = number(i, c);
        if (!std::isfinite(x)) {
          throw BindError("standardise: row " + std::to_string(row) + ", column " + std::to_string(c) +
                          " is not finite");
        }
        extents[c].add(x);
      }
    }
    return extents;
  }

  std::span<const T> rows_;
  std::size_t columns_;
  std::span<const std::uint32_t> chosen_;
  std::size_t stride_;
  std::size_t there_;  // rows
};

std::vector<double> list_of(const TensorFile& file, const std::string& name) {
  const Tensor* tensor = file.find(name);
  if (tensor == nullptr) throw BindError("there is no tensor \"" + name + "\" in the file");
  if (tensor->shape.size() != 1) throw BindError("tensor \"" + name + "\" is no list of numbers");
  std::vector<double> numbers;
  for (std::size_t i = 0; i < tensor->size(); ++i) numbers.push_back(tensor->at(i));
  return numbers;
}

void check(const OneHot& code, const std::string& what) {
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (std::isnan(code.categories[i]) || (i > 0 && !(code.categories[i - 1] < code.categories[i]))) {
      throw BindError(what + " is no list of categories: it does not ascend");
    }
  }
}

template <class T>
OneHot categories_of(std::span<const T> values) {
  OneHot result;
  for (T value : values) {
    if (std::isnan(value)) throw BindError("one_hot: NaN is no category");
    result.categories.push_back(static_cast<double>(value));
  }
  std::sort(result.categories.begin(), result.categories.end());
  result.categories.erase(std::unique(result.categories.begin(), result.categories.end()), result.categories.end());
  return result;
}

template <class T>
std::vector<T> encoded(const OneHot& code, std::span<const T> values) {
  std::vector<T> rows(values.size() * code.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    rows[i * code.size() + code.index(static_cast<double>(values[i]))] = T(1);
  }
  return rows;
}

template <class T>
double decoded(const OneHot& code, std::span<const T> scores) {
  if (scores.size() != code.size()) {
    throw BindError(std::to_string(scores.size()) + " scores for " + std::to_string(code.size()) + " categories");
  }
  return code.categories[largest_of(scores)];
}

}  // namespace

void Standardisation::apply(std::span<float> rows, std::size_t row_stride) const {
  each_number(*this, rows, row_stride, put);
}
void Standardisation::apply(std::span<double> rows, std::size_t row_stride) const {
  each_number(*this, rows, row_stride, put);
}
void Standardisation::undo(std::span<float> rows, std::size_t row_stride) const {
  each_number(*this, rows, row_stride, take_back);
}
void Standardisation::undo(std::span<double> rows, std::size_t row_stride) const {
  each_number(*this, rows, row_stride, take_back);
}

std::vector<Tensor> Standardisation::tensors(std::string_view name) const {
  check(*this, "the numbers to be saved as \"" + std::string(name) + "\"");
  return {{std::string(name) + ".mean", {columns()}, mean}, {std::string(name) + ".deviation", {columns()}, deviation}};
}

Standardisation Standardisation::from(const TensorFile& file, std::string_view name) {
  Standardisation result{list_of(file, std::string(name) + ".mean"), list_of(file, std::string(name) + ".deviation")};
  check(result, "the tensors of \"" + std::string(name) + "\"");
  return result;
}

Standardisation standardise(std::span<const float> rows, std::size_t columns, std::span<const std::uint32_t> chosen,
                            std::size_t row_stride) {
  return Statistics(rows, columns, chosen, row_stride).standardisation();
}
Standardisation standardise(std::span<const double> rows, std::size_t columns, std::span<const std::uint32_t> chosen,
                            std::size_t row_stride) {
  return Statistics(rows, columns, chosen, row_stride).standardisation();
}

std::size_t OneHot::index(double category) const {
  const auto found = std::lower_bound(categories.begin(), categories.end(), category);
  if (found == categories.end() || *found != category) {
    throw BindError(number_text(category) + " is none of the " + std::to_string(size()) + " categories");
  }
  return static_cast<std::size_t>(found - categories.begin());
}

std::vector<float> OneHot::encode(std::span<const float> values) const { return encoded(*this, values); }
std::vector<double> OneHot::encode(std::span<const double> values) const { return encoded(*this, values); }
double OneHot::decode(std::span<const float> scores) const { return decoded(*this, scores); }
double OneHot::decode(std::span<const double> scores) const { return decoded(*this, scores); }

std::vector<Tensor> OneHot::tensors(std::string_view name) const {
  check(*this, "what is to be saved as \"" + std::string(name) + "\"");
  return {{std::string(name), {size()}, categories}};
}

OneHot OneHot::from(const TensorFile& file, std::string_view name) {
  OneHot result{list_of(file, std::string(name))};
  check(result, "tensor \"" + std::string(name) + "\"");
  return result;
}

OneHot one_hot(std::span<const float> values) { return categories_of(values); }
OneHot one_hot(std::span<const double> values) { return categories_of(values); }

}  // namespace tapeloom::inline TAPELOOM_ABI
