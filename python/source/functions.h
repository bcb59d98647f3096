// Functions of the module that take and make Values.
#pragma once

#include <Python.h>

#include <vector>

#include "owned.h"
#include "value.h"

namespace tapeloom::python {

/// Adds them. False with a Python error if that fails.
bool add_functions(PyObject* module);

/// Calls f(element) for each element of a sequence or other iterable, which f may change. Throws ErrorIsSet, a
/// TypeError that says what is expected.
template <class F>
void each_element(PyObject* list, const char* function, const char* expected, F&& f) {
  if (Py_TYPE(list)->tp_iter == nullptr && PySequence_Check(list) == 0) {
    PyErr_Format(PyExc_TypeError, "%s: %s is expected, not '%s'", function, expected, Py_TYPE(list)->tp_name);
    throw ErrorIsSet();
  }
  const py::object elements = owned(PySequence_Fast(list, "not iterable"));
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(elements.ptr()); ++i) {
    f(py::reinterpret_borrow<py::object>(PySequence_Fast_GET_ITEM(elements.ptr(), i)).ptr());
  }
}

/// The elements of a sequence or iterable of Values and numbers, to be taken while nodes are pinned. Throws ErrorIsSet.
std::vector<Value> values_of(PyObject* list, const char* function);

/// An object of what was computed: a number if that met no Value. A sum of one Value is that Value, with its object.
inline PyObject* result_of(Value value) {
  return value.is_plain() ? PyFloat_FromDouble(value.data()) : object_of(value);
}
/// A list of them.
PyObject* results_of(const std::vector<Value>& values);

}  // namespace tapeloom::python
