// What is done to data before training and again before every prediction: small values that are saved with the model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/runtime/files/safetensors.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// x -> (x - mean) / deviation, column by column.
struct TAPELOOM_API Standardisation {
  std::vector<double> mean, deviation;  ///< a number a column; a deviation is never zero

  std::size_t columns() const { return mean.size(); }
  /// Row-major rows, in place; a `row_stride` larger than columns() leaves the numbers between rows alone. Throws
  /// BindError for a length that is no whole number of rows, and for means and deviations that `from` would refuse.
  void apply(std::span<float> rows, std::size_t row_stride = 0) const;
  void apply(std::span<double> rows, std::size_t row_stride = 0) const;
  /// Takes it back: x * deviation + mean.
  void undo(std::span<float> rows, std::size_t row_stride = 0) const;
  void undo(std::span<double> rows, std::size_t row_stride = 0) const;

  /// As tensors name + ".mean" and name + ".deviation", to be saved in a file with weights. Throws BindError for what
  /// `from` would refuse.
  std::vector<Tensor> tensors(std::string_view name) const;
  /// Throws BindError for tensors that are missing, of different lengths, or hold what cannot be divided by.
  static Standardisation from(const TensorFile& file, std::string_view name);

  friend bool operator==(const Standardisation&, const Standardisation&) = default;
};

/// Mean and standard deviation (divided by the number of rows, not by one less) of each of the first `columns` numbers
/// of the rows, for any finite numbers, however large or small; `chosen` are the numbers of the rows that count, such
/// as those of the training, or empty for all. A column that is the same everywhere gets the deviation 1. So does one
/// whose numbers lie no further apart than 8 of the last places of its largest, in float or double as they come: that
/// is rounding, which is not to be blown up. (Where 8 last places are more than 1, they are the deviation.) Throws
/// BindError for no rows, numbers that are not finite, and rows that are not there.
TAPELOOM_API Standardisation standardise(std::span<const float> rows, std::size_t columns,
                                         std::span<const std::uint32_t> chosen = {}, std::size_t row_stride = 0);
TAPELOOM_API Standardisation standardise(std::span<const double> rows, std::size_t columns,
                                         std::span<const std::uint32_t> chosen = {}, std::size_t row_stride = 0);

/// A number of a list -> a row with a one in its place and zeros elsewhere.
struct TAPELOOM_API OneHot {
  std::vector<double> categories;  ///< ascending, each once

  std::size_t size() const { return categories.size(); }
  /// The place of a category. Throws BindError for a number that is none.
  std::size_t index(double category) const;
  /// A row of size() numbers for each.
  std::vector<float> encode(std::span<const float> values) const;
  std::vector<double> encode(std::span<const double> values) const;
  /// The category with the largest of its size() scores.
  double decode(std::span<const float> scores) const;
  double decode(std::span<const double> scores) const;

  /// As one tensor of that name, and back. Both throw BindError for categories that do not ascend, `from` for a tensor
  /// that is missing.
  std::vector<Tensor> tensors(std::string_view name) const;
  static OneHot from(const TensorFile& file, std::string_view name);

  friend bool operator==(const OneHot&, const OneHot&) = default;
};

/// Of all the different numbers in the list. Throws BindError for NaN.
TAPELOOM_API OneHot one_hot(std::span<const float> values);
TAPELOOM_API OneHot one_hot(std::span<const double> values);

}  // namespace tapeloom::inline TAPELOOM_ABI
