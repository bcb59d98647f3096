// The type `tapeloom.Value`: a scalar that records what is computed with it, with micrograd's attributes. A type of
// CPython's own making, since every operator of a program goes through it.
#pragma once

#include <Python.h>

#include <string>

#include "errors.h"
#include "recording.h"

namespace tapeloom::python {

extern PyTypeObject value_type;
/// A comparison: a Value that is 1 or 0, and in an `if` a branch of the recording.
extern PyTypeObject condition_type;

/// Makes the types and adds them to the module. False with a Python error if that fails.
bool add_value_types(PyObject* module);
/// Slots of the types, by file.
void add_number_slots(PyTypeObject& type, PyTypeObject& condition);
void add_attributes(PyTypeObject& type);

inline bool is_value(PyObject* object) {
  return Py_TYPE(object) == &value_type || PyObject_TypeCheck(object, &value_type);
}
/// Of an object that is one.
inline NodeId node_of(PyObject* object) { return reinterpret_cast<ValueObject*>(object)->node; }
/// Of an object that is a Value: whether nn.Module keeps it among its buffers. See ValueObject.
inline bool& is_statistic(PyObject* object) { return reinterpret_cast<ValueObject*>(object)->is_statistic; }
inline Value value_of(PyObject* object) { return recording().tape().value(node_of(object)); }

/// A new object for a node that was just recorded. Throws ErrorIsSet.
PyObject* new_object(Value value);
PyObject* new_object(Condition condition);
/// The object of a node: the living one, or a new one.
PyObject* object_of(Value value);

/// What a function records of an object that is a Value, as an object; null with a Python error.
template <class Function>
PyObject* recorded_of(PyObject* object, Function&& function) {
  return guarded([&] {
    const Recording::Pin pin(recording());
    return new_object(function(value_of(object)));
  });
}

/// What an operand may be.
enum class Operand {
  value,  ///< a Value, or a number of whatever type
  array,  ///< of NumPy's: the operation is done with each of its elements
  other,
};
/// Takes an operand as a Value, a plain one for numbers. Throws ErrorIsSet for an integer too large for a double.
Operand read_operand(PyObject* object, Value& value);
/// The same of an argument that has to be one; throws ErrorIsSet, a TypeError that names the function and argument.
Value value_argument(PyObject* object, const char* function);
/// A number. Throws ErrorIsSet, a TypeError that names what it is for.
double number_argument(PyObject* object, const char* what);
/// The same of a string.
std::string text_argument(PyObject* object, const char* what);

}  // namespace tapeloom::python
