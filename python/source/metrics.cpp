// How good predictions are.
#include <pybind11/stl.h>

#include "executor.h"

namespace tapeloom::python {

namespace {

/// Two arrays as numbers of one type: of float if both are.
template <class F>
auto with_both(py::handle first, const char* first_name, py::handle second, const char* second_name, F&& f) {
  const ArrayMemory a(first, first_name), b(second, second_name);
  return std::visit(
      [&](auto x, auto y) {
        if constexpr (std::is_same_v<decltype(x), decltype(y)>) {
          return f(x, y);
        } else {
          const std::vector<double> wide_x(x.begin(), x.end()), wide_y(y.begin(), y.end());
          return f(std::span<const double>(wide_x), std::span<const double>(wide_y));
        }
      },
      numbers_of(a, first_name), numbers_of(b, second_name));
}

/// Class numbers are often integers; converted, since there is one a sample.
py::object as_numbers(py::handle array) {
  const auto numpy = py::module_::import("numpy");
  py::object given = numpy.attr("ascontiguousarray")(array);
  const bool is_float = py::cast<std::string>(given.attr("dtype").attr("kind")) == "f";
  return is_float ? given : given.attr("astype")(numpy.attr("float64"));
}

void add_confusion(py::module_& module) {
  py::class_<ConfusionMatrix> made(module, "ConfusionMatrix",
                                   "How often a sample of one class was taken for each class. Fractions are NaN where "
                                   "there is nothing to divide by.");
  publish(made);
  made.def(py::init<std::size_t>(), py::arg("classes"));
  made.def(
      "add",
      [](ConfusionMatrix& self, py::handle scores, py::handle expected) {
        if (PyIndex_Check(scores.ptr()) != 0 && PyObject_CheckBuffer(scores.ptr()) == 0) {
          return self.add(py::cast<std::size_t>(expected), py::cast<std::size_t>(scores));
        }
        with_both(as_numbers(scores), "scores", as_numbers(expected), "expected",
                  [&](auto x, auto y) { self.add(x, y); });
      },
      py::arg("scores"), py::arg("expected"),
      "Counts samples by their scores, samples x classes: the largest is the prediction, the first one of several "
      "alike; NaN is never it. With two classes there may be one score a sample: above zero is class 1, as of a logit. "
      "`expected` has the numbers of the classes. Or counts one sample: add(predicted class, expected class). Raises "
      "BindError for lengths that do not fit and for numbers that are no class.");
  made.def_property_readonly("classes", &ConfusionMatrix::classes, "How many there are.");
  made.def("count", &ConfusionMatrix::count, py::arg("expected"), py::arg("predicted"),
           "How often a sample of the one class was taken for the other.");
  made.def_property_readonly(
      "counts",
      [](const ConfusionMatrix& self) {
        std::vector<std::uint64_t> counts;
        for (std::size_t e = 0; e < self.classes(); ++e) {
          for (std::size_t p = 0; p < self.classes(); ++p) counts.push_back(self.count(e, p));
        }
        const auto size = static_cast<py::ssize_t>(self.classes());
        return copy_of(counts, {size, size});
      },
      "All of them: a row for each expected class, a column for each predicted one.");
  made.def_property_readonly("total", &ConfusionMatrix::total, "How many samples were counted.");
  made.def_property_readonly("correct", &ConfusionMatrix::correct, "How many of them were taken for what they are.");
  made.def_property_readonly("accuracy", &ConfusionMatrix::accuracy, "correct / total");
  made.def("precision", &ConfusionMatrix::precision, py::arg("of_class"),
           "Of the samples taken for the class, those that are of it.");
  made.def("recall", &ConfusionMatrix::recall, py::arg("of_class"), "Of the samples of the class, those taken for it.");
  made.def("f1", &ConfusionMatrix::f1, py::arg("of_class"), "2 / (1 / precision + 1 / recall)");
  made.def_property_readonly("balanced_accuracy", &ConfusionMatrix::balanced_accuracy,
                             "The mean of the recall over the classes that have samples.");
  made.def("__str__", &ConfusionMatrix::to_string,
           "A table: a line for each expected class, a column for each predicted one.");
}

void add_errors_of_numbers(py::module_& module) {
  py::class_<ErrorSums> made(
      module, "ErrorSums",
      "Mean errors of predicted numbers, computed in double over all that were added. NaN before "
      "any.");
  publish(made);
  made.def(py::init<>());
  made.def(
      "add",
      [](ErrorSums& self, py::handle predicted, py::handle expected) {
        if (PyFloat_Check(predicted.ptr()) != 0 || PyLong_Check(predicted.ptr()) != 0) {
          return self.add(py::cast<double>(predicted), py::cast<double>(expected));
        }
        with_both(as_numbers(predicted), "predicted", as_numbers(expected), "expected",
                  [&](auto x, auto y) { self.add(x, y); });
      },
      py::arg("predicted"), py::arg("expected"),
      "Adds two numbers, or two arrays of as many. Raises BindError for arrays of different lengths.");
  made.def_property_readonly("count", &ErrorSums::count, "How many there were.");
  made.def_property_readonly("mean_absolute", &ErrorSums::mean_absolute, "mean |p - e|");
  made.def_property_readonly("mean_squared", &ErrorSums::mean_squared, "mean (p - e)**2");
  made.def_property_readonly("root_mean_squared", &ErrorSums::root_mean_squared, "The root of it.");
  made.def_property_readonly("largest_absolute", &ErrorSums::largest_absolute, "max |p - e|");
  made.def_property_readonly("bias", &ErrorSums::bias, "mean (p - e)");
  made.def_property_readonly(
      "r_squared", &ErrorSums::r_squared,
      "1 - sum (p - e)**2 / sum (e - mean e)**2: 1 for exact predictions, 0 for those as good as "
      "the mean, NaN where all expected numbers are the same.");
}

py::array predict_rows(py::handle object, py::handle data) {
  CompiledExecutor& executor = executor_of(object, "predict");
  executor.check_may_bind();
  const Usage::Scope use(executor.usage());
  const BoundArrays arrays = arrays_for(executor.program(), data);
  executor.bind(arrays);  // and keeps it
  const auto columns = static_cast<py::ssize_t>(executor.program().outputs.size());
  return executor.with([&](auto& native) -> py::array {
    const auto outputs = [&] {
      const py::gil_scoped_release others;
      return predict(native, arrays.view);
    }();
    return copy_of(outputs, {static_cast<py::ssize_t>(outputs.size()) / columns, columns});
  });
}

}  // namespace

void add_metrics(py::module_& module) {
  add_confusion(module);
  add_errors_of_numbers(module);
  module.def(
      "largest_of",
      [](py::handle scores) {
        const py::object numbers = as_numbers(scores);
        const ArrayMemory memory(numbers, "scores");
        return std::visit([](auto given) { return largest_of(given); }, numbers_of(memory, "scores"));
      },
      py::arg("scores"),
      "Which of the scores is the largest: the first of several alike; NaN never is, unless there is nothing else. "
      "Raises BindError for no scores.");
  module.def(
      "accuracy",
      [](py::handle scores, py::handle expected, std::size_t classes) {
        return with_both(as_numbers(scores), "scores", as_numbers(expected), "expected",
                         [&](auto x, auto y) { return accuracy(x, y, classes); });
      },
      py::arg("scores"), py::arg("expected"), py::arg("classes"),
      "The fraction of samples whose class is predicted, as ConfusionMatrix.add does; NaN without samples.");
  module.def(
      "predict", predict_rows, py::arg("executor"), py::arg("data"),
      "The program's outputs for all rows of the data (as for fit), samples x outputs, computed max_samples at a "
      "time. The executor stays bound to the data. Raises BindError for a program without outputs.");
}

}  // namespace tapeloom::python
