#include "tapeloom/runtime/train/weights.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "tapeloom/core/base/error.h"
#include "tapeloom/runtime/execute/parameter_buffer.h"
#include "tapeloom/runtime/files/numbers.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

using runtime::shape_text;

void check_layout(const Program& program, const TensorLayout& layout) {
  // Tensors may share parameters, as tied weights do, which go by two names.
  constexpr std::size_t nowhere = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> last_tensor(program.parameters.size(), nowhere);
  for (std::size_t t = 0; t < layout.size(); ++t) {
    const ParameterTensor& tensor = layout[t];
    if (runtime::element_count(tensor.shape) != tensor.parameters.size()) {
      throw BindError("tensor \"" + tensor.name + "\" of the layout has " + std::to_string(tensor.parameters.size()) +
                      " parameters, but the shape " + shape_text(tensor.shape));
    }
    for (const ParameterId id : tensor.parameters) {
      if (id.index >= last_tensor.size()) {
        throw BindError("tensor \"" + tensor.name + "\" of the layout has parameter " + std::to_string(id.index) +
                        "; the program has " + std::to_string(last_tensor.size()));
      }
      if (std::exchange(last_tensor[id.index], t) == t) {
        throw BindError("parameter " + std::to_string(id.index) + " is in tensor \"" + tensor.name +
                        "\" of the layout twice");
      }
    }
  }
}

template <class T>
bool is_same(T a, T b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

/// The tensors of a file by their names, since files may have very many.
class Tensors {
 public:
  explicit Tensors(const TensorFile& file) : file_(file) {
    for (const Tensor& tensor : file.tensors) tensors_.emplace(tensor.name, &tensor);
    for (const OtherTensor& tensor : file.others) tensors_.emplace(tensor.name, nullptr);
  }
  bool has(std::string_view name) const { return tensors_.contains(name); }
  /// As TensorFile::find.
  const Tensor* find(std::string_view name) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) return nullptr;
    return found->second != nullptr ? found->second : file_.find(name);
  }

 private:
  const TensorFile& file_;
  std::map<std::string_view, const Tensor*> tensors_;
};

/// Takes off what the names of all layers' tensors begin with before "layers.", if it is the same for all.
void cut_common_start(TensorLayout& layout) {
  const auto start_of = [](const ParameterTensor& tensor) {
    const std::size_t end = tensor.name.rfind("layers.");
    return end == tensor.name.npos ? std::string() : tensor.name.substr(0, end);
  };
  std::set<std::string> starts;
  for (const ParameterTensor& tensor : layout) starts.insert(start_of(tensor));
  starts.erase("");
  if (starts.size() != 1) return;
  for (ParameterTensor& tensor : layout) tensor.name.erase(0, start_of(tensor).size());
}

/// The layout for a file where none was given: see import_weights.
TensorLayout layout_for(const Program& program, const Tensors& tensors) {
  const auto fits = [&](const TensorLayout& layout) {
    return std::all_of(layout.begin(), layout.end(), [&](const auto& tensor) { return tensors.has(tensor.name); });
  };
  TensorLayout labelled = labelled_layout(program);
  if (fits(labelled)) return labelled;
  TensorLayout layered = tensor_layout(program);
  if (fits(layered)) return layered;
  cut_common_start(layered);
  return fits(layered) ? layered : labelled;
}

std::string hint(const TensorLayout& given) {
  if (!given.empty()) return "";
  return "; no TensorLayout was given, so the labels of the parameters name them: give the one the file was written "
         "with, such as tensor_layout(network), or tensor_layout(program) where there is no network but what "
         "set_labels has labelled";
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
  runtime::check_not_forgotten("export_weights", executor.program(), *executor.shared_parameters());
  const std::span<const T> parameters = executor.parameters();
  const TensorLayout used = layout.empty() ? labelled_layout(executor.program()) : layout;
  check_layout(executor.program(), used);
  std::vector<Tensor> tensors;
  for (const ParameterTensor& from : used) {
    std::vector<T> numbers;
    numbers.reserve(from.parameters.size());
    for (const ParameterId id : from.parameters) numbers.push_back(parameters[id.index]);
    tensors.push_back({from.name, from.shape, std::move(numbers)});
  }
  return tensors;
}

template <class T>
void import_weights(Executor<T>& executor, const TensorFile& file, const TensorLayout& given) {
  const Tensors tensors(file);
  const TensorLayout layout = given.empty() ? layout_for(executor.program(), tensors) : given;
  check_layout(executor.program(), layout);
  std::vector<const Tensor*> found;
  for (const ParameterTensor& to : layout) {
    const Tensor* from = tensors.find(to.name);
    if (from == nullptr) {
      throw BindError("there is no tensor \"" + to.name + "\" in the file" + tensors_there(file, given));
    }
    if (from->shape != to.shape || from->size() != to.parameters.size()) {
      throw BindError("tensor \"" + to.name + "\" has the shape " + shape_text(from->shape) + " in the file, but " +
                      shape_text(to.shape) + " in the program" + hint(given));
    }
    found.push_back(from);
  }
  std::vector<T> parameters(std::as_const(executor).parameters().begin(), std::as_const(executor).parameters().end());
  std::vector<const ParameterTensor*> set_by(parameters.size(), nullptr);
  for (std::size_t t = 0; t < layout.size(); ++t) {
    const auto set_all = [&](const auto& numbers) {
      for (std::size_t i = 0; i < layout[t].parameters.size(); ++i) {
        const std::size_t p = layout[t].parameters[i].index;
        const T number = static_cast<T>(numbers[i]);
        const ParameterTensor* first = std::exchange(set_by[p], &layout[t]);
        if (first != nullptr && !is_same(parameters[p], number)) {
          throw BindError("tensors \"" + first->name + "\" and \"" + layout[t].name +
                          "\" of the layout share parameter " + std::to_string(p) +
                          ", but have different numbers for it: leave out one of them");
        }
        parameters[p] = number;
      }
    };
    std::visit(set_all, found[t]->numbers);
  }
  executor.set_parameters(parameters);
}

template std::vector<Tensor> export_weights(const Executor<float>&, const TensorLayout&);
template std::vector<Tensor> export_weights(const Executor<double>&, const TensorLayout&);
template void import_weights(Executor<float>&, const TensorFile&, const TensorLayout&);
template void import_weights(Executor<double>&, const TensorFile&, const TensorLayout&);

}  // namespace tapeloom::inline TAPELOOM_ABI
