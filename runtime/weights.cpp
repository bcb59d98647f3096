#include "tapeloom/runtime/weights.h"

#include <algorithm>

#include "tapeloom/core/error.h"
#include "tapeloom/runtime/numbers.h"

namespace tapeloom::inline v0_1 {

namespace {

using runtime::shape_text;

TensorLayout checked_layout(const Program& program, const TensorLayout& given) {
  TensorLayout layout = given.empty() ? labelled_layout(program) : given;
  std::vector<bool> seen(program.parameters.size());
  for (const ParameterTensor& tensor : layout) {
    if (runtime::element_count(tensor.shape) != tensor.parameters.size()) {
      throw BindError("tensor \"" + tensor.name + "\" of the layout has " + std::to_string(tensor.parameters.size()) +
                      " parameters, but the shape " + shape_text(tensor.shape));
    }
    for (const ParameterId id : tensor.parameters) {
      if (id.index >= seen.size()) {
        throw BindError("tensor \"" + tensor.name + "\" of the layout has parameter " + std::to_string(id.index) +
                        "; the program has " + std::to_string(seen.size()));
      }
      if (seen[id.index]) {
        throw BindError("parameter " + std::to_string(id.index) + " is in the layout twice, at last in tensor \"" +
                        tensor.name + "\"");
      }
      seen[id.index] = true;
    }
  }
  return layout;
}

std::string hint(const TensorLayout& given) {
  if (!given.empty()) return "";
  return "; no TensorLayout was given, so the labels of the parameters name them: give the one the file was written "
         "with, such as tensor_layout(network)";
}

/// What a file has in place of what the layout asks for, and what to do about it.
std::string tensors_there(const TensorFile& file, const TensorLayout& given) {
  constexpr std::size_t most = 6;
  std::string text = file.tensors.empty() ? ", which has none" : ", but";
  for (std::size_t i = 0; i < std::min(file.tensors.size(), most); ++i) text += " \"" + file.tensors[i].name + "\"";
  if (file.tensors.size() > most) text += " and others";
  return text + hint(given);
}

}  // namespace

template <class T>
std::vector<Tensor> export_weights(const Executor<T>& executor, const TensorLayout& layout) {
  const std::span<const T> parameters = executor.parameters();
  std::vector<Tensor> tensors;
  for (const ParameterTensor& from : checked_layout(executor.program(), layout)) {
    std::vector<T> numbers;
    numbers.reserve(from.parameters.size());
    for (const ParameterId id : from.parameters) numbers.push_back(parameters[id.index]);
    tensors.push_back({from.name, from.shape, std::move(numbers)});
  }
  return tensors;
}

template <class T>
void import_weights(Executor<T>& executor, const TensorFile& file, const TensorLayout& given) {
  const TensorLayout layout = checked_layout(executor.program(), given);
  for (const ParameterTensor& to : layout) {
    const Tensor* from = file.find(to.name);
    if (from == nullptr) {
      throw BindError("there is no tensor \"" + to.name + "\" in the file" + tensors_there(file, given));
    }
    if (from->shape != to.shape || from->size() != to.parameters.size()) {
      throw BindError("tensor \"" + to.name + "\" has the shape " + shape_text(from->shape) + " in the file, but " +
                      shape_text(to.shape) + " in the program" + hint(given));
    }
  }
  const std::span<T> parameters = executor.parameters();
  for (const ParameterTensor& to : layout) {
    std::visit(
        [&](const auto& numbers) {
          for (std::size_t i = 0; i < to.parameters.size(); ++i) {
            parameters[to.parameters[i].index] = static_cast<T>(numbers[i]);
          }
        },
        file.find(to.name)->numbers);
  }
}

template std::vector<Tensor> export_weights(const Executor<float>&, const TensorLayout&);
template std::vector<Tensor> export_weights(const Executor<double>&, const TensorLayout&);
template void import_weights(Executor<float>&, const TensorFile&, const TensorLayout&);
template void import_weights(Executor<double>&, const TensorFile&, const TensorLayout&);

}  // namespace tapeloom::inline v0_1
