// Files of named tensors.
#include "tensors.h"

#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include "arguments.h"

namespace tapeloom::python {

namespace {

std::vector<py::ssize_t> sizes(const std::vector<std::size_t>& shape) { return {shape.begin(), shape.end()}; }

bool is_of_floats(const py::array& array) {
  const py::ssize_t size = array.dtype().itemsize();
  return array.dtype().kind() == 'f' && (size == 2 || size == 4 || size == 8);
}

/// float16 as float32, and other byte orders as this machine's; what is of no such type stays as it is.
py::array native_floats(const py::array& array) {
  if (!is_of_floats(array)) return array;
  const py::dtype native = array.dtype().itemsize() == 8 ? py::dtype::of<double>() : py::dtype::of<float>();
  return array.dtype().is(native) ? array : py::array(array.attr("astype")(native));
}

Tensor tensor_of(const std::string& name, py::handle array, const std::string& what) {
  refuse_masked(array, what + ": tensor \"" + name + '"');
  const auto numpy = py::module_::import("numpy");
  const py::array given = native_floats(numpy.attr("asarray")(array));
  const bool is_float = given.dtype().is(py::dtype::of<float>());
  if (!is_float && !given.dtype().is(py::dtype::of<double>())) {
    throw BindError(what + ": tensor \"" + name + "\" is not of float16, float32 or float64, but of " +
                    py::cast<std::string>(py::str(given.dtype())) + "; array.astype(numpy.float32) is");
  }
  const py::array contiguous = numpy.attr("ascontiguousarray")(given);  // makes a single number a dimension
  Tensor tensor{name, {given.shape(), given.shape() + given.ndim()}, {}};
  const auto size = static_cast<std::size_t>(given.size());
  if (is_float) {
    const auto* numbers = static_cast<const float*>(contiguous.data());
    tensor.numbers = std::vector<float>(numbers, numbers + size);
  } else {
    const auto* numbers = static_cast<const double*>(contiguous.data());
    tensor.numbers = std::vector<double>(numbers, numbers + size);
  }
  return tensor;
}

py::dict others_of(const TensorFile& file) {
  py::dict others;
  for (const OtherTensor& other : file.others) others[py::str(other.name)] = py::cast(other);
  return others;
}

py::dict metadata_of(const TensorFile& file) { return py::cast(file.metadata); }

void write(const std::filesystem::path& path, py::handle tensors, py::handle metadata) {
  TensorFile file = tensor_file_of(tensors);
  if (!metadata.is_none()) {
    if (!py::isinstance<py::dict>(metadata)) refuse_argument(metadata, "metadata", "a dict of strings by name");
    file.metadata.clear();
    for (const auto& [name, text] : py::reinterpret_borrow<py::dict>(metadata)) {
      const std::string key = text_argument(name, "metadata: a name");
      file.metadata[key] = text_argument(text, "metadata[\"" + key + "\"]");
    }
  }
  write_safetensors(path.string(), file);
}

}  // namespace

py::dict dict_of(const std::vector<Tensor>& tensors) {
  py::dict result;
  for (const Tensor& tensor : tensors) {
    result[py::str(tensor.name)] =
        std::visit([&](const auto& numbers) { return copy_of(numbers, sizes(tensor.shape)); }, tensor.numbers);
  }
  return result;
}

std::vector<Tensor> tensors_of(py::handle dict, const std::string& what) {
  if (!py::isinstance<py::dict>(dict)) {
    throw py::type_error(what + ": a dict of arrays by name is expected, not '" + Py_TYPE(dict.ptr())->tp_name + "'");
  }
  std::vector<Tensor> tensors;
  for (const auto& [name, array] : py::reinterpret_borrow<py::dict>(dict)) {
    tensors.push_back(tensor_of(text_argument(name, what + ": a tensor's name"), array, what));
  }
  return tensors;
}

TensorFile tensor_file_of(py::handle object) {
  if (py::isinstance<TensorFile>(object)) return py::cast<const TensorFile&>(object);
  return {tensors_of(object, "tensors"), {}};
}

TensorFile file_to_import(py::handle object) {
  if (!py::isinstance<py::dict>(object)) return tensor_file_of(object);
  const auto numpy = py::module_::import("numpy");
  py::dict floats;
  std::vector<OtherTensor> others;
  for (const auto& [name, value] : py::reinterpret_borrow<py::dict>(object)) {
    refuse_masked(value, "tensor " + py::cast<std::string>(py::repr(name)));
    const py::array array = numpy.attr("asarray")(value);
    if (is_of_floats(array) || !py::isinstance<py::str>(name)) {
      floats[name] = array;
    } else {
      others.push_back({py::cast<std::string>(name), py::cast<std::string>(py::str(array.dtype())), {}, {}});
    }
  }
  TensorFile file = tensor_file_of(floats);
  file.others = std::move(others);
  return file;
}

void add_tensors(py::module_& module) {
  py::class_<OtherTensor> other(
      module, "OtherTensor",
      "A tensor of a type whose numbers are not looked at, such as I64 or BOOL: `name`, `type`, "
      "`shape`, and its `bytes` as they are in the file.");
  publish(other);
  other.def_readonly("name", &OtherTensor::name, "Its name.");
  other.def_readonly("type", &OtherTensor::type, "Its type, as safetensors writes it.");
  other.def_property_readonly(
      "shape", [](const OtherTensor& self) { return py::tuple(py::cast(self.shape)); }, "Its dimensions.");
  other.def_property_readonly(
      "bytes", [](const OtherTensor& self) { return py::bytes(self.bytes); }, "Its numbers as they are in the file.");

  py::class_<TensorFile> file(module, "TensorFile",
                              "What read_safetensors has read. file[name] is an array, a copy each time.");
  publish(file);
  file.def_property_readonly(
      "tensors", [](const TensorFile& self) { return dict_of(self.tensors); },
      "Copies of all tensors of float numbers, by name, in the order of the file.");
  file.def_property_readonly("metadata", metadata_of, "Texts by name.");
  file.def_property_readonly("others", others_of,
                             "Tensors of other types, by name; write_safetensors writes them again.");
  file.def(
      "__getitem__",
      [](const TensorFile& self, const std::string& name) -> py::object {
        const Tensor* found = self.find(name);
        if (found == nullptr) throw py::key_error(name);
        return dict_of({*found})[py::str(name)];
      },
      py::arg("name"));
  file.def(
      "__contains__",
      [](const TensorFile& self, const std::string& name) {
        return std::ranges::any_of(self.tensors, [&](const Tensor& tensor) { return tensor.name == name; });
      },
      py::arg("name"));
  module.def(
      "read_safetensors", [](const std::filesystem::path& path) { return read_safetensors(path.string()); },
      py::arg("path"),
      "Reads a safetensors file: tensors of F32 and F64, and F16 and BF16 as float32; others are kept as they are. "
      "Raises DataError with the byte for a file that is cut short or damaged in any way the format can tell.");
  module.def("write_safetensors", write, py::arg("path"), py::arg("tensors"), py::arg("metadata") = py::none(),
             "Writes a dict of arrays (float32 or float64; float16 as float32), or a TensorFile, and a dict of texts, "
             "which takes the place of "
             "the TensorFile's. Raises DataError if the file cannot be written; an older one is still there then.");
}

}  // namespace tapeloom::python
