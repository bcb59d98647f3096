// The compiled half of the module, over NumPy's arrays: made with pybind11, for what is called once a step or less.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <variant>
#include <vector>

#include "arrays.h"
#include "tapeloom/tapeloom.h"

namespace tapeloom::python {

// What is added to the module, in this order.
void add_layers(py::module_& module);
void add_programs(py::module_& module);
void add_layouts(py::module_& module);
void add_profiles(py::module_& module);
void add_executors(py::module_& module);
void add_compile(py::module_& module);
void add_optimizers(py::module_& module);
void add_shuffle(py::module_& module);
void add_reports(py::module_& module);
void add_trainers(py::module_& module);
void add_solvers(py::module_& module);
void add_metrics(py::module_& module);
void add_tensors(py::module_& module);
void add_preprocessing(py::module_& module);
void add_data_files(py::module_& module);

/// All of them, and how the library's exceptions become Python's.
void add_compiled(py::module_& module);

/// The class's public name, which pickle and messages use.
template <class Class>
void publish(Class& made) {
  made.attr("__module__") = "tapeloom";
}

/// The C++ object of an instance of a class of pybind11's; null before its __init__.
template <class T>
T* native_of(PyObject* self) {
  const auto* instance = reinterpret_cast<py::detail::instance*>(self);
  return instance->simple_layout ? static_cast<T*>(instance->simple_value_holder[0]) : nullptr;
}

/// Lets Python's collector of cycles look into instances, whose class has members
///   int traverse(visitproc visit, void* arg)   that visits the objects it holds, and
///   void clear()                               that drops those that may be part of a cycle.
template <class T>
py::custom_type_setup collected() {
  return py::custom_type_setup([](PyHeapTypeObject* heap_type) {
    PyTypeObject* type = &heap_type->ht_type;
    type->tp_flags |= Py_TPFLAGS_HAVE_GC;
    type->tp_traverse = [](PyObject* self, visitproc visit, void* arg) {
      Py_VISIT(Py_TYPE(self));
      T* native = native_of<T>(self);
      return native == nullptr ? 0 : native->traverse(visit, arg);
    };
    type->tp_clear = [](PyObject* self) {
      if (T* native = native_of<T>(self)) native->clear();
      return 0;
    };
  });
}

inline int visit_object(const py::object& object, visitproc visit, void* arg) {
  Py_VISIT(object.ptr());
  return 0;
}

}  // namespace tapeloom::python
