#include "arrays.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "arguments.h"
#include "errors.h"

namespace tapeloom::python {

namespace {

constexpr const char* contiguous_is_the_way_out =
    "; numpy.ascontiguousarray(array) makes a copy that does. Nothing is copied here, so keep the copy if it is to be "
    "changed between steps";

std::string type_name(PyObject* object) { return Py_TYPE(object)->tp_name; }

[[noreturn]] void throw_type_error(const std::string& text) { throw py::type_error(text); }

}  // namespace

void refuse_masked(py::handle array, const std::string& what) {
  if (type_name(array.ptr()) == "numpy.ndarray" || !py::hasattr(array, "mask")) return;
  const py::object mask = array.attr("mask");
  if (!py::hasattr(mask, "any") || !py::cast<bool>(py::bool_(mask.attr("any")()))) return;
  throw BindError(what +
                  ": the array has masked numbers, and what lies below the mask would be read; array.filled(number) "
                  "puts a number there, and numpy.ma.compress_rows(array) leaves out such rows");
}

ArrayMemory::ArrayMemory(py::handle array, const std::string& what, bool writable) : watch_(nullptr) {
  if (PyObject_CheckBuffer(array.ptr()) == 0 || PyBytes_Check(array.ptr()) != 0) {
    throw_type_error(what + ": an array of NumPy's is expected, not '" + type_name(array.ptr()) +
                     "'; numpy.asarray(numbers, dtype=numpy.float64) makes one, to be kept while it is bound");
  }
  refuse_masked(array, what);
  const int flags = PyBUF_FORMAT | PyBUF_STRIDES | (writable ? PyBUF_WRITABLE : 0);
  if (PyObject_GetBuffer(array.ptr(), &buffer_, flags) != 0) {
    if (writable && PyErr_ExceptionMatches(PyExc_MemoryError) == 0) {
      PyErr_Clear();
      throw BindError(what + ": the array cannot be written to");
    }
    throw py::error_already_set();
  }
  watch_ = PyWeakref_NewRef(array.ptr(), nullptr);
  if (watch_ == nullptr) PyErr_Clear();  // other exporters do without
}

ArrayMemory::~ArrayMemory() {
  Py_XDECREF(watch_);
  PyBuffer_Release(&buffer_);
}

char ArrayMemory::type() const {
  std::string_view format = buffer_.format == nullptr ? "B" : buffer_.format;
  constexpr bool little = std::endian::native == std::endian::little;
  if (format.size() == 2 && (format[0] == '@' || format[0] == '=' || format[0] == (little ? '<' : '>'))) {
    format.remove_prefix(1);
  }
  return format.size() == 1 ? format[0] : '\0';
}

bool ArrayMemory::is_integer() const {
  const char letter = type();
  return letter != '\0' && std::string_view("bBhHiIlLqQnN").find(letter) != std::string_view::npos;
}

namespace {

/// Throws unless the numbers are float32 or float64, where a processor can read them.
void check_numbers(const ArrayMemory& memory, const std::string& what) {
  const char type = memory.type();
  if (type != 'f' && type != 'd') {
    throw BindError(what + ": the array is not of float32 or float64" +
                    (memory.is_integer() || type == '?' ? ", but of integers or truths" : "") +
                    "; array.astype(numpy.float64) makes a copy that is. An array that is bound is not copied, so keep "
                    "that if it is to be changed between steps");
  }
  if (reinterpret_cast<std::uintptr_t>(memory.data()) % memory.number_size() != 0) {
    throw BindError(what + ": the numbers of the array are not aligned in memory" + contiguous_is_the_way_out);
  }
}

std::variant<std::span<const float>, std::span<const double>> span_of(const ArrayMemory& memory, std::size_t count) {
  if (memory.type() == 'f') return std::span(static_cast<const float*>(memory.data()), count);
  return std::span(static_cast<const double*>(memory.data()), count);
}

/// Whether the numbers from dimension `first` on lie side by side; and how many they are.
bool lie_side_by_side(const ArrayMemory& memory, std::size_t first, std::size_t& count) {
  count = 1;
  for (std::size_t d = first; d < memory.dimensions(); ++d) count *= memory.shape(d);
  auto expected = static_cast<std::ptrdiff_t>(memory.number_size());
  for (std::size_t d = memory.dimensions(); d-- > first;) {
    if (count != 0 && memory.shape(d) > 1 && memory.stride(d) != expected) return false;
    expected *= static_cast<std::ptrdiff_t>(memory.shape(d));
  }
  return true;
}

}  // namespace

Rows rows_of(const ArrayMemory& memory, const std::string& what) {
  check_numbers(memory, what);
  if (memory.dimensions() == 0) throw BindError(what + ": the array is a single number, not rows of them");
  Rows result;
  result.rows = memory.shape(0);
  if (!lie_side_by_side(memory, 1, result.width)) {
    throw BindError(what + ": the numbers of a row do not lie side by side in the array" + contiguous_is_the_way_out);
  }
  result.stride = result.width;
  if (result.rows > 1 && result.width > 0) {
    const auto size = static_cast<std::ptrdiff_t>(memory.number_size());
    const std::ptrdiff_t stride = memory.stride(0);
    if (stride % size != 0 || stride < size * static_cast<std::ptrdiff_t>(result.width)) {
      throw BindError(what + ": the rows of the array do not lie one after another" + contiguous_is_the_way_out);
    }
    result.stride = static_cast<std::size_t>(stride / size);
  }
  const std::size_t numbers =
      result.rows == 0 || result.width == 0 ? 0 : (result.rows - 1) * result.stride + result.width;
  result.numbers = span_of(memory, numbers);
  return result;
}

std::variant<std::span<const float>, std::span<const double>> numbers_of(const ArrayMemory& memory,
                                                                         const std::string& what) {
  check_numbers(memory, what);
  std::size_t count = 0;
  if (!lie_side_by_side(memory, 0, count)) {
    throw BindError(what + ": the numbers of the array do not lie side by side" + contiguous_is_the_way_out);
  }
  return span_of(memory, count);
}

namespace {

[[noreturn]] void refuse_row(const std::string& what, const std::string& number) {
  throw BindError(what + ": " + number + " is no number of a row");
}

template <class Integer>
void append_rows(const ArrayMemory& memory, const std::string& what, std::vector<std::uint32_t>& rows) {
  const char* at = static_cast<const char*>(memory.data());
  for (std::size_t i = 0; i < memory.shape(0); ++i, at += memory.stride(0)) {
    Integer number;
    std::memcpy(&number, at, sizeof number);
    if (number < 0 || static_cast<std::uint64_t>(number) > UINT32_MAX) refuse_row(what, std::to_string(number));
    rows.push_back(static_cast<std::uint32_t>(number));
  }
}

void append_rows(const ArrayMemory& memory, const std::string& what, std::vector<std::uint32_t>& rows) {
  const bool is_signed = memory.type() >= 'a';
  switch (memory.number_size()) {
    case 1:
      return is_signed ? append_rows<std::int8_t>(memory, what, rows) : append_rows<std::uint8_t>(memory, what, rows);
    case 2:
      return is_signed ? append_rows<std::int16_t>(memory, what, rows) : append_rows<std::uint16_t>(memory, what, rows);
    case 4:
      return is_signed ? append_rows<std::int32_t>(memory, what, rows) : append_rows<std::uint32_t>(memory, what, rows);
    default:
      return is_signed ? append_rows<std::int64_t>(memory, what, rows) : append_rows<std::uint64_t>(memory, what, rows);
  }
}

/// Whoever gives truths means those rows that are true, and not the rows 0 and 1.
[[noreturn]] void refuse_truths(const std::string& what) {
  throw_type_error(what + ": truths are no row numbers; numpy.flatnonzero(mask) has those of the true ones");
}

void append_items(py::handle list, const std::string& what, std::vector<std::uint32_t>& rows) {
  if (py::isinstance<py::str>(list) || PyObject_CheckBuffer(list.ptr()) != 0) {
    throw_type_error(what + ": a list of integers is expected, not '" + type_name(list.ptr()) + "'");
  }
  const auto sequence =
      py::reinterpret_steal<py::object>(PySequence_Fast(list.ptr(), "a list of integers is expected"));
  if (!sequence) throw py::error_already_set();
  for (const py::handle item : py::reinterpret_borrow<py::sequence>(sequence)) {
    if (is_truth(item)) refuse_truths(what);
    const auto integer = py::reinterpret_steal<py::object>(PyNumber_Index(item.ptr()));
    if (!integer) throw py::error_already_set();
    const long long number = PyLong_AsLongLong(integer.ptr());
    if (number == -1 && PyErr_Occurred() != nullptr) PyErr_Clear();
    if (number < 0 || number > std::int64_t{UINT32_MAX}) refuse_row(what, py::str(integer));
    rows.push_back(static_cast<std::uint32_t>(number));
  }
}

}  // namespace

RowNumbers::RowNumbers(py::handle rows, const std::string& what) {
  if (PyObject_CheckBuffer(rows.ptr()) == 0 || PyBytes_Check(rows.ptr()) != 0) {
    append_items(rows, what, converted_);
    numbers_ = converted_;
    return;
  }
  memory_ = std::make_shared<ArrayMemory>(rows, what);
  const ArrayMemory& memory = *memory_;
  if (memory.type() == '?') refuse_truths(what);
  if (memory.dimensions() != 1 || !memory.is_integer()) {
    throw_type_error(what + ": an array of one dimension and of integers is expected");
  }
  const bool in_place = memory.number_size() == 4 && memory.type() < 'a' &&
                        (memory.stride(0) == 4 || memory.shape(0) <= 1) &&
                        reinterpret_cast<std::uintptr_t>(memory.data()) % 4 == 0;
  if (in_place) {
    numbers_ = {static_cast<const std::uint32_t*>(memory.data()), memory.shape(0)};
  } else {
    append_rows(memory, what, converted_);
    numbers_ = converted_;
    memory_ = nullptr;
  }
}

std::vector<std::pair<const ProgramInputGroup*, Rows>> split_rows_by_group(const Program& program, const Rows& rows) {
  std::size_t used = 0;
  for (const ProgramInputGroup& group : program.input_groups) used += group.used ? group.count : 0;
  const bool all = rows.width == program.input_count;
  if (!all && (rows.width != used || used == 0)) {
    const std::string alone = used == 0 || used == program.input_count
                                  ? ""
                                  : ", or " + std::to_string(used) + " of those that the program reads";
    throw BindError("all inputs: the rows of the array have " + std::to_string(rows.width) + " numbers, but " +
                    std::to_string(program.input_count) + alone +
                    " are needed; an array for one input group is bound by its name");
  }
  std::vector<std::pair<const ProgramInputGroup*, Rows>> result;
  std::size_t column = 0;
  for (const ProgramInputGroup& group : program.input_groups) {
    if (!all && !group.used) continue;
    Rows part = rows;
    part.width = group.count;
    std::visit(
        [&](auto& numbers) {
          if (numbers.empty()) return;
          numbers = numbers.subspan(column, (rows.rows - 1) * rows.stride + group.count);
        },
        part.numbers);
    result.emplace_back(&group, part);
    column += group.count;
  }
  return result;
}

namespace {

const ProgramInputGroup& group_of(const Program& program, const std::string& name) {
  for (const ProgramInputGroup& group : program.input_groups) {
    if (group.name == name) return group;
  }
  std::string known = program.input_groups.empty() ? "the program has no inputs" : "the program has";
  for (const ProgramInputGroup& group : program.input_groups) known += " \"" + group.name + "\"";
  throw BindError("there is no input group \"" + name + "\"; " + known);
}

void add(BoundArrays& data, const std::string& group, const SharedMemory& memory, const Rows& rows) {
  data.groups.emplace_back(group, memory);
  std::visit([&](auto numbers) { data.view.add(group, numbers, rows.stride); }, rows.numbers);
}

void check_width(const ProgramInputGroup& group, const ArrayMemory& memory, const Rows& rows) {
  if (rows.width == group.count) return;
  const std::string what = "input group \"" + group.name + "\": ", count = std::to_string(group.count);
  if (memory.dimensions() == 1) {
    throw BindError(what + "the array has one dimension, and a row has " + count + " numbers; array.reshape(-1, " +
                    count + ") makes rows of them");
  }
  throw BindError(what + "the rows of the array have " + std::to_string(rows.width) + " numbers, but " + count +
                  " are needed");
}

}  // namespace

BoundArrays arrays_for(const Program& program, py::handle data) {
  BoundArrays result;
  if (data.is_none()) return result;
  if (PyObject_CheckBuffer(data.ptr()) == 0 && PyMapping_Check(data.ptr()) != 0 && py::hasattr(data, "items")) {
    for (const py::handle item : data.attr("items")()) {
      const auto pair = py::cast<std::pair<py::object, py::object>>(item);
      if (!py::isinstance<py::str>(pair.first)) throw_type_error("the names of input groups are strings");
      const std::string name = text_argument(pair.first, "the name of an input group");
      const ProgramInputGroup& group = group_of(program, name);
      const auto memory = std::make_shared<ArrayMemory>(pair.second, "input group \"" + name + "\"");
      const Rows rows = rows_of(*memory, "input group \"" + name + "\"");
      check_width(group, *memory, rows);
      add(result, name, memory, rows);
    }
    return result;
  }
  const auto memory = std::make_shared<ArrayMemory>(data, "all inputs");
  if (program.input_groups.empty()) throw BindError("there is nothing to bind; the program has no inputs");
  for (const auto& [group, rows] : split_rows_by_group(program, rows_of(*memory, "all inputs"))) {
    add(result, group->name, memory, rows);
  }
  return result;
}

bool says_double(py::handle dtype) {
  if (py::isinstance<py::str>(dtype)) {  // without NumPy
    const std::string name = text_argument(dtype, "dtype");
    if (name == "float64" || name == "float32") return name == "float64";
  } else if (dtype.ptr() == reinterpret_cast<PyObject*>(&PyFloat_Type)) {
    return true;
  }
  const py::object parsed = py::dtype::from_args(py::reinterpret_borrow<py::object>(dtype));
  if (parsed.is(py::dtype::of<double>())) return true;
  if (parsed.is(py::dtype::of<float>())) return false;
  throw_type_error("dtype is float32 or float64, not " + py::cast<std::string>(py::repr(dtype)));
}

}  // namespace tapeloom::python
