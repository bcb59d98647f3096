// Random orders of rows.
#include <pybind11/stl.h>

#include "compiled.h"

namespace tapeloom::python {

void add_shuffle(py::module_& module) {
  py::class_<SplitMix64> made(module, "SplitMix64",
                              "A generator of random numbers, the same on every platform: Steele, Lea & Flood, \"Fast "
                              "splittable pseudorandom number generators\", OOPSLA 2014, figure 16.");
  publish(made);
  made.def(py::init<std::uint64_t>(), py::arg("seed") = 0);
  made.def("__call__", &SplitMix64::operator(), "The next number, of 64 bits.");
  made.def(
      "below",
      [](SplitMix64& self, std::uint64_t count) {
        if (count == 0) throw BindError("below: there is no number below 0");
        return self.below(count);
      },
      py::arg("count"), "A number of 0, ..., count - 1, each as likely.");
  module.def(
      "shuffle_rows",
      [](py::handle rows, std::uint64_t seed, std::uint64_t epoch) {
        const RowNumbers given(rows, "shuffle_rows");
        std::vector<std::uint32_t> order(given.numbers().begin(), given.numbers().end());
        shuffle_rows(order, seed, epoch);
        return copy_of(order);
      },
      py::arg("rows"), py::arg("seed"), py::arg("epoch"),
      "The row numbers in a random order, as an array of uint32, which depends on their present order, the seed and "
      "the epoch only.");
  module.def(
      "split_rows",
      [](std::size_t rows, double fraction, std::uint64_t seed) {
        const Split split = split_rows(rows, fraction, seed);
        return py::make_tuple(copy_of(split.training), copy_of(split.validation));
      },
      py::arg("rows"), py::arg("fraction"), py::arg("seed"),
      "Chooses round(fraction * rows) of the rows 0, ..., rows - 1 for validation, at least one if the fraction is "
      "above zero. Returns the others and these, as arrays of uint32 that ascend. Raises BindError for a fraction "
      "outside [0, 1) and if no row is left to train with.");
}

}  // namespace tapeloom::python
