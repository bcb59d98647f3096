// lbfgs and least_squares. Like a Trainer, they run without the interpreter's lock, take it for each callback, and look
// for signals every few milliseconds.
#include <pybind11/stl.h>

#include <string>
#include <utility>
#include <vector>

#include "callbacks.h"
#include "executor.h"

namespace tapeloom::python {

namespace {

/// What C++ names in two words has an underscore.
std::string end_name(SolverEnd end) {
  std::string name = to_string(end);
  for (char& letter : name) letter = letter == ' ' ? '_' : letter;
  return name;
}

/// An executor that a solver is at work on: its rows are bound, and nobody else may bind others.
class Solving {
 public:
  Solving(py::handle executor, py::handle data, py::handle on_iteration)
      : executor_(executor_of(executor, "executor")), on_iteration_(callable_or_none(on_iteration, "on_iteration")) {
    executor_.check_may_bind();
    rows_ = arrays_for(executor_.program(), data);
  }

  template <class T, class Options, class F>
  auto run(Options options, F&& solve) {
    options.on_iteration = [this](const SolverReport& report) { return after_iteration(report); };
    const Usage::Scope use(executor_.usage());
    const CountedTrainer counted(executor_);
    executor_.keep(rows_);
    Executor<T>& native = *executor_.as<T>();
    const py::gil_scoped_release others;
    return solve(native, rows_.view, options);
  }

  bool is_double() const { return executor_.is_double(); }

 private:
  bool after_iteration(const SolverReport& report) {
    const bool looks = signals_.due();
    if (!looks && on_iteration_.is_none()) return true;
    const py::gil_scoped_acquire lock;
    if (looks) signals_.check();
    return on_iteration_.is_none() || goes_on(on_iteration_(report));
  }

  CompiledExecutor& executor_;
  py::object on_iteration_;
  BoundArrays rows_;
  SignalChecks signals_;
};

LbfgsResult run_lbfgs(py::handle executor, py::handle data, std::size_t history, std::size_t max_iterations,
                      std::size_t max_evaluations, double gradient_tolerance, double loss_tolerance,
                      py::handle on_iteration) {
  const LbfgsOptions options{history, max_iterations, max_evaluations, gradient_tolerance, loss_tolerance, {}};
  const auto solve = [](auto& native, const DataView& rows, const LbfgsOptions& o) { return lbfgs(native, rows, o); };
  Solving solving(executor, data, on_iteration);
  return solving.is_double() ? solving.run<double>(options, solve) : solving.run<float>(options, solve);
}

LeastSquaresResult run_least_squares(py::handle executor, py::handle data, std::size_t max_iterations,
                                     std::size_t max_evaluations, double decrease_tolerance, double step_tolerance,
                                     double gradient_tolerance, double first_step, py::handle on_iteration) {
  const LeastSquaresOptions options{
      max_iterations, max_evaluations, decrease_tolerance, step_tolerance, gradient_tolerance, first_step, {}};
  Solving solving(executor, data, on_iteration);
  if (!solving.is_double()) throw BindError("least_squares works in double: an executor of compile_residuals");
  return solving.run<double>(options, [](auto& native, const DataView& rows, const LeastSquaresOptions& o) {
    return least_squares(native, rows, o);
  });
}

void add_report(py::module_& module) {
  py::class_<SolverReport> made(module, "SolverReport", "What on_iteration is told by lbfgs and least_squares.");
  publish(made);
  made.def_readonly("iteration", &SolverReport::iteration, "From 1.");
  made.def_readonly("evaluations", &SolverReport::evaluations,
                    "Of the loss and its gradients, or of all residuals and their derivatives, so far.");
  made.def_readonly("loss", &SolverReport::loss, "Or the sum of squares.");
  made.def_readonly("gradient", &SolverReport::gradient, "What the result of the same name is.");
}

/// What both results have.
template <class Result>
void add_common(py::class_<Result>& made, const char* gradient) {
  publish(made);
  made.def_readonly("gradient", &Result::gradient, gradient);
  made.def_readonly("iterations", &Result::iterations, "How many there were.");
  made.def_readonly("evaluations", &Result::evaluations, "How many there were.");
  made.def_property_readonly(
      "end", [](const Result& self) { return end_name(self.end); },
      "Why it stopped: \"gradient\", \"decrease\" or \"step\" (that became as small as asked for), \"no_decrease\" "
      "(rounding leaves nothing to gain), \"iterations\" or \"evaluations\" (there were as many as allowed), "
      "\"callback\" (on_iteration returned False), or \"diverged\" (not finite at the start).");
  made.def_property_readonly(
      "converged", [](const Result& self) { return converged(self.end); }, "Whether a tolerance was met.");
}

void add_lbfgs(py::module_& module) {
  py::class_<LbfgsResult> made(module, "LbfgsResult", "What lbfgs came to.");
  add_common(made, "The largest gradient, by absolute value.");
  made.def_readonly("loss", &LbfgsResult::loss, "At the parameters that the executor has now.");
  made.def_readonly("divergence", &LbfgsResult::divergence, "A Divergence where `end` is \"diverged\"; else None.");
  made.def("__repr__", [](const LbfgsResult& self) {
    return "<tapeloom.LbfgsResult: loss " + number_text(self.loss) + ", end '" + end_name(self.end) + "'>";
  });
  const LbfgsOptions o;
  module.def(
      "lbfgs", run_lbfgs, py::arg("executor"), py::arg("data") = py::none(), py::kw_only(),
      py::arg("history") = o.history, py::arg("max_iterations") = o.max_iterations,
      py::arg("max_evaluations") = o.max_evaluations, py::arg("gradient_tolerance") = o.gradient_tolerance,
      py::arg("loss_tolerance") = o.loss_tolerance, py::arg("on_iteration") = py::none(),
      "Minimises the loss over all rows of the data by L-BFGS, with a line search to the strong Wolfe conditions, from "
      "where the executor's parameters are. Returns an LbfgsResult.\n\n"
      "`data` is what fit takes; max_samples must be as many as its rows. Stops when the largest gradient is "
      "`gradient_tolerance` times what it was at the start, or an iteration has decreased the loss by no more than "
      "`loss_tolerance` times itself (0: never). The inverse of the Hessian is estimated from the last `history` "
      "iterations. `on_iteration` is called with a SolverReport; one that returns False stops it.\n\n"
      "Other threads of Python run meanwhile. Ctrl-C ends it after the iteration under way. Steps to where the loss is "
      "not finite or a branch would go the other way are taken back. Raises BindError for options and data that do not "
      "fit, GuardError where a branch goes the other way at the start.");
}

void add_least_squares(py::module_& module) {
  using Result = LeastSquaresResult;
  py::class_<Result> made(module, "LeastSquaresResult", "What least_squares came to.");
  add_common(made, "The largest cosine of the angle between the residuals and their derivatives by a parameter.");
  made.def_readonly("sum_of_squares", &Result::sum_of_squares, "Of all residuals.");
  made.def_readonly("residuals", &Result::residuals, "How many there are.");
  made.def_readonly("rank", &Result::rank, "How many combinations of parameters the residuals determine.");
  made.def_readonly("degrees_of_freedom", &Result::degrees_of_freedom, "Residuals less rank.");
  made.def_readonly("residual_standard_deviation", &Result::residual_standard_deviation,
                    "sqrt(sum_of_squares / degrees_of_freedom); NaN without any.");
  made.def_property_readonly(
      "standard_errors", [](const Result& self) { return copy_of(self.standard_errors); },
      "One a parameter. NaN if the rank is less than their number, or without degrees of freedom.");
  made.def_property_readonly(
      "covariance",
      [](const Result& self) {
        const auto count = static_cast<py::ssize_t>(self.standard_errors.size());
        return copy_of(self.covariance, {count, count});
      },
      "Of the parameters, likewise.");
  made.def("__repr__", [](const Result& self) {
    return "<tapeloom.LeastSquaresResult: sum of squares " + number_text(self.sum_of_squares) + ", end '" +
           end_name(self.end) + "'>";
  });
  const LeastSquaresOptions o;
  module.def(
      "least_squares", run_least_squares, py::arg("executor"), py::arg("data") = py::none(), py::kw_only(),
      py::arg("max_iterations") = o.max_iterations, py::arg("max_evaluations") = o.max_evaluations,
      py::arg("decrease_tolerance") = o.decrease_tolerance, py::arg("step_tolerance") = o.step_tolerance,
      py::arg("gradient_tolerance") = o.gradient_tolerance, py::arg("first_step") = o.first_step,
      py::arg("on_iteration") = py::none(),
      "Minimises the sum of the squares of the residuals of all rows by Levenberg and Marquardt's method, from where "
      "the parameters of an executor of compile_residuals are. Returns a LeastSquaresResult, with standard errors.\n\n"
      "`data` is what fit takes. Stops when the sum of squares decreases, and can be expected to decrease, by no more "
      "than `decrease_tolerance` times itself; when no step is longer than `step_tolerance` times the parameters; or "
      "when the result's `gradient` is no more than `gradient_tolerance` (0: never). The first step is no longer than "
      "`first_step` times the parameters. `on_iteration` is called with a SolverReport; one that returns False stops "
      "it.\n\n"
      "Other threads of Python run meanwhile. Ctrl-C ends it after the iteration under way. Steps to where a residual "
      "is not finite or a branch would go the other way are taken back. Raises BindError for fewer residuals than "
      "parameters, and for residuals that are not finite at the start; GuardError where a branch goes the other way "
      "there.");
}

}  // namespace

void add_solvers(py::module_& module) {
  add_report(module);
  add_lbfgs(module);
  add_least_squares(module);
}

}  // namespace tapeloom::python
