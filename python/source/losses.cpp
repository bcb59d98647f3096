#include "losses.h"

#include <string>

#include "functions.h"

namespace tapeloom::python {

namespace {

/// The arguments of a loss: two, a weight or weights, and, of cross-entropies, label smoothing.
struct Arguments {
  PyObject *predictions = nullptr, *targets = nullptr, *weights = nullptr, *smoothing = nullptr;
};

bool parse(PyObject* arguments, PyObject* keywords, const char* format, const char* first, const char* second,
           const char* third, Arguments& out) {
  const char* names[] = {first, second, third, nullptr};
  return PyArg_ParseTupleAndKeywords(arguments, keywords, format, const_cast<char**>(names), &out.predictions,
                                     &out.targets, &out.weights) != 0;
}

/// The same of a cross-entropy, which may be smoothed.
bool parse_smoothed(PyObject* arguments, PyObject* keywords, const char* format, const char* second, const char* third,
                    Arguments& out) {
  const char* names[] = {"logits", second, third, "label_smoothing", nullptr};
  return PyArg_ParseTupleAndKeywords(arguments, keywords, format, const_cast<char**>(names), &out.predictions,
                                     &out.targets, &out.weights, &out.smoothing) != 0;
}
double smoothing_of(const Arguments& given) {
  return given.smoothing == nullptr ? 0.0 : number_argument(given.smoothing, "label_smoothing");
}

Value weight_of(PyObject* weight, const char* function) {
  return weight == nullptr ? Value(1.0) : value_argument(weight, function);
}
std::vector<Value> weights_of(PyObject* weights, const char* function) {
  return weights == nullptr || weights == Py_None ? std::vector<Value>() : values_of(weights, function);
}

/// An array of a single number has the methods of a sequence, and no length.
bool is_list(PyObject* object) {
  if (is_value(object) || PySequence_Check(object) == 0) return false;
  if (PySequence_Size(object) >= 0) return true;
  PyErr_Clear();
  return false;
}

/// The number of a class that is a number and no Value. Throws ErrorIsSet.
std::int64_t class_argument(PyObject* object) {
  if (PyIndex_Check(object) == 0) {
    PyErr_Format(
        PyExc_TypeError,
        "softmax_cross_entropy: the target is a list, a Value, or the number of a class as an integer, not '%s'",
        Py_TYPE(object)->tp_name);
    throw ErrorIsSet();
  }
  const long long number = PyLong_AsLongLong(owned(PyNumber_Index(object)).ptr());
  if (number == -1 && PyErr_Occurred() != nullptr) throw ErrorIsSet();
  return number;
}

PyObject* softmax_loss(PyObject*, PyObject* arguments, PyObject* keywords) {
  constexpr const char* name = "softmax_cross_entropy";
  Arguments given;
  if (!parse_smoothed(arguments, keywords, "OO|OO:softmax_cross_entropy", "target", "weight", given)) return nullptr;
  return guarded([&] {
    const Recording::Pin pin(recording());
    const std::vector<Value> logits = values_of(given.predictions, name);
    const Value weight = weight_of(given.weights, name);
    const double smoothing = smoothing_of(given);
    if (is_list(given.targets)) {
      return result_of(softmax_cross_entropy(logits, values_of(given.targets, name), weight, smoothing));
    }
    if (is_value(given.targets)) {
      return result_of(softmax_cross_entropy(logits, value_of(given.targets), weight, smoothing));
    }
    return result_of(softmax_cross_entropy_of_class(logits, class_argument(given.targets), weight, smoothing));
  });
}

std::vector<std::size_t> classes_of(PyObject* list, const char* function) {
  std::vector<std::size_t> classes;
  for (const Value& value : values_of(list, function)) {
    const double number = value.data();
    if (!value.is_plain() || !(number >= 0.0) || number != static_cast<double>(static_cast<std::int64_t>(number))) {
      throw RecordingError(std::string(function) + ": a class is one of the numbers 0, 1, ...");
    }
    classes.push_back(static_cast<std::size_t>(number));
  }
  return classes;
}

template <class Loss>
PyObject* softmax_list(PyObject* arguments, PyObject* keywords, const char* format, const char* name, Loss&& loss) {
  Arguments given;
  if (!parse_smoothed(arguments, keywords, format, "classes", "weights", given)) return nullptr;
  return guarded([&] {
    const Recording::Pin pin(recording());
    std::vector<std::vector<Value>> logits;
    const py::object rows = elements_of(given.predictions, name, "a list of lists of logits");
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(rows.ptr()); ++i) {
      const auto row = py::reinterpret_borrow<py::object>(PySequence_Fast_GET_ITEM(rows.ptr(), i));
      logits.push_back(values_of(row.ptr(), name));
    }
    const std::vector<std::size_t> classes = classes_of(given.targets, name);
    return result_of(loss(logits, classes, weights_of(given.weights, name), smoothing_of(given)));
  });
}

PyObject* penalty(PyObject*, PyObject* arguments, PyObject* keywords) {
  PyObject *parameters = nullptr, *strength = nullptr;
  static const char* names[] = {"parameters", "strength", nullptr};
  if (PyArg_ParseTupleAndKeywords(arguments, keywords, "OO:l2_penalty", const_cast<char**>(names), &parameters,
                                  &strength) == 0) {
    return nullptr;
  }
  return guarded([&] {
    const Recording::Pin pin(recording());
    const std::vector<Value> values = values_of(parameters, "l2_penalty");
    return result_of(l2_penalty(values, value_argument(strength, "l2_penalty")));
  });
}

#define TAPELOOM_KEYWORDS(function) reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function))

// A loss of one sample, and those over lists of them.
#define TAPELOOM_LOSS(name, first)                                                                        \
  PyObject* name##_of(PyObject*, PyObject* arguments, PyObject* keywords) {                               \
    Arguments given;                                                                                      \
    if (!parse(arguments, keywords, "OO|O:" #name, first, "target", "weight", given)) return nullptr;     \
    return guarded([&] {                                                                                  \
      const Recording::Pin pin(recording());                                                              \
      const Value x = value_argument(given.predictions, #name), t = value_argument(given.targets, #name); \
      return result_of(name(x, t, weight_of(given.weights, #name)));                                      \
    });                                                                                                   \
  }                                                                                                       \
  TAPELOOM_LIST_LOSS(name##_sum, first)                                                                   \
  TAPELOOM_LIST_LOSS(name##_mean, first)
#define TAPELOOM_LIST_LOSS(name, first)                                                                      \
  PyObject* name##_of(PyObject*, PyObject* arguments, PyObject* keywords) {                                  \
    Arguments given;                                                                                         \
    if (!parse(arguments, keywords, "OO|O:" #name, first "s", "targets", "weights", given)) return nullptr;  \
    return guarded([&] {                                                                                     \
      const Recording::Pin pin(recording());                                                                 \
      const std::vector<Value> x = values_of(given.predictions, #name), t = values_of(given.targets, #name); \
      return result_of(name(x, t, weights_of(given.weights, #name)));                                        \
    });                                                                                                      \
  }

TAPELOOM_LOSS(squared_error, "prediction")
TAPELOOM_LOSS(l1, "prediction")
TAPELOOM_LOSS(hinge, "score")
TAPELOOM_LOSS(binary_cross_entropy, "logit")

PyObject* softmax_sum(PyObject*, PyObject* arguments, PyObject* keywords) {
  return softmax_list(arguments, keywords, "OO|OO:softmax_cross_entropy_sum", "softmax_cross_entropy_sum",
                      [](const auto&... all) { return softmax_cross_entropy_sum(all...); });
}
PyObject* softmax_mean(PyObject*, PyObject* arguments, PyObject* keywords) {
  return softmax_list(arguments, keywords, "OO|OO:softmax_cross_entropy_mean", "softmax_cross_entropy_mean",
                      [](const auto&... all) { return softmax_cross_entropy_mean(all...); });
}

PyObject* kl_div_of(PyObject*, PyObject* arguments, PyObject* keywords) {
  Arguments given;
  if (!parse(arguments, keywords, "OO|O:kl_div", "log_probabilities", "targets", "weight", given)) return nullptr;
  return guarded([&] {
    const Recording::Pin pin(recording());
    const std::vector<Value> p = values_of(given.predictions, "kl_div"), t = values_of(given.targets, "kl_div");
    return result_of(kl_div(p, t, weight_of(given.weights, "kl_div")));
  });
}

/// The arguments of huber's three forms, and of smooth_l1: delta or beta stands before the weights.
bool parse_huber(PyObject* arguments, PyObject* keywords, const char* format, bool lists, Arguments& out,
                 PyObject*& delta, const char* name = "delta") {
  const char* of_one[] = {"prediction", "target", name, "weight", nullptr};
  const char* of_lists[] = {"predictions", "targets", "delta", "weights", nullptr};
  return PyArg_ParseTupleAndKeywords(arguments, keywords, format, const_cast<char**>(lists ? of_lists : of_one),
                                     &out.predictions, &out.targets, &delta, &out.weights) != 0;
}

PyObject* huber_of(PyObject*, PyObject* arguments, PyObject* keywords) {
  Arguments given;
  PyObject* delta = nullptr;
  if (!parse_huber(arguments, keywords, "OO|OO:huber", false, given, delta)) return nullptr;
  return guarded([&] {
    const Recording::Pin pin(recording());
    const Value x = value_argument(given.predictions, "huber"), t = value_argument(given.targets, "huber");
    return result_of(huber(x, t, weight_of(delta, "huber"), weight_of(given.weights, "huber")));
  });
}

PyObject* smooth_l1_of(PyObject*, PyObject* arguments, PyObject* keywords) {
  Arguments given;
  PyObject* beta = nullptr;
  if (!parse_huber(arguments, keywords, "OO|OO:smooth_l1", false, given, beta, "beta")) return nullptr;
  return guarded([&] {
    const Recording::Pin pin(recording());
    const Value x = value_argument(given.predictions, "smooth_l1"), t = value_argument(given.targets, "smooth_l1");
    return result_of(smooth_l1(x, t, weight_of(beta, "smooth_l1"), weight_of(given.weights, "smooth_l1")));
  });
}

template <class Loss>
PyObject* huber_list(PyObject* arguments, PyObject* keywords, const char* format, const char* name, Loss&& loss) {
  Arguments given;
  PyObject* delta = nullptr;
  if (!parse_huber(arguments, keywords, format, true, given, delta)) return nullptr;
  return guarded([&] {
    const Recording::Pin pin(recording());
    const std::vector<Value> x = values_of(given.predictions, name), t = values_of(given.targets, name);
    return result_of(loss(x, t, weight_of(delta, name), weights_of(given.weights, name)));
  });
}

PyObject* huber_sum_of(PyObject*, PyObject* arguments, PyObject* keywords) {
  return huber_list(arguments, keywords, "OO|OO:huber_sum", "huber_sum",
                    [](const auto&... all) { return huber_sum(all...); });
}
PyObject* huber_mean_of(PyObject*, PyObject* arguments, PyObject* keywords) {
  return huber_list(arguments, keywords, "OO|OO:huber_mean", "huber_mean",
                    [](const auto&... all) { return huber_mean(all...); });
}

#define TAPELOOM_METHOD(name, function, doc) \
  { name, TAPELOOM_KEYWORDS(function), METH_VARARGS | METH_KEYWORDS, doc }
#define TAPELOOM_LIST_DOC \
  "The same over lists of samples, of one length. `weights` is a list of as many, or None for equal ones."
#define TAPELOOM_MEAN_DOC TAPELOOM_LIST_DOC " The mean is sum(w_i loss_i) / sum(w_i)."

PyMethodDef functions[] = {
    TAPELOOM_METHOD(
        "squared_error", squared_error_of,
        "squared_error(prediction, target, weight=1.0)\n--\n\n"
        "weight * (prediction - target)**2. A sample of weight 0 contributes exactly nothing, even where its "
        "prediction or target is NaN."),
    TAPELOOM_METHOD("squared_error_sum", squared_error_sum_of,
                    "squared_error_sum(predictions, targets, weights=None)\n--\n\n" TAPELOOM_LIST_DOC),
    TAPELOOM_METHOD("squared_error_mean", squared_error_mean_of,
                    "squared_error_mean(predictions, targets, weights=None)\n--\n\n" TAPELOOM_MEAN_DOC),
    TAPELOOM_METHOD("l1", l1_of, "l1(prediction, target, weight=1.0)\n--\n\nweight * abs(prediction - target)."),
    TAPELOOM_METHOD("l1_sum", l1_sum_of, "l1_sum(predictions, targets, weights=None)\n--\n\n" TAPELOOM_LIST_DOC),
    TAPELOOM_METHOD("l1_mean", l1_mean_of, "l1_mean(predictions, targets, weights=None)\n--\n\n" TAPELOOM_MEAN_DOC),
    TAPELOOM_METHOD("smooth_l1", smooth_l1_of,
                    "smooth_l1(prediction, target, beta=1.0, weight=1.0)\n--\n\n"
                    "huber(prediction, target, beta) / beta, and l1 for a beta of 0: PyTorch's smooth_l1_loss."),
    TAPELOOM_METHOD("kl_div", kl_div_of,
                    "kl_div(log_probabilities, targets, weight=1.0)\n--\n\n"
                    "weight * sum_k t_k (log t_k - log p_k), of log p as log_softmax gives it; a t_k of 0 contributes "
                    "nothing."),
    TAPELOOM_METHOD("huber", huber_of,
                    "huber(prediction, target, delta=1.0, weight=1.0)\n--\n\n"
                    "weight * d**2 / 2 with d = prediction - target where abs(d) is at most delta, "
                    "weight * delta * (abs(d) - delta / 2) elsewhere."),
    TAPELOOM_METHOD("huber_sum", huber_sum_of,
                    "huber_sum(predictions, targets, delta=1.0, weights=None)\n--\n\n" TAPELOOM_LIST_DOC),
    TAPELOOM_METHOD("huber_mean", huber_mean_of,
                    "huber_mean(predictions, targets, delta=1.0, weights=None)\n--\n\n" TAPELOOM_MEAN_DOC),
    TAPELOOM_METHOD("hinge", hinge_of,
                    "hinge(score, target, weight=1.0)\n--\n\n"
                    "weight * relu(1 - target * score), the max-margin loss; the target is -1 or 1."),
    TAPELOOM_METHOD("hinge_sum", hinge_sum_of, "hinge_sum(scores, targets, weights=None)\n--\n\n" TAPELOOM_LIST_DOC),
    TAPELOOM_METHOD("hinge_mean", hinge_mean_of, "hinge_mean(scores, targets, weights=None)\n--\n\n" TAPELOOM_MEAN_DOC),
    TAPELOOM_METHOD(
        "binary_cross_entropy", binary_cross_entropy_of,
        "binary_cross_entropy(logit, target, weight=1.0)\n--\n\n"
        "weight * (softplus(z) - z * t) = -weight * (t log p + (1 - t) log(1 - p)) with p = sigmoid(z); the "
        "target t in [0, 1]. Finite for every finite logit z."),
    TAPELOOM_METHOD("binary_cross_entropy_sum", binary_cross_entropy_sum_of,
                    "binary_cross_entropy_sum(logits, targets, weights=None)\n--\n\n" TAPELOOM_LIST_DOC),
    TAPELOOM_METHOD("binary_cross_entropy_mean", binary_cross_entropy_mean_of,
                    "binary_cross_entropy_mean(logits, targets, weights=None)\n--\n\n" TAPELOOM_MEAN_DOC),
    TAPELOOM_METHOD(
        "softmax_cross_entropy", softmax_loss,
        "softmax_cross_entropy(logits, target, weight=1.0, label_smoothing=0.0)\n--\n\n"
        "-weight * sum_k t_k log p_k with p = softmax(logits), finite for every finite logit. The target is a "
        "list: one-hot or any distribution; or a Value: the number of the class, such as an input; or an "
        "integer: a class known while recording. With label smoothing s each target is "
        "(1 - s) t_k + s / classes."),
    TAPELOOM_METHOD("softmax_cross_entropy_sum", softmax_sum,
                    "softmax_cross_entropy_sum(logits, classes, weights=None, label_smoothing=0.0)\n--\n\n"
                    "Over recorded samples: a list of logits and a class, an integer, for each."),
    TAPELOOM_METHOD("softmax_cross_entropy_mean", softmax_mean,
                    "softmax_cross_entropy_mean(logits, classes, weights=None, label_smoothing=0.0)\n--\n\n"
                    "The mean over recorded samples: sum(w_i loss_i) / sum(w_i)."),
    TAPELOOM_METHOD("l2_penalty", penalty,
                    "l2_penalty(parameters, strength)\n--\n\nstrength * sum(p**2), to be added to a loss."),
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

bool add_losses(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace tapeloom::python
