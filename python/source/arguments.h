// Arguments and options by name: one of another type is a TypeError that says which one it is, and what was given.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "tapeloom/tapeloom.h"

namespace tapeloom::python {

namespace py = pybind11;

[[noreturn]] inline void refuse_argument(py::handle given, const std::string& what, const std::string& expected) {
  throw py::type_error(what + " is " + expected + ", not '" + Py_TYPE(given.ptr())->tp_name + "'");
}

/// Whether it is True or False, of Python or NumPy.
inline bool is_truth(py::handle given) {
  if (PyBool_Check(given.ptr())) return true;
  const std::string_view type = Py_TYPE(given.ptr())->tp_name;
  return type == "numpy.bool_" || type == "numpy.bool";
}

/// True or False, NumPy's too. Other objects have a truth as well, but whoever gives a number means that number.
inline bool truth_argument(py::handle given, const std::string& what, const char* expected = "True or False") {
  if (!is_truth(given)) {
    throw py::type_error(what + " is " + expected + ", not " + py::cast<std::string>(py::repr(given)));
  }
  return PyObject_IsTrue(given.ptr()) == 1;
}

/// A whole number of 64 bits.
inline std::uint64_t counter_argument(py::handle given, const std::string& what) {
  if (PyIndex_Check(given.ptr()) == 0) refuse_argument(given, what, "an integer");
  const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(given.ptr()));
  if (!number) throw py::error_already_set();
  const std::uint64_t counter = PyLong_AsUnsignedLongLong(number.ptr());
  if (PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    throw BindError(what + " is from 0 to 2**64 - 1, not " + py::cast<std::string>(py::str(number)));
  }
  return counter;
}

/// What Python takes as a float, such as an array of a single number.
inline double real_argument(py::handle given, const std::string& what) {
  const double number = PyFloat_AsDouble(given.ptr());
  if (number == -1.0 && PyErr_Occurred() != nullptr) {
    if (PyErr_ExceptionMatches(PyExc_TypeError) == 0) throw py::error_already_set();
    PyErr_Clear();
    refuse_argument(given, what, "a number");
  }
  return number;
}

inline std::string text_argument(py::handle given, const std::string& what) {
  if (!py::isinstance<py::str>(given)) refuse_argument(given, what, "a string");
  Py_ssize_t length = 0;
  const char* characters = PyUnicode_AsUTF8AndSize(given.ptr(), &length);
  if (characters == nullptr) throw py::error_already_set();  // half a surrogate pair, which has no UTF-8
  return {characters, static_cast<std::size_t>(length)};
}

/// Text that may be in any encoding, as Python has the names of files: what is no UTF-8 becomes surrogates, which
/// `bytes_of_text` makes the same bytes again.
inline py::str text_of_bytes(std::string_view bytes) {
  PyObject* text = PyUnicode_DecodeUTF8(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), "surrogateescape");
  if (text == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(text);
}
inline std::string bytes_of_text(const py::str& text) {
  PyObject* encoded = PyUnicode_AsEncodedString(text.ptr(), "utf-8", "surrogateescape");
  if (encoded == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::bytes>(encoded);
}

}  // namespace tapeloom::python
