// compile(), explain_passes() and evaluate(): what takes Values and leaves the shared tape.
#include <pybind11/stl.h>

#include <algorithm>
#include <functional>
#include <string_view>

#include "arguments.h"
#include "executor.h"
#include "owned.h"
#include "recording.h"
#include "value.h"

namespace tapeloom::python {

namespace {

PyObject* value_argument(py::handle object, const std::string& what) {
  if (is_value(object.ptr())) return object.ptr();
  if (PyNumber_Check(object.ptr()) != 0 && PySequence_Check(object.ptr()) == 0) {
    throw py::type_error(what + " is a number, and not a Value that is computed from others");
  }
  throw py::type_error(what + ": a Value is expected, not '" + Py_TYPE(object.ptr())->tp_name + "'");
}

/// A Value of an output that is a number, as layers give it where nothing that is trained or bound goes in.
py::object output_argument(py::handle object, const std::string& what) {
  if (!is_value(object.ptr()) && PyNumber_Check(object.ptr()) != 0 && PySequence_Check(object.ptr()) == 0) {
    const double number = number_argument(object.ptr(), what.c_str());
    const Recording::Pin pin(recording());
    return owned(new_object(recording().tape().constant(number)));
  }
  return py::reinterpret_borrow<py::object>(value_argument(object, what));
}

using Checked = py::object (*)(py::handle object, const std::string& what);
py::object leaf_argument(py::handle object, const std::string& what) {
  return py::reinterpret_borrow<py::object>(value_argument(object, what));
}

/// The objects of a list of Values, or of one.
std::vector<py::object> list_of_values(py::handle values, const std::string& what, Checked checked) {
  std::vector<py::object> list;
  if (is_value(values.ptr())) return {py::reinterpret_borrow<py::object>(values)};
  if (!py::isinstance<py::iterable>(values) || py::isinstance<py::str>(values)) {
    throw py::type_error(what + ": a list of Values is expected, not '" + Py_TYPE(values.ptr())->tp_name + "'");
  }
  for (const py::handle value : py::reinterpret_borrow<py::object>(values)) {
    list.push_back(checked(value, what + "[" + std::to_string(list.size()) + "]"));
  }
  return list;
}

/// A copy of what was asked for, and the Values of its parameters.
struct Request {
  Snapshot snapshot;
  std::vector<py::object> values;
};

Request take(py::handle loss, py::handle parameters, py::handle outputs, std::uint64_t branches_from) {
  SnapshotRequest request;
  std::vector<py::object> alive;  // a generator's Values live no longer than these
  if (!loss.is_none()) request.loss = value_argument(loss, "loss");
  if (!outputs.is_none()) {
    for (py::object& output : list_of_values(outputs, "outputs", output_argument)) {
      request.outputs.push_back(output.ptr());
      alive.push_back(std::move(output));
    }
  }
  if (!parameters.is_none()) {
    request.parameters.emplace();
    for (py::object& parameter : list_of_values(parameters, "parameters", leaf_argument)) {
      request.parameters->push_back(parameter.ptr());
      alive.push_back(std::move(parameter));
    }
  }
  if (request.loss == nullptr && request.outputs.empty()) {
    throw py::type_error("there is nothing to compile: a loss, outputs or both are needed");
  }
  request.branches_from = branches_from;
  Request taken{recording().snapshot(request), {}};
  for (const NodeId node : taken.snapshot.sources) {
    taken.values.push_back(py::reinterpret_steal<py::object>(object_of(recording().tape().value(node))));
  }
  return taken;
}

CompileOptions options_of(const py::kwargs& named) {
  CompileOptions options;
  for (const auto& [key, value] : named) {
    const std::string name = text_argument(key, "the name of an option");
    bool known = false;
#define TAPELOOM_COMPILE_OPTION(option)                         \
  if (name == #option) {                                        \
    options.option = truth_argument(value, "compile: " + name); \
    known = true;                                               \
  }
    TAPELOOM_COMPILE_OPTION(gradients)
    TAPELOOM_COMPILE_OPTION(input_gradients)
    TAPELOOM_COMPILE_OPTION(exact)
    TAPELOOM_COMPILE_OPTION(assume_finite)
    TAPELOOM_COMPILE_OPTION(fold_samples)
    TAPELOOM_COMPILE_OPTION(roll)
    TAPELOOM_COMPILE_OPTION(fold_constants)
    TAPELOOM_COMPILE_OPTION(common_subexpressions)
    TAPELOOM_COMPILE_OPTION(simplify)
    TAPELOOM_COMPILE_OPTION(idioms)
    TAPELOOM_COMPILE_OPTION(fuse)
    TAPELOOM_COMPILE_OPTION(reuse_slots)
    TAPELOOM_COMPILE_OPTION(verify)
#undef TAPELOOM_COMPILE_OPTION
    if (name == "training") {
      if (!value.is_none()) options.training = truth_argument(value, "compile: training", "True or False, or None");
      known = true;
    }
    if (!known) throw py::type_error("'" + name + "' is no option of compile");
  }
  return options;
}

/// Program::recording of what was compiled from a copy of the recording: equal where the parameters are the same Values
/// and begin with the same numbers. What is compiled keeps its Values, so that no others get their addresses.
std::uint64_t recording_of(const Program& program, const std::vector<py::object>& values) {
  std::vector<std::pair<const void*, double>> all;
  for (std::size_t i = 0; i < values.size(); ++i) all.emplace_back(values[i].ptr(), program.parameters[i].initial);
  std::ranges::sort(all, {}, &std::pair<const void*, double>::first);  // they may be named in another order
  return std::hash<std::string_view>()({reinterpret_cast<const char*>(all.data()), all.size() * sizeof(all[0])});
}

CompiledProgram with_values(Program program, Request taken) {
  program.recording = recording_of(program, taken.values);
  return {std::make_shared<const Program>(std::move(program)), std::move(taken.values)};
}

/// An executor of what compile(the copy) makes, without the interpreter's lock: the copy is nobody else's.
template <class Compile>
py::object make_executor(Request taken, Compile&& compile, bool is_double, const ExecutorOptions& options,
                         CompiledExecutor* shared = nullptr) {
  Program program = [&] {
    const py::gil_scoped_release others;
    return compile(std::as_const(taken.snapshot));
  }();
  py::object of = py::cast(with_values(std::move(program), std::move(taken)));
  return py::cast(std::make_unique<CompiledExecutor>(std::move(of), is_double, options, shared));
}

py::object compile_residual_executor(py::handle residuals, py::handle parameters, std::size_t max_samples,
                                     std::size_t threads, bool check_finite, std::uint64_t branches_from,
                                     const py::kwargs& named) {
  const CompileOptions options = options_of(named);
  return make_executor(take(py::none(), parameters, residuals, branches_from),
                       [&](const Snapshot& copy) { return compile_residuals(copy.outputs, options); }, true,
                       {max_samples, threads, check_finite, false});
}

using CompileProduct = Program (*)(ValueSpan y, ValueSpan x, CompileOptions options);

/// An executor of products with the Jacobian of y by x.
template <CompileProduct compile_product>
py::object compile_product_executor(py::handle y, py::handle x, py::handle parameters, py::handle outputs,
                                    py::handle dtype, std::size_t max_samples, std::size_t threads, bool check_finite,
                                    std::uint64_t branches_from, const py::kwargs& named) {
  CompileOptions options = options_of(named);
  py::list all;
  for (py::object& result : list_of_values(y, "y", output_argument)) all.append(std::move(result));
  const std::size_t results = all.size();
  for (py::object& by : list_of_values(x, "x", leaf_argument)) all.append(std::move(by));
  const std::size_t named_so_far = all.size();
  if (!outputs.is_none()) {
    for (py::object& output : list_of_values(outputs, "outputs", output_argument)) all.append(std::move(output));
  }
  if (results == 0) throw CompileError("y: there is nothing to differentiate");
  if (named_so_far == results) throw CompileError("x: there is nothing to differentiate by");
  Request taken = take(py::none(), parameters, all, branches_from);
  const auto compile_all = [&](const Snapshot& copy) {
    const std::span<const Value> copies = copy.outputs;
    options.outputs.assign(copies.begin() + static_cast<std::ptrdiff_t>(named_so_far), copies.end());
    return compile_product(copies.first(results), copies.subspan(results, named_so_far - results), options);
  };
  return make_executor(std::move(taken), compile_all, dtype.is_none() || says_double(dtype),
                       {max_samples, threads, check_finite, false});
}

bool trains(const Snapshot& snapshot) {
  return std::ranges::any_of(snapshot.tape->parameters(), [](const ParameterRecord& each) { return !each.frozen; });
}

py::object compile_executor(py::handle loss, py::handle parameters, py::handle outputs, py::handle dtype,
                            std::size_t max_samples, std::size_t threads, bool check_finite, bool profile,
                            py::handle parameters_of, std::uint64_t branches_from, const py::kwargs& named) {
  CompileOptions options = options_of(named);
  CompiledExecutor* shared = parameters_of.is_none() ? nullptr : &executor_of(parameters_of, "parameters_of");
  const bool is_double = dtype.is_none() ? shared == nullptr || shared->is_double() : says_double(dtype);
  py::object trained = py::reinterpret_borrow<py::object>(parameters);
  if (parameters.is_none() && shared != nullptr) {
    if (shared->compiled().values.empty() && !shared->program().parameters.empty()) {
      throw BindError("parameters_of: that executor does not know the Values of its parameters, so name them");
    }
    trained = py::cast(shared->compiled().values);
  }
  Request taken = take(loss, trained, outputs, branches_from);
  if (trained.is_none() && taken.snapshot.loss && options.gradients && !options.input_gradients &&
      !trains(taken.snapshot)) {
    throw CompileError(
        "there is nothing to train: a Value does not say that it is a parameter, so name them, as in compile(loss, "
        "parameters=model.parameters()), or make them by parameter(). For the loss alone, say gradients=False");
  }
  const auto compile_all = [&](const Snapshot& copy) {
    if (!copy.loss) return compile_inference(copy.outputs, options);
    options.outputs = copy.outputs;
    return compile(*copy.loss, options);
  };
  return make_executor(std::move(taken), compile_all, is_double, {max_samples, threads, check_finite, profile}, shared);
}

std::string explain_recording(py::handle loss, py::handle parameters, py::handle outputs, std::uint64_t branches_from,
                              const py::kwargs& named) {
  CompileOptions options = options_of(named);
  const Request taken = take(loss, parameters, outputs, branches_from);
  if (!taken.snapshot.loss) throw py::type_error("explain_passes needs a loss");
  options.outputs = taken.snapshot.outputs;
  return explain_passes(*taken.snapshot.loss, options);
}

/// samples x columns
py::array table(const std::vector<double>& numbers, std::size_t samples) {
  return copy_of(numbers, {static_cast<py::ssize_t>(samples), static_cast<py::ssize_t>(numbers.size() / samples)});
}

py::dict evaluate_batch(py::handle root, py::handle parameters, py::handle outputs, py::handle rows,
                        const std::vector<double>& uniform_inputs, double seed, std::uint64_t branches_from) {
  const Request taken = take(root, parameters, outputs, branches_from);
  if (!taken.snapshot.loss) throw py::type_error("evaluate needs a root");
  Batch batch;
  std::unique_ptr<ArrayMemory> memory;
  std::vector<double> numbers;
  if (!rows.is_none()) {
    memory = std::make_unique<ArrayMemory>(rows, "rows");
    std::visit([&](auto given) { numbers.assign(given.begin(), given.end()); }, numbers_of(*memory, "rows"));
    if (memory->dimensions() == 0) throw BindError("rows: the array is a single number");
    batch.samples = memory->shape(0);
  }
  batch.rows = numbers;
  batch.uniform_inputs = uniform_inputs;
  const Evaluation result = evaluate(*taken.snapshot.loss, batch, taken.snapshot.outputs, seed);
  py::dict found;
  found["root"] = copy_of(result.root);
  found["gradients"] = copy_of(result.gradients);
  found["input_gradients"] = table(result.input_gradients, batch.samples);
  found["outputs"] = table(result.outputs, batch.samples);
  return found;
}

constexpr const char* compile_doc =
    "Compiles a recording and makes an Executor for it.\n\n"
    "`loss` is the Value to be made small, one number for the whole batch: where it differs from sample to sample, "
    "reduce it with batch_mean or batch_sum. Without, inference alone is compiled. `parameters` are the leaves that "
    "are trained, such as model.parameters(); without, those that were made by parameter(), as all of tapeloom.nn are, "
    "of which there must be one unless gradients=False. What assign() keeps from step to step, such as running "
    "statistics, follows them, frozen. Other leaves that are no inputs are data, and samples recorded one after "
    "another are folded into a batch where they can be. `outputs` are Values to be read after a step, among "
    "which numbers may be.\n\n"
    "`dtype` is numpy.float64, as Values have it, without one, or numpy.float32, which is about twice as fast. "
    "`max_samples`, `threads`, `check_finite` and `profile` are the Executor's, and so is `parameters_of`: another "
    "executor with whom to share the parameters, whose list they are without one of their own. `branches_from`, of "
    "mark(), leaves out the branches decided before.\n\n"
    "Other options, with their defaults: gradients=True (differentiate the loss), training=None (True: dropout, and "
    "statistics of the batch, which are assigned with each update; False: neither; None: True where the loss is "
    "differentiated), input_gradients=False (derivatives by each sample's inputs), exact=False (bit for bit what "
    "evaluate computes; slower), assume_finite=False (your "
    "statement that no number is infinite or NaN: 0.0 * x is left out), and what may be left out for comparison: "
    "fold_samples, roll, fold_constants, common_subexpressions, simplify, idioms, fuse, reuse_slots (all "
    "True) and verify (checks of the compiler's own work).\n\n"
    "What is compiled is a copy: what becomes of the Values does not change it. Raises CompileError for a loss that "
    "differs from sample to sample, RecordingError for parameters that are no leaves, GuardError for a branch on "
    "constants alone that would go the other way.";

}  // namespace

void add_compile(py::module_& module) {
  module.def("compile", compile_executor, py::arg("loss") = py::none(), py::arg("parameters") = py::none(),
             py::arg("outputs") = py::none(), py::kw_only(), py::arg("dtype") = py::none(),
             py::arg("max_samples") = 1024, py::arg("threads") = 0, py::arg("check_finite").noconvert() = false,
             py::arg("profile").noconvert() = false, py::arg("parameters_of") = py::none(),
             py::arg("branches_from") = 0, compile_doc);
  module.def(
      "compile_residuals", compile_residual_executor, py::arg("residuals"), py::arg("parameters") = py::none(),
      py::kw_only(), py::arg("max_samples") = 1024, py::arg("threads") = 0, py::arg("check_finite").noconvert() = false,
      py::arg("branches_from") = 0,
      "Compiles what least_squares fits and makes an Executor in float64 for it: the residuals of a sample (a Value or "
      "several, such as y - model) and their derivatives by each of the `parameters`; without them, by those that were "
      "made by parameter(). What differs in reliability is multiplied by the square root of its weight. Other options "
      "are compile's. Raises CompileError where there are no parameters, RecordingError for a residual that depends on "
      "other samples by way of a batch reduction.");
  const auto add_product = [&](const char* name, auto* compile_executor_of, const char* doc) {
    module.def(name, compile_executor_of, py::arg("y"), py::arg("x"), py::arg("parameters") = py::none(),
               py::arg("outputs") = py::none(), py::kw_only(), py::arg("dtype") = py::none(),
               py::arg("max_samples") = 1024, py::arg("threads") = 0, py::arg("check_finite").noconvert() = false,
               py::arg("branches_from") = 0, doc);
  };
  add_product(
      "compile_vector_jacobian", &compile_product_executor<compile_vector_jacobian>,
      "Compiles vector-Jacobian products and makes an Executor for them: the sum over i of seeds[i] dy[i]/dx[j] "
      "for each of `x`, by one reverse sweep. The inputs \"seeds\", as many as `y`, are bound behind those that were "
      "recorded. Where y and x do not differ from sample to sample, each bound row gets a product of its own, and unit "
      "vectors give the Jacobian, row by row. `outputs` follow the products. Other arguments are "
      "compile's. Raises RecordingError where a y depends on other samples by way of a batch reduction.");
  add_product(
      "compile_jacobian_vector", &compile_product_executor<compile_jacobian_vector>,
      "The same for Jacobian-vector products, the sum over j of dy[i]/dx[j] direction[j] for each of `y`, by one "
      "forward sweep. The inputs \"direction\" are as many as `x`.");
  module.def(
      "explain_passes", explain_recording, py::arg("loss"), py::arg("parameters") = py::none(),
      py::arg("outputs") = py::none(), py::kw_only(), py::arg("branches_from") = 0,
      "The compiler's graph after each of its passes, or that it is unchanged, as text. Takes what compile takes.");
  module.def(
      "evaluate", evaluate_batch, py::arg("root"), py::arg("parameters") = py::none(), py::arg("outputs") = py::none(),
      py::kw_only(), py::arg("rows") = py::none(), py::arg("uniform_inputs") = std::vector<double>(),
      py::arg("seed") = 1.0, py::arg("branches_from") = 0,
      "The reference that everything compiled is held against: a recording computed in double precision, one "
      "operation after another, over the rows of an array (all inputs side by side, random numbers last), as in "
      "training unless the last of `uniform_inputs` is the 0 of training(). Gives a dict of arrays: "
      "`root`, one number or one a sample; `gradients`, one a parameter; `input_gradients` and `outputs`, samples "
      "x numbers.");
}

}  // namespace tapeloom::python
