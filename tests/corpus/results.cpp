#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <memory>

#include "corpus/corpus.h"
#include "forced_isa.h"

namespace tapeloom::test::corpus {

namespace {

// More numbers than these are hashed.
constexpr std::size_t most_numbers = 16;
// Programs of more parameters are run on fewer batches.
constexpr std::size_t many_parameters = 20000;

template <class T>
constexpr const char* name_of() {
  return std::is_same_v<T, float> ? "float" : "double";
}

std::string numbers_text(double number) { return corpus::numbers_text(std::span<const double>(&number, 1)); }

template <class T>
std::unique_ptr<Optimizer<T>> make_optimizer(std::size_t which) {
  if (which % 3 == 0) return std::make_unique<Sgd<T>>(SgdOptions{.learning_rate = 0.01});
  if (which % 3 == 1) return std::make_unique<Adam<T>>(AdamOptions{.learning_rate = 0.01, .weight_decay = 0.001});
  return std::make_unique<Sgd<T>>(
      SgdOptions{.learning_rate = 0.01, .momentum = 0.9, .nesterov = true, .weight_decay = 0.001});
}

/// Runs one program in one precision.
template <class T>
class Runs {
 public:
  Runs(const Example& example, std::shared_ptr<const Program> program)
      : example_(example), program_(std::move(program)), rows_(example.rows.begin(), example.rows.end()) {
    differentiated_ = !example.inference && example.options.gradients;
    trained_ = differentiated_ && !Executor<T>(program_, {.max_samples = 1}).trained().empty();
  }

  /// Three steps for each number of samples; other rows each time, with an update after each.
  std::string steps() const {
    std::vector<std::size_t> batches = {1, 3, 16, 33, 100};
    if (Executor<T>(program_, {.max_samples = 1}).parameters().size() > many_parameters) batches = {3, 33};
    if (example_.columns == 0) batches = {1};
    std::string text;
    for (const std::size_t samples : batches) {
      text += std::string(name_of<T>()) + ", samples " + std::to_string(samples);
      const Executor<T> sized(program_, {.max_samples = samples, .threads = 1});
      text +=
          ", tile " + std::to_string(sized.tile_samples()) + ", arena " + std::to_string(sized.arena_bytes()) + "\n";
      const std::string alone = steps(samples, 1);
      text += alone;
      if (samples > 1 && samples < 33) continue;
      const std::string two = steps(samples, 2);
      text += two == alone ? "" : "other bits with two threads\n" + two;
    }
    return text;
  }

  /// Two epochs.
  std::string training() const {
    if (!trained_) return "";
    Executor<T> executor(program_, {.max_samples = most_samples, .threads = 1});
    const DataView data = example_.columns > 0 ? DataView(rows_, example_.columns) : DataView();
    FitOptions options{.epochs = 2, .batch = 24, .seed = 7};
    if (example_.columns > 0) options.validation_fraction = 0.2, options.clip_norm = 1.0;
    std::string text = std::string(name_of<T>()) + ", trained:";
    options.on_step = [&](const StepReport& report) { text += numbers_text(report.loss); };
    options.on_epoch = [&](const EpochReport& report) {
      text += "; validation" + numbers_text(report.validation_loss);
    };
    const History history = fit(executor, data, options);
    if (history.divergence) text += "; " + history.divergence->what;
    return text + "; parameters" + corpus::numbers_text(std::span<const T>(std::as_const(executor).parameters())) +
           "\n";
  }

 private:
  std::string steps(std::size_t samples, std::size_t threads) const {
    Executor<T> executor(program_, {.max_samples = samples, .threads = threads});
    if (example_.columns > 0) executor.bind(std::span<const T>(rows_), example_.columns);
    const auto optimizer = make_optimizer<T>(example_.name.back() - '0' + (std::is_same_v<T, float> ? 1 : 0));
    std::string text;
    std::vector<std::uint32_t> scattered(samples);
    for (std::size_t i = 0; i < samples; ++i) scattered[i] = static_cast<std::uint32_t>((i * 7 + 5) % most_samples);
    for (int step = 0; step < 3; ++step) {
      try {
        if (step == 2) {
          for (const auto& [name, number] : example_.uniform_inputs) executor.set_uniform_input(name, number);
        }
        if (example_.columns == 0) {
          executor.step();
        } else if (step == 1) {
          executor.step(std::span<const std::uint32_t>(scattered));
        } else {
          executor.step(step == 0 ? 0 : most_samples - samples, samples);
        }
        text += read(executor);
        if (trained_) optimizer->update(executor);
      } catch (const std::exception& error) {
        text += std::string("  threw: ") + error.what() + "\n";
      }
    }
    return text;
  }

  std::string read(const Executor<T>& executor) const {
    std::string text = " ";
    if (!example_.inference) text += " loss" + numbers_text(static_cast<double>(executor.loss()));
    if (differentiated_) text += "; gradients" + corpus::numbers_text(executor.gradients());
    if (!example_.options.outputs.empty()) text += "; outputs" + corpus::numbers_text(executor.outputs());
    if (differentiated_ && example_.options.input_gradients) {
      text += "; input gradients" + corpus::numbers_text(executor.input_gradients());
    }
    return text + "\n";
  }

  const Example& example_;
  std::shared_ptr<const Program> program_;
  std::vector<T> rows_;
  bool differentiated_, trained_;  // the latter: it has parameters to update
};

template <class T>
std::string run_all(const Example& example, const std::shared_ptr<const Program>& program, bool train) {
  return text_or_error([&] {
    const Runs<T> runs(example, program);
    return runs.steps() + (train ? text_or_error([&] { return runs.training(); }) : "");
  });
}

}  // namespace

// As C writes them in hexadecimal, every bit; all NaNs alike.
template <class T>
std::string numbers_text(std::span<const T> numbers) {
  char text[60];
  std::string result;
  if (numbers.size() > most_numbers) {
    std::uint64_t hash = 14695981039346656037u;  // FNV-1a, by words
    for (const T number : numbers) {
      const double wide = std::isnan(number) ? std::nan("") : static_cast<double>(number);
      hash = (hash ^ std::bit_cast<std::uint64_t>(wide)) * 1099511628211u;
      hash ^= hash >> 29;
    }
    std::snprintf(text, sizeof text, " %zu, hash %016llx", numbers.size(), static_cast<unsigned long long>(hash));
    return text;
  }
  for (const T number : numbers) {
    if (std::isnan(number)) {
      result += " nan";
    } else {
      std::snprintf(text, sizeof text, " %a", static_cast<double>(number));
      result += text;
    }
  }
  return result;
}
template std::string numbers_text(std::span<const float>);
template std::string numbers_text(std::span<const double>);

std::string results_of(const Example& example, const Program& program) {
  const auto shared = std::make_shared<const Program>(program);
  std::string text;
  for (const std::string& name : instruction_sets()) {
    const ForcedIsa isa(name);
    const bool best = name == instruction_sets().back();
    text += "== results, " + name + "\n" + run_all<float>(example, shared, best);
    text += run_all<double>(example, shared, best);
  }
  return text;
}

}  // namespace tapeloom::test::corpus
