// Operators of Value, with numbers and NumPy's arrays on either side.
#include "value.h"

namespace tapeloom::python {

namespace {

/// An operator of each element of an array with a Value, by Python: an array of objects.
PyObject* elementwise(const char* operation, PyObject* a, PyObject* b) {
  PyObject* module = PyImport_ImportModule("tapeloom._arrays");
  if (module == nullptr) return nullptr;
  PyObject* result = PyObject_CallMethod(module, "elementwise", "sOO", operation, a, b);
  Py_DECREF(module);
  return result;
}

template <class Operator>
PyObject* binary(const char* operation, PyObject* a, PyObject* b, Operator&& apply_operator) {
  return guarded([&]() -> PyObject* {
    {
      const Recording::Pin pin(recording());
      if (Py_TYPE(a) == &value_type && Py_TYPE(b) == &value_type) [[likely]]
        return new_object(apply_operator(value_of(a), value_of(b)));
      Value x, y;
      const Operand left = read_operand(a, x), right = read_operand(b, y);
      if (left == Operand::value && right == Operand::value) return new_object(apply_operator(x, y));
      if (left != Operand::array && right != Operand::array) Py_RETURN_NOTIMPLEMENTED;
    }
    return elementwise(operation, a, b);
  });
}

// Differences and quotients are micrograd's formulas, node by node: a - b is a + b * -1, a / b is a * b**-1. Drawings
// show the same, and gradients that are left in nodes between two sweeps are passed on the same way. The compiler knows
// what they mean.

Value negated(Value x) { return x.is_plain() ? Value(-x.data()) : x * -1.0; }

/// x ** exponent, with the number as a part of the operation and no Value of the user's.
Value powered(Value x, double exponent) {
  const Value number = recording().tape().constant(exponent);
  recording().hide(number.id());
  return pow(x, number);
}

Value inverse(Value x) { return x.is_plain() ? pow(x, -1.0) : powered(x, -1.0); }

PyObject* add(PyObject* a, PyObject* b) {
  return binary("add", a, b, [](Value x, Value y) { return x + y; });
}
PyObject* subtract(PyObject* a, PyObject* b) {
  return binary("sub", a, b, [](Value x, Value y) { return x + negated(y); });
}
PyObject* multiply(PyObject* a, PyObject* b) {
  return binary("mul", a, b, [](Value x, Value y) { return x * y; });
}
PyObject* divide(PyObject* a, PyObject* b) {
  return binary("truediv", a, b, [](Value x, Value y) { return x * inverse(y); });
}

PyObject* power(PyObject* a, PyObject* b, PyObject* modulus) {
  if (modulus != Py_None) {
    PyErr_SetString(PyExc_TypeError, "pow() of a Value takes no modulus");
    return nullptr;
  }
  return binary("pow", a, b, [](Value x, Value y) { return y.is_plain() ? powered(x, y.data()) : pow(x, y); });
}

PyObject* negative(PyObject* self) {
  return recorded_of(self, [](Value x) { return negated(x); });
}
PyObject* positive(PyObject* self) { return Py_NewRef(self); }
PyObject* absolute(PyObject* self) {
  return recorded_of(self, [](Value x) { return abs(x); });
}

PyObject* compare(PyObject* a, PyObject* b, int operation) {
  // Equality is of objects, as in micrograd: sets of Values rely on it.
  switch (operation) {
    case Py_LT:
      return binary("lt", a, b, [](Value x, Value y) { return x < y; });
    case Py_LE:
      return binary("le", a, b, [](Value x, Value y) { return x <= y; });
    case Py_GT:
      return binary("gt", a, b, [](Value x, Value y) { return x > y; });
    case Py_GE:
      return binary("ge", a, b, [](Value x, Value y) { return x >= y; });
  }
  Py_RETURN_NOTIMPLEMENTED;
}

int decide(PyObject* self) {
  try {
    return recording().decide(Condition(value_of(self))) ? 1 : 0;
  } catch (...) {
    set_error();
    return -1;
  }
}

template <class Operator>
PyObject* combine(PyObject* a, PyObject* b, Operator&& apply_operator) {
  if (!PyObject_TypeCheck(a, &condition_type) || !PyObject_TypeCheck(b, &condition_type)) Py_RETURN_NOTIMPLEMENTED;
  return guarded([&] {
    const Recording::Pin pin(recording());
    return new_object(apply_operator(Condition(value_of(a)), Condition(value_of(b))));
  });
}

PyObject* both(PyObject* a, PyObject* b) {
  return combine(a, b, [](Condition x, Condition y) { return x & y; });
}
PyObject* either(PyObject* a, PyObject* b) {
  return combine(a, b, [](Condition x, Condition y) { return x | y; });
}
PyObject* opposite(PyObject* self) {
  return recorded_of(self, [](Value x) { return !Condition(x); });
}

PyNumberMethods value_numbers{};
PyNumberMethods condition_numbers{};

}  // namespace

void add_number_slots(PyTypeObject& type, PyTypeObject& condition) {
  value_numbers.nb_add = add;
  value_numbers.nb_subtract = subtract;
  value_numbers.nb_multiply = multiply;
  value_numbers.nb_true_divide = divide;
  value_numbers.nb_power = power;
  value_numbers.nb_negative = negative;
  value_numbers.nb_positive = positive;
  value_numbers.nb_absolute = absolute;
  type.tp_as_number = &value_numbers;
  type.tp_richcompare = compare;
  type.tp_hash = PyBaseObject_Type.tp_hash;

  condition_numbers.nb_bool = decide;
  condition_numbers.nb_and = both;
  condition_numbers.nb_or = either;
  condition_numbers.nb_invert = opposite;
  condition.tp_as_number = &condition_numbers;
}

}  // namespace tapeloom::python
