// Data from files: CSV and IDX. NumPy reads and writes its own.
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include "arguments.h"
#include "compiled.h"

namespace tapeloom::python {

namespace {

/// A column by number or name.
CsvColumn place_of(py::handle given) {
  if (py::isinstance<py::str>(given)) return bytes_of_text(py::reinterpret_borrow<py::str>(given));
  if (PyIndex_Check(given.ptr()) == 0) {
    refuse_argument(given, "categories: a column", "a number, a name, or (column, Categories)");
  }
  const Py_ssize_t number = PyNumber_AsSsize_t(given.ptr(), PyExc_OverflowError);
  if (number == -1 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  return number;
}
/// The same, or (column, Categories).
CsvColumn column_of(py::handle given) {
  if (!py::isinstance<py::tuple>(given)) return place_of(given);
  const auto pair = py::reinterpret_borrow<py::tuple>(given);
  if (pair.size() != 2) throw py::type_error("categories: (column, Categories) is expected");
  if (!py::isinstance<Categories>(pair[1])) refuse_argument(pair[1], "categories: what is known", "a Categories");
  return {place_of(pair[0]), py::cast<Categories>(pair[1])};
}

char character(const std::optional<std::string>& text, const char* option, char without) {
  if (!text) return without;
  if (text->size() != 1 || (*text)[0] == '\0') {
    throw py::value_error(std::string(option) + " is one character of ASCII" +
                          (std::string_view(option) == "separator" ? ", or None for runs of blanks" : ""));
  }
  return (*text)[0];
}

Table read_table(const std::filesystem::path& path, const std::optional<std::string>& separator,
                 const std::optional<std::string>& decimal, const std::optional<std::string>& thousands,
                 std::size_t skip_lines, bool header, const py::iterable& categories,
                 const std::optional<std::vector<std::string>>& missing, bool allow_missing) {
  CsvOptions options;
  options.separator = character(separator, "separator", blank_runs);
  options.decimal = character(decimal, "decimal", '.');
  options.thousands = character(thousands, "thousands", '\0');
  options.skip_lines = skip_lines;
  options.header = header;
  for (const py::handle column : categories) options.categories.push_back(column_of(column));
  if (missing) options.missing = *missing;
  options.allow_missing = allow_missing;
  const py::gil_scoped_release others;
  return read_csv(path.string(), options);
}

void add_table(py::module_& module) {
  py::class_<Table> made(module, "Table", "What read_csv has read: rows of one length.");
  publish(made);
  made.def_property_readonly(
      "values",
      [](py::object self) {
        auto& table = py::cast<Table&>(self);
        return view_of(std::span<double>(table.values),
                       {static_cast<py::ssize_t>(table.rows()), static_cast<py::ssize_t>(table.columns)}, self);
      },
      "Its numbers, rows x columns: an array of float64 that shares its memory.");
  made.def_property_readonly("rows", &Table::rows, "How many rows it has.");
  made.def_property_readonly(
      "columns", [](const Table& self) { return self.columns; }, "Numbers in a row.");
  made.def_property_readonly(
      "names",
      [](const Table& self) {
        py::list all;
        for (const std::string& name : self.names) all.append(text_of_bytes(name));
        return all;
      },
      "Of the columns; none without a line of them. Bytes that are no UTF-8 are surrogates, as in names of files.");
  made.def_property_readonly(
      "categories", [](const Table& self) { return self.categories; },
      "Of each column of texts, by its number: the Categories that its numbers stand for.");
  made.def_property_readonly(
      "missing",
      [](const Table& self) {
        py::list all;
        for (const MissingValue& value : self.missing) all.append(py::make_tuple(value.row, value.column, value.line));
        return all;
      },
      "A tuple (row, column, line of the file) for each missing value, whose number is NaN.");
  made.def(
      "column", [](const Table& self, const py::str& name) { return self.column(bytes_of_text(name)); },
      py::arg("name"),
      "The number of the column of that name, the first of several. Raises BindError if there is none.");
}

py::array read_idx_file(const std::filesystem::path& path, const std::vector<std::size_t>& shape, py::handle dtype) {
  const auto read = [&]<class T>(T) -> py::array {
    const NumberArray<T> array = [&] {
      const py::gil_scoped_release others;
      return read_idx<T>(path.string(), shape);
    }();
    return copy_of(array.values, {array.shape.begin(), array.shape.end()});
  };
  return says_double(dtype) ? read(0.0) : read(0.0F);
}

}  // namespace

void add_data_files(py::module_& module) {
  add_table(module);
  module.def(
      "read_csv", read_table, py::arg("path"), py::kw_only(), py::arg("separator") = ",", py::arg("decimal") = ".",
      py::arg("thousands") = py::none(), py::arg("skip_lines") = 0, py::arg("header").noconvert() = false,
      py::arg("categories") = py::tuple(), py::arg("missing") = py::none(),
      py::arg("allow_missing").noconvert() = false,
      "Reads finite decimal numbers from text, plain or gzipped, whatever the locale, as a Table. `separator` None: "
      "one or more spaces and tabs between fields. `decimal` is . or , and `thousands` what stands between groups of "
      "three digits. `skip_lines` are left out at the start; `header`: the first line after them has the names of the "
      "columns. `categories` are the columns of texts, by number or name: their texts are numbered in alphabetical "
      "order, or, of (column, Categories), as they are known from another file. `missing` are the fields that stand "
      "for a missing value (without: the usual ones, such as NA); `allow_missing`: these are NaN and listed, and "
      "otherwise an error.\n\n"
      "Raises DataError, with `line` and `column`, for a field that is missing, no number, too large, or a text that "
      "is not known, and for a line with more or fewer fields than the first; BindError for options that contradict "
      "each other.");
  module.def("usual_missing_texts", usual_missing_texts,
             "What usually stands for a missing value: '', 'NA', 'N/A', 'NaN', 'nan', 'NULL', 'null' and '?'.");
  module.def(
      "read_idx", read_idx_file, py::arg("path"), py::arg("shape") = std::vector<std::size_t>(),
      py::arg("dtype") = "float32",
      "Reads an IDX file, the format of the MNIST data sets, gzipped or not, as an array. A `shape` is what the "
      "file must have, with zeros where any size will do: (0, 28, 28). Raises DataError for a file that is no IDX "
      "file, of another shape, cut short, or longer than its shape says. (NumPy reads .npy and .npz files.)");
}

}  // namespace tapeloom::python
