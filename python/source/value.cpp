#include "value.h"

#include <string_view>

namespace tapeloom::python {

PyTypeObject value_type{};
PyTypeObject condition_type{};

namespace {

/// Objects of the exact type, kept for the next ones: most Values live for one statement.
constexpr std::size_t most_kept = 1024;
ValueObject* kept_objects[most_kept];
std::size_t kept_count = 0;

void deallocate(PyObject* self) {
  auto* object = reinterpret_cast<ValueObject*>(self);
  recording().forget(object->node);
  if (Py_TYPE(self) == &value_type && kept_count < most_kept) {
    kept_objects[kept_count++] = object;
  } else {
    Py_TYPE(self)->tp_free(self);
  }
}

PyObject* put(ValueObject* object, Value value) {
  object->node = value.id();
  object->is_statistic = false;
  recording().set_living(object->node, object);
  return reinterpret_cast<PyObject*>(object);
}

PyObject* allocate(PyTypeObject& type, Value value) {
  auto* object = PyObject_New(ValueObject, &type);
  if (object == nullptr) throw ErrorIsSet();
  return put(object, value);
}

bool is_empty_sequence(PyObject* object) { return object == nullptr || PyObject_Length(object) == 0; }

/// A leaf of 0, for a subclass too, whose own __init__ gets the arguments.
PyObject* make(PyTypeObject* type, PyObject*, PyObject*) {
  return guarded([&]() -> PyObject* {
    const Recording::Pin pin(recording());
    const Value leaf = recording().tape().constant(0.0);
    if (type == &value_type) return new_object(leaf);
    // A subclass has attributes of its own, so Python allocates it, and may collect garbage then. Its deallocator
    // expects a node, so from then on nothing may go wrong.
    recording().set_living(leaf.id(), nullptr);
    auto* object = reinterpret_cast<ValueObject*>(type->tp_alloc(type, 0));
    return object == nullptr ? nullptr : put(object, leaf);
  });
}

int initialise(PyObject* self, PyObject* arguments, PyObject* keywords) {
  PyObject *data = nullptr, *children = nullptr, *op = nullptr, *label = nullptr;
  static const char* names[] = {"data", "_children", "_op", "label", nullptr};
  if (PyArg_ParseTupleAndKeywords(arguments, keywords, "O|OOU:Value", const_cast<char**>(names), &data, &children, &op,
                                  &label) == 0) {
    return -1;
  }
  if (!is_empty_sequence(children) || !is_empty_sequence(op)) {
    if (PyErr_Occurred() == nullptr) {
      PyErr_SetString(
          PyExc_TypeError,
          "Value() makes a leaf, so it takes no _children and no _op: what is computed from other Values is "
          "recorded by operators and functions, which know the derivatives");
    }
    return -1;
  }
  if (PyObject_SetAttrString(self, "data", data) < 0) return -1;
  return label == nullptr ? 0 : PyObject_SetAttrString(self, "label", label);
}

/// Value(number), by far the most frequent; everything else by way of `make` and `initialise`.
PyObject* call_type(PyObject* type, PyObject* const* arguments, std::size_t count, PyObject* names) {
  const Py_ssize_t positional = PyVectorcall_NARGS(count);
  if (positional == 1 && names == nullptr) {
    return guarded([&] {
      const double number = number_argument(arguments[0], "Value(data)");
      const Recording::Pin pin(recording());
      return new_object(recording().tape().constant(number));
    });
  }
  PyObject* tuple = PyTuple_New(positional);
  for (Py_ssize_t i = 0; tuple != nullptr && i < positional; ++i) {
    PyTuple_SET_ITEM(tuple, i, Py_NewRef(arguments[i]));
  }
  PyObject* dictionary = tuple == nullptr ? nullptr : PyDict_New();
  for (Py_ssize_t i = 0; dictionary != nullptr && names != nullptr && i < PyTuple_GET_SIZE(names); ++i) {
    if (PyDict_SetItem(dictionary, PyTuple_GET_ITEM(names, i), arguments[positional + i]) < 0) Py_CLEAR(dictionary);
  }
  PyObject* made = dictionary == nullptr ? nullptr : make(reinterpret_cast<PyTypeObject*>(type), nullptr, nullptr);
  if (made != nullptr && initialise(made, tuple, dictionary) < 0) Py_CLEAR(made);
  Py_XDECREF(tuple);
  Py_XDECREF(dictionary);
  return made;
}

bool is_comparison(Op op) {
  switch (op) {
#define TAPELOOM_LEAF(name) case Op::name:
#define TAPELOOM_REDUCTION(name) case Op::name:
#define TAPELOOM_OP(name, Struct) case Op::name:
#define TAPELOOM_COMPARISON(name, Struct, sign)
#include "tapeloom/core/ops/ops.def"
    return false;
#define TAPELOOM_COMPARISON(name, Struct, sign) case Op::name:
#include "tapeloom/core/ops/ops.def"
    return true;
  }
  return false;
}

/// The class numpy.ndarray, once a program has NumPy; borrowed.
PyObject* array_class() {
  static PyObject* known = nullptr;
  if (known != nullptr) return known;
  static PyObject* const name = PyUnicode_InternFromString("numpy");
  PyObject* numpy = PyImport_GetModule(name);
  if (numpy == nullptr) {
    PyErr_Clear();
    return nullptr;
  }
  known = PyObject_GetAttrString(numpy, "ndarray");
  Py_DECREF(numpy);
  if (known == nullptr) PyErr_Clear();
  return known;
}

bool is_array(PyObject* object) {
  PyObject* type = array_class();
  return type != nullptr && PyObject_IsInstance(object, type) == 1;
}

}  // namespace

PyObject* new_object(Value value) {
  if (kept_count == 0) return allocate(value_type, value);
  ValueObject* kept = kept_objects[--kept_count];
#ifdef Py_REF_DEBUG
  _Py_NewReference(reinterpret_cast<PyObject*>(kept));
#else
  Py_SET_REFCNT(reinterpret_cast<PyObject*>(kept), 1);
#endif
  return put(kept, value);
}

PyObject* new_object(Condition condition) { return allocate(condition_type, condition); }

PyObject* object_of(Value value) {
  const NodeId node = value.id();
  if (ValueObject* living = recording().living(node)) return Py_NewRef(reinterpret_cast<PyObject*>(living));
  return is_comparison(recording().tape().op(node)) ? new_object(Condition(value)) : new_object(value);
}

namespace {

/// Those of Python have no float(), but NumPy's do, which drops the imaginary part.
bool is_complex(PyObject* object) {
  if (PyComplex_Check(object)) return true;
  for (const PyTypeObject* type = Py_TYPE(object); type != nullptr; type = type->tp_base) {
    if (std::string_view(type->tp_name) == "numpy.complexfloating") return true;
  }
  return false;
}

}  // namespace

Operand read_operand(PyObject* object, Value& value) {
  if (Py_TYPE(object) == &value_type) {
    value = value_of(object);
    return Operand::value;
  }
  if (PyFloat_Check(object)) {
    value = Value(PyFloat_AS_DOUBLE(object));
    return Operand::value;
  }
  if (PyLong_Check(object)) {
    const double number = PyLong_AsDouble(object);
    if (number == -1.0 && PyErr_Occurred() != nullptr) throw ErrorIsSet();
    value = Value(number);
    return Operand::value;
  }
  if (PyObject_TypeCheck(object, &value_type)) {
    value = value_of(object);
    return Operand::value;
  }
  if (is_array(object)) return Operand::array;
  // Scalars of NumPy, fractions and the like; but nothing with elements.
  const PyNumberMethods* methods = Py_TYPE(object)->tp_as_number;
  if (methods == nullptr || (methods->nb_float == nullptr && methods->nb_index == nullptr)) return Operand::other;
  if (PySequence_Check(object) != 0 && PyObject_HasAttrString(object, "__len__") != 0) return Operand::other;
  if (is_complex(object)) return Operand::other;
  const double number = PyFloat_AsDouble(object);
  if (number == -1.0 && PyErr_Occurred() != nullptr) throw ErrorIsSet();
  value = Value(number);
  return Operand::value;
}

Value value_argument(PyObject* object, const char* function) {
  if (Py_TYPE(object) == &value_type) [[likely]]
    return value_of(object);
  Value value;
  if (read_operand(object, value) != Operand::value) {
    PyErr_Format(PyExc_TypeError, "%s: a Value or a number is expected, not '%s'", function, Py_TYPE(object)->tp_name);
    throw ErrorIsSet();
  }
  return value;
}

double number_argument(PyObject* object, const char* what) {
  Value value;
  if (is_value(object)) {
    PyErr_Format(PyExc_TypeError, "%s is a number, not a Value: take its .data", what);
    throw ErrorIsSet();
  }
  if (read_operand(object, value) != Operand::value) {
    PyErr_Format(PyExc_TypeError, "%s is a number, not '%s'", what, Py_TYPE(object)->tp_name);
    throw ErrorIsSet();
  }
  return value.data();
}

std::string text_argument(PyObject* object, const char* what) {
  Py_ssize_t length = 0;
  if (!PyUnicode_Check(object)) {
    PyErr_Format(PyExc_TypeError, "%s is a string, not '%s'", what, Py_TYPE(object)->tp_name);
    throw ErrorIsSet();
  }
  const char* characters = PyUnicode_AsUTF8AndSize(object, &length);
  if (characters == nullptr) throw ErrorIsSet();
  return {characters, static_cast<std::size_t>(length)};
}

bool add_value_types(PyObject* module) {
  for (PyTypeObject* type : {&value_type, &condition_type}) {
    Py_SET_REFCNT(reinterpret_cast<PyObject*>(type), 1);
    type->tp_basicsize = sizeof(ValueObject);
    type->tp_flags = Py_TPFLAGS_DEFAULT;
    type->tp_dealloc = deallocate;
    type->tp_free = PyObject_Free;
  }
  value_type.tp_name = "tapeloom.Value";
  value_type.tp_flags |= Py_TPFLAGS_BASETYPE;
  value_type.tp_new = make;
  value_type.tp_init = initialise;
  value_type.tp_vectorcall = call_type;
  value_type.tp_doc =
      "Value(data, label='')\n--\n\n"
      "A scalar that records what is computed with it, so that `backward` finds the derivatives.\n\n"
      "`data` is its number and `grad` what backward sweeps have added up, both of which can be set; `label` is a name "
      "for drawings and messages. A Value that is made like this is a leaf.";
  condition_type.tp_name = "tapeloom.Condition";
  condition_type.tp_base = &value_type;
  condition_type.tp_flags |= Py_TPFLAGS_DISALLOW_INSTANTIATION;
  condition_type.tp_doc =
      "A comparison of Values: a Value that is 1 or 0.\n\n"
      "In an `if`, `and`, `or` or `not` it is a truth, and the branch taken becomes part of the recording: what is "
      "compiled refuses data for which it would go the other way. `&`, `|` and `~` combine conditions without a "
      "branch, for `where`.";
  add_number_slots(value_type, condition_type);
  add_attributes(value_type);
  for (PyTypeObject* type : {&value_type, &condition_type}) {
    if (PyType_Ready(type) < 0) return false;
    const char* name = type->tp_name + sizeof("tapeloom.") - 1;
    if (PyModule_AddObjectRef(module, name, reinterpret_cast<PyObject*>(type)) < 0) return false;
  }
  // NumPy's arrays and scalars leave operators with a Value to it.
  return PyDict_SetItemString(value_type.tp_dict, "__array_ufunc__", Py_None) == 0;
}

}  // namespace tapeloom::python
