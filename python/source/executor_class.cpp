// The class tapeloom.Executor.
#include <pybind11/stl.h>

#include <algorithm>

#include "arguments.h"
#include "executor.h"
#include "program_bytes.h"
#include "value.h"

namespace tapeloom::python {

namespace {

using Class = py::class_<CompiledExecutor>;

py::ssize_t size(std::size_t number) { return static_cast<py::ssize_t>(number); }

/// samples x columns
template <class T>
py::array rows_view(std::span<const T> numbers, std::size_t columns, py::handle owner) {
  const std::size_t rows = columns == 0 ? 0 : numbers.size() / columns;
  return view_of(numbers, {size(rows), size(columns)}, owner);
}

void bind(CompiledExecutor& executor, const py::args& positional, const py::kwargs& named) {
  executor.check_may_bind();
  py::dict data;
  if (positional.size() == 2 && py::isinstance<py::str>(positional[0])) {
    data[positional[0]] = positional[1];
  } else if (positional.size() == 1) {
    executor.bind(arrays_for(executor.program(), positional[0]));
  } else if (!positional.empty() || named.empty()) {
    throw py::type_error("bind takes an array for all inputs, a name and an array, or arrays by name");
  }
  for (const auto& item : named) data[item.first] = item.second;
  if (!data.empty()) executor.bind(arrays_for(executor.program(), data));
}

void add_binding(Class& made) {
  made.def("bind", bind,
           "bind(array), bind(name, array), bind(name=array, ...) or bind({name: array, ...})\n\n"
           "Binds the rows of input groups, or of all groups side by side (those alone that the program reads, or all "
           "in recorded order). An array's first dimension are its rows, the others together the numbers of a row; for "
           "a group of one number, one dimension is enough. Arrays of float32 and float64 are read where they are: "
           "what is written to them later is seen by the next step, and they are kept, and refuse to be resized, "
           "while they are bound. Rows may lie apart, as in array[::2] or array[:, 3:5].\n\n"
           "Raises BindError for arrays of other numbers, for rows whose numbers do not lie side by side, and for "
           "those of another length than the group's. Nothing is ever copied.");
  made.def_property_readonly(
      "bound_rows",
      [](CompiledExecutor& self) { return self.with([](auto& executor) { return executor.bound_rows(); }); },
      "How many rows every group has that the program reads; 1 if it reads none. Raises BindError if their numbers "
      "differ or one is not bound.");
  made.def(
      "bound_row",
      [](CompiledExecutor& self, std::size_t row) {
        return copy_of(self.with([&](auto& executor) { return executor.bound_row(row); }));
      },
      py::arg("row"),
      "A copy of the numbers bound for a row: of all inputs, in recorded order; zero for those that the program does "
      "not read.");
  made.def("set_uniform_input", &CompiledExecutor::set_uniform_input, py::arg("name"), py::arg("number"),
           "Sets the number of a uniform input, from the next step on.");
  made.def(
      "seed_random",
      [](CompiledExecutor& self, py::handle seed, py::handle step) {
        const std::uint64_t first = counter_argument(seed, "seed_random: seed");
        const std::uint64_t second = counter_argument(step, "seed_random: step");
        self.with([&](auto& executor) { executor.seed_random(first, second); });
      },
      py::arg("seed"), py::arg("step") = 0,
      "The next step has the random numbers of that step of that seed, as of dropout, and those after it the ones that "
      "follow. Without, a first step is step 0 of seed 0, also of a copy and of what was unpickled. A Trainer says it "
      "before each step, by its seed and the number of the optimizer's updates.");
}

void add_results(Class& made) {
  made.def_property_readonly(
      "outputs",
      [](py::object self) {
        auto& native = py::cast<CompiledExecutor&>(self);
        return native.with(
            [&](auto& executor) { return rows_view(executor.outputs(), executor.program().outputs.size(), self); });
      },
      "The outputs of the last step, samples x outputs: a view that cannot be written to, of memory that the next step "
      "writes. It stays good as memory whatever becomes of the executor; copy() it to keep the numbers.");
  made.def_property_readonly(
      "gradients",
      [](py::object self) {
        auto& native = py::cast<CompiledExecutor&>(self);
        return native.with([&](auto& executor) {
          const auto numbers = executor.gradients();
          return view_of(numbers, {size(numbers.size())}, self);
        });
      },
      "The derivatives of the last step's loss, one a parameter, zero for frozen ones: a view as `outputs`.");
  made.def_property_readonly(
      "input_gradients",
      [](py::object self) {
        auto& native = py::cast<CompiledExecutor&>(self);
        return native.with([&](auto& executor) {
          return rows_view(executor.input_gradients(), executor.program().input_count, self);
        });
      },
      "The derivatives of the last step's loss by each sample's inputs, samples x inputs, of a program compiled with "
      "input_gradients=True: a view as `outputs`.");
}

template <class T>
py::array parameter_view(Executor<T>& executor, py::handle self) {
  return view_of(executor.parameters(), {size(executor.parameters().size())}, self);
}

void set_parameters(CompiledExecutor& self, py::handle array) {
  const ArrayMemory memory(array, "parameters");
  const auto given = numbers_of(memory, "parameters");
  self.with([&]<class T>(Executor<T>& executor) {
    std::visit(
        [&](auto numbers) {
          const std::vector<T> converted(numbers.begin(), numbers.end());
          executor.set_parameters(converted);
        },
        given);
  });
}

void write_back(CompiledExecutor& self, py::handle values) {
  std::vector<py::object> to = self.compiled().values;
  if (!values.is_none()) to = py::cast<std::vector<py::object>>(py::list(py::reinterpret_borrow<py::object>(values)));
  const std::size_t count = self.program().parameters.size();
  if (to.empty() && count > 0) {
    throw BindError(
        "write_back: the executor does not know the Values of its parameters, since it was unpickled, copied or made "
        "of a program from a file; name them, as in write_back(model.parameters())");
  }
  if (to.size() != count) {
    const bool has_frozen = std::ranges::any_of(self.program().parameters, &ProgramParameter::frozen);
    throw BindError(
        "write_back: " + std::to_string(to.size()) + " Values for " + std::to_string(count) + " parameters" +
        (has_frozen ? "; statistics are behind the others, as in model.parameters() + model.buffers()" : ""));
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_value(to[i].ptr())) {
      throw py::type_error("write_back: number " + std::to_string(i) + " of the list is no Value");
    }
    const NodeId node = value_of(to[i].ptr()).id();
    if (op_kind(recording().tape().op(node)) != OpKind::leaf) {
      throw RecordingError("write_back: " + recording().tape().describe(node) +
                           " is computed from other values; only a leaf's number can be set");
    }
  }
  self.with([&]<class T>(Executor<T>& executor) {
    const std::span<const T> numbers = std::as_const(executor).parameters();
    for (std::size_t i = 0; i < count; ++i) {
      recording().tape().set_data(value_of(to[i].ptr()).id(), static_cast<double>(numbers[i]));
    }
  });
}

std::vector<py::ssize_t> trained(CompiledExecutor& self) {
  std::vector<py::ssize_t> numbers;
  self.with([&](auto& executor) {
    for (const Range range : executor.trained()) {
      for (std::uint32_t i = range.begin; i < range.end; ++i) numbers.push_back(i);
    }
  });
  return numbers;
}

void set_frozen(CompiledExecutor& self, py::handle parameters, bool frozen) {
  const std::vector<ParameterId> ids = parameter_ids(self.compiled(), parameters, "set_frozen");
  self.with([&](auto& executor) { executor.set_frozen(ids, frozen); });
}

void add_parameters(Class& made) {
  made.def_property(
      "parameters",
      [](py::object self) {
        auto& native = py::cast<CompiledExecutor&>(self);
        return native.with([&](auto& executor) { return parameter_view(executor, self); });
      },
      set_parameters,
      "The trained numbers, one a parameter, in the order of the list given to compile: an array that shares the "
      "executor's memory, so that `executor.parameters[:] = 0` and `executor.parameters -= step` change them. Setting "
      "the attribute copies as many numbers from another array.");
  made.def("write_back", write_back, py::arg("values") = py::none(),
           "Writes the trained numbers into the `data` of the Values that the parameters were compiled from, or of "
           "those in the list: those given to compile, and behind them the statistics that the program keeps, as in "
           "model.parameters() + model.buffers(). What was computed from them before keeps its number. Raises "
           "BindError where the Values "
           "are not known: of an executor that was unpickled or made of a program from a file.");
  made.def("set_frozen", set_frozen, py::arg("parameters"), py::arg("frozen").noconvert() = true,
           "Excludes parameters from training, or includes them again: Values of the list given to compile, numbers of "
           "parameters, ParameterTensors, or a list of these. Of frozen ones `gradients` has zeros from now on, and "
           "optimizers leave them alone, moments and decay included. Executors that share the parameters do not share "
           "this. Raises BindError for a parameter that was frozen when the program was compiled, and if that has no "
           "gradients; then nothing is changed.");
  made.def(
      "apply_assignments",
      [](CompiledExecutor& self) { self.with([](auto& executor) { executor.apply_assignments(); }); },
      "Puts into the parameters that the program keeps from step to step, such as running statistics, what the last "
      "step computed for them. Optimizers do so with each update; who updates `parameters` by hand calls it. Raises "
      "BindError if the last step failed.");
  made.def_property_readonly(
      "trained", [](CompiledExecutor& self) { return trained(self); },
      "The numbers of the parameters that are not frozen, ascending.");
}

void add_facts(Class& made) {
  made.def_property_readonly(
      "program", [](CompiledExecutor& self) { return self.program_object(); },
      "The program as it was compiled: its parameters have their initial numbers. save_program(path, executor) saves "
      "the trained ones.");
  made.def_property_readonly(
      "dtype",
      [](CompiledExecutor& self) { return self.is_double() ? py::dtype::of<double>() : py::dtype::of<float>(); },
      "The type of the numbers it computes with: numpy.float32 or numpy.float64.");
  made.def_property_readonly(
      "max_samples", [](CompiledExecutor& self) { return self.options().max_samples; },
      "The most samples that a step may have.");
  made.def_property_readonly(
      "arena_bytes",
      [](CompiledExecutor& self) { return self.with([](auto& executor) { return executor.arena_bytes(); }); },
      "Bytes of all buffers.");
  made.def_property_readonly(
      "tile_samples",
      [](CompiledExecutor& self) { return self.with([](auto& executor) { return executor.tile_samples(); }); },
      "How many samples go through the instructions together.");
  made.def(
      "explain", [](CompiledExecutor& self) { return explain(self.program()); },
      "What did and what did not roll: program.explain().");
  made.def(
      "profile",
      [](CompiledExecutor& self) {
        return ProgramProfile{self.compiled().program, self.with([](auto& executor) { return executor.profile(); })};
      },
      "Where the time of all steps so far went. Raises BindError unless the executor was made with profile=True.");
  made.def("__repr__", [](CompiledExecutor& self) {
    const Program& program = self.program();
    return "<tapeloom.Executor: " + std::string(self.is_double() ? "float64" : "float32") + ", " +
           std::to_string(program.parameters.size()) + " parameters, " + std::to_string(program.input_count) +
           " inputs, " + std::to_string(program.outputs.size()) + " outputs, " +
           std::to_string(program.instructions.size()) + " instructions>";
  });
}

// --- copies -------------------------------------------------------------------------------------------------------

/// Besides the program, whose parameters have the trained numbers: the type, the options, what is frozen and the
/// uniform inputs that were set. What is bound is not part of it.
py::tuple state_of(CompiledExecutor& self, bool with_program) {
  const ExecutorOptions& o = self.options();
  const std::string program = with_program ? self.with([](auto& executor) { return bytes_of(executor); }) : "";
  return py::make_tuple(
      py::bytes(program), self.is_double(), py::make_tuple(o.max_samples, o.threads, o.check_finite, o.profile),
      self.program().has_gradients ? py::cast(trained(self)) : py::object(py::none()), self.uniform_inputs());
}

std::unique_ptr<CompiledExecutor> restore(py::object program, const py::tuple& state) {
  if (state.size() != 5) throw py::value_error("this is no pickled Executor");
  const auto [max_samples, threads, check_finite, profile] =
      py::cast<std::tuple<std::size_t, std::size_t, bool, bool>>(state[2]);
  const ExecutorOptions options{max_samples, threads, check_finite, profile};
  auto made = std::make_unique<CompiledExecutor>(std::move(program), py::cast<bool>(state[1]), options, nullptr);
  if (!state[3].is_none()) {
    std::vector<ParameterId> frozen;
    const auto kept = py::cast<std::vector<std::size_t>>(state[3]);
    const auto& parameters = made->program().parameters;
    for (std::size_t i = 0, next = 0; i < parameters.size(); ++i) {
      if (next < kept.size() && kept[next] == i) {
        ++next;
      } else {
        frozen.emplace_back(i);
      }
    }
    made->with([&](auto& executor) { executor.set_frozen(frozen); });
  }
  for (const auto& [name, number] : py::cast<std::map<std::string, double>>(state[4])) {
    made->set_uniform_input(name, number);
  }
  return made;
}

std::unique_ptr<CompiledExecutor> restore_from_bytes(const py::tuple& state) {
  if (state.size() != 5) throw py::value_error("this is no pickled Executor");
  return restore(py::cast(program_of_bytes(py::cast<std::string>(state[0]))), state);
}

/// With parameters of its own that have the same numbers.
std::unique_ptr<CompiledExecutor> copy(CompiledExecutor& self, bool keeps_values) {
  CompiledProgram program{self.compiled().program, self.compiled().values};
  if (!keeps_values) {
    Program alone = *program.program;
    alone.recording = 0;  // which tells the Values
    program = {std::make_shared<const Program>(std::move(alone)), {}};
  }
  const py::tuple state = state_of(self, false);
  auto made = restore(py::cast(std::move(program)), state);
  self.with(
      [&]<class T>(Executor<T>& executor) { made->as<T>()->set_parameters(std::as_const(executor).parameters()); });
  return made;
}

void add_copies(Class& made) {
  made.def(py::pickle([](CompiledExecutor& self) { return state_of(self, true); }, &restore_from_bytes));
  made.def(
      "__copy__", [](CompiledExecutor& self) { return copy(self, true); },
      "An executor with the same program and parameters of its own, which begin with the same numbers; nothing is "
      "bound.");
  made.def(
      "__deepcopy__", [](CompiledExecutor& self, const py::dict&) { return copy(self, false); }, py::arg("memo"),
      "As __copy__, but it does not know the Values of its parameters, since copies of these may stand for them.");
}

}  // namespace

void add_executors(py::module_& module) {
  Class made(module, "Executor", collected<CompiledExecutor>(),
             "Runs a program over the rows of NumPy's arrays, again and again, in float32 or float64.\n\n"
             "compile() makes one. Executor(program, ...) makes another for a program: with `parameters_of` it shares "
             "the parameters of an executor of the same type, so that what trains one is seen by the other. A step may "
             "have `max_samples` samples and be worked on by so many `threads` (0: as many as the machine runs at "
             "once); the results are the same bits for every number. `check_finite` refuses NaN and infinity while "
             "binding; `profile` times every instruction, for profile().\n\n"
             "An executor is used by one thread at a time; others are refused with a RuntimeError while a step is "
             "under way. It can be pickled and copied: the copy has the program, the options and parameters of its "
             "own; nothing is bound.");
  publish(made);
  made.def(py::init([](py::object program, py::handle dtype, std::size_t max_samples, std::size_t threads,
                       bool check_finite, bool profile, py::handle parameters_of) {
             if (!py::isinstance<CompiledProgram>(program)) {
               throw py::type_error(std::string("Executor: a Program is expected, not '") +
                                    Py_TYPE(program.ptr())->tp_name + "'; compile() makes an executor of Values");
             }
             CompiledExecutor* shared =
                 parameters_of.is_none() ? nullptr : &executor_of(parameters_of, "parameters_of");
             const bool is_double = dtype.is_none() ? shared == nullptr || shared->is_double() : says_double(dtype);
             return std::make_unique<CompiledExecutor>(
                 std::move(program), is_double, ExecutorOptions{max_samples, threads, check_finite, profile}, shared);
           }),
           py::arg("program"), py::arg("dtype") = py::none(), py::kw_only(), py::arg("max_samples") = 1024,
           py::arg("threads") = 0, py::arg("check_finite").noconvert() = false, py::arg("profile").noconvert() = false,
           py::arg("parameters_of") = py::none(),
           "An executor for a program. Without a dtype it is that of `parameters_of`, or float64.");
  add_step(made);
  add_binding(made);
  add_results(made);
  add_parameters(made);
  add_facts(made);
  add_copies(made);
}

}  // namespace tapeloom::python
