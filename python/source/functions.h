// Functions of the module that take and make Values.
#pragma once

#include <Python.h>

#include <cstdint>
#include <vector>

#include "owned.h"
#include "value.h"

namespace tapeloom::python {

/// Adds them. False with a Python error if that fails.
bool add_functions(PyObject* module);
/// Those that make leaves and look after the recording.
bool add_leaves(PyObject* module);

/// The elements of a list or other iterable, to be read by PySequence_Fast_GET_ITEM: of a list, that list. Throws
/// ErrorIsSet, a TypeError that says what is expected.
py::object elements_of(PyObject* list, const char* function, const char* expected);

/// Sets `values` to the elements of a sequence or iterable of Values and numbers, no more than `most` of them, which
/// are to be taken while nodes are pinned. Throws ErrorIsSet.
void read_values(PyObject* list, const char* function, std::vector<Value>& values, std::size_t most = SIZE_MAX);
/// All of them.
std::vector<Value> values_of(PyObject* list, const char* function);

/// An object of what was computed: a number if that met no Value. A sum of one Value is that Value, with its object.
inline PyObject* result_of(Value value) {
  return value.is_plain() ? PyFloat_FromDouble(value.data()) : object_of(value);
}
/// A truth if that met no Value.
inline PyObject* result_of(Condition condition) {
  return condition.is_plain() ? PyBool_FromLong(condition.data() != 0.0) : new_object(condition);
}
/// A list of them.
PyObject* results_of(const std::vector<Value>& values);
inline PyObject* result_of(const std::vector<Value>& values) { return results_of(values); }

}  // namespace tapeloom::python
