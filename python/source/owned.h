// References that are given back, by pybind11's handles, in functions that are written for CPython alone.
#pragma once

#include <pybind11/pybind11.h>

#include "errors.h"

namespace tapeloom::python {

namespace py = pybind11;

/// A new reference. Throws ErrorIsSet for null.
inline py::object owned(PyObject* made) {
  if (made == nullptr) throw ErrorIsSet();
  return py::reinterpret_steal<py::object>(made);
}

}  // namespace tapeloom::python
