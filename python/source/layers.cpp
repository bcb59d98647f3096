// The layers of C++ for tapeloom.nn. An object of Python has a layer's options and its tensors, lists of Values, as
// attributes, which are copied, pickled, shared, replaced and moved by compactions as all Values are. C++'s layer is
// made for each call, on a tape that is gone afterwards, and given those Values.
#include "compiled.h"
#include "functions.h"
#include "nn.h"

namespace tapeloom::python {

namespace {

std::size_t size_argument(py::handle given, const std::string& what) {
  if (PyIndex_Check(given.ptr()) == 0) {
    throw py::type_error(what + " is an integer, not '" + Py_TYPE(given.ptr())->tp_name + "'");
  }
  const Py_ssize_t number = PyNumber_AsSsize_t(given.ptr(), PyExc_OverflowError);
  if (number == -1 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  if (number < 0) throw RecordingError(what + " is negative: " + std::to_string(number));
  return static_cast<std::size_t>(number);
}

/// What a layer of Python's was made with, by name.
class Options {
 public:
  explicit Options(py::handle layer)
      : kind_(py::cast<std::string>(layer.attr("_kind"))), given_(layer.attr("_options")) {}

  const std::string& kind() const { return kind_; }
  std::size_t size(const char* name) const { return size_argument(at(name), called(name)); }
  /// One number, or rows and columns.
  Size2d size2d(const char* name) const {
    const py::object given = at(name);
    if (PySequence_Check(given.ptr()) == 0) return size(name);
    const py::tuple both = owned(PySequence_Tuple(given.ptr()));
    if (both.size() != 2) throw py::type_error(called(name) + " is a number, or rows and columns");
    return {size_argument(both[0], called(name)), size_argument(both[1], called(name))};
  }
  /// A pool's: without one, the zero that says so to C++.
  std::size_t stride() const {
    if (at("stride").is_none()) return 0;
    const std::size_t given = size("stride");
    if (given == 0) refuse_stride();
    return given;
  }
  Size2d stride2d() const {
    if (at("stride").is_none()) return 0;
    const Size2d given = size2d("stride");
    if (given.height == 0 || given.width == 0) refuse_stride();
    return given;
  }
  double number(const char* name) const { return number_argument(at(name).ptr(), called(name).c_str()); }
  bool truth(const char* name) const {
    const int is_true = PyObject_IsTrue(at(name).ptr());
    if (is_true < 0) throw py::error_already_set();
    return is_true != 0;
  }
  ActivationFunction activation(const char* name) const { return activation_of(at(name).ptr()); }

 private:
  py::object at(const char* name) const { return given_[name]; }
  [[noreturn]] void refuse_stride() const {
    throw RecordingError(kind_ + " has a stride of zero; without one it is the kernel's size");
  }
  std::string called(const char* name) const { return kind_ + ": " + name; }

  std::string kind_;
  py::dict given_;
};

/// f of C++'s layer, whose parameters are recorded on that tape.
template <class F>
py::object with_layer(const Options& o, Tape& tape, const Initializer& initial, F&& f) {
  const std::string& kind = o.kind();
  if (kind == "LayerNorm") {
    return f(LayerNorm(tape, o.size("normalized_shape"), {.eps = o.number("eps"), .bias = o.truth("bias")}));
  }
  if (kind == "RMSNorm") return f(RMSNorm(tape, o.size("normalized_shape"), o.number("eps")));
  if (kind == "BatchNorm1d" || kind == "BatchNorm2d") {
    const BatchNormOptions all = {o.number("eps"), o.number("momentum"), o.truth("affine")};
    const std::size_t channels = o.size("num_features");
    return kind == "BatchNorm1d" ? f(BatchNorm1d(tape, channels, all)) : f(BatchNorm2d(tape, channels, all));
  }
  if (kind == "Conv1d") {
    const Conv1dOptions all = {o.size("kernel_size"), o.size("stride"), o.size("padding"), o.activation("activation"),
                               o.truth("bias")};
    return f(Conv1d(tape, o.size("in_channels"), o.size("out_channels"), all, initial));
  }
  if (kind == "Conv2d") {
    const Conv2dOptions all = {o.size2d("kernel_size"), o.size2d("stride"), o.size2d("padding"),
                               o.activation("activation"), o.truth("bias")};
    return f(Conv2d(tape, o.size("in_channels"), o.size("out_channels"), all, initial));
  }
  if (kind == "MultiheadAttention") {
    return f(MultiheadAttention(tape, o.size("embed_dim"), o.size("num_heads"), initial, o.truth("bias")));
  }
  const std::size_t inputs = o.size("input_size"), hidden = o.size("hidden_size");
  if (kind == "RNNCell") {
    return f(RNNCell(tape, inputs, hidden, initial, {o.activation("nonlinearity"), o.truth("bias")}));
  }
  if (kind == "GRUCell") return f(GRUCell(tape, inputs, hidden, initial, o.truth("bias")));
  if (kind == "LSTMCell") return f(LSTMCell(tape, inputs, hidden, initial, o.truth("bias")));
  throw py::type_error("'" + kind + "' is no layer");
}

// --- tensors ----------------------------------------------------------------------------------------------------

/// Lists within lists, as the shape says.
py::object nested(std::span<const Value> values, std::span<const std::size_t> shape) {
  if (shape.size() == 1) return owned(results_of({values.begin(), values.end()}));
  py::list rows;
  const std::size_t length = values.size() / shape[0];
  for (std::size_t i = 0; i < shape[0]; ++i) rows.append(nested(values.subspan(i * length, length), shape.subspan(1)));
  return rows;
}

/// Takes them apart again, onto the recording's tape.
void flatten(py::handle list, std::span<const std::size_t> shape, const std::string& what, std::vector<Value>& values) {
  const py::object elements = owned(PySequence_Tuple(elements_of(list.ptr(), what.c_str(), "a list").ptr()));
  const auto count = static_cast<std::size_t>(PyTuple_GET_SIZE(elements.ptr()));
  if (count != shape[0]) {
    throw RecordingError(what + " has " + std::to_string(count) + " elements in place of " + std::to_string(shape[0]));
  }
  for (std::size_t i = 0; i < count; ++i) {
    PyObject* element = PyTuple_GET_ITEM(elements.ptr(), static_cast<Py_ssize_t>(i));
    if (shape.size() == 1) {
      values.push_back(value_argument(element, what.c_str()).on(recording().tape()));
    } else {
      flatten(element, shape.subspan(1), what, values);
    }
  }
}

/// The attribute "out_proj.weight" of a layer.
py::object tensor_of(py::handle layer, const std::string& name) {
  const std::size_t dot = name.find('.');
  if (dot == std::string::npos) return layer.attr(name.c_str());
  return tensor_of(layer.attr(name.substr(0, dot).c_str()), name.substr(dot + 1));
}

py::object make_layer(py::handle layer, const py::function& initial) {
  const Options options(layer);
  const Recording::Pin pin(recording());
  const Initializer initializer = [&](const Fan& fan) {
    return py::cast<double>(initial(fan.inputs, fan.outputs, fan.bias));
  };
  return with_layer(options, recording().tape(), initializer, [](auto&& made) -> py::object {
    py::dict tensors;
    for (const ModuleTensor& tensor : made.tensors()) {
      const py::object lists = nested(tensor.values, tensor.shape);
      if (!tensor.is_trained) {
        for (const py::handle value : lists) is_statistic(value.ptr()) = true;  // of one dimension
      }
      tensors[py::str(tensor.name)] = lists;
    }
    return tensors;
  });
}

void give_tensors(py::handle layer, const std::string& kind, Module& to) {
  for (std::size_t i = 0; i < to.tensors().size(); ++i) {
    const ModuleTensor& tensor = to.tensors()[i];
    std::vector<Value> values;
    flatten(tensor_of(layer, tensor.name), tensor.shape, kind + ": " + tensor.name, values);
    to.set_values(i, values);
  }
}

// --- calls ------------------------------------------------------------------------------------------------------

std::vector<Value> list_of(py::handle list, const char* what) { return values_of(list.ptr(), what); }
py::object list_of(const std::vector<Value>& values) { return owned(results_of(values)); }

using Vectors = std::vector<std::vector<Value>>;

Vectors vectors_of(py::handle list, const char* what) {
  const py::object all = owned(PySequence_Tuple(elements_of(list.ptr(), what, "a list of lists of Values").ptr()));
  Vectors vectors;
  for (const py::handle each : py::reinterpret_borrow<py::tuple>(all)) vectors.push_back(list_of(each, what));
  return vectors;
}
py::object list_of(const Vectors& vectors) {
  py::list all;
  for (const std::vector<Value>& each : vectors) all.append(list_of(each));
  return all;
}

/// Of nn.Signal and nn.Image, which are tuples; py::args hands over what they are made of.
Signal signal_of(const py::tuple& x, const char* what) {
  return {size_argument(x[0], "channels"), size_argument(x[1], "length"), list_of(x[2], what)};
}
Image image_of(const py::tuple& x, const char* what) {
  return {size_argument(x[0], "channels"), size_argument(x[1], "height"), size_argument(x[2], "width"),
          list_of(x[3], what)};
}
py::object tuple_of(const Signal& x) { return py::make_tuple(x.channels, x.length, list_of(x.values)); }
py::object tuple_of(const Image& x) { return py::make_tuple(x.channels, x.height, x.width, list_of(x.values)); }

py::object call(const LayerNorm& layer, const py::tuple& x) { return list_of(layer(list_of(x[0], "LayerNorm"))); }
py::object call(const RMSNorm& layer, const py::tuple& x) { return list_of(layer(list_of(x[0], "RMSNorm"))); }
py::object call(const BatchNorm1d& layer, const py::tuple& x) {
  if (x.size() == 1) return list_of(layer(list_of(x[0], "BatchNorm1d")));
  return tuple_of(layer(signal_of(x, "BatchNorm1d")));
}
py::object call(const BatchNorm2d& layer, const py::tuple& x) { return tuple_of(layer(image_of(x, "BatchNorm2d"))); }
py::object call(const Conv1d& layer, const py::tuple& x) { return tuple_of(layer(signal_of(x, "Conv1d"))); }
py::object call(const Conv2d& layer, const py::tuple& x) { return tuple_of(layer(image_of(x, "Conv2d"))); }
py::object call(const MultiheadAttention& layer, const py::tuple& x) {
  constexpr const char* name = "MultiheadAttention";
  return list_of(
      layer(vectors_of(x[0], name), vectors_of(x[1], name), vectors_of(x[2], name), {.causal = py::cast<bool>(x[3])}));
}
/// x, and h, which may be empty.
template <class Cell>
py::object call_cell(const Cell& layer, const py::tuple& x, const char* name) {
  const std::vector<Value> given = list_of(x[0], name);
  return list_of(layer(given, list_of(x[1], name)));
}
py::object call(const RNNCell& layer, const py::tuple& x) { return call_cell(layer, x, "RNNCell"); }
py::object call(const GRUCell& layer, const py::tuple& x) { return call_cell(layer, x, "GRUCell"); }
py::object call(const LSTMCell& layer, const py::tuple& x) {
  constexpr const char* name = "LSTMCell";
  const std::vector<Value> given = list_of(x[0], name);
  const LSTMState next = layer(given, {list_of(x[1], name), list_of(x[2], name)});
  return py::make_tuple(list_of(next.h), list_of(next.c));
}

py::object call_layer(py::handle layer, const py::args& x) {
  const Options options(layer);
  const Recording::Pin pin(recording());
  Tape scratch;
  return with_layer(
      options, scratch, [](const Fan&) { return 0.0; },
      [&](auto&& made) {
        give_tensors(layer, options.kind(), made);
        return call(made, x);
      });
}

// --- functions without weights ------------------------------------------------------------------------------------

py::object pool1d(const Options& o, const py::tuple& x) {
  const Pool1dOptions all = {o.size("kernel_size"), o.stride(), o.size("padding")};
  const char* name = o.kind().c_str();
  return tuple_of(o.kind() == "max_pool1d" ? max_pool1d(signal_of(x, name), all)
                                           : avg_pool1d(signal_of(x, name), all, o.truth("count_include_pad")));
}
py::object pool2d(const Options& o, const py::tuple& x) {
  const Pool2dOptions all = {o.size2d("kernel_size"), o.stride2d(), o.size2d("padding")};
  const char* name = o.kind().c_str();
  return tuple_of(o.kind() == "max_pool2d" ? max_pool2d(image_of(x, name), all)
                                           : avg_pool2d(image_of(x, name), all, o.truth("count_include_pad")));
}

}  // namespace

void add_layers(py::module_& module) {
  module.def("_make_layer", make_layer);
  module.def("_call_layer", call_layer);
  module.def("_pool", [](py::handle pool, const py::args& x) {
    const Options options(pool);
    const Recording::Pin pin(recording());
    return x.size() == 3 ? pool1d(options, x) : pool2d(options, x);
  });
  module.def("_layer_norm", [](py::handle x, py::handle eps) {
    const double number = number_argument(eps.ptr(), "layer_norm: eps");
    const Recording::Pin pin(recording());
    return list_of(layer_norm(list_of(x, "layer_norm"), number));
  });
  module.def("_rms_norm", [](py::handle x, py::handle eps) {
    const double number = number_argument(eps.ptr(), "rms_norm: eps");
    const Recording::Pin pin(recording());
    return list_of(rms_norm(list_of(x, "rms_norm"), number));
  });
  module.def("_dropout", [](py::handle x, py::handle p) {
    const double number = number_argument(p.ptr(), "dropout: p");
    const Recording::Pin pin(recording());
    return list_of(dropout(list_of(x, "dropout"), number));
  });
  module.def("_attention", [](py::handle queries, py::handle keys, py::handle values, bool causal) {
    constexpr const char* name = "scaled_dot_product_attention";
    const Recording::Pin pin(recording());
    return list_of(scaled_dot_product_attention(vectors_of(queries, name), vectors_of(keys, name),
                                                vectors_of(values, name), {.causal = causal}));
  });
}

}  // namespace tapeloom::python
