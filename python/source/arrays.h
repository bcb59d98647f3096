// NumPy's arrays: read in place through Python's buffer protocol, which needs no NumPy, and made of numbers of ours.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tapeloom/tapeloom.h"

namespace tapeloom::python {

namespace py = pybind11;

/// Throws a BindError, naming `what`, for an array of numpy.ma with a number that is masked: its memory has one.
void refuse_masked(py::handle array, const std::string& what);

/// The memory of an array (or of whatever else exports a buffer), which stays where it is while this lives. Made and
/// destroyed with the interpreter's lock held.
class ArrayMemory {
 public:
  /// Throws a TypeError, naming `what`, for what is no array.
  ArrayMemory(py::handle array, const std::string& what, bool writable = false);
  ArrayMemory(const ArrayMemory&) = delete;
  ArrayMemory& operator=(const ArrayMemory&) = delete;
  ~ArrayMemory();

  std::size_t dimensions() const { return static_cast<std::size_t>(buffer_.ndim); }
  std::size_t shape(std::size_t d) const { return static_cast<std::size_t>(buffer_.shape[d]); }
  std::ptrdiff_t stride(std::size_t d) const { return buffer_.strides[d]; }
  std::size_t number_size() const { return static_cast<std::size_t>(buffer_.itemsize); }
  void* data() const { return buffer_.buf; }
  /// The letter that the struct module has for the numbers: f, d, l, ?, ...; 0 if they are of another byte order, or
  /// more than one.
  char type() const;
  bool is_integer() const;
  PyObject* object() const { return buffer_.obj; }

 private:
  Py_buffer buffer_;
  PyObject* watch_;  // a weak reference: with one, NumPy refuses to resize the array even when told not to look
};
using SharedMemory = std::shared_ptr<const ArrayMemory>;

/// Rows in somebody's memory, each of `width` numbers that lie side by side.
struct Rows {
  std::variant<std::span<const float>, std::span<const double>> numbers;
  std::size_t rows = 0, width = 0, stride = 0;
};
/// The rows of an array: its first dimension; the others, together, are a row. Of an array of one dimension, each
/// number is one. Throws BindError, naming `what` and the way out, for numbers that are neither float32 nor float64 and
/// for rows whose numbers do not lie side by side.
Rows rows_of(const ArrayMemory& memory, const std::string& what);

/// The numbers of a contiguous array of any shape, for reading. Throws BindError as rows_of.
std::variant<std::span<const float>, std::span<const double>> numbers_of(const ArrayMemory& memory,
                                                                         const std::string& what);

/// The numbers of rows: an array of integers, or a sequence of them.
class RowNumbers {
 public:
  /// Reads uint32 in place and converts others. Throws BindError for what is no row number, a TypeError for what is no
  /// list of integers.
  RowNumbers(py::handle rows, const std::string& what);
  std::span<const std::uint32_t> numbers() const { return numbers_; }

 private:
  SharedMemory memory_;
  std::vector<std::uint32_t> converted_;
  std::span<const std::uint32_t> numbers_;
};

/// Arrays for the input groups of a program. They stay where they are while this lives.
struct BoundArrays {
  std::vector<std::pair<std::string, SharedMemory>> groups;
  DataView view;
  bool empty() const { return groups.empty(); }
};
/// `data` is an array with the numbers of all groups side by side (or of those that the program reads), or a dict of
/// arrays by group, or None. Throws BindError.
BoundArrays arrays_for(const Program& program, py::handle data);
/// The rows of an array, all groups side by side, by group.
std::vector<std::pair<const ProgramInputGroup*, Rows>> split_rows_by_group(const Program& program, const Rows& rows);

/// An array that shows memory of the owner, which it keeps alive.
template <class T>
py::array view_of(std::span<T> numbers, std::vector<py::ssize_t> shape, py::handle owner) {
  using Number = std::remove_const_t<T>;
  static Number nothing[1] = {};  // NumPy takes null for a wish to allocate
  Number* data = numbers.empty() ? nothing : const_cast<Number*>(numbers.data());
  py::array array(py::dtype::of<Number>(), std::move(shape), data, owner);
  if (std::is_const_v<T>) {
    py::detail::array_proxy(array.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  }
  return array;
}

/// An array of its own, with the numbers of a list.
template <class T>
py::array copy_of(const std::vector<T>& numbers, std::vector<py::ssize_t> shape) {
  py::array array(py::dtype::of<T>(), std::move(shape));
  if (!numbers.empty()) std::memcpy(array.mutable_data(), numbers.data(), numbers.size() * sizeof(T));
  return array;
}
template <class T>
py::array copy_of(const std::vector<T>& numbers) {
  return copy_of(numbers, {static_cast<py::ssize_t>(numbers.size())});
}

/// Whether a dtype (of NumPy's, its name or a type) says double, and not float. Throws a TypeError for others.
bool says_double(py::handle dtype);

}  // namespace tapeloom::python
