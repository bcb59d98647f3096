#include "tapeloom/runtime/preprocess.h"

#include <algorithm>
#include <cmath>

#include "tapeloom/core/error.h"
#include "tapeloom/runtime/metrics.h"

namespace tapeloom::inline v0_1 {

namespace {

/// The number of rows. The gap after the last one may be missing.
std::size_t count_rows(std::size_t size, std::size_t columns, std::size_t stride) {
  const std::size_t rows = stride == 0 ? 0 : (size + stride - columns) / stride;
  if (columns == 0 || stride < columns || (size != rows * stride && size != (rows - 1) * stride + columns)) {
    throw BindError(std::to_string(size) + " numbers are no whole number of rows of " + std::to_string(columns) +
                    (stride == columns ? "" : ", " + std::to_string(stride) + " apart"));
  }
  return rows;
}

template <class T, class F>
void each_number(const Standardisation& s, std::span<T> rows, std::size_t row_stride, F change) {
  const std::size_t stride = row_stride == 0 ? s.columns() : row_stride;
  const std::size_t count = count_rows(rows.size(), s.columns(), stride);
  for (std::size_t r = 0; r < count; ++r) {
    for (std::size_t c = 0; c < s.columns(); ++c) {
      T& x = rows[r * stride + c];
      x = static_cast<T>(change(static_cast<double>(x), s.mean[c], s.deviation[c]));
    }
  }
}

double put(double x, double mean, double deviation) { return (x - mean) / deviation; }
double take_back(double x, double mean, double deviation) { return x * deviation + mean; }

template <class T>
Standardisation standardise_rows(std::span<const T> rows, std::size_t columns, std::span<const std::uint32_t> chosen,
                                 std::size_t row_stride) {
  const std::size_t stride = row_stride == 0 ? columns : row_stride;
  const std::size_t there = count_rows(rows.size(), columns, stride);
  const std::size_t count = chosen.empty() ? there : chosen.size();
  if (count == 0) throw BindError("standardise: no rows");
  Standardisation result{std::vector<double>(columns), std::vector<double>(columns)};
  std::vector<double>& mean = result.mean;
  std::vector<double>& squares = result.deviation;
  // Welford's updates, so that large means do not cost digits: "Note on a method for calculating corrected sums of
  // squares and products", Technometrics 1962.
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = chosen.empty() ? i : chosen[i];
    if (row >= there) throw BindError("standardise: there is no row " + std::to_string(row));
    for (std::size_t c = 0; c < columns; ++c) {
      const auto x = static_cast<double>(rows[row * stride + c]);
      if (!std::isfinite(x)) {
        throw BindError("standardise: row " + std::to_string(row) + ", column " + std::to_string(c) + " is not finite");
      }
      const double before = x - mean[c];
      mean[c] += before / static_cast<double>(i + 1);
      squares[c] += before * (x - mean[c]);
    }
  }
  for (double& deviation : result.deviation) {
    deviation = std::sqrt(deviation / static_cast<double>(count));
    if (deviation == 0.0) deviation = 1.0;
  }
  return result;
}

std::vector<double> list_of(const TensorFile& file, const std::string& name) {
  const Tensor* tensor = file.find(name);
  if (tensor == nullptr) throw BindError("there is no tensor \"" + name + "\" in the file");
  if (tensor->shape.size() != 1) throw BindError("tensor \"" + name + "\" is no list of numbers");
  std::vector<double> numbers;
  for (std::size_t i = 0; i < tensor->size(); ++i) numbers.push_back(tensor->at(i));
  return numbers;
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
  return {{std::string(name) + ".mean", {columns()}, mean}, {std::string(name) + ".deviation", {columns()}, deviation}};
}

Standardisation Standardisation::from(const TensorFile& file, std::string_view name) {
  Standardisation result{list_of(file, std::string(name) + ".mean"), list_of(file, std::string(name) + ".deviation")};
  bool good = result.mean.size() == result.deviation.size();
  for (std::size_t c = 0; good && c < result.columns(); ++c) {
    good = std::isfinite(result.mean[c]) && std::isfinite(result.deviation[c]) && result.deviation[c] > 0.0;
  }
  if (!good) {
    throw BindError("the tensors of \"" + std::string(name) +
                    "\" are no means and deviations: of different lengths, not finite, or not above zero");
  }
  return result;
}

Standardisation standardise(std::span<const float> rows, std::size_t columns, std::span<const std::uint32_t> chosen,
                            std::size_t row_stride) {
  return standardise_rows(rows, columns, chosen, row_stride);
}
Standardisation standardise(std::span<const double> rows, std::size_t columns, std::span<const std::uint32_t> chosen,
                            std::size_t row_stride) {
  return standardise_rows(rows, columns, chosen, row_stride);
}

std::size_t OneHot::index(double category) const {
  const auto found = std::lower_bound(categories.begin(), categories.end(), category);
  if (found == categories.end() || *found != category) {
    throw BindError(std::to_string(category) + " is none of the " + std::to_string(size()) + " categories");
  }
  return static_cast<std::size_t>(found - categories.begin());
}

std::vector<float> OneHot::encode(std::span<const float> values) const { return encoded(*this, values); }
std::vector<double> OneHot::encode(std::span<const double> values) const { return encoded(*this, values); }
double OneHot::decode(std::span<const float> scores) const { return decoded(*this, scores); }
double OneHot::decode(std::span<const double> scores) const { return decoded(*this, scores); }

std::vector<Tensor> OneHot::tensors(std::string_view name) const { return {{std::string(name), {size()}, categories}}; }

OneHot OneHot::from(const TensorFile& file, std::string_view name) {
  OneHot result{list_of(file, std::string(name))};
  for (std::size_t i = 0; i < result.size(); ++i) {
    if (std::isnan(result.categories[i]) || (i > 0 && !(result.categories[i - 1] < result.categories[i]))) {
      throw BindError("tensor \"" + std::string(name) + "\" is no list of categories: it does not ascend");
    }
  }
  return result;
}

OneHot one_hot(std::span<const float> values) { return categories_of(values); }
OneHot one_hot(std::span<const double> values) { return categories_of(values); }

}  // namespace tapeloom::inline v0_1
