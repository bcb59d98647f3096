// Executor.step and Executor.loss, by hand: a step of a small net takes less time than a call through pybind11.
#include <chrono>

#include "errors.h"
#include "executor.h"

namespace tapeloom::python {

namespace {

CompiledExecutor& self_of(PyObject* self) {
  if (auto* native = native_of<CompiledExecutor>(self)) return *native;
  throw py::type_error("Executor.__init__ was not called");
}

/// What f returns; of what it throws, the Python error, as pybind11 would have it.
template <class F>
PyObject* guarded_call(F&& f) {
  try {
    return f();
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const py::type_error& error) {
    PyErr_SetString(PyExc_TypeError, error.what());
  } catch (...) {
    set_error();
  }
  return nullptr;
}

std::size_t count_argument(PyObject* object, const char* name) {
  const Py_ssize_t number = PyNumber_AsSsize_t(object, PyExc_OverflowError);
  if (number == -1 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  if (number < 0) throw BindError(std::string("step: ") + name + " is negative");
  return static_cast<std::size_t>(number);
}

bool is_one_number(PyObject* object) { return PyLong_Check(object) != 0 || PyIndex_Check(object) != 0; }

/// step(), step(first, count) and step(rows), with these names.
PyObject* step(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  return guarded_call([&]() -> PyObject* {
    CompiledExecutor& executor = self_of(self);
    if (count == 0 && names == nullptr) return PyFloat_FromDouble(executor.step());

    PyObject *first = nullptr, *number = nullptr, *rows = nullptr;
    const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
    bool fits = count + named <= 2;
    if (count == 2) first = arguments[0], number = arguments[1];
    if (count == 1) (named > 0 ? first : rows) = arguments[0];
    for (Py_ssize_t i = 0; fits && i < named; ++i) {
      PyObject* name = PyTuple_GET_ITEM(names, i);
      PyObject** place = PyUnicode_CompareWithASCIIString(name, "first") == 0   ? &first
                         : PyUnicode_CompareWithASCIIString(name, "count") == 0 ? &number
                         : PyUnicode_CompareWithASCIIString(name, "rows") == 0  ? &rows
                                                                                : nullptr;
      fits = place != nullptr && *place == nullptr;
      if (fits) *place = arguments[count + i];
    }
    if (!fits || (rows == nullptr) != (first != nullptr && number != nullptr) ||
        (rows != nullptr && is_one_number(rows) && PyObject_CheckBuffer(rows) == 0)) {
      throw py::type_error("step takes nothing, or first and count, or rows: a list or array of their numbers");
    }
    if (rows == nullptr) {
      return PyFloat_FromDouble(executor.step(count_argument(first, "first"), count_argument(number, "count")));
    }
    const RowNumbers listed(rows, "step(rows)");
    return PyFloat_FromDouble(executor.step(listed.numbers()));
  });
}

PyObject* loss(PyObject* self, void*) {
  return guarded_call([&] {
    return PyFloat_FromDouble(self_of(self).with([](auto& executor) { return static_cast<double>(executor.loss()); }));
  });
}

PyMethodDef step_method = {
    "step", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(step)), METH_FASTCALL | METH_KEYWORDS,
    "step() or step(first, count) or step(rows)\n\n"
    "Computes the outputs, the loss and the gradients over all bound rows, over rows first, ..., first + count - 1, or "
    "over the rows with these numbers in their order (a row may come more than once; an array of numpy.uint32 is read "
    "in place). Returns the loss, 0.0 without one. A program without inputs has no rows to choose.\n\n"
    "Other threads of Python run meanwhile, if the step is long enough to be worth it. Raises BindError if an input "
    "group is not bound, the batch is empty or larger than max_samples, or a row does not exist; GuardError if a "
    "recorded branch would go the other way. Then there are no results until the next good step, and the parameters "
    "are untouched."};
PyGetSetDef loss_attribute = {
    "loss", loss, nullptr,
    "The loss of the last step. Raises BindError if that failed, and of a program without a loss.", nullptr};

void add(py::handle type, const char* name, PyObject* descriptor) {
  const auto owned = py::reinterpret_steal<py::object>(descriptor);
  if (!owned) throw py::error_already_set();
  py::setattr(type, name, owned);
}

/// Of a step that C++ calls, for measuring what one from Python costs besides.
double seconds_of_steps(CompiledExecutor& executor, std::size_t count) {
  return executor.with([&](auto& native) {
    const auto begin = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < count; ++i) native.step();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    return taken.count() / static_cast<double>(count);
  });
}

}  // namespace

void add_step(py::handle executor_class) {
  auto* type = reinterpret_cast<PyTypeObject*>(executor_class.ptr());
  add(executor_class, "step", PyDescr_NewMethod(type, &step_method));
  add(executor_class, "loss", PyDescr_NewGetSet(type, &loss_attribute));
  add(executor_class, "_seconds_of_steps",
      py::cpp_function(seconds_of_steps, py::is_method(executor_class)).release().ptr());
}

}  // namespace tapeloom::python
