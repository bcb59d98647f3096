// The class tapeloom.Program, and programs in files.
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include "executor.h"
#include "program_bytes.h"

namespace tapeloom::python {

namespace {

using Class = py::class_<CompiledProgram>;

py::list leaves(const CompiledProgram& self) {
  py::list all;
  for (const ProgramParameter& p : self.program->parameters) all.append(py::make_tuple(p.label, p.initial, p.frozen));
  return all;
}

py::list groups(const CompiledProgram& self) {
  py::list all;
  for (const ProgramInputGroup& g : self.program->input_groups) all.append(py::make_tuple(g.name, g.count, g.used));
  return all;
}

py::list uniform_inputs(const CompiledProgram& self) {
  py::list all;
  for (const ProgramUniformInput& u : self.program->uniform_inputs) all.append(py::make_tuple(u.name, u.initial));
  return all;
}

py::list guards(const CompiledProgram& self) {
  py::list all;
  for (const ProgramGuard& g : self.program->guards) all.append(py::make_tuple(g.description, g.expected));
  return all;
}

py::list output_labels(const CompiledProgram& self) {
  py::list all;
  for (const ProgramOutput& o : self.program->outputs) all.append(o.label);
  return all;
}

void add_leaves(Class& made) {
  made.def_property_readonly("parameters", leaves,
                             "A tuple (label, initial number, frozen) for each parameter, in order.");
  made.def_property_readonly("input_groups", groups,
                             "A tuple (name, numbers in a row, whether the program reads it) for each input group.");
  made.def_property_readonly(
      "input_count", [](const CompiledProgram& self) { return self.program->input_count; },
      "Numbers in a row of all groups.");
  made.def_property_readonly("uniform_inputs", uniform_inputs,
                             "A tuple (name, number while recording) for each uniform input.");
  made.def_property_readonly("outputs", output_labels, "The label of each output, empty where there is none.");
  made.def_property_readonly("guards", guards,
                             "A tuple (the recorded branch in words, which way it went) for each guard.");
  made.def_property_readonly(
      "values", [](const CompiledProgram& self) { return self.values; },
      "The Values of the parameters, in order; none of a program from a file or a pickle.");
}

void add_facts(Class& made) {
  const auto add = [&](const char* name, auto member, const char* doc) {
    made.def_property_readonly(
        name, [member](const CompiledProgram& self) { return (*self.program).*member; }, doc);
  };
  made.def_property_readonly(
      "has_loss", [](const CompiledProgram& self) { return self.program->loss_slot != Program::no_slot; },
      "False of a program for inference alone.");
  add("has_gradients", &Program::has_gradients, "Whether it can be trained.");
  add("is_of_training", &Program::is_of_training,
      "Whether it computes something else than a program for inference would, as with dropout: compile(training=...).");
  add("has_input_gradients", &Program::has_input_gradients, "Whether it was compiled with input_gradients=True.");
  add("exact", &Program::exact, "Whether it was compiled with exact=True.");
  add("recorded_samples", &Program::recorded_samples,
      "How many samples were recorded one after another, with constants as data, and folded into a batch; 0 where "
      "samples are bound.");
  add("recorded_nodes", &Program::recorded_nodes, "How many nodes it was compiled from.");
  made.def_property_readonly(
      "instruction_count", [](const CompiledProgram& self) { return self.program->instructions.size(); },
      "How many instructions it has.");
}

void add_texts(Class& made) {
  made.def(
      "explain", [](const CompiledProgram& self) { return explain(*self.program); },
      "What did and what did not roll: a table with a line for each instruction, with its rows and terms, what it "
      "costs and how many recorded nodes it stands for, and a summary.");
  made.def(
      "__str__", [](const CompiledProgram& self) { return to_string(*self.program); },
      "The leaves, then stage by stage an equation for each instruction.");
  made.def(
      "hash", [](const CompiledProgram& self) { return hash(*self.program); },
      "A number that depends on everything that decides what the program computes; the same in every run.");
  made.def("__repr__", [](const CompiledProgram& self) {
    return "<tapeloom.Program: " + std::to_string(self.program->instructions.size()) + " instructions, " +
           std::to_string(self.program->parameters.size()) + " parameters>";
  });
  made.def(py::pickle([](const CompiledProgram& self) { return py::make_tuple(py::bytes(bytes_of(*self.program))); },
                      [](const py::tuple& state) {
                        if (state.size() != 1) throw py::value_error("this is no pickled Program");
                        return program_of_bytes(py::cast<std::string>(state[0]));
                      }));
}

void save(const std::filesystem::path& file, py::handle saved) {
  const std::string path = file.string();
  if (py::isinstance<CompiledExecutor>(saved)) {
    executor_of(saved, "save_program").with([&](auto& executor) { save_program(path, executor); });
  } else if (py::isinstance<CompiledProgram>(saved)) {
    save_program(path, *py::cast<CompiledProgram&>(saved).program);
  } else {
    throw py::type_error(std::string("save_program: an Executor or a Program is expected, not '") +
                         Py_TYPE(saved.ptr())->tp_name + "'");
  }
}

}  // namespace

void add_programs(py::module_& module) {
  Class made(
      module, "Program", collected<CompiledProgram>(),
      "What compile() makes of a recording: a list of instructions, which executors run. It never changes and may "
      "be shared between executors and threads. `executor.program` and load_program give one; it can be pickled.");
  publish(made);
  add_leaves(made);
  add_facts(made);
  add_texts(made);
  module.def(
      "save_program", save, py::arg("path"), py::arg("program"),
      "Writes an executor's program with the numbers that its parameters have now, or a Program by itself, before "
      "training. Raises DataError if the file cannot be written; an older one of that name is still there then. "
      "Raises BindError if its numbers are the recording's while another executor has trained its own.");
  module.def(
      "load_program",
      [](const std::filesystem::path& path, std::size_t max_samples, std::uint64_t max_operations,
         std::uint64_t max_bytes) {
        return CompiledProgram{
            std::make_shared<const Program>(load_program(path.string(), {max_samples, max_operations, max_bytes})), {}};
      },
      py::arg("path"), py::kw_only(), py::arg("max_samples") = LoadOptions{}.max_samples,
      py::arg("max_operations") = LoadOptions{}.max_operations, py::arg("max_bytes") = LoadOptions{}.max_bytes,
      "Reads a Program again. Raises DataError for a file that is no program, of another version, cut short or "
      "damaged, whose program would read or write where it must not, or asks for more than the options allow: "
      "`max_operations` in a step of `max_samples` samples, and `max_bytes` for the file and for an executor.");
}

}  // namespace tapeloom::python
