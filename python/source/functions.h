// Functions of the module that take and make Values.
#pragma once

#include <Python.h>

#include <vector>

#include "value.h"

namespace tapeloom::python {

/// Adds them. False with a Python error if that fails.
bool add_functions(PyObject* module);

/// The elements of a sequence or iterable of Values and numbers. Throws ErrorIsSet. What is recorded while they are
/// alive must not call Recording::reclaim: the objects that keep them may be gone.
std::vector<Value> values_of(PyObject* list, const char* function);

}  // namespace tapeloom::python
