// What a training run tells: classes of reports.
#include <pybind11/stl.h>

#include <functional>

#include "trainer.h"

namespace tapeloom::python {

namespace {

const char* end_name(FitEnd end) {
  switch (end) {
    case FitEnd::not_yet:
      return "not_yet";
    case FitEnd::epochs:
      return "epochs";
    case FitEnd::patience:
      return "patience";
    case FitEnd::callback:
      return "callback";
    case FitEnd::diverged:
      return "diverged";
  }
  return "";
}

void add_step_report(py::module_& module) {
  py::class_<StepReport> made(module, "StepReport", "What on_step is told, after the update by a mini-batch.");
  publish(made);
  made.def_readonly("step", &StepReport::step, "Updates so far, over all epochs.");
  made.def_readonly("epoch", &StepReport::epoch, "From 1.");
  made.def_readonly("batch", &StepReport::batch, "Of the epoch, from 1.");
  made.def_readonly("batches", &StepReport::batches, "Of an epoch.");
  made.def_readonly("loss", &StepReport::loss, "Of the mini-batch, before the update.");
  made.def_readonly("learning_rate", &StepReport::learning_rate, "Of this update.");
  made.def_readonly("gradient_norm", &StepReport::gradient_norm, "Before clipping; NaN unless clipped by norm.");
}

void add_epoch_report(py::module_& module) {
  py::class_<NamedReport> made(module, "EpochReport", "What on_epoch is told, after an epoch and its validation.");
  publish(made);
  const auto add = [&](const char* name, auto member, const char* doc) {
    made.def_property_readonly(
        name, [member](const NamedReport& self) { return self.report.*member; }, doc);
  };
  add("epoch", &EpochReport::epoch, "From 1.");
  add("steps", &EpochReport::steps, "Updates so far.");
  add("loss", &EpochReport::loss, "Mean of the steps' losses, weighted by their samples, each before its update.");
  add("validation_loss", &EpochReport::validation_loss, "NaN if there is none.");
  made.def_property_readonly(
      "metrics",
      [](const NamedReport& self) {
        py::dict metrics;
        for (std::size_t i = 0; i < self.report.metrics.size(); ++i) {
          metrics[py::str((*self.metrics)[i])] = self.report.metrics[i];
        }
        return metrics;
      },
      "A number by the name of each metric.");
  add("learning_rate", &EpochReport::learning_rate, "Of the last update.");
  add("best", &EpochReport::best, "Whether it is so far, by what is monitored.");
  made.def("__repr__", [](const NamedReport& self) {
    return "<epoch " + std::to_string(self.report.epoch) + ": loss " + number_text(self.report.loss) + ">";
  });
}

void add_divergence(py::module_& module) {
  py::class_<Divergence> made(module, "Divergence",
                              "The step that ended a run because its loss or gradients were not finite, and what is to "
                              "blame as far as can be told.");
  publish(made);
  made.def_readonly("step", &Divergence::step, "From 1: it would have been this update.");
  made.def_readonly("epoch", &Divergence::epoch, "From 1.");
  made.def_readonly("batch", &Divergence::batch, "Of the epoch, from 1.");
  made.def_readonly("loss", &Divergence::loss, "Of the mini-batch.");
  made.def_readonly("gradient_norm", &Divergence::gradient_norm, "NaN unless clipped by norm.");
  made.def_readonly("learning_rate", &Divergence::learning_rate, "Of this update.");
  made.def_readonly("row", &Divergence::row,
                    "The batch's first row with a number that is not finite, or else the first that is not finite by "
                    "itself; None if there is none.");
  made.def_readonly("group", &Divergence::group, "Of that row, the input group with the number to blame; or empty.");
  made.def_readonly("column", &Divergence::column, "Of the group.");
  made.def_readonly("value", &Divergence::value, "The number there.");
  made.def_readonly("classes", &Divergence::classes,
                    "If not 0, that is no number of a class, of which the program knows so many.");
  made.def_readonly("what", &Divergence::what, "All of it, in words.");
}

/// A number of each epoch.
template <class F>
py::array column(const NamedHistory& self, F&& of) {
  std::vector<double> numbers;
  for (const EpochReport& report : self.history.epochs) numbers.push_back(std::invoke(of, report));
  return copy_of(numbers);
}

void add_history(py::module_& module) {
  py::class_<NamedHistory> made(module, "History",
                                "What became of each epoch: arrays with a number for each of them, to be drawn.");
  publish(made);
  made.def_property_readonly(
      "epochs",
      [](const NamedHistory& self) {
        std::vector<NamedReport> reports;
        for (const EpochReport& report : self.history.epochs) reports.push_back({report, self.metrics});
        return reports;
      },
      "An EpochReport for each.");
  made.def_property_readonly(
      "loss", [](const NamedHistory& self) { return column(self, &EpochReport::loss); },
      "The training loss of each epoch.");
  made.def_property_readonly(
      "validation_loss", [](const NamedHistory& self) { return column(self, &EpochReport::validation_loss); },
      "NaN where there is none.");
  made.def_property_readonly(
      "learning_rate", [](const NamedHistory& self) { return column(self, &EpochReport::learning_rate); },
      "Of each epoch's last update.");
  made.def_property_readonly(
      "metrics",
      [](const NamedHistory& self) {
        py::dict metrics;
        for (std::size_t i = 0; i < self.metrics->size(); ++i) {
          metrics[py::str((*self.metrics)[i])] =
              column(self, [i](const EpochReport& r) { return i < r.metrics.size() ? r.metrics[i] : 0.0; });
        }
        return metrics;
      },
      "An array by the name of each metric.");
  made.def_property_readonly(
      "best_epoch", [](const NamedHistory& self) { return self.history.best_epoch; }, "From 1; 0 before any.");
  made.def_property_readonly(
      "end", [](const NamedHistory& self) { return end_name(self.history.end); },
      "Why the run came to its end: \"epochs\" (all of them are done), \"patience\" (nothing got better any more), "
      "\"callback\" (one returned False), \"diverged\" (the loss or the gradients were not finite; there was no update "
      "by them), or \"not_yet\".");
  made.def_property_readonly(
      "divergence", [](const NamedHistory& self) { return self.history.divergence; },
      "A Divergence where `end` is \"diverged\"; else None.");
  made.def("__len__", [](const NamedHistory& self) { return self.history.epochs.size(); });
  made.def("__repr__", [](const NamedHistory& self) {
    return "<tapeloom.History: " + std::to_string(self.history.epochs.size()) + " epochs, end '" +
           end_name(self.history.end) + "'>";
  });
}

}  // namespace

void add_reports(py::module_& module) {
  add_step_report(module);
  add_epoch_report(module);
  add_divergence(module);
  add_history(module);
}

}  // namespace tapeloom::python
