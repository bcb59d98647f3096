// Numbers in any number of dimensions, as data files have them.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "tapeloom/version.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// Row-major: the last index runs fastest. T is float or double.
template <class T>
struct NumberArray {
  std::vector<std::size_t> shape;  ///< none: a single number
  std::vector<T> values;

  /// The first dimension: of a list of samples, how many they are. One of a single number.
  std::size_t rows() const { return shape.empty() ? 1 : shape[0]; }
  /// Numbers in a row: the product of the other dimensions.
  std::size_t columns() const {
    std::size_t count = 1;
    for (std::size_t d = 1; d < shape.size(); ++d) count *= shape[d];
    return count;
  }
  std::span<const T> row(std::size_t i) const& { return {values.data() + i * columns(), columns()}; }
  std::span<const T> row(std::size_t i) const&& = delete;  // of an array that is gone after the statement
};

}  // namespace tapeloom::inline TAPELOOM_ABI
