// Numbers in any number of dimensions, and the files that hold them: IDX files, the format of the MNIST data sets
// (http://yann.lecun.com/exdb/mnist), NumPy's .npy files and .npz archives of them
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tapeloom/core/base/export.h"

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

/// Reads an IDX file, gzipped or not, as its content says, into numbers of type T (float or double). A `shape` is what
/// the file must have, with zeros where any size will do: read_idx<float>(path, {0, 28, 28}). Throws DataError with the
/// file, and with the byte (of the content, where that was gzipped) for one that is no IDX file, of another shape, cut
/// short, or longer than its shape says.
template <class T>
TAPELOOM_API NumberArray<T> read_idx(const std::string& path, const std::vector<std::size_t>& shape = {});

/// Reads an array of booleans, whole numbers or floating-point numbers of 1 to 8 bytes (of the latter 4 and 8), of
/// either byte order, in C or Fortran order, of format version 1, 2 or 3, gzipped or not, into numbers of type T (float
/// or double), rounded where T cannot hold them, and row-major. Throws DataError with the file and the byte for one
/// that is no such file, of another type of numbers, cut short, or longer than its shape says.
template <class T>
TAPELOOM_API NumberArray<T> read_npy(const std::string& path);

/// Reads one array of an archive that numpy.savez or numpy.savez_compressed has written, by its name there, without
/// ".npy". Throws DataError as read_npy does, for an archive that is damaged, and for a name it does not have, with
/// those that it has. Other arrays may be of any type.
template <class T>
TAPELOOM_API NumberArray<T> read_npz(const std::string& path, std::string_view name);

struct NpyOptions {
  /// Writes the numbers with the first index running fastest. They are given row-major all the same.
  bool fortran_order = false;
};

/// Writes row-major numbers as an array of that type and shape, in format version 1:
///
///   write_npy<float>("numbers.npy", numbers, {rows, columns});
///
/// T is float, double, bool or a
/// whole number of a fixed width. Throws BindError for numbers that are not as many as the shape says, DataError if
/// the file cannot be written.
template <class T>
TAPELOOM_API void write_npy(const std::string& path, std::span<const T> numbers, const std::vector<std::size_t>& shape,
                            const NpyOptions& options = {});
template <class T>
void write_npy(const std::string& path, const NumberArray<T>& array, const NpyOptions& options = {}) {
  write_npy<T>(path, array.values, array.shape, options);
}

}  // namespace tapeloom::inline TAPELOOM_ABI
