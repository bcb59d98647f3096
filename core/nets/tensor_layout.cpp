#include "tapeloom/core/nets/tensor_layout.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/program/program.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

ParameterId parameter_of(Value value) {
  const Tape* tape = value.tape();
  if (tape == nullptr || tape->op(value.id()) != Op::parameter) {
    throw RecordingError("a tensor of parameters was given " +
                         (tape == nullptr ? "a plain number" : tape->describe(value.id()) + ", which is none"));
  }
  return ParameterId(tape->leaf_index(value.id()));
}

}  // namespace

ParameterTensor parameter_tensor(std::string name, std::span<const Value> values, std::vector<std::size_t> shape) {
  if (shape.empty()) shape = {values.size()};
  std::size_t count = 1;
  bool fits = true;
  for (std::size_t size : shape) fits = fits && !__builtin_mul_overflow(count, size, &count);
  if (!fits || count != values.size()) {
    throw RecordingError("tensor \"" + name + "\" has " + std::to_string(values.size()) +
                         " parameters, not as many as its shape says");
  }
  ParameterTensor tensor{std::move(name), std::move(shape), {}};
  for (Value value : values) tensor.parameters.push_back(parameter_of(value));
  return tensor;
}

TensorLayout tensor_layout(const Layer& layer, std::string_view prefix) {
  std::vector<Value> weights, biases;
  for (const Neuron& neuron : layer.neurons()) {
    const auto all = neuron.parameters();
    weights.insert(weights.end(), all.begin(), all.begin() + static_cast<std::ptrdiff_t>(neuron.inputs()));
    if (neuron.has_bias()) biases.push_back(all.back());
  }
  const std::size_t outputs = layer.neurons().size();
  TensorLayout layout = {
      parameter_tensor(std::string(prefix) + "weight", weights, {outputs, weights.size() / outputs})};
  if (!biases.empty()) layout.push_back(parameter_tensor(std::string(prefix) + "bias", biases));
  return layout;
}

TensorLayout tensor_layout(const MLP& network, std::string_view prefix) {
  TensorLayout layout;
  for (std::size_t i = 0; i < network.layers().size(); ++i) {
    const std::string name = std::string(prefix) + std::to_string(i) + ".";
    for (ParameterTensor& tensor : tensor_layout(network.layers()[i], name)) layout.push_back(std::move(tensor));
  }
  return layout;
}

namespace {

/// A label w[2][3] cut into its name and its indices; a label of another form is a name as a whole.
struct Label {
  std::string name;
  std::vector<std::size_t> indices;
};

Label cut(const std::string& label) {
  Label result{label, {}};
  while (result.name.ends_with(']')) {
    const std::size_t open = result.name.rfind('[');
    if (open == std::string::npos || open == 0) return {label, {}};
    std::size_t index = 0;
    const char* const end = result.name.data() + result.name.size() - 1;
    const auto [stop, error] = std::from_chars(result.name.data() + open + 1, end, index);
    if (error != std::errc() || stop != end) return {label, {}};
    result.indices.insert(result.indices.begin(), index);
    result.name.resize(open);
  }
  return result;
}

struct Labelled {
  ParameterId parameter;
  std::vector<std::size_t> indices;
};

/// Sorts the parameters by their indices and finds the shape; false if they fill none.
bool fill_shape(std::vector<Labelled>& all, std::vector<std::size_t>& shape) {
  shape.assign(all[0].indices.size(), 0);
  for (const Labelled& one : all) {
    if (one.indices.size() != shape.size()) return false;
    for (std::size_t d = 0; d < shape.size(); ++d) {
      if (one.indices[d] >= all.size()) return false;  // one below it is missing
      shape[d] = std::max(shape[d], one.indices[d] + 1);
    }
  }
  std::size_t count = 1;
  for (std::size_t size : shape) {
    if (__builtin_mul_overflow(count, size, &count)) return false;
  }
  if (count != all.size()) return false;
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.indices < b.indices; });
  const auto twin =
      std::adjacent_find(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.indices == b.indices; });
  return twin == all.end();
}

/// Of parameters with these labels, in recorded order.
TensorLayout layout_of(const std::vector<std::string>& labels) {
  std::map<std::string, std::vector<Labelled>> groups;
  std::vector<std::string> names;  // as they are met
  for (std::size_t i = 0; i < labels.size(); ++i) {
    Label label = cut(labels[i]);
    std::vector<Labelled>& group = groups[label.name];
    if (group.empty()) names.push_back(label.name);
    group.push_back({ParameterId(i), std::move(label.indices)});
  }
  TensorLayout layout;
  for (const std::string& name : names) {
    std::vector<Labelled>& group = groups[name];
    ParameterTensor tensor{name.empty() ? "parameters" : name, {}, {}};
    // Without a label there is no order but the recorded one, and always a list.
    if (name.empty() || !fill_shape(group, tensor.shape)) {
      std::sort(group.begin(), group.end(), [](const auto& a, const auto& b) { return a.parameter < b.parameter; });
      tensor.shape = {group.size()};
    }
    for (const Labelled& one : group) tensor.parameters.push_back(one.parameter);
    layout.push_back(std::move(tensor));
  }
  return layout;
}

std::vector<std::string> labels_of(const Program& program) {
  std::vector<std::string> labels;
  for (const ProgramParameter& parameter : program.parameters) labels.push_back(parameter.label);
  return labels;
}

/// Cuts "word12" off the end and returns "12", or nothing if it does not end so.
std::string cut_number(std::string_view& text, std::string_view word) {
  std::size_t digits = text.size();
  while (digits > 0 && text[digits - 1] >= '0' && text[digits - 1] <= '9') --digits;
  if (digits == text.size() || !text.substr(0, digits).ends_with(word)) return {};
  std::string number(text.substr(digits));
  text.remove_suffix(number.size() + word.size());
  return number;
}

/// For "layer0.neuron1.w[2]", as set_labels writes it, "layers.0.weight[1][2]"; others stay as they are.
std::string label_in_layer(const std::string& label) {
  constexpr std::string_view weight = ".w[", bias = ".b";
  std::string_view rest = label;
  std::string tensor, index;
  if (rest.ends_with(bias)) {
    rest.remove_suffix(bias.size());
    tensor = "bias";
  } else if (const std::size_t at = rest.rfind(weight); at != rest.npos && rest.ends_with(']')) {
    index = rest.substr(at + weight.size() - 1);
    rest = rest.substr(0, at);
    tensor = "weight";
  }
  const std::string neuron = tensor.empty() ? "" : cut_number(rest, "neuron");
  if (neuron.empty()) return label;
  std::string layer;
  if (rest.ends_with('.')) {
    std::string_view before = rest.substr(0, rest.size() - 1);
    if (const std::string number = cut_number(before, "layer"); !number.empty()) {
      rest = before;
      layer = "layers." + number + ".";
    }
  }
  return std::string(rest) + layer + tensor + "[" + neuron + "]" + index;
}

}  // namespace

TensorLayout labelled_layout(const Program& program) { return layout_of(labels_of(program)); }

TensorLayout tensor_layout(const Program& program) {
  std::vector<std::string> labels = labels_of(program);
  for (std::string& label : labels) label = label_in_layer(label);
  return layout_of(labels);
}

}  // namespace tapeloom::inline TAPELOOM_ABI
