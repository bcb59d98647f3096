// What long work in C++ asks of Python meanwhile.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <string>

#include "executor.h"

namespace tapeloom::python {

/// None goes on, and so does what is true.
inline bool goes_on(const py::object& answer) {
  if (answer.is_none()) return true;
  const int truth = PyObject_IsTrue(answer.ptr());
  if (truth < 0) throw py::error_already_set();
  return truth != 0;
}

inline py::object callable_or_none(py::handle function, const char* name) {
  if (function.is_none() || PyCallable_Check(function.ptr()) != 0) {
    return py::reinterpret_borrow<py::object>(function);
  }
  throw py::type_error(std::string(name) + " is no function, but '" + Py_TYPE(function.ptr())->tp_name + "'");
}

/// How long Ctrl-C may wait, besides the step that is under way, and how often a progress bar moves.
class SignalChecks {
 public:
  /// May be asked without the interpreter's lock, but by one thread at a time.
  bool due() const { return std::chrono::steady_clock::now() - looked_ >= std::chrono::milliseconds(20); }
  /// Throws what a handler raises.
  void check() {
    looked_ = std::chrono::steady_clock::now();
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  }

 private:
  std::chrono::steady_clock::time_point looked_ = std::chrono::steady_clock::now();
};

/// For as long as it lives, a trainer or solver is at work on the executor.
class CountedTrainer {
 public:
  explicit CountedTrainer(CompiledExecutor& executor) : executor_(executor) { ++executor_.trainers; }
  CountedTrainer(const CountedTrainer&) = delete;
  CountedTrainer& operator=(const CountedTrainer&) = delete;
  ~CountedTrainer() { --executor_.trainers; }

 private:
  CompiledExecutor& executor_;
};

}  // namespace tapeloom::python
