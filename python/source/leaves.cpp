// The leaves of a recording, what is said of them, and the recording itself.
#include <array>
#include <string>
#include <vector>

#include "functions.h"

namespace tapeloom::python {

namespace {

Tape& tape() { return recording().tape(); }

PyObject* make_parameter(PyObject*, PyObject* arguments, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    PyObject *data = nullptr, *label = nullptr;
    int frozen = 0;
    static const char* names[] = {"data", "label", "frozen", nullptr};
    if (PyArg_ParseTupleAndKeywords(arguments, keywords, "O|Op:parameter", const_cast<char**>(names), &data, &label,
                                    &frozen) == 0) {
      return nullptr;
    }
    const double number = number_argument(data, "parameter(data)");
    const std::string name = label == nullptr ? "" : text_argument(label, "label");
    const Recording::Pin pin(recording());
    const Value made = tape().parameter(number, name);
    if (frozen != 0) tape().set_frozen(made);
    PyObject* object = new_object(made);
    is_statistic(object) = frozen != 0;
    return object;
  });
}

PyObject* make_uniform_input(PyObject*, PyObject* arguments, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    PyObject *name = nullptr, *data = nullptr;
    static const char* names[] = {"name", "data", nullptr};
    if (PyArg_ParseTupleAndKeywords(arguments, keywords, "O|O:uniform_input", const_cast<char**>(names), &name,
                                    &data) == 0) {
      return nullptr;
    }
    const std::string label = text_argument(name, "the name of a uniform input");
    const double number = data == nullptr ? 0.0 : number_argument(data, "uniform_input(data)");
    const Recording::Pin pin(recording());
    return new_object(recording().uniform_input(label, number));
  });
}

/// How many leaves `name(..., count)` is to make. Throws ErrorIsSet, and RecordingError for none.
std::size_t count_argument(PyObject* count, const std::string& call) {
  if (PyBool_Check(count)) throw py::type_error(call + ": a number is expected, and not a truth");
  const Py_ssize_t wanted = PyNumber_AsSsize_t(count, PyExc_OverflowError);
  if (wanted == -1 && PyErr_Occurred() != nullptr) throw ErrorIsSet();
  if (wanted < 1) throw RecordingError(call + ": at least one is needed");
  return static_cast<std::size_t>(wanted);
}

/// inputs(name, count) or inputs(name, numbers): a list of Values; input(name, data) one of them.
PyObject* make_inputs(PyObject*, PyObject* arguments, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    PyObject *name = nullptr, *count = nullptr;
    static const char* names[] = {"name", "count", nullptr};
    if (PyArg_ParseTupleAndKeywords(arguments, keywords, "OO:inputs", const_cast<char**>(names), &name, &count) == 0) {
      return nullptr;
    }
    const std::string label = text_argument(name, "the name of inputs");
    const Recording::Pin pin(recording());
    std::vector<double> data;
    if (PyIndex_Check(count) != 0) {  // NumPy's integers, too
      data.resize(count_argument(count, "inputs(\"" + label + "\", count)"));
    } else {
      for (const Value& value : values_of(count, "inputs")) data.push_back(value.data());
    }
    return results_of(recording().inputs(label, data));
  });
}

PyObject* make_input(PyObject*, PyObject* arguments, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    PyObject *name = nullptr, *data = nullptr;
    static const char* names[] = {"name", "data", nullptr};
    if (PyArg_ParseTupleAndKeywords(arguments, keywords, "O|O:input", const_cast<char**>(names), &name, &data) == 0) {
      return nullptr;
    }
    const std::string label = text_argument(name, "the name of an input");
    const std::vector<double> number = {data == nullptr ? 0.0 : number_argument(data, "input(data)")};
    const Recording::Pin pin(recording());
    return new_object(recording().inputs(label, number)[0]);
  });
}

PyObject* make_randoms(PyObject*, PyObject* count) {
  return guarded([&] {
    const std::size_t wanted = count_argument(count, "randoms(count)");
    const Recording::Pin pin(recording());
    return results_of(tape().randoms(wanted));
  });
}

PyObject* get_training(PyObject*, PyObject*) {
  return guarded([&] {
    const Recording::Pin pin(recording());
    return object_of(tape().training());
  });
}

PyObject* assign(PyObject*, PyObject* arguments, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    std::array<PyObject*, 3> given{};
    static const char* names[] = {"parameter", "next", "used", nullptr};
    if (PyArg_ParseTupleAndKeywords(arguments, keywords, "OOO:assign", const_cast<char**>(names), &given[0], &given[1],
                                    &given[2]) == 0) {
      return nullptr;
    }
    const Recording::Pin pin(recording());
    std::array<Value, 3> values;
    for (std::size_t i = 0; i < 3; ++i) values[i] = value_argument(given[i], "assign");
    tape().assign(values[0], values[1], values[2]);
    return Py_NewRef(Py_None);
  });
}

PyObject* set_frozen(PyObject*, PyObject* arguments) {
  return guarded([&]() -> PyObject* {
    PyObject* parameter = nullptr;
    int frozen = 0;
    if (PyArg_ParseTuple(arguments, "Op:set_frozen", &parameter, &frozen) == 0) return nullptr;
    tape().set_frozen(value_argument(parameter, "set_frozen"), frozen != 0);
    if (is_value(parameter) && frozen == 0) is_statistic(parameter) = false;
    return Py_NewRef(Py_None);
  });
}

/// For tapeloom.nn, which looks for a module's tensors among its attributes.
PyObject* kind_of(PyObject*, PyObject* value) {
  return guarded([&] {
    if (!is_value(value)) return PyUnicode_FromString("");
    const NodeId node = node_of(value);
    const Op op = tape().op(node);
    if (op == Op::constant) return PyUnicode_FromString("constant");
    if (op != Op::parameter) return PyUnicode_FromString("");
    return PyUnicode_FromString(is_statistic(value) ? "statistic" : "parameter");
  });
}

PyObject* take_mark(PyObject*, PyObject*) { return PyLong_FromUnsignedLongLong(recording().mark()); }

PyObject* recorded_nodes(PyObject*, PyObject*) { return PyLong_FromSize_t(recording().size()); }

PyObject* compact(PyObject*, PyObject*) {
  return guarded([&] {
    recording().compact();
    return Py_NewRef(Py_None);
  });
}

#define TAPELOOM_KEYWORDS(function) reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function))

PyMethodDef functions[] = {
    {"parameter", TAPELOOM_KEYWORDS(make_parameter), METH_VARARGS | METH_KEYWORDS,
     "parameter(data, label='', frozen=False)\n--\n\nA leaf that compile() trains where it is not told which ones, "
     "unless it is frozen. One made frozen is a statistic, which a module has among its buffers."},
    {"inputs", TAPELOOM_KEYWORDS(make_inputs), METH_VARARGS | METH_KEYWORDS,
     "inputs(name, count)\n--\n\nA list of leaves that are bound together, from rows of so many numbers. A list of "
     "numbers in place of the count is their data while recording; without, that is zero."},
    {"input", TAPELOOM_KEYWORDS(make_input), METH_VARARGS | METH_KEYWORDS,
     "input(name, data=0.0)\n--\n\nA leaf that is bound per sample."},
    {"uniform_input", TAPELOOM_KEYWORDS(make_uniform_input), METH_VARARGS | METH_KEYWORDS,
     "uniform_input(name, data=0.0)\n--\n\nA leaf that is bound once a step, the same for every sample."},
    {"randoms", make_randoms, METH_O,
     "randoms(count)\n--\n\nA list of random numbers, uniform in [0, 1), of their own for every sample of every step: "
     "by the executor's seed, the number of its step and the sample's place in the batch (Executor.seed_random)."},
    {"training", get_training, METH_NOARGS,
     "training()\n--\n\n1 in programs that are compiled for training, 0 in those for inference: of "
     "where(training(), a, b) a program has the one that it needs. compile(..., training=...) says which, and without "
     "it, whether the program computes gradients."},
    {"assign", TAPELOOM_KEYWORDS(assign), METH_VARARGS | METH_KEYWORDS,
     "assign(parameter, next, used)\n--\n\nIn training, `parameter`, which is frozen, becomes `next` with each update "
     "of an optimizer: a statistic that is kept from step to step. So do programs in which the loss depends on `used`. "
     "Executor.apply_assignments does it where parameters are updated by hand."},
    {"set_frozen", set_frozen, METH_VARARGS,
     "set_frozen(parameter, frozen)\n--\n\nExcludes what parameter() has made from training, or includes it again. A "
     "module's parameters() have it all the same."},
    {"_kind_of", kind_of, METH_O, nullptr},
    {"mark", take_mark, METH_NOARGS,
     "mark()\n--\n\nWhere the recording is: compile(..., branches_from=mark) leaves out branches decided before."},
    {"recorded_nodes", recorded_nodes, METH_NOARGS, "recorded_nodes()\n--\n\nHow many nodes the recording holds now."},
    {"compact", compact, METH_NOARGS,
     "compact()\n--\n\nDrops the nodes that no living Value is computed from. It happens by itself when they are "
     "many. While a function of this package takes its arguments, as from a generator, it waits for the next one."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

bool add_leaves(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace tapeloom::python
