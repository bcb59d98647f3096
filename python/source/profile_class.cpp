// The class tapeloom.Profile.
#include <pybind11/stl.h>

#include "executor.h"

namespace tapeloom::python {

void add_profiles(py::module_& module) {
  py::class_<ProgramProfile> made(module, "Profile",
                                  "Where the time of an executor's steps went, since it was made: executor.profile().");
  publish(made);
  made.def_property_readonly(
      "seconds",
      [](const ProgramProfile& self) {
        std::vector<double> seconds;
        for (const InstructionTime& time : self.profile.instructions) seconds.push_back(time.seconds);
        return copy_of(seconds);
      },
      "Of each instruction of the program, of all threads together; each run has some 25 ns in it for the clock.");
  made.def_property_readonly(
      "runs",
      [](const ProgramProfile& self) {
        std::vector<std::uint64_t> runs;
        for (const InstructionTime& time : self.profile.instructions) runs.push_back(time.runs);
        return copy_of(runs);
      },
      "How often each instruction ran: once a step or once a tile; 0 if the next one does its work.");
  made.def_property_readonly(
      "load_seconds", [](const ProgramProfile& self) { return self.profile.loads.seconds; },
      "For reading the bound rows.");
  made.def_property_readonly(
      "step_seconds", [](const ProgramProfile& self) { return self.profile.step_seconds; },
      "Of the steps themselves, however many threads worked on them.");
  made.def_property_readonly(
      "steps", [](const ProgramProfile& self) { return self.profile.steps; }, "How many steps there were.");
  made.def_property_readonly(
      "samples", [](const ProgramProfile& self) { return self.profile.samples; }, "Of all steps together.");
  made.def(
      "explain", [](const ProgramProfile& self, double peak) { return explain(*self.program, self.profile, peak); },
      py::arg("peak") = 0.0,
      "A table with a line an instruction: microseconds a step, operations and bytes a second, and the part of `peak`, "
      "in operations a second, where it is not zero.");
}

}  // namespace tapeloom::python
