#include "functions.h"

#include <algorithm>
#include <span>
#include <string>

namespace tapeloom::python {

/// Row-major.
struct Matrix {
  std::vector<Value> entries;
  std::size_t rows, columns;
};

/// A list of its rows.
static PyObject* result_of(const Matrix& matrix) {
  py::object list = owned(PyList_New(static_cast<Py_ssize_t>(matrix.rows)));
  for (std::size_t i = 0; i < matrix.rows; ++i) {
    const auto begin = matrix.entries.begin() + static_cast<std::ptrdiff_t>(i * matrix.columns);
    const std::vector<Value> row(begin, begin + static_cast<std::ptrdiff_t>(matrix.columns));
    PyList_SET_ITEM(list.ptr(), static_cast<Py_ssize_t>(i), owned(results_of(row)).release().ptr());
  }
  return list.release().ptr();
}

namespace {

bool check_count(const char* name, Py_ssize_t given, Py_ssize_t expected) {
  if (given == expected) return true;
  PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments (%zd given)", name, expected, given);
  return false;
}

/// What a function was given.
struct Arguments {
  const char* function;
  PyObject* const* given;

  Value operator()(std::size_t i) const { return value_argument(given[i], function); }
  std::vector<Value> list(std::size_t i) const { return values_of(given[i], function); }
};

/// What function(arguments) gives, of so many.
template <class Function>
PyObject* call(const char* name, PyObject* const* arguments, Py_ssize_t count, Py_ssize_t arity, Function&& function) {
  if (!check_count(name, count, arity)) return nullptr;
  return guarded([&] {
    const Recording::Pin pin(recording());
    return result_of(function(Arguments{name, arguments}));
  });
}

PyObject* sum_of(PyObject*, PyObject* list) {
  return call("sum", &list, 1, 1, [](const Arguments& at) { return sum(at.list(0)); });
}
PyObject* mean_of(PyObject*, PyObject* list) {
  return call("mean", &list, 1, 1, [](const Arguments& at) { return mean(at.list(0)); });
}
PyObject* logsumexp_of(PyObject*, PyObject* list) {
  return call("logsumexp", &list, 1, 1, [](const Arguments& at) { return logsumexp(at.list(0)); });
}
PyObject* log_softmax_of(PyObject*, PyObject* list) {
  return call("log_softmax", &list, 1, 1, [](const Arguments& at) { return log_softmax(at.list(0)); });
}
PyObject* softmax_of(PyObject*, PyObject* list) {
  return call("softmax", &list, 1, 1, [](const Arguments& at) { return softmax(at.list(0)); });
}

PyObject* dot_of(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return call("dot", arguments, count, 2, [](const Arguments& at) {
    const std::vector<Value> a = at.list(0), b = at.list(1);
    return dot(a, b);
  });
}

// An equality of numbers, which == of Python's, of objects, is not. Messages call both functions "equal".
Condition equality(PyObject* const* arguments, bool equal) {
  const Arguments at{"equal", arguments};
  const Value x = at(0), y = at(1);
  return equal ? x == y : x != y;
}
PyObject* equal(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return call("equal", arguments, count, 2, [](const Arguments& at) { return equality(at.given, true); });
}
PyObject* not_equal(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return call("not_equal", arguments, count, 2, [](const Arguments& at) { return equality(at.given, false); });
}

PyObject* elu_of(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count == 1) return call("elu", arguments, count, 1, [](const Arguments& at) { return elu(at(0)); });
  return call("elu", arguments, count, 2, [](const Arguments& at) { return elu(at(0), at(1)); });
}

PyObject* gradient_of(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return call("gradient", arguments, count, 2, [](const Arguments& at) {
    const Value y = at(0);
    return gradient(y, at.list(1));
  });
}

PyObject* derivative_of(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return call("derivative", arguments, count, 3, [](const Arguments& at) {
    const Value y = at(0);
    const std::vector<Value> x = at.list(1);
    return derivative(y, x, at.list(2));
  });
}

PyObject* jacobian_of(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return call("jacobian", arguments, count, 2, [](const Arguments& at) {
    const std::vector<Value> y = at.list(0), x = at.list(1);
    return Matrix{jacobian(y, x), y.size(), x.size()};
  });
}

PyObject* hessian_of(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return call("hessian", arguments, count, 2, [](const Arguments& at) {
    const Value y = at(0);
    const std::vector<Value> x = at.list(1);
    return Matrix{hessian(y, x), x.size(), x.size()};
  });
}

PyObject* hessian_vector_of(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return call("hessian_vector", arguments, count, 3, [](const Arguments& at) {
    const Value y = at(0);
    const std::vector<Value> x = at.list(1);
    return hessian_vector(y, x, at.list(2));
  });
}

PyObject* laplacian_of(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  return call("laplacian", arguments, count, 2, [](const Arguments& at) {
    const Value y = at(0);
    return laplacian(y, at.list(1));
  });
}

#define TAPELOOM_FAST(function) reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function))

using Fast = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t);

PyMethodDef functions[] = {
#define TAPELOOM_UNARY(name, Struct)                                                         \
  {#name, TAPELOOM_FAST(static_cast<Fast>([](PyObject*, PyObject* const* x, Py_ssize_t n) {  \
     return call(#name, x, n, 1, [](const Arguments& at) { return tapeloom::name(at(0)); }); \
   })),                                                                                      \
   METH_FASTCALL, #name "(x)\n--\n\nThe function " #name " of a Value; of a number, a number."},
#define TAPELOOM_BINARY(name, Struct)                                                               \
  {#name, TAPELOOM_FAST(static_cast<Fast>([](PyObject*, PyObject* const* x, Py_ssize_t n) {         \
     return call(#name, x, n, 2, [](const Arguments& at) { return tapeloom::name(at(0), at(1)); }); \
   })),                                                                                             \
   METH_FASTCALL,                                                                                   \
   #name "(a, b)\n--\n\nThe function " #name " of two Values or numbers, as an operation (no branch)."},
#define TAPELOOM_TERNARY(name, Struct)                                                                     \
  {#name, TAPELOOM_FAST(static_cast<Fast>([](PyObject*, PyObject* const* x, Py_ssize_t n) {                \
     return call(#name, x, n, 3, [](const Arguments& at) { return tapeloom::name(at(0), at(1), at(2)); }); \
   })),                                                                                                    \
   METH_FASTCALL,                                                                                          \
   #name "(a, b, c)\n--\n\nThe function " #name " of three Values or numbers, as where(condition, a, b)."},
#define TAPELOOM_REDUCTION(name)                                                             \
  {#name, TAPELOOM_FAST(static_cast<Fast>([](PyObject*, PyObject* const* x, Py_ssize_t n) {  \
     return call(#name, x, n, 1, [](const Arguments& at) { return tapeloom::name(at(0)); }); \
   })),                                                                                      \
   METH_FASTCALL,                                                                            \
   #name "(x)\n--\n\nOver the samples of a batch, of a Value that inputs make differ from sample to sample."},
#include "tapeloom/core/ops/ops.def"
// Functions written with ops.
#define TAPELOOM_COMPOSED(name, arity, doc, ...)                                                       \
  {#name, TAPELOOM_FAST(static_cast<Fast>([](PyObject*, PyObject* const* x, Py_ssize_t n) {            \
     return call(#name, x, n, arity, [](const Arguments& at) { return tapeloom::name(__VA_ARGS__); }); \
   })),                                                                                                \
   METH_FASTCALL, doc},
#define TAPELOOM_TEST(name, doc)                                                             \
  {#name, TAPELOOM_FAST(static_cast<Fast>([](PyObject*, PyObject* const* x, Py_ssize_t n) {  \
     return call(#name, x, n, 1, [](const Arguments& at) { return tapeloom::name(at(0)); }); \
   })),                                                                                      \
   METH_FASTCALL, #name "(x)\n--\n\n" doc},
    TAPELOOM_COMPOSED(gelu, 1, "gelu(x)\n--\n\nx times the normal distribution's function of x.", at(0))
        TAPELOOM_COMPOSED(silu, 1, "silu(x)\n--\n\nx sigmoid(x).", at(0)) TAPELOOM_COMPOSED(
            clamp, 3, "clamp(x, low, high)\n--\n\nmin(max(x, low), high).", at(0), at(1), at(2))
            TAPELOOM_COMPOSED(fmax, 2, "fmax(a, b)\n--\n\nThe larger of two; a NaN is passed over.", at(0), at(1))
                TAPELOOM_COMPOSED(fmin, 2, "fmin(a, b)\n--\n\nThe smaller of two; a NaN is passed over.", at(0), at(1))
                    TAPELOOM_TEST(isnan, "The condition that x is NaN.")
                        TAPELOOM_TEST(isinf, "The condition that x is infinite.")
                            TAPELOOM_TEST(isfinite, "The condition that x is neither infinite nor NaN.")
                                TAPELOOM_TEST(signbit, "The condition that x is negative, or -0."){
                                    "elu", TAPELOOM_FAST(elu_of), METH_FASTCALL,
                                    "elu(x, alpha=1.0)\n--\n\nx where that is positive, alpha (exp(x) - 1) elsewhere."},
    {"logsumexp", logsumexp_of, METH_O,
     "logsumexp(values)\n--\n\nThe logarithm of the sum of the exponentials, which does not overflow."},
    {"log_softmax", log_softmax_of, METH_O,
     "log_softmax(values)\n--\n\nA list: each value less logsumexp of all of them."},
    {"softmax", softmax_of, METH_O,
     "softmax(values)\n--\n\nA list: the exponential of each, by the sum of all of them; does not overflow."},
    {"gradient", TAPELOOM_FAST(gradient_of), METH_FASTCALL,
     "gradient(y, x)\n--\n\nA list: the derivative of y by each Value of the list x, as Values, which can be compiled "
     "and differentiated again."},
    {"derivative", TAPELOOM_FAST(derivative_of), METH_FASTCALL,
     "derivative(y, x, direction)\n--\n\nThe derivative of y along a direction, two lists of one length: the sum of "
     "dy/dx direction."},
    {"jacobian", TAPELOOM_FAST(jacobian_of), METH_FASTCALL,
     "jacobian(y, x)\n--\n\nA list of rows, one for each Value of the list y: its derivatives by those of the list x."},
    {"hessian", TAPELOOM_FAST(hessian_of), METH_FASTCALL,
     "hessian(y, x)\n--\n\nA list of rows: the second derivatives of y by the Values of the list x."},
    {"hessian_vector", TAPELOOM_FAST(hessian_vector_of), METH_FASTCALL,
     "hessian_vector(y, x, vector)\n--\n\nA list: the product of the Hessian of y by the list x and a vector of as "
     "many numbers or Values, at the cost of some gradients."},
    {"laplacian", TAPELOOM_FAST(laplacian_of), METH_FASTCALL,
     "laplacian(y, x)\n--\n\nThe sum of the second derivatives of y by each Value of the list x twice."},
    {"sum", sum_of, METH_O, "sum(values)\n--\n\nThe sum of a list, in order from the first."},
    {"mean", mean_of, METH_O, "mean(values)\n--\n\nThe mean of a list that is not empty."},
    {"dot", TAPELOOM_FAST(dot_of), METH_FASTCALL,
     "dot(a, b)\n--\n\nThe sum of the products of two lists of one length."},
    {"equal", TAPELOOM_FAST(equal), METH_FASTCALL,
     "equal(a, b)\n--\n\nThe condition that two numbers are equal. (== of Values is of objects, as in micrograd.)"},
    {"not_equal", TAPELOOM_FAST(not_equal), METH_FASTCALL, "not_equal(a, b)\n--\n\nThe condition that they are not."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

py::object elements_of(PyObject* list, const char* function, const char* expected) {
  if (Py_TYPE(list)->tp_iter == nullptr && PySequence_Check(list) == 0) {
    PyErr_Format(PyExc_TypeError, "%s: %s is expected, not '%s'", function, expected, Py_TYPE(list)->tp_name);
    throw ErrorIsSet();
  }
  return owned(PySequence_Fast(list, "not iterable"));
}

void read_values(PyObject* list, const char* function, std::vector<Value>& values, std::size_t most) {
  const py::object elements = elements_of(list, function, "a list of Values or numbers");
  const auto count = [&] { return std::min(most, static_cast<std::size_t>(PySequence_Fast_GET_SIZE(elements.ptr()))); };
  values.resize(count());
  std::size_t read = 0;
  for (; read < values.size(); ++read) {
    PyObject* element = PySequence_Fast_GET_ITEM(elements.ptr(), static_cast<Py_ssize_t>(read));
    if (Py_TYPE(element) == &value_type) [[likely]] {
      values[read] = value_of(element);
      continue;
    }
    const auto held = py::reinterpret_borrow<py::object>(element);  // its __float__ may change the list
    values[read] = value_argument(element, function);
    values.resize(std::max(read + 1, count()));
  }
}

std::vector<Value> values_of(PyObject* list, const char* function) {
  std::vector<Value> values;
  read_values(list, function, values);
  return values;
}

PyObject* results_of(const std::vector<Value>& values) {
  py::object list = owned(PyList_New(static_cast<Py_ssize_t>(values.size())));
  for (std::size_t i = 0; i < values.size(); ++i) {
    PyList_SET_ITEM(list.ptr(), static_cast<Py_ssize_t>(i), owned(result_of(values[i])).release().ptr());
  }
  return list.release().ptr();
}

bool add_functions(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace tapeloom::python
