// What is done to data before training and again before every prediction.
#include <pybind11/stl.h>

#include "arguments.h"
#include "tensors.h"

namespace tapeloom::python {

namespace {

/// Calls f with rows that are written to, and how far they are apart.
template <class F>
void with_rows(py::handle array, const Standardisation& standardisation, F&& f) {
  const ArrayMemory memory(array, "rows", true);
  const Rows rows = rows_of(memory, "rows");
  if (rows.width != standardisation.columns()) {
    throw BindError("rows of " + std::to_string(rows.width) + " numbers, but the standardisation has " +
                    std::to_string(standardisation.columns()));
  }
  if (rows.rows == 0) return;
  std::visit(
      [&]<class T>(std::span<const T> numbers) {
        f(std::span(const_cast<T*>(numbers.data()), numbers.size()), rows.stride);
      },
      rows.numbers);
}

void add_standardisation(py::module_& module) {
  py::class_<Standardisation> made(module, "Standardisation", "x -> (x - mean) / deviation, column by column.");
  publish(made);
  made.def(py::init([](std::vector<double> mean, std::vector<double> deviation) {
             Standardisation made_of{std::move(mean), std::move(deviation)};
             (void)made_of.tensors("standardisation");  // refuses what cannot be divided by
             return made_of;
           }),
           py::arg("mean"), py::arg("deviation"));
  made.def_property_readonly(
      "mean", [](const Standardisation& self) { return copy_of(self.mean); }, "A number a column.");
  made.def_property_readonly(
      "deviation", [](const Standardisation& self) { return copy_of(self.deviation); },
      "A number a column, never zero.");
  made.def(
      "apply",
      [](const Standardisation& self, py::handle rows) {
        with_rows(rows, self, [&](auto numbers, std::size_t stride) { self.apply(numbers, stride); });
      },
      py::arg("rows"),
      "Changes the rows of an array of float32 or float64 in place. Raises BindError for rows of another length.");
  made.def(
      "undo",
      [](const Standardisation& self, py::handle rows) {
        with_rows(rows, self, [&](auto numbers, std::size_t stride) { self.undo(numbers, stride); });
      },
      py::arg("rows"), "Takes it back, in place: x * deviation + mean.");
  made.def(
      "tensors", [](const Standardisation& self, const std::string& name) { return dict_of(self.tensors(name)); },
      py::arg("name"), "As arrays name + \".mean\" and name + \".deviation\", to be saved in a file with weights.");
  made.def_static(
      "from_tensors",
      [](py::handle tensors, const std::string& name) { return Standardisation::from(tensor_file_of(tensors), name); },
      py::arg("tensors"), py::arg("name"),
      "Of a dict of arrays or a TensorFile. Raises BindError for tensors that are missing, of different lengths, or "
      "hold what cannot be divided by.");
  made.def(
      "__eq__", [](const Standardisation& a, const Standardisation& b) { return a == b; }, py::is_operator());
  made.attr("__hash__") = py::none();
  made.def(py::pickle(
      [](const Standardisation& self) { return py::make_tuple(self.mean, self.deviation); },
      [](const py::tuple& state) {
        return Standardisation{py::cast<std::vector<double>>(state[0]), py::cast<std::vector<double>>(state[1])};
      }));
  module.def(
      "standardise",
      [](py::handle array, py::handle chosen) {
        const ArrayMemory memory(array, "rows");
        const Rows rows = rows_of(memory, "rows");
        std::optional<RowNumbers> listed;
        if (!chosen.is_none()) listed.emplace(chosen, "chosen");
        if (listed && listed->numbers().empty()) throw BindError("standardise: no rows are chosen");
        const auto numbers = listed ? listed->numbers() : std::span<const std::uint32_t>();
        return std::visit([&](auto given) { return standardise(given, rows.width, numbers, rows.stride); },
                          rows.numbers);
      },
      py::arg("rows"), py::arg("chosen") = py::none(),
      "The Standardisation with the mean and standard deviation (divided by the number of rows) of each column of an "
      "array; `chosen` are the numbers of the rows that count, such as those of the training. A column that is the "
      "same everywhere, but for rounding, gets the deviation 1. Raises BindError for no rows, numbers that are not "
      "finite, and rows that are not there.");
}

void add_one_hot(py::module_& module) {
  py::class_<OneHot> made(module, "OneHot",
                          "A number of a list -> a row with a one in its place and zeros elsewhere. len() is that of a "
                          "row.");
  publish(made);
  made.def(py::init([](std::vector<double> categories) {
             OneHot made_of{std::move(categories)};
             (void)made_of.tensors("categories");  // refuses those that do not ascend
             return made_of;
           }),
           py::arg("categories"));
  made.def_property_readonly(
      "categories", [](const OneHot& self) { return copy_of(self.categories); }, "Ascending, each once.");
  made.def("__len__", &OneHot::size);
  made.def("index", &OneHot::index, py::arg("category"),
           "The place of a category. Raises BindError for a number that is none.");
  made.def(
      "encode",
      [](const OneHot& self, py::handle values) {
        const ArrayMemory memory(values, "values");
        return std::visit(
            [&](auto numbers) -> py::array {
              return copy_of(self.encode(numbers),
                             {static_cast<py::ssize_t>(numbers.size()), static_cast<py::ssize_t>(self.size())});
            },
            numbers_of(memory, "values"));
      },
      py::arg("values"), "An array with a row for each number of an array of float32 or float64.");
  made.def(
      "decode",
      [](const OneHot& self, py::handle scores) {
        const ArrayMemory memory(scores, "scores");
        return std::visit([&](auto numbers) { return self.decode(numbers); }, numbers_of(memory, "scores"));
      },
      py::arg("scores"), "The category with the largest of len(self) scores.");
  made.def(
      "tensors", [](const OneHot& self, const std::string& name) { return dict_of(self.tensors(name)); },
      py::arg("name"), "As one array of that name, to be saved in a file with weights.");
  made.def_static(
      "from_tensors",
      [](py::handle tensors, const std::string& name) { return OneHot::from(tensor_file_of(tensors), name); },
      py::arg("tensors"), py::arg("name"),
      "Of a dict of arrays or a TensorFile. Raises BindError for a tensor that is missing or does not ascend.");
  made.def(
      "__eq__", [](const OneHot& a, const OneHot& b) { return a == b; }, py::is_operator());
  made.attr("__hash__") = py::none();
  made.def(py::pickle([](const OneHot& self) { return py::make_tuple(self.categories); },
                      [](const py::tuple& state) { return OneHot{py::cast<std::vector<double>>(state[0])}; }));
  module.def(
      "one_hot",
      [](py::handle values) {
        const ArrayMemory memory(values, "values");
        return std::visit([](auto numbers) { return one_hot(numbers); }, numbers_of(memory, "values"));
      },
      py::arg("values"), "A OneHot of all the different numbers of an array. Raises BindError for NaN.");
}

py::list texts_of(const Categories& categories) {
  py::list all;
  for (const std::string& text : categories.texts()) all.append(text_of_bytes(text));
  return all;
}
Categories categories_of(const std::vector<py::str>& texts) {
  std::vector<std::string> all;
  for (const py::str& text : texts) all.push_back(bytes_of_text(text));
  return all;
}

void add_categories(py::module_& module) {
  py::class_<Categories> made(
      module, "Categories",
      "Texts, each once; the first one has the number 0, the next 1, and so on. Bytes of a file that are no UTF-8 are "
      "surrogates, as in names of files: text.encode(errors=\"surrogateescape\") are those bytes.");
  publish(made);
  made.def(py::init(&categories_of), py::arg("texts"));
  made.def_property_readonly("texts", texts_of, "All of them, in order.");
  made.def("__len__", &Categories::size);
  made.def(
      "__getitem__",
      [](const Categories& self, std::size_t number) {
        if (number >= self.size()) throw py::index_error(std::to_string(number) + " is no text's number");
        return text_of_bytes(self[number]);
      },
      py::arg("number"));
  made.def(
      "__contains__",
      [](const Categories& self, const py::str& text) { return self.find(bytes_of_text(text)).has_value(); },
      py::arg("text"));
  made.def(
      "find", [](const Categories& self, const py::str& text) { return self.find(bytes_of_text(text)); },
      py::arg("text"), "The number of a text; None for an unknown one.");
  made.def(
      "index", [](const Categories& self, const py::str& text) { return self.index(bytes_of_text(text)); },
      py::arg("text"), "The number of a text. Raises BindError, naming the known ones, for another.");
  made.def(
      "tensors", [](const Categories& self, const std::string& name) { return dict_of(self.tensors(name)); },
      py::arg("name"), "As one array of that name, to be saved in a file with weights.");
  made.def_static(
      "from_tensors",
      [](py::handle tensors, const std::string& name) { return Categories::from(tensor_file_of(tensors), name); },
      py::arg("tensors"), py::arg("name"), "Of a dict of arrays or a TensorFile.");
  made.def(
      "__eq__", [](const Categories& a, const Categories& b) { return a == b; }, py::is_operator());
  made.attr("__hash__") = py::none();
  made.def("__repr__", [](const Categories& self) {
    return "Categories(" + py::cast<std::string>(py::repr(texts_of(self))) + ")";
  });
  made.def(py::pickle([](const Categories& self) { return py::make_tuple(texts_of(self)); },
                      [](const py::tuple& state) { return categories_of(py::cast<std::vector<py::str>>(state[0])); }));
}

}  // namespace

void add_preprocessing(py::module_& module) {
  add_standardisation(module);
  add_one_hot(module);
  add_categories(module);
}

}  // namespace tapeloom::python
