// Trains a classifier of handwritten digits, written one scalar Value at a time, as a compiled program; then compares a
// training step with the closure design's.
//
//   digits [data.csv[.gz]]     rows of 64 grey values from 0 to 16, then the digit
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <tapeloom/tapeloom.h>
#include "bench/nets.h"
#include "bench/ratio.h"

namespace {

using namespace tapeloom;

constexpr std::size_t pixels = 64, classes = 10, hidden = 32;
constexpr std::size_t batch = 64, epochs = 60;
constexpr std::size_t held_out_of = 5;  // rows 4, 9, 14, ... are held out
constexpr std::uint64_t seed = 1;
constexpr std::size_t pairs = 9;  // of measurements, for the ratio

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// --- data ------------------------------------------------------------------------------------------------------------

struct Digits {
  std::vector<float> rows;                     ///< samples x (64 grey values from 0 to 1, then the digit)
  std::vector<std::uint32_t> train, held_out;  ///< row numbers

  std::uint32_t digit(std::uint32_t row) const { return static_cast<std::uint32_t>(rows[row * (pixels + 1) + pixels]); }
};

Digits load(const std::string& path) {
  const Table table = read_csv(path);
  if (table.columns != pixels + 1) {
    throw DataError(path, 1, 0, "65 columns are needed, not " + std::to_string(table.columns));
  }
  Digits digits;
  digits.rows.reserve(table.values.size());
  for (std::size_t i = 0; i < table.rows(); ++i) {
    for (std::size_t k = 0; k <= pixels; ++k) {
      const double number = table.at(i, k);
      const double largest = k < pixels ? 16.0 : 9.0;
      if (number < 0.0 || number > largest || (k == pixels && number != std::floor(number))) {
        throw DataError(path, i + 1, k + 1, k < pixels ? "a grey value is from 0 to 16" : "a digit is 0, 1, ... or 9");
      }
      digits.rows.push_back(static_cast<float>(k < pixels ? number / 16.0 : number));
    }
    (i % held_out_of == held_out_of - 1 ? digits.held_out : digits.train).push_back(static_cast<std::uint32_t>(i));
  }
  if (digits.train.size() < batch || digits.held_out.empty()) {
    throw DataError(path, 0, 0, "too few rows: " + std::to_string(table.rows()));
  }
  return digits;
}

// --- model -----------------------------------------------------------------------------------------------------------

struct Model {
  std::size_t nodes;
  double record_seconds, compile_seconds;
  std::shared_ptr<const Program> training, prediction;
};

/// Scalars from the first to the last: an MLP of Neurons, each a sum of products.
Model build() {
  const auto begin = std::chrono::steady_clock::now();
  Tape tape;
  std::mt19937_64 generator(seed);
  const std::vector<Value> picture = tape.inputs("pixels", pixels);
  const Value digit = tape.input(0.0, "digit");
  const MLP mlp(tape, pixels, {{hidden, relu}, {classes}}, he(generator));
  const std::vector<Value> logits = mlp(picture);
  const Value loss = batch_mean(softmax_cross_entropy(logits, digit));

  const auto recorded = std::chrono::steady_clock::now();
  Model model{tape.size(), seconds_since(begin), 0.0, nullptr, nullptr};
  model.training = std::make_shared<const Program>(compile(loss));
  model.compile_seconds = seconds_since(recorded);
  model.prediction = std::make_shared<const Program>(compile_inference(logits));
  return model;
}

// --- training --------------------------------------------------------------------------------------------------------

/// One line that is written over on a terminal, and now and then a line elsewhere.
class Progress {
 public:
  void show(std::size_t epoch, double loss, double accuracy) const {
    const bool last = epoch == epochs;
    if (!terminal_ && epoch % 10 != 0 && epoch != 1 && !last) return;
    std::printf("%sepoch %2zu of %zu   loss %.4f   held-out accuracy %.2f%%%s", terminal_ ? "\r" : "", epoch, epochs,
                loss, 100.0 * accuracy, terminal_ && !last ? "" : "\n");
    std::fflush(stdout);
  }

 private:
  bool terminal_ = isatty(STDOUT_FILENO) == 1;
};

/// The number of rows whose largest output is the right one.
std::size_t count_right(Executor<float>& predictor, const Digits& digits, const std::vector<std::uint32_t>& rows) {
  predictor.step(rows);
  const std::span<const float> outputs = predictor.outputs();
  std::size_t right = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto logits = outputs.subspan(i * classes, classes);
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    right += static_cast<std::uint32_t>(best) == digits.digit(rows[i]) ? 1 : 0;
  }
  return right;
}

struct Trained {
  std::size_t right = 0;
  double seconds_per_step = 0.0;
};

Trained train(const Model& model, const Digits& digits) {
  Executor<float> trainer(model.training, {.max_samples = batch});
  Executor<float> predictor(model.prediction, trainer.shared_parameters(), {.max_samples = digits.held_out.size()});
  trainer.bind(digits.rows);
  predictor.bind("pixels", digits.rows, pixels + 1);  // of each row the pixels, without the digit
  Adam<float> adam({.weight_decay = 0.1});

  std::mt19937_64 generator(seed);
  std::vector<std::uint32_t> order = digits.train;
  const std::size_t steps = (order.size() + batch - 1) / batch;
  std::vector<double> epoch_seconds;
  Trained trained;
  const Progress progress;
  for (std::size_t epoch = 0; epoch < epochs; ++epoch) {
    // Fisher and Yates' shuffle, spelled out because std::shuffle differs between libraries.
    for (std::size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[generator() % (i + 1)]);
    const auto begin = std::chrono::steady_clock::now();
    double loss = 0.0;
    for (std::size_t first = 0; first < order.size(); first += batch) {
      const std::size_t count = std::min(batch, order.size() - first);
      adam.set_learning_rate(cosine_decay(0.01, 0.0, epochs * steps, adam.steps()));
      loss += trainer.step(std::span(order).subspan(first, count)) * static_cast<double>(count);
      adam.update(trainer);
    }
    epoch_seconds.push_back(seconds_since(begin));
    trained.right = count_right(predictor, digits, digits.held_out);
    progress.show(epoch + 1, loss / static_cast<double>(order.size()),
                  static_cast<double>(trained.right) / static_cast<double>(digits.held_out.size()));
  }
  trained.seconds_per_step = bench::median(epoch_seconds) / static_cast<double>(steps);
  return trained;
}

// --- the naive design, doing the same step ---------------------------------------------------------------------------

constexpr double tiny_rate = 1e-6;  // repeating a step changes nothing but the last digits

/// One step on the first batch: forward, loss, backward and update by gradient descent.
template <class T>
class CompiledStep {
 public:
  CompiledStep(const Model& model, const Digits& digits) : executor_(model.training, {.max_samples = batch}) {
    executor_.bind(digits.rows);
  }
  double operator()() {
    const T loss = executor_.step(0, batch);
    sgd_.update(executor_);
    return static_cast<double>(loss);
  }
  std::vector<double> parameters() const { return {executor_.parameters().begin(), executor_.parameters().end()}; }
  std::vector<double> gradients() const { return {executor_.gradients().begin(), executor_.gradients().end()}; }

 private:
  Executor<T> executor_;
  Sgd<T> sgd_{{.learning_rate = tiny_rate}};
};

struct Comparison {
  double float_tolerance, double_tolerance;
  bench::Ratio ratio;
};

/// The same step in both designs, by turns. Throws if loss or gradients are not the same.
Comparison compare_with_closures(const Model& model, const Digits& digits) {
  bench::Net net;
  net.name = "64-32-10";
  net.inputs = pixels;
  net.widths = {hidden, classes};
  net.hidden = closure::Activation::relu;
  net.last = closure::Activation::linear;
  net.loss = bench::LossKind::cross_entropy;
  bench::Data data{batch, {}, {}};
  for (std::size_t i = 0; i < batch; ++i) {
    const auto row = std::span(digits.rows).subspan(i * (pixels + 1), pixels + 1);
    data.x.insert(data.x.end(), row.begin(), row.end() - 1);
    data.y.push_back(row.back());
  }

  CompiledStep<double> in_double(model, digits);
  CompiledStep<float> in_float(model, digits);
  bench::ClosureTrainer closures(net, in_double.parameters());
  Comparison result{bench::tolerance(net, batch, std::numeric_limits<float>::epsilon()),
                    bench::tolerance(net, batch, std::numeric_limits<double>::epsilon()),
                    {}};
  const double loss = closures.step(data, tiny_rate);
  const std::vector<double> gradients = closures.gradients();
  const double double_loss = in_double(), float_loss = in_float();
  bench::require_equal("closures and double", loss, gradients, double_loss, in_double.gradients(),
                       result.double_tolerance);
  bench::require_equal("closures and float", loss, gradients, float_loss, in_float.gradients(), result.float_tolerance);

  bench::RatioOptions options;
  options.pairs = pairs;
  result.ratio = bench::measure_ratio([&] { closures.step(data, tiny_rate); }, [&] { in_float(); }, options);
  return result;
}

int run(const std::string& path) {
  const Digits digits = load(path);
  std::printf("data      %s: %zu rows to train on, %zu held out (every %zuth)\n", path.c_str(), digits.train.size(),
              digits.held_out.size(), held_out_of);
  const Model model = build();
  std::printf("recorded  %zu nodes in %.2f ms: a %zu-%zu-%zu network, one scalar at a time\n", model.nodes,
              1e3 * model.record_seconds, pixels, hidden, classes);
  std::printf("compiled  %zu instructions in %.2f ms\n\n", model.training->instructions.size(),
              1e3 * model.compile_seconds);

  const Trained trained = train(model, digits);
  std::printf("\nheld-out accuracy   %.2f%% (%zu of %zu)\n",
              100.0 * static_cast<double>(trained.right) / static_cast<double>(digits.held_out.size()), trained.right,
              digits.held_out.size());
  std::printf("time per step       %.1f us (%zu samples: forward, backward, Adam; float, one thread)\n",
              1e6 * trained.seconds_per_step, batch);

  std::printf("closure design      ");
  std::fflush(stdout);  // the next figures take seconds
  const Comparison comparison = compare_with_closures(model, digits);
  const bench::Ratio& ratio = comparison.ratio;
  std::printf("%.1f ms for such a step, Tapeloom %.1f us (both with gradient descent)\n", 1e3 * ratio.median_seconds_a,
              1e6 * ratio.median_seconds_b);
  std::printf("ratio               %.0f (median of %zu pairs; %.0f to %.0f)\n", ratio.median, pairs, ratio.lowest,
              ratio.highest);
  std::printf("                    loss and gradients equal within %.1e in double, %.1e in float\n",
              comparison.double_tolerance, comparison.float_tolerance);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
    std::fprintf(stderr, "usage: digits [data.csv[.gz]]\n");
    return 2;
  }
  try {
    return run(argc == 2 ? argv[1] : TAPELOOM_DIGITS_DATA);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "digits: %s\n", error.what());
    return 1;
  }
}
