#include "tapeloom/runtime/train/checkpoint.h"

#include <charconv>
#include <concepts>
#include <set>
#include <string_view>

#include "tapeloom/core/base/error.h"
#include "tapeloom/runtime/files/file.h"
#include "tapeloom/runtime/train/weights.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

constexpr std::uint64_t format_version = 2;
constexpr std::string_view moment_prefix = "tapeloom.optimizer.";
constexpr std::string_view spare_name = "tapeloom.trainer.spare";
constexpr std::string_view history_name = "tapeloom.trainer.history";
constexpr std::size_t history_columns = 5;  // and the metrics

/// Numbers as text that gives the same bits when read.
std::string text_of(std::uint64_t number) { return std::to_string(number); }
std::string text_of(double number) {
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::hex);
  return {buffer, result.ptr};
}

/// Writes and reads the same list of numbers, so that they cannot differ.
template <class State, class Each>
void each_number(State& s, Each each) {
  each("optimizer.steps", s.optimizer.steps);
  each("optimizer.learning_rate", s.optimizer.learning_rate);
  each("trainer.epoch", s.epoch);
  each("trainer.position", s.position);
  each("trainer.loss_sum", s.loss_sum);
  each("trainer.restored", s.restored);
  each("trainer.best", s.best);
  each("trainer.best_epoch", s.best_epoch);
  each("trainer.batch", s.batch);
  each("trainer.seed", s.seed);
  each("trainer.training_rows", s.training_rows);
  each("trainer.validation_rows", s.validation_rows);
  each("trainer.shuffle", s.shuffle);
  each("trainer.training_data", s.training_data);
  each("trainer.validation_data", s.validation_data);
  each("trainer.frozen", s.frozen);
  each("trainer.configured_rate", s.configured_rate);
}

Tensor history_tensor(const std::vector<EpochReport>& epochs) {
  const std::size_t columns = history_columns + (epochs.empty() ? 0 : epochs[0].metrics.size());
  std::vector<double> numbers;
  for (const EpochReport& e : epochs) {
    numbers.insert(numbers.end(),
                   {static_cast<double>(e.steps), e.loss, e.validation_loss, e.learning_rate, e.best ? 1.0 : 0.0});
    numbers.insert(numbers.end(), e.metrics.begin(), e.metrics.end());
  }
  return {std::string(history_name), {epochs.size(), columns}, std::move(numbers)};
}

/// What a file is read from, with errors that name it.
class Source {
 public:
  explicit Source(const std::string& path) : path_(path), file_(read_safetensors(path)) {}

  [[noreturn]] void fail(const std::string& what) const { throw DataError(path_, 0, 0, what); }
  const TensorFile& file() const { return file_; }

  const std::string& text(const std::string& key) const {
    const auto found = file_.metadata.find("tapeloom." + key);
    if (found == file_.metadata.end()) fail("no \"tapeloom." + key + "\" in the metadata: this is no checkpoint");
    return found->second;
  }
  template <class Number>
  void read(const std::string& key, Number& number) const {
    const std::string& digits = text(key);
    const char* const end = digits.data() + digits.size();
    std::from_chars_result result{};
    if constexpr (std::same_as<Number, bool>) {
      unsigned truth = 2;
      result = std::from_chars(digits.data(), end, truth);
      number = truth == 1;
      if (truth > 1) result.ptr = nullptr;
    } else if constexpr (std::same_as<Number, double>) {
      result = std::from_chars(digits.data(), end, number, std::chars_format::hex);
    } else {
      result = std::from_chars(digits.data(), end, number);
    }
    if (result.ec != std::errc() || result.ptr != end) fail("\"tapeloom." + key + "\" is no number: " + digits);
  }
  template <class T>
  const std::vector<T>& numbers(const Tensor& tensor) const {
    const auto* numbers = std::get_if<std::vector<T>>(&tensor.numbers);
    if (numbers == nullptr) {
      fail("tensor \"" + tensor.name + "\" is not of type " + (sizeof(T) == 8 ? "F64" : "F32") +
           ": the run was saved in the other precision");
    }
    return *numbers;
  }

 private:
  const std::string& path_;
  TensorFile file_;
};

std::vector<EpochReport> read_history(const Source& source) {
  const Tensor* tensor = source.file().find(history_name);
  if (tensor == nullptr || tensor->shape.size() != 2 || tensor->shape[1] < history_columns) {
    source.fail("the history is missing or of another shape");
  }
  const std::vector<double>& all = source.numbers<double>(*tensor);
  std::vector<EpochReport> epochs;
  for (std::size_t i = 0; i < tensor->shape[0]; ++i) {
    const auto row = std::span(all).subspan(i * tensor->shape[1], tensor->shape[1]);
    // Beyond 2^53, and for what is no number, the conversion would not be defined.
    if (!(row[0] >= 0.0 && row[0] <= 0x1p53)) source.fail("the history has no number of steps");
    epochs.push_back({.epoch = i + 1,
                      .steps = static_cast<std::uint64_t>(row[0]),
                      .loss = row[1],
                      .validation_loss = row[2],
                      .metrics = {row.begin() + history_columns, row.end()},
                      .learning_rate = row[3],
                      .best = row[4] != 0.0});
  }
  return epochs;
}

}  // namespace

template <class T>
void save_checkpoint(const std::string& path, const Trainer<T>& trainer, const TensorLayout& layout) {
  const TrainerState<T> state = trainer.state();
  TensorFile file{export_weights(trainer.executor(), layout), {}};
  std::size_t named = 0;
  for (const Tensor& tensor : file.tensors) named += tensor.size();
  if (named != state.parameters.size()) {
    throw BindError("the layout has " + std::to_string(named) + " of the " + std::to_string(state.parameters.size()) +
                    " parameters; a checkpoint needs all of them");
  }
  const auto add = [&](std::string name, const std::vector<T>& numbers) {
    if (!numbers.empty()) file.tensors.push_back({std::move(name), {numbers.size()}, numbers});
  };
  for (const auto& [name, numbers] : state.optimizer.moments) add(std::string(moment_prefix) + name, numbers);
  add(std::string(spare_name), state.spare);
  file.tensors.push_back(history_tensor(state.epochs));

  file.metadata["tapeloom.checkpoint"] = text_of(format_version);
  file.metadata["tapeloom.optimizer.kind"] = state.optimizer.kind;
  each_number(state, [&](const char* key, auto number) {
    file.metadata[std::string("tapeloom.") + key] = std::same_as<decltype(number), double>
                                                        ? text_of(static_cast<double>(number))
                                                        : text_of(static_cast<std::uint64_t>(number));
  });
  write_safetensors(path, file);
}

namespace {

template <class T>
void load(const std::string& path, Trainer<T>& trainer, const TensorLayout& layout) {
  const Source source(path);
  std::uint64_t found = 0;
  source.read("checkpoint", found);
  if (found != format_version) {
    source.fail("a checkpoint of version " + std::to_string(found) + "; this library reads version " +
                std::to_string(format_version));
  }
  TrainerState<T> state;
  each_number(state, [&](const char* key, auto& number) { source.read(key, number); });
  state.optimizer.kind = source.text("optimizer.kind");
  for (auto& [name, numbers] : trainer.optimizer().state().moments) {
    const Tensor* tensor = source.file().find(std::string(moment_prefix) + name);
    state.optimizer.moments.emplace_back(name, tensor == nullptr ? std::vector<T>() : source.numbers<T>(*tensor));
  }
  if (const Tensor* spare = source.file().find(spare_name)) state.spare = source.numbers<T>(*spare);
  state.epochs = read_history(source);

  // Into a copy first: whatever is wrong with the file is found before anything is changed.
  const std::span<const T> now = trainer.executor().parameters();
  const std::vector<T> before(now.begin(), now.end());
  try {
    const TensorLayout used = layout.empty() ? labelled_layout(trainer.executor().program()) : layout;
    std::set<std::string_view> names;
    for (const ParameterTensor& tensor : used) names.insert(tensor.name);
    for (const Tensor& tensor : source.file().tensors) {
      if (names.contains(tensor.name)) source.numbers<T>(tensor);  // throws for the other precision
    }
    import_weights(trainer.executor(), source.file(), layout);
    state.parameters.assign(now.begin(), now.end());
    trainer.restore(state);
  } catch (const BindError& error) {
    trainer.executor().set_parameters(before);
    throw BindError(path + ": " + error.what());
  } catch (...) {
    trainer.executor().set_parameters(before);
    throw;
  }
}

}  // namespace

template <class T>
void load_checkpoint(const std::string& path, Trainer<T>& trainer, const TensorLayout& layout) {
  runtime::with_memory_for(path, [&] { load(path, trainer, layout); });
}

template void save_checkpoint(const std::string&, const Trainer<float>&, const TensorLayout&);
template void save_checkpoint(const std::string&, const Trainer<double>&, const TensorLayout&);
template void load_checkpoint(const std::string&, Trainer<float>&, const TensorLayout&);
template void load_checkpoint(const std::string&, Trainer<double>&, const TensorLayout&);

}  // namespace tapeloom::inline TAPELOOM_ABI
