// A neuron's and a layer's call as one call from Python: the same nodes as their formula written with operators,
// without an object for each.
#include <utility>

#include "functions.h"
#include "nn.h"

namespace tapeloom::python {

namespace {

/// A reference that is given back.
class Owned {
 public:
  explicit Owned(PyObject* object) : object_(object) {
    if (object == nullptr) throw ErrorIsSet();
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() { Py_DECREF(object_); }
  PyObject* get() const { return object_; }

 private:
  PyObject* object_;
};

/// b + w0 x0 + w1 x1 + ..., in this order, over as many terms as the shorter list has, as zip gives them; then the
/// activation: a function of one Value, or "" for none.
Value neuron_value(PyObject* weights, PyObject* bias, std::span<const Value> x, PyObject* activation) {
  const Owned list(PySequence_Fast(weights, "the weights of a neuron are a list"));
  const auto count = static_cast<std::size_t>(PySequence_Fast_GET_SIZE(list.get()));
  Value total = value_argument(bias, "neuron");
  for (std::size_t i = 0; i < std::min(count, x.size()); ++i) {
    total += value_argument(PySequence_Fast_GET_ITEM(list.get(), static_cast<Py_ssize_t>(i)), "neuron") * x[i];
  }
  if (PyUnicode_GetLength(activation) == 0) return total;
#define TAPELOOM_UNARY(name, Struct) \
  if (PyUnicode_CompareWithASCIIString(activation, #name) == 0) return name(total);
#include "tapeloom/core/ops/ops.def"
  PyErr_Format(PyExc_ValueError,
               "'%U' is no activation: it is the name of a function of one Value, such as 'tanh', or ''", activation);
  throw ErrorIsSet();
}

/// Numbers among the inputs, recorded once for all neurons.
std::vector<Value> recorded_inputs(PyObject* x) {
  std::vector<Value> values = values_of(x, "the inputs");
  for (Value& value : values) value = value.on(recording().tape());
  return values;
}

PyObject* call_layer(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    if (count != 2) {
      PyErr_SetString(PyExc_TypeError, "layer(neurons, x)");
      return nullptr;
    }
    recording().reclaim();
    const Owned neurons(PySequence_Fast(arguments[0], "the neurons of a layer are a list"));
    const std::vector<Value> x = recorded_inputs(arguments[1]);
    const Py_ssize_t size = PySequence_Fast_GET_SIZE(neurons.get());
    std::vector<Value> outputs;
    for (Py_ssize_t i = 0; i < size; ++i) {
      PyObject* neuron = PySequence_Fast_GET_ITEM(neurons.get(), i);
      const Owned weights(PyObject_GetAttrString(neuron, "w")), bias(PyObject_GetAttrString(neuron, "b")),
          activation(PyObject_GetAttrString(neuron, "activation"));
      outputs.push_back(neuron_value(weights.get(), bias.get(), x, activation.get()));
    }
    const Owned list(PyList_New(size));
    for (Py_ssize_t i = 0; i < size; ++i) {
      PyList_SET_ITEM(list.get(), i, new_object(outputs[static_cast<std::size_t>(i)]));
    }
    return Py_NewRef(list.get());
  });
}

PyMethodDef functions[] = {
    {"layer", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(call_layer)), METH_FASTCALL,
     "layer(neurons, x)\n--\n\nThe outputs of neurons with attributes w, b and activation, as a list of Values."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

bool add_nets(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace tapeloom::python
