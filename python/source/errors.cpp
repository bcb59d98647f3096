#include "errors.h"

#include <cstring>
#include <exception>
#include <new>

#include "tapeloom/tapeloom.h"

namespace tapeloom::python {

namespace {

struct Classes {
  PyObject* error;
  PyObject* recording;
  PyObject* stale;
  PyObject* compile;
  PyObject* bind;
  PyObject* guard;
  PyObject* data;
};
Classes classes;

/// A class below one or two others; null with a Python error if that, or what was made before, failed.
PyObject* add_class(PyObject* module, const char* name, const char* doc, PyObject* base, PyObject* second = nullptr) {
  if (base == nullptr) return nullptr;
  PyObject* bases = second == nullptr ? PyTuple_Pack(1, base) : PyTuple_Pack(2, base, second);
  PyObject* made = bases == nullptr ? nullptr : PyErr_NewExceptionWithDoc(name, doc, bases, nullptr);
  Py_XDECREF(bases);
  const char* short_name = name + sizeof("tapeloom.") - 1;
  return made != nullptr && PyModule_AddObjectRef(module, short_name, made) == 0 ? made : nullptr;
}

void set_attribute(PyObject* object, const char* name, std::size_t number) {
  PyObject* value = PyLong_FromSize_t(number);
  if (value == nullptr || PyObject_SetAttrString(object, name, value) < 0) PyErr_Clear();
  Py_XDECREF(value);
}

/// The words of an error. Names of files in them may be in any encoding; Python has them in the same way.
PyObject* message_of(const std::exception& error) {
  const char* what = error.what();
  return PyUnicode_DecodeUTF8(what, static_cast<Py_ssize_t>(std::strlen(what)), "surrogateescape");
}

void set(PyObject* type, const std::exception& error) {
  PyObject* message = message_of(error);
  if (message == nullptr) return;
  PyErr_SetObject(type, message);
  Py_DECREF(message);
}

/// An instance with two numbers about what happened.
void set_with(PyObject* type, const std::exception& error, const char* name1, std::size_t number1, const char* name2,
              std::size_t number2) {
  PyObject* message = message_of(error);
  PyObject* instance = message == nullptr ? nullptr : PyObject_CallOneArg(type, message);
  Py_XDECREF(message);
  if (instance == nullptr) return;
  set_attribute(instance, name1, number1);
  set_attribute(instance, name2, number2);
  PyErr_SetObject(type, instance);
  Py_DECREF(instance);
}

}  // namespace

bool add_errors(PyObject* module) {
  classes.error = add_class(module, "tapeloom.Error", "Base of all errors of Tapeloom.", PyExc_Exception);
  classes.recording = add_class(module, "tapeloom.RecordingError", "Values used in a way a recording cannot hold.",
                                classes.error, PyExc_ValueError);
  classes.stale =
      add_class(module, "tapeloom.StaleValueError", "A Value whose node was dropped.", classes.recording, nullptr);
  classes.compile = add_class(module, "tapeloom.CompileError", "A recording that cannot be compiled as asked.",
                              classes.error, PyExc_ValueError);
  classes.bind = add_class(module, "tapeloom.BindError", "Data or options that do not fit the program.", classes.error,
                           PyExc_ValueError);
  classes.guard =
      add_class(module, "tapeloom.GuardError",
                "A recorded comparison came out the other way. `guard` is its number among those of the program, "
                "`sample` the first sample of the batch that failed it.",
                classes.error, PyExc_ArithmeticError);
  classes.data =
      add_class(module, "tapeloom.DataError",
                "A data file that cannot be read. `line` and `column` count from 1, and are 0 where they do not "
                "apply.",
                classes.error, PyExc_ValueError);
  return PyErr_Occurred() == nullptr;
}

void set_error() {
  try {
    throw;
  } catch (const ErrorIsSet&) {
  } catch (const GuardError& error) {
    set_with(classes.guard, error, "guard", error.guard(), "sample", error.sample());
  } catch (const DataError& error) {
    set_with(classes.data, error, "line", error.line(), "column", error.column());
  } catch (const StaleValueError& error) {
    set(classes.stale, error);
  } catch (const RecordingError& error) {
    set(classes.recording, error);
  } catch (const CompileError& error) {
    set(classes.compile, error);
  } catch (const BindError& error) {
    set(classes.bind, error);
  } catch (const Error& error) {
    set(classes.error, error);
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    set(PyExc_RuntimeError, error);
  }
}

}  // namespace tapeloom::python
