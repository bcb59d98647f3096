// NumPy's .npy files: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tapeloom/core/export.h"
#include "tapeloom/runtime/number_array.h"

namespace tapeloom::inline v0_1 {

/// Reads an array of booleans, whole numbers or floating-point numbers of 1 to 8 bytes (of the latter 4 and 8), of
/// either byte order, in C or Fortran order, of format version 1, 2 or 3, gzipped or not, into numbers of type T (float
/// or double), rounded where T cannot hold them, and row-major. Throws DataError with the file and the byte for one
/// that is no such file, of another type of numbers, cut short, or longer than its shape says.
template <class T>
TAPELOOM_API NumberArray<T> read_npy(const std::string& path);

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

extern template NumberArray<float> read_npy(const std::string&);
extern template NumberArray<double> read_npy(const std::string&);

}  // namespace tapeloom::inline v0_1
