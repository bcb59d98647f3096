// Which parameters of a program are a tensor together, what they are called, and their numbers as arrays.
#include <pybind11/stl.h>

#include <unordered_map>

#include "arguments.h"
#include "executor.h"
#include "tensors.h"
#include "value.h"

namespace tapeloom::python {

namespace {

/// Which number each Value of a program has, found out when it is asked for the first one.
class Numbers {
 public:
  explicit Numbers(const CompiledProgram& program) : program_(program) {}

  const CompiledProgram& program() const { return program_; }
  ParameterId of(py::handle value, const std::string& what) {
    if (by_object_.empty()) {
      for (std::size_t i = 0; i < program_.values.size(); ++i) by_object_.emplace(program_.values[i].ptr(), i);
    }
    const auto found = by_object_.find(value.ptr());
    if (found != by_object_.end()) return ParameterId(found->second);
    throw BindError(what +
                    (program_.values.empty()
                         ? ": the program does not know the Values of its parameters, since it is from a file, a "
                           "pickle or a copy; say which ones by their numbers or a layout"
                         : ": a Value that is none of the program's parameters"));
  }

 private:
  const CompiledProgram& program_;
  std::unordered_map<PyObject*, std::size_t> by_object_;
};

void append(Numbers& numbers, py::handle parameters, const std::string& what, std::vector<ParameterId>& ids) {
  if (py::isinstance<ParameterTensor>(parameters)) {
    const auto& tensor = py::cast<const ParameterTensor&>(parameters);
    ids.insert(ids.end(), tensor.parameters.begin(), tensor.parameters.end());
  } else if (is_value(parameters.ptr())) {
    ids.push_back(numbers.of(parameters, what));
  } else if (is_truth(parameters)) {
    throw py::type_error(what +
                         ": truths are no numbers of parameters; numpy.flatnonzero(mask) has those of the true "
                         "ones");
  } else if (PyIndex_Check(parameters.ptr()) != 0 && PySequence_Check(parameters.ptr()) == 0) {
    const Py_ssize_t number = PyNumber_AsSsize_t(parameters.ptr(), PyExc_IndexError);
    if (number == -1 && PyErr_Occurred() != nullptr) throw py::error_already_set();
    const std::size_t count = numbers.program().program->parameters.size();
    if (number < 0 || static_cast<std::size_t>(number) >= count) {
      throw BindError(what + ": parameter " + std::to_string(number) + " of a program that has " +
                      std::to_string(count));
    }
    ids.emplace_back(static_cast<std::size_t>(number));
  } else if (py::isinstance<py::iterable>(parameters) && !py::isinstance<py::str>(parameters)) {
    for (const py::handle item : py::reinterpret_borrow<py::object>(parameters)) append(numbers, item, what, ids);
  } else {
    throw py::type_error(what + ": Values, numbers of parameters or ParameterTensors are expected, not '" +
                         Py_TYPE(parameters.ptr())->tp_name + "'");
  }
}

std::size_t check_shape(const std::string& name, const std::vector<std::size_t>& shape, std::size_t count) {
  std::size_t product = 1;
  bool fits = true;
  for (const std::size_t size : shape) fits = fits && !__builtin_mul_overflow(product, size, &product);
  if (fits && product == count) return product;
  throw BindError("tensor \"" + name + "\" has " + std::to_string(count) +
                  " parameters, not as many as its shape says");
}

ParameterTensor make_tensor(const CompiledProgram& program, const std::string& name, py::handle parameters,
                            const std::optional<std::vector<std::size_t>>& shape) {
  ParameterTensor tensor{name, {}, parameter_ids(program, parameters, "tensor \"" + name + "\"")};
  tensor.shape = shape ? *shape : std::vector<std::size_t>{tensor.parameters.size()};
  check_shape(name, tensor.shape, tensor.parameters.size());
  return tensor;
}

const CompiledProgram& program_of(py::handle object, const std::string& what) {
  if (py::isinstance<CompiledProgram>(object)) return py::cast<const CompiledProgram&>(object);
  if (py::isinstance<CompiledExecutor>(object)) return executor_of(object, what).compiled();
  throw py::type_error(what + ": an Executor or a Program is expected, not '" + Py_TYPE(object.ptr())->tp_name + "'");
}

}  // namespace

std::vector<ParameterId> parameter_ids(const CompiledProgram& program, py::handle parameters, const std::string& what) {
  std::vector<ParameterId> ids;
  Numbers numbers(program);
  append(numbers, parameters, what, ids);
  return ids;
}

TensorLayout layout_of(py::handle layout) { return layout.is_none() ? TensorLayout() : py::cast<TensorLayout>(layout); }

void add_layouts(py::module_& module) {
  py::class_<ParameterTensor> tensor(
      module, "ParameterTensor",
      "Parameters that are a tensor together: its name, its shape, and the numbers of its "
      "parameters, row-major. A list of these is a layout.");
  publish(tensor);
  tensor.def(py::init([](std::string name, std::vector<std::size_t> shape, const std::vector<std::size_t>& numbers) {
               check_shape(name, shape, numbers.size());
               ParameterTensor made{std::move(name), std::move(shape), {}};
               for (const std::size_t number : numbers) made.parameters.emplace_back(number);
               return made;
             }),
             py::arg("name"), py::arg("shape"), py::arg("parameters"));
  tensor.def_readwrite("name", &ParameterTensor::name, "What a file of weights calls it.");
  tensor.def_property_readonly(
      "shape", [](const ParameterTensor& self) { return py::tuple(py::cast(self.shape)); },
      "Its dimensions; none for a single number.");
  tensor.def_property_readonly(
      "parameters",
      [](const ParameterTensor& self) {
        std::vector<std::size_t> numbers;
        for (const ParameterId id : self.parameters) numbers.push_back(id.index);
        return numbers;
      },
      "The numbers of its parameters among the program's.");
  tensor.def("__repr__", [](const ParameterTensor& self) {
    return "ParameterTensor('" + self.name + "', " + py::cast<std::string>(py::repr(py::tuple(py::cast(self.shape)))) +
           ", ...)";
  });
  module.def(
      "parameter_tensor",
      [](py::handle program, const std::string& name, py::handle values,
         const std::optional<std::vector<std::size_t>>& shape) {
        return make_tensor(program_of(program, "parameter_tensor"), name, values, shape);
      },
      py::arg("program"), py::arg("name"), py::arg("values"), py::arg("shape") = py::none(),
      "A ParameterTensor of Values that are parameters of an executor's program, row-major, for a net written by hand. "
      "Without a shape it has one dimension. Raises BindError for other Values, and for numbers that do not fit the "
      "shape.");
  module.def(
      "labelled_layout",
      [](py::handle program) { return labelled_layout(*program_of(program, "labelled_layout").program); },
      py::arg("program"),
      "The layout that the labels of a program's parameters tell of: those labelled w[0][0], w[0][1], ... make a "
      "tensor \"w\" with the shape of their indices if every index is there once; other labels name a tensor of all "
      "that have it. Parameters without a label make the tensor \"parameters\".");
  module.def(
      "tensor_layout", [](py::handle program) { return tensor_layout(*program_of(program, "tensor_layout").program); },
      py::arg("program"),
      "The same, but parameters labelled as the C++ MLP labels them, \"layer0.neuron1.w[2]\", make the tensors of "
      "their layers under the names PyTorch would give them, such as \"layers.0.weight\".");
  module.def(
      "export_weights",
      [](py::handle executor, py::handle layout) {
        const TensorLayout tensors = layout_of(layout);
        return dict_of(
            executor_of(executor, "export_weights").with([&](auto& e) { return export_weights(e, tensors); }));
      },
      py::arg("executor"), py::arg("layout") = py::none(),
      "Copies of the executor's parameters as a dict of arrays by name, for write_safetensors: those of the layout, or "
      "without one all of them by their labels (labelled_layout). Raises BindError for a layout that does not fit.");
  module.def(
      "import_weights",
      [](py::handle executor, py::handle tensors, py::handle layout) {
        const TensorFile file = file_to_import(tensors);
        const TensorLayout parameters = layout_of(layout);
        executor_of(executor, "import_weights").with([&](auto& e) { import_weights(e, file, parameters); });
      },
      py::arg("executor"), py::arg("tensors"), py::arg("layout") = py::none(),
      "Sets the parameters of the layout from a dict of arrays or a TensorFile, converting between float32 and "
      "float64. Without a layout it sets all of them, by the first of labelled_layout and tensor_layout (also without "
      "what all names begin with) whose names are there; other tensors may be there, too, of whatever type. Raises "
      "BindError for a tensor that is missing or of another shape; then no parameter is changed.");
}

}  // namespace tapeloom::python
