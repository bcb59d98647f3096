// Python's classes for the library's errors, and how what is thrown becomes one of them.
#pragma once

#include <Python.h>

#include <utility>

namespace tapeloom::python {

/// Adds the classes to the module: Error, and RecordingError, BindError and so on below it and below what Python people
/// expect (ValueError, OSError, ...). False with a Python error if that fails.
bool add_errors(PyObject* module);

/// Makes the exception that is being handled the Python error.
void set_error();

/// The result of f, or null with the Python error that what f throws becomes.
template <class F>
PyObject* guarded(F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (...) {
    set_error();
    return nullptr;
  }
}

/// Thrown where a function of Python's has failed and set the error.
struct ErrorIsSet {};

}  // namespace tapeloom::python
