#include "losses.h"

#include <array>
#include <string>

#include "functions.h"

namespace tapeloom::python {

namespace {

/// Of a loss, in the order of their names; null where they were left out.
using Arguments = std::array<PyObject*, 4>;

/// What loss(arguments) gives, of arguments by position or name as `format` says.
template <class Loss>
PyObject* call(PyObject* arguments, PyObject* keywords, const char* format, std::array<const char*, 5> names,
               Loss&& loss) {
  Arguments x{};
  if (PyArg_ParseTupleAndKeywords(arguments, keywords, format, const_cast<char**>(names.data()), &x[0], &x[1], &x[2],
                                  &x[3]) == 0) {
    return nullptr;
  }
  return guarded([&] {
    const Recording::Pin pin(recording());
    return result_of(loss(x));
  });
}

double smoothing_of(PyObject* smoothing) {
  return smoothing == nullptr ? 0.0 : number_argument(smoothing, "label_smoothing");
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
  return call(arguments, keywords, "OO|OO:softmax_cross_entropy", {"logits", "target", "weight", "label_smoothing"},
              [](const Arguments& x) {
                const std::vector<Value> logits = values_of(x[0], name);
                const Value weight = weight_of(x[2], name);
                const double smoothing = smoothing_of(x[3]);
                if (is_list(x[1])) return softmax_cross_entropy(logits, values_of(x[1], name), weight, smoothing);
                if (is_value(x[1])) return softmax_cross_entropy(logits, value_of(x[1]), weight, smoothing);
                return softmax_cross_entropy_of_class(logits, class_argument(x[1]), weight, smoothing);
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
  return call(arguments, keywords, format, {"logits", "classes", "weights", "label_smoothing"},
              [&](const Arguments& x) {
                std::vector<std::vector<Value>> logits;
                const py::object rows = elements_of(x[0], name, "a list of lists of logits");
                for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(rows.ptr()); ++i) {
                  const auto row = py::reinterpret_borrow<py::object>(PySequence_Fast_GET_ITEM(rows.ptr(), i));
                  logits.push_back(values_of(row.ptr(), name));
                }
                const std::vector<std::size_t> classes = classes_of(x[1], name);
                return loss(logits, classes, weights_of(x[2], name), smoothing_of(x[3]));
              });
}

PyObject* penalty(PyObject*, PyObject* arguments, PyObject* keywords) {
  return call(arguments, keywords, "OO:l2_penalty", {"parameters", "strength"}, [](const Arguments& x) {
    const std::vector<Value> values = values_of(x[0], "l2_penalty");
    return l2_penalty(values, value_argument(x[1], "l2_penalty"));
  });
}

#define TAPELOOM_KEYWORDS(function) reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function))

// A loss of one sample, and those over lists of them.
#define TAPELOOM_LOSS(name, first)                                                                        \
  PyObject* name##_of(PyObject*, PyObject* arguments, PyObject* keywords) {                               \
    return call(arguments, keywords, "OO|O:" #name, {first, "target", "weight"}, [](const Arguments& x) { \
      const Value p = value_argument(x[0], #name), t = value_argument(x[1], #name);                       \
      return name(p, t, weight_of(x[2], #name));                                                          \
    });                                                                                                   \
  }                                                                                                       \
  TAPELOOM_LIST_LOSS(name##_sum, first)                                                                   \
  TAPELOOM_LIST_LOSS(name##_mean, first)
#define TAPELOOM_LIST_LOSS(name, first)                                                                         \
  PyObject* name##_of(PyObject*, PyObject* arguments, PyObject* keywords) {                                     \
    return call(arguments, keywords, "OO|O:" #name, {first "s", "targets", "weights"}, [](const Arguments& x) { \
      const std::vector<Value> p = values_of(x[0], #name), t = values_of(x[1], #name);                          \
      return name(p, t, weights_of(x[2], #name));                                                               \
    });                                                                                                         \
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
  return call(arguments, keywords, "OO|O:kl_div", {"log_probabilities", "targets", "weight"}, [](const Arguments& x) {
    const std::vector<Value> p = values_of(x[0], "kl_div"), t = values_of(x[1], "kl_div");
    return kl_div(p, t, weight_of(x[2], "kl_div"));
  });
}

// Delta or beta, which is 1 where it was left out, too, stands before the weights.

PyObject* huber_of(PyObject*, PyObject* arguments, PyObject* keywords) {
  return call(arguments, keywords, "OO|OO:huber", {"prediction", "target", "delta", "weight"}, [](const Arguments& x) {
    const Value p = value_argument(x[0], "huber"), t = value_argument(x[1], "huber");
    return huber(p, t, weight_of(x[2], "huber"), weight_of(x[3], "huber"));
  });
}

PyObject* smooth_l1_of(PyObject*, PyObject* arguments, PyObject* keywords) {
  return call(arguments, keywords, "OO|OO:smooth_l1", {"prediction", "target", "beta", "weight"},
              [](const Arguments& x) {
                const Value p = value_argument(x[0], "smooth_l1"), t = value_argument(x[1], "smooth_l1");
                return smooth_l1(p, t, weight_of(x[2], "smooth_l1"), weight_of(x[3], "smooth_l1"));
              });
}

template <class Loss>
PyObject* huber_list(PyObject* arguments, PyObject* keywords, const char* format, const char* name, Loss&& loss) {
  return call(arguments, keywords, format, {"predictions", "targets", "delta", "weights"}, [&](const Arguments& x) {
    const std::vector<Value> p = values_of(x[0], name), t = values_of(x[1], name);
    return loss(p, t, weight_of(x[2], name), weights_of(x[3], name));
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
