// Attributes and methods of Value: those of micrograd, and every function of one or two Values of the op table.
#include <string>
#include <vector>

#include "owned.h"
#include "value.h"

namespace tapeloom::python {

namespace {

Tape& tape() { return recording().tape(); }

PyObject* get_data(PyObject* self, void*) {
  return guarded([&] { return PyFloat_FromDouble(value_of(self).data()); });
}
PyObject* get_grad(PyObject* self, void*) {
  return guarded([&] { return PyFloat_FromDouble(value_of(self).grad()); });
}

template <class Write>
int set(PyObject* value, const char* name, Write&& write) {
  if (value == nullptr) {
    PyErr_Format(PyExc_AttributeError, "the %s of a Value cannot be deleted", name);
    return -1;
  }
  try {
    write();
    return 0;
  } catch (...) {
    set_error();
    return -1;
  }
}

// The number first: its __float__ may record, and the node be another one afterwards.
int set_data(PyObject* self, PyObject* number, void*) {
  return set(number, "data", [&] {
    const double data = number_argument(number, "data");
    tape().override_data(node_of(self), data);
  });
}
int set_grad(PyObject* self, PyObject* number, void*) {
  return set(number, "grad", [&] {
    const double grad = number_argument(number, "grad");
    tape().set_grad(node_of(self), grad);
  });
}

PyObject* text(const std::string& characters) {
  return PyUnicode_FromStringAndSize(characters.data(), static_cast<Py_ssize_t>(characters.size()));
}

PyObject* get_label(PyObject* self, void*) {
  return guarded([&] { return text(value_of(self).label()); });
}
int set_label(PyObject* self, PyObject* label, void*) {
  return set(label, "label", [&] {
    const std::string text = text_argument(label, "label");
    tape().set_label(node_of(self), text);
  });
}

/// The operands that a user has written, so without the exponent of x ** 2.
std::vector<NodeId> shown_operands(NodeId node) {
  std::vector<NodeId> shown;
  for (NodeId operand : tape().operands(node)) {
    if (!recording().is_hidden(operand)) shown.push_back(operand);
  }
  return shown;
}

PyObject* get_prev(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    const Recording::Pin pin(recording());  // a set asks for hashes, of which a subclass may have its own
    py::object set = owned(PySet_New(nullptr));
    for (NodeId operand : shown_operands(node_of(self))) {
      const py::object object = owned(object_of(tape().value(operand)));
      if (PySet_Add(set.ptr(), object.ptr()) < 0) return nullptr;
    }
    return set.release().ptr();
  });
}

/// A number as Python writes it: an integer without a point.
std::string short_number(double number) {
  const bool whole = number == static_cast<double>(static_cast<long long>(number)) && number < 1e15 && number > -1e15;
  char* written = PyOS_double_to_string(number, 'r', 0, whole ? 0 : Py_DTSF_ADD_DOT_0, nullptr);
  if (written == nullptr) throw ErrorIsSet();
  const std::string result = written;
  PyMem_Free(written);
  return result;
}

/// As the notebooks write it: a sign, or the function's name.
std::string sign_of(NodeId node) {
  const Op op = tape().op(node);
  switch (op) {
#define TAPELOOM_LEAF(name) \
  case Op::name:            \
    return "";
#define TAPELOOM_OPERATOR(name, Struct, sign) \
  case Op::name:                              \
    return #sign;
#define TAPELOOM_COMPARISON(name, Struct, sign) TAPELOOM_OPERATOR(name, Struct, sign)
#define TAPELOOM_REDUCTION(name) case Op::name:
#define TAPELOOM_OP(name, Struct) case Op::name:
#include "tapeloom/core/ops/ops.def"
    break;
  }
  if (op == Op::relu) return "ReLU";
  if (op != Op::pow) return std::string(op_name(op));
  const NodeId exponent = tape().operands(node).node[1];
  return recording().is_hidden(exponent) ? "**" + short_number(tape().data(exponent)) : "**";
}

PyObject* get_op(PyObject* self, void*) {
  return guarded([&] { return text(sign_of(node_of(self))); });
}

PyObject* get_node(PyObject* self, void*) {
  return guarded([&] { return PyLong_FromUnsignedLong(node_of(self).index); });
}

PyObject* backward(PyObject* self, PyObject*) {
  return guarded([&] {
    tape().micrograd_backward(node_of(self));
    return Py_NewRef(Py_None);
  });
}
PyObject* backward_step(PyObject* self, PyObject*) {
  return guarded([&] {
    tape().micrograd_backward_step(node_of(self));
    return Py_NewRef(Py_None);
  });
}

PyObject* represent(PyObject* self) {
  PyObject* data = get_data(self, nullptr);
  PyObject* grad = data == nullptr ? nullptr : get_grad(self, nullptr);
  PyObject* name = grad == nullptr ? nullptr : PyType_GetName(Py_TYPE(self));
  PyObject* result = name == nullptr ? nullptr : PyUnicode_FromFormat("%U(data=%R, grad=%R)", name, data, grad);
  Py_XDECREF(data);
  Py_XDECREF(grad);
  Py_XDECREF(name);
  return result;
}

PyObject* svg(PyObject* self, PyObject*) {
  PyObject* module = PyImport_ImportModule("tapeloom.graph");
  if (module == nullptr) return nullptr;
  PyObject* result = PyObject_CallMethod(module, "_svg_of_value", "O", self);
  Py_DECREF(module);
  return result;
}

PyObject* get_is_statistic(PyObject* self, void*) { return Py_NewRef(is_statistic(self) ? Py_True : Py_False); }

/// For what was copied or unpickled.
int set_is_statistic(PyObject* self, PyObject* given, void*) {
  const int is_true = given == nullptr ? 0 : PyObject_IsTrue(given);
  if (is_true >= 0) is_statistic(self) = is_true != 0;
  return is_true < 0 ? -1 : 0;
}

/// What pickle and copy make it from: (__newobj__, (class,), (attributes or None, {"data": ..., ...})), or of
/// parameter() that function in place of the class.
PyObject* reduce(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    const Recording::Pin pin(recording());
    const NodeId node = node_of(self);
    const Op op = tape().op(node);
    if (op != Op::constant && op != Op::parameter) {
      PyErr_Format(PyExc_TypeError,
                   "%s is computed from other Values or bound as an input, and cannot be copied or pickled: copy the "
                   "leaves it depends on and compute it from them, or save a compiled program",
                   tape().describe(node).c_str());
      return nullptr;
    }
    const py::object attributes = py::getattr(py::handle(self), "__dict__", py::none());
    const std::string label = tape().label(node);
    const bool is_parameter = op == Op::parameter;
    const py::object state =
        owned(Py_BuildValue("(O{sdsdss#})", attributes.ptr(), "data", tape().data(node), "grad", tape().grad(node),
                            "label", label.data(), static_cast<Py_ssize_t>(label.size())));
    if (is_parameter) {
      const py::dict slots = py::reinterpret_borrow<py::dict>(PyTuple_GET_ITEM(state.ptr(), 1));
      slots["_is_statistic"] = py::bool_(is_statistic(self));
    }
    const py::object module = owned(PyImport_ImportModule(is_parameter ? "tapeloom._native" : "copyreg"));
    const py::object maker = owned(PyObject_GetAttrString(module.ptr(), is_parameter ? "parameter" : "__newobj__"));
    if (!is_parameter) return Py_BuildValue("(O(O)O)", maker.ptr(), Py_TYPE(self), state.ptr());
    const auto& [place, frozen] = tape().parameters()[tape().leaf_index(node)];
    return Py_BuildValue("(O(dsO)O)", maker.ptr(), 0.0, "", frozen ? Py_True : Py_False, state.ptr());
  });
}

template <class Function>
PyObject* binary(PyObject* self, PyObject* other, const char* name, Function&& function) {
  return guarded([&] {
    const Recording::Pin pin(recording());
    const Value y = value_argument(other, name);
    return new_object(function(value_of(self), y));
  });
}

PyGetSetDef attributes[] = {
    {"data", get_data, set_data, "The number. Of a computed Value it can be set, too; what was computed from it stays.",
     nullptr},
    {"grad", get_grad, set_grad, "What backward sweeps have added up.", nullptr},
    {"label", get_label, set_label, "A name for drawings and messages.", nullptr},
    {"_prev", get_prev, nullptr, "The set of Values it was computed from.", nullptr},
    {"_node", get_node, nullptr, "Its place in the recording, which may change whenever something is recorded.",
     nullptr},
    {"_is_statistic", get_is_statistic, set_is_statistic, "Whether it is a parameter that was made frozen.", nullptr},
    {"_op", get_op, nullptr, "The sign or name of the operation that computed it; empty for a leaf.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyMethodDef methods[] = {
    {"backward", backward, METH_NOARGS,
     "backward()\n--\n\nSets this Value's gradient to 1 and adds to the gradients of all that it is computed from. "
     "Every Value passes on all of its gradient, what was there before included, so set them to zero first."},
    {"_backward", backward_step, METH_NOARGS,
     "_backward()\n--\n\nOne step of backward: adds this Value's contributions, from its gradient, to those it was "
     "computed from."},
    {"_repr_svg_", svg, METH_NOARGS, "_repr_svg_()\n--\n\nThe drawing that Jupyter shows, if it is not too large."},
    {"__reduce__", reduce, METH_NOARGS, nullptr},
#define TAPELOOM_UNARY(name, Struct)                                                                              \
  {#name, [](PyObject* self, PyObject*) { return recorded_of(self, [](Value x) { return tapeloom::name(x); }); }, \
   METH_NOARGS, #name "()\n--\n\nThe function " #name " of this Value."},
#define TAPELOOM_BINARY(name, Struct)                                                          \
  {#name,                                                                                      \
   [](PyObject* self, PyObject* other) {                                                       \
     return binary(self, other, #name, [](Value x, Value y) { return tapeloom::name(x, y); }); \
   },                                                                                          \
   METH_O, #name "(other)\n--\n\nThe function " #name " of this Value and another one, or a number."},
#include "tapeloom/core/ops/ops.def"
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void add_attributes(PyTypeObject& type) {
  type.tp_getset = attributes;
  type.tp_methods = methods;
  type.tp_repr = represent;
}

}  // namespace tapeloom::python
