#include "tapeloom/core/nets/module.h"

#include <algorithm>
#include <utility>

#include "tapeloom/core/base/error.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

/// How many numbers the shape has; before memory is asked for, since of a negative size there is not enough.
std::size_t count_of(const Tape& tape, const std::string& name, const std::vector<std::size_t>& shape) {
  std::size_t count = 1;
  bool fits = true;
  for (const std::size_t size : shape) fits = fits && !__builtin_mul_overflow(count, size, &count);
  if (fits && count > 0 && count <= Tape::most_nodes - tape.size()) return count;
  std::string sizes;
  for (const std::size_t size : shape) sizes += (sizes.empty() ? "" : " x ") + std::to_string(size);
  if (fits && count == 0) throw RecordingError("a layer's \"" + name + "\" of " + sizes + " numbers is empty");
  throw RecordingError("a layer's \"" + name + "\" of " + sizes + " numbers does not fit a tape, which holds " +
                       std::to_string(Tape::most_nodes) + " nodes");
}

}  // namespace

std::vector<Value> Module::parameters() const {
  std::vector<Value> all;
  for (const ModuleTensor& tensor : tensors_) {
    if (tensor.is_trained) all.insert(all.end(), tensor.values.begin(), tensor.values.end());
  }
  return all;
}

void Module::set_values(std::size_t tensor, std::span<const Value> values) {
  if (tensor >= tensors_.size()) {
    throw RecordingError("a layer with " + std::to_string(tensors_.size()) + " tensors has no tensor " +
                         std::to_string(tensor));
  }
  ModuleTensor& changed = tensors_[tensor];
  if (values.size() != changed.values.size()) {
    throw RecordingError("a layer's \"" + changed.name + "\" of " + std::to_string(changed.values.size()) +
                         " numbers was given " + std::to_string(values.size()));
  }
  if (std::ranges::any_of(values, &Value::is_plain)) {
    throw RecordingError("a layer's \"" + changed.name + "\" was given a plain number, which is on no tape");
  }
  changed.values.assign(values.begin(), values.end());
}

void Module::set_labels(std::string_view prefix) const {
  for (const ModuleTensor& tensor : tensors_) {
    std::vector<std::size_t> index(tensor.shape.size(), 0);
    for (const Value& value : tensor.values) {
      std::string label = std::string(prefix) + tensor.name;
      for (const std::size_t i : index) label += "[" + std::to_string(i) + "]";
      value.set_label(label);
      for (std::size_t d = index.size(); d-- > 0 && ++index[d] == tensor.shape[d];) index[d] = 0;
    }
  }
}

void Module::add(Tape& tape, std::string name, std::vector<std::size_t> shape, const Fan& fan,
                 const Initializer& initializer) {
  if (!initializer) throw RecordingError("a layer needs an Initializer for its parameters; this one is empty");
  const std::size_t count = count_of(tape, name, shape);
  ModuleTensor tensor{std::move(name), std::move(shape), {}};
  tensor.values.reserve(count);
  for (std::size_t i = 0; i < count; ++i) tensor.values.push_back(tape.parameter(initializer(fan)));
  tensors_.push_back(std::move(tensor));
}

void Module::add(Tape& tape, std::string name, std::vector<std::size_t> shape, double initial) {
  add(tape, std::move(name), std::move(shape), Fan{1, 1, false}, [initial](const Fan&) { return initial; });
}

void Module::add_statistics(Tape& tape, std::string name, std::vector<std::size_t> shape, double initial) {
  add(tape, std::move(name), std::move(shape), initial);
  tensors_.back().is_trained = false;
  for (const Value& value : tensors_.back().values) tape.set_frozen(value);
}

std::span<const Value> Module::row(std::size_t tensor, std::size_t i) const {
  const std::size_t length = values(tensor).size() / tensors_[tensor].shape[0];
  return values(tensor).subspan(i * length, length);
}

TensorLayout tensor_layout(const Module& module, std::string_view prefix) {
  TensorLayout layout;
  for (const ModuleTensor& tensor : module.tensors()) {
    layout.push_back(parameter_tensor(std::string(prefix) + tensor.name, tensor.values, tensor.shape));
  }
  return layout;
}

}  // namespace tapeloom::inline TAPELOOM_ABI
