// A neuron's and a layer's call as one call from Python: the same nodes as their formula written with operators,
// without an object for each.
#include "nn.h"

#include <structmember.h>

#include <cstddef>
#include <vector>

#include "functions.h"

namespace tapeloom::python {

ActivationFunction activation_of(PyObject* name) {
  // The names in a program's source are interned: the same one is the same object.
  static PyObject* last_name = nullptr;
  static ActivationFunction last = nullptr;
  if (name == last_name) return last;
  ActivationFunction found = nullptr;
  if (!PyUnicode_Check(name)) {
    PyErr_Format(PyExc_TypeError, "an activation is a string, not '%s'", Py_TYPE(name)->tp_name);
    throw ErrorIsSet();
  }
  if (PyUnicode_GetLength(name) == 0) found = [](Value x) { return x; };
#define TAPELOOM_ACTIVATION(op) \
  if (PyUnicode_CompareWithASCIIString(name, #op) == 0) found = [](Value x) { return tapeloom::op(x); };
#define TAPELOOM_UNARY(op, Struct) TAPELOOM_ACTIVATION(op)
#include "tapeloom/core/ops/ops.def"
  TAPELOOM_ACTIVATION(gelu)
  TAPELOOM_ACTIVATION(silu)
  TAPELOOM_ACTIVATION(elu)
#undef TAPELOOM_ACTIVATION
  if (found == nullptr) {
    PyErr_Format(PyExc_ValueError,
                 "'%U' is no activation: it is the name of a function of one Value, such as 'tanh', or ''", name);
    throw ErrorIsSet();
  }
  Py_XSETREF(last_name, Py_NewRef(name));
  last = found;
  return found;
}

namespace {

/// Numbers among the inputs, recorded once for all neurons.
std::vector<Value> recorded_inputs(PyObject* x) {
  std::vector<Value> values = values_of(x, "the inputs");
  for (Value& value : values) value = value.on(recording().tape());
  return values;
}

// --- the attributes of a neuron, where C++ finds them without asking for each by its name ---------------------------

struct NeuronObject {
  PyObject_HEAD PyObject* w;
  PyObject* b;
  PyObject* activation;
};
PyTypeObject neuron_type{};

PyMemberDef neuron_members[] = {
    {"w", T_OBJECT_EX, offsetof(NeuronObject, w), 0, "The weights: a list of Values."},
    {"b", T_OBJECT_EX, offsetof(NeuronObject, b), 0, "The bias: a Value."},
    {"activation", T_OBJECT_EX, offsetof(NeuronObject, activation), 0, "A function of one Value, by its name; or ''."},
    {nullptr, 0, 0, 0, nullptr},
};

int visit_neuron(PyObject* self, visitproc visit, void* arg) {
  auto* neuron = reinterpret_cast<NeuronObject*>(self);
  Py_VISIT(neuron->w);
  Py_VISIT(neuron->b);
  Py_VISIT(neuron->activation);
  return 0;
}

int clear_neuron(PyObject* self) {
  auto* neuron = reinterpret_cast<NeuronObject*>(self);
  Py_CLEAR(neuron->w);
  Py_CLEAR(neuron->b);
  Py_CLEAR(neuron->activation);
  return 0;
}

void delete_neuron(PyObject* self) {
  PyObject_GC_UnTrack(self);
  clear_neuron(self);
  Py_TYPE(self)->tp_free(self);
}

bool add_neuron_type(PyObject* module) {
  Py_SET_REFCNT(reinterpret_cast<PyObject*>(&neuron_type), 1);
  neuron_type.tp_name = "tapeloom._native.NeuronBase";
  neuron_type.tp_basicsize = sizeof(NeuronObject);
  neuron_type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC;
  neuron_type.tp_doc = "The attributes of a neuron.";
  neuron_type.tp_members = neuron_members;
  neuron_type.tp_new = PyType_GenericNew;
  neuron_type.tp_traverse = visit_neuron;
  neuron_type.tp_clear = clear_neuron;
  neuron_type.tp_dealloc = delete_neuron;
  return PyType_Ready(&neuron_type) == 0 &&
         PyModule_AddObjectRef(module, "NeuronBase", reinterpret_cast<PyObject*>(&neuron_type)) == 0;
}

/// The attribute of a neuron of that very class.
py::object attribute(PyObject* held, const char* name) {
  if (held == nullptr) PyErr_Format(PyExc_AttributeError, "this neuron has no attribute '%s'", name);
  return owned(Py_XNewRef(held));
}

/// activation(b + w0 x0 + w1 x1 + ...), in this order, over as many terms as the shorter list has, as zip gives them.
/// `weights` is room for the terms.
Value call_neuron(PyObject* object, std::span<const Value> x, std::vector<Value>& weights) {
  const auto* neuron = reinterpret_cast<NeuronObject*>(object);
  const py::object list = attribute(neuron->w, "w"), bias = attribute(neuron->b, "b"),
                   activation = attribute(neuron->activation, "activation");
  read_values(list.ptr(), "neuron", weights, x.size());
  const std::span<const Value> inputs = x.first(weights.size());
  return activation_of(activation.ptr())(dot(weights, inputs, value_argument(bias.ptr(), "neuron")));
}

PyObject* call_layer(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    if (count != 3 || !PyType_Check(arguments[2]) ||
        !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(arguments[2]), &neuron_type)) {
      PyErr_SetString(PyExc_TypeError, "layer(neurons, x, class of the neurons)");
      return nullptr;
    }
    const py::object neurons = owned(PySequence_Tuple(arguments[0]));  // a copy of a list, which may be changed
    const Py_ssize_t size = PyTuple_GET_SIZE(neurons.ptr());
    for (Py_ssize_t i = 0; i < size; ++i) {
      if (Py_TYPE(PyTuple_GET_ITEM(neurons.ptr(), i)) != reinterpret_cast<PyTypeObject*>(arguments[2])) Py_RETURN_NONE;
    }
    const Recording::Pin pin(recording());
    const std::vector<Value> x = recorded_inputs(arguments[1]);
    std::vector<Value> weights, outputs;
    outputs.reserve(static_cast<std::size_t>(size));
    for (Py_ssize_t i = 0; i < size; ++i) {
      const Value output = call_neuron(PyTuple_GET_ITEM(neurons.ptr(), i), x, weights);
      outputs.push_back(output.on(recording().tape()));
    }
    return results_of(outputs);
  });
}

PyMethodDef functions[] = {
    {"layer", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(call_layer)), METH_FASTCALL,
     "layer(neurons, x, type)\n--\n\nThe outputs of neurons of that very class, as a list of Values; None where one is "
     "of another class."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

bool add_nets(PyObject* module) { return add_neuron_type(module) && PyModule_AddFunctions(module, functions) == 0; }

}  // namespace tapeloom::python
