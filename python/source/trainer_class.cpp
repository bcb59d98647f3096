// The class tapeloom.Trainer, fit, and checkpoints.
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <filesystem>
#include <system_error>

#include "arguments.h"
#include "trainer.h"

namespace tapeloom::python {

namespace {

/// FitOptions by their names, each as it is without being given.
py::dict default_options() {
  const FitOptions o;
  py::dict all;
  for (const char* name : {"optimizer", "schedule", "split", "validation_data", "metrics", "monitor", "predictor",
                           "on_step", "on_epoch"}) {
    all[name] = py::none();
  }
  all["epochs"] = o.epochs;
  all["batch"] = o.batch;
  all["seed"] = o.seed;
  all["shuffle"] = o.shuffle;
  all["validation_fraction"] = o.validation_fraction;
  all["patience"] = o.patience;
  all["min_delta"] = o.min_delta;
  all["restore_best"] = o.restore_best;
  all["more_is_better"] = o.more_is_better;
  all["clip_norm"] = o.clip_norm;
  all["clip_value"] = o.clip_value;
  all["progress"] = false;
  return all;
}

/// Puts what was given in its place. Throws a TypeError for a name that is none of them.
void take(py::dict& options, const py::dict& given, const char* function) {
  for (const auto& [name, value] : given) {
    if (!options.contains(name)) {
      throw py::type_error(std::string(function) + " has no option '" + text_argument(name, "the name of an option") +
                           "'");
    }
    options[name] = value;
  }
}

NamedHistory fit_executor(py::object executor, py::handle data, const py::kwargs& given) {
  py::dict options = default_options();
  options["checkpoint"] = py::none();
  options["layout"] = py::none();
  take(options, given, "fit");
  const py::object layout = options["layout"];
  std::string checkpoint;
  if (!options["checkpoint"].is_none()) {
    checkpoint = py::cast<std::string>(py::module_::import("os").attr("fsencode")(options["checkpoint"]));
  }
  CompiledTrainer trainer(std::move(executor), data, options);
  if (!checkpoint.empty()) {
    trainer.save_epochs(checkpoint, layout);
    // Where it cannot be told, as in a folder that may not be looked into, reading says why.
    std::error_code unknown;
    if (std::filesystem::exists(checkpoint, unknown) || unknown) trainer.load(checkpoint, layout);
  }
  trainer.run();
  NamedHistory history = trainer.history();
  if (!checkpoint.empty() && history.history.end == FitEnd::callback) trainer.save(checkpoint, layout);
  return history;
}

constexpr const char* options_doc =
    "`data` is an array with the numbers of all input groups side by side, a dict of arrays by group, or None for a "
    "program whose samples were recorded. Options, with their defaults:\n\n"
    "    epochs=10, batch=32         an epoch is so many steps that each row comes once; samples a step\n"
    "    optimizer=Adam()            an Adam or Sgd, or an object of your own with their methods; it goes on\n"
    "    schedule=None               a function of the number of updates before: the learning rate of the next\n"
    "    seed=0, shuffle=True        of the order of the rows; False: they are taken as they come\n"
    "    validation_fraction=0.0     the part of the rows that is held back for validation\n"
    "    split=None                  two lists of row numbers in its place: to train with and to validate with\n"
    "    validation_data=None        or data of its own to validate with\n"
    "    metrics=None                a dict of functions by name, each of the outputs (an array) and the numbers of\n"
    "                                their rows, computed after each epoch for the rows to validate with\n"
    "    patience=0, min_delta=0.0   stop when nothing got better, by more than that, for so many epochs; 0: never\n"
    "    restore_best=True           with patience: leave the best epoch's parameters behind\n"
    "    monitor=None                the name of the metric that tells; None: the validation or training loss\n"
    "    more_is_better=True         of that metric\n"
    "    clip_norm=0.0               scale gradients that are longer than this down to it; 0: never\n"
    "    clip_value=0.0              put each gradient within plus and minus this; 0: never\n"
    "    predictor=None              an executor that validates; it shares the parameters (parameters_of)\n"
    "    on_step=None, on_epoch=None functions of a StepReport and an EpochReport; one that returns False stops the\n"
    "                                run, and what one raises ends it and is raised by it\n"
    "    progress=False              True: a line on stderr that tells how far it is (tapeloom.progress), or an\n"
    "                                object with the methods of ProgressBar\n";

std::string with_options(const std::string& before, const std::string& after) { return before + options_doc + after; }

void add_state(py::module_& module) {
  py::class_<AnyTrainerState> state(module, "TrainerState",
                                    "Everything that decides how a run goes on, besides its data and options.");
  publish(state);
  state.def_property_readonly(
      "epoch",
      [](const AnyTrainerState& self) { return std::visit([](const auto& s) { return s.epoch; }, self.state); },
      "Complete ones.");
  state.def_property_readonly(
      "position",
      [](const AnyTrainerState& self) { return std::visit([](const auto& s) { return s.position; }, self.state); },
      "Rows of the epoch under way that were trained on.");
  state.def_property_readonly(
      "parameters",
      [](const AnyTrainerState& self) {
        return std::visit([](const auto& s) -> py::array { return copy_of(s.parameters); }, self.state);
      },
      "A copy of the parameters.");
  state.def_property_readonly(
      "optimizer",
      [](const AnyTrainerState& self) {
        return std::visit([](const auto& s) { return dict_of(s.optimizer); }, self.state);
      },
      "The state of the optimizer, as its state() gives it.");
}

std::string path_of(const std::filesystem::path& path) { return path.string(); }

}  // namespace

void add_trainers(py::module_& module) {
  add_state(module);
  py::class_<CompiledTrainer> made(module, "Trainer", collected<CompiledTrainer>());
  publish(made);
  static const std::string doc = with_options(
      "A training run, step by step: Trainer(executor, data, ...).\n\n",
      "\nWhile a step is under way, nobody else may use the executors; callbacks may read and step them, but not bind "
      "them. Ctrl-C ends a run within some milliseconds and the step under way, with a KeyboardInterrupt; it can go on "
      "afterwards. Raises BindError for options that do not fit the program, each other or the data.");
  made.attr("__doc__") = doc;
  made.def(py::init([](py::object executor, py::handle data, const py::kwargs& given) {
             py::dict options = default_options();
             if (given.contains("checkpoint")) {
               throw BindError(
                   "checkpoint is for fit, which saves the run there and goes on from it; a Trainer is saved by "
                   "save_checkpoint(path, trainer) and goes on by load_checkpoint(path, trainer)");
             }
             take(options, given, "Trainer");
             return std::make_unique<CompiledTrainer>(std::move(executor), data, options);
           }),
           py::arg("executor"), py::arg("data") = py::none());
  made.def("step", &CompiledTrainer::step,
           "Trains on the next mini-batch and, after an epoch's last, validates. Returns False once the run is at its "
           "end; after a callback's stop, it goes on.");
  made.def(
      "run",
      [](CompiledTrainer& self) {
        self.run();
        return self.history();
      },
      "Runs to the end, or until a callback stops it; then it can be called again. Returns the History.");
  made.def_property_readonly("history", &CompiledTrainer::history, "A History of the epochs so far.");
  made.def_property_readonly("executor", &CompiledTrainer::executor, "The executor that is trained.");
  made.def_property_readonly("optimizer", &CompiledTrainer::optimizer, "The optimizer.");
  made.def_property_readonly(
      "training_rows", [](const CompiledTrainer& self) { return copy_of(self.rows(false)); },
      "The numbers of the rows to train with.");
  made.def_property_readonly(
      "validation_rows", [](const CompiledTrainer& self) { return copy_of(self.rows(true)); },
      "Of those to validate with: of the validation data, or of the training data where there is none.");
  made.def("state", &CompiledTrainer::state,
           "A TrainerState of the run as it stands, at the end of an epoch or amid one.");
  made.def("restore", &CompiledTrainer::restore, py::arg("state"),
           "Goes on where the other run stood. Raises BindError for a state of another run: other rows or numbers, "
           "batches, seed, parameters, frozen ones or optimizer; then nothing is changed.");
  static const std::string fit_doc = with_options(
      "Trains the executor's parameters and returns the History.\n\n",
      "    checkpoint=None             a file that the run is saved in after each epoch, and goes on from if it is "
      "there\n"
      "    layout=None                 the names and shapes of the parameters in it: a list of ParameterTensors\n"
      "\nOther threads of Python run meanwhile. Ctrl-C ends it within some milliseconds and the step under way, with a "
      "KeyboardInterrupt; the parameters are those of the last update then. Raises BindError for options that do not "
      "fit the program, each other or the data, and what step raises.");
  module.def("fit", fit_executor, py::arg("executor"), py::arg("data") = py::none(), fit_doc.c_str());
  module.def(
      "save_checkpoint",
      [](const std::filesystem::path& path, const CompiledTrainer& trainer, py::handle layout) {
        trainer.save(path_of(path), layout);
      },
      py::arg("path"), py::arg("trainer"), py::arg("layout") = py::none(),
      "Writes a run as it stands into a safetensors file: the parameters as export_weights does, and what the Trainer "
      "needs besides to go on. Raises DataError if the file cannot be written.");
  module.def(
      "load_checkpoint",
      [](const std::filesystem::path& path, CompiledTrainer& trainer, py::handle layout) {
        trainer.load(path_of(path), layout);
      },
      py::arg("path"), py::arg("trainer"), py::arg("layout") = py::none(),
      "Goes on where the saved run stood: it ends with the same bits as one that was not interrupted. Raises DataError "
      "for a file that is damaged or no checkpoint, BindError for one of another run; then nothing is changed.");
}

}  // namespace tapeloom::python
