// The calls of nets.
#pragma once

#include <Python.h>

#include "tapeloom/tapeloom.h"

namespace tapeloom::python {

/// Adds them to the module. False with a Python error if that fails.
bool add_nets(PyObject* module);

using ActivationFunction = Value (*)(Value);
/// By its name: a function of one Value, or "" for none. Throws ErrorIsSet.
ActivationFunction activation_of(PyObject* name);

}  // namespace tapeloom::python
