// Losses over Values.
#pragma once

#include <Python.h>

namespace tapeloom::python {

/// Adds them to the module. False with a Python error if that fails.
bool add_losses(PyObject* module);

}  // namespace tapeloom::python
