// Trains a classifier of articles of clothing on Fashion-MNIST, 784-128-10 or a net of two convolutions, and tests it
// on the 10,000 pictures that are for that: https://github.com/zalandoresearch/fashion-mnist
//
//   fashion_mnist [--convolutions] [directory]
//
// The directory is that of the data set; Debian's package puts it where it is looked for by itself.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include <tapeloom/tapeloom.h>

namespace {

using namespace tapeloom;

constexpr const char* debian_directory = "/usr/share/datasets/fashion-mnist";
constexpr std::size_t side = 28, pixels = side * side, hidden = 128, classes = 10;
constexpr std::size_t batch = 64;
constexpr const char* names[classes] = {"T-shirt", "trouser", "pullover", "dress", "coat",
                                        "sandal",  "shirt",   "sneaker",  "bag",   "ankle boot"};

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// --- data ------------------------------------------------------------------------------------------------------------

struct Pictures {
  NumberArray<float> images;  ///< grey values from 0 to 1
  NumberArray<float> labels;  ///< numbers of the classes

  DataView view() const { return DataView().add("pixels", images.values).add("label", labels.values); }
};

Pictures load(const std::filesystem::path& directory, const std::string& part) {
  const auto path = [&](const char* what) { return (directory / (part + what)).string(); };
  Pictures pictures{read_idx<float>(path("-images-idx3-ubyte.gz"), {0, side, side}),
                    read_idx<float>(path("-labels-idx1-ubyte.gz"), {0})};
  if (pictures.images.rows() != pictures.labels.rows()) {
    throw DataError(
        path("-labels-idx1-ubyte.gz"), 0, 0,
        std::to_string(pictures.labels.rows()) + " labels for " + std::to_string(pictures.images.rows()) + " pictures");
  }
  for (float& grey : pictures.images.values) grey /= 255.0f;
  return pictures;
}

/// Says how to get the data set where it is missing.
bool is_there(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / "train-images-idx3-ubyte.gz";
  if (std::filesystem::exists(file)) return true;
  std::fprintf(stderr,
               "fashion_mnist: there is no %s\n"
               "The data set is not installed. On Debian: apt install dataset-fashion-mnist\n"
               "Elsewhere, get the four files *-ubyte.gz of https://github.com/zalandoresearch/fashion-mnist and name\n"
               "their directory: fashion_mnist DIRECTORY\n",
               file.c_str());
  return false;
}

// --- networks --------------------------------------------------------------------------------------------------------

/// A score for each class, and how to train them.
struct Network {
  std::string name;
  std::vector<Value> scores;
  std::size_t epochs;
  double highest_rate;
};

Network perceptron(Tape& tape, const std::vector<Value>& picture, SplitMix64& random) {
  const MLP mlp(tape, pixels, {{hidden, relu}, {classes}}, he(random));
  const std::string name = std::to_string(pixels) + "-" + std::to_string(hidden) + "-" + std::to_string(classes);
  return {name, mlp(picture), 8, 0.003};
}

/// Each halves the sides of its picture, in place of a pool.
Network convolutions(Tape& tape, const std::vector<Value>& picture, SplitMix64& random) {
  const Conv2d first(tape, 1, 16, {.kernel = 5, .stride = 2, .padding = 2, .activation = relu}, he(random));
  const Conv2d second(tape, 16, 32, {.kernel = 3, .stride = 2, .padding = 1, .activation = relu}, he(random));
  const Image image = second(first(Image{1, side, side, picture}));
  const Layer head(tape, image.values.size(), {classes}, he(random));
  return {"convolutions to 16 x 14 x 14 and 32 x 7 x 7", head(image.values), 8, 0.003};
}

using MakeNetwork = Network (*)(Tape&, const std::vector<Value>&, SplitMix64&);

// --- progress --------------------------------------------------------------------------------------------------------

/// A bar that is drawn over on a terminal; elsewhere a line after each epoch.
class Progress {
 public:
  explicit Progress(std::size_t epochs) : epochs_(epochs) {}

  void step(const StepReport& report) {
    // A batch's loss jumps; this follows it slowly.
    loss_ = report.step == 1 ? report.loss : 0.98 * loss_ + 0.02 * report.loss;
    if (!terminal_ || (report.batch % 16 != 0 && report.batch != report.batches)) return;
    constexpr std::size_t width = 30;
    const std::size_t done = width * report.batch / report.batches;
    std::printf("\repoch %zu of %zu  [%s%s]  loss %.4f  ", report.epoch, epochs_, std::string(done, '#').c_str(),
                std::string(width - done, '.').c_str(), loss_);
    std::fflush(stdout);
  }
  void epoch(const EpochReport& report) const {
    std::printf("%sepoch %zu of %zu  loss %.4f  %.1f s%s\n", terminal_ ? "\r" : "", report.epoch, epochs_, report.loss,
                seconds_since(begin_), terminal_ ? std::string(36, ' ').c_str() : "");
    std::fflush(stdout);
  }

 private:
  std::size_t epochs_;
  bool terminal_ = isatty(STDOUT_FILENO) == 1;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  double loss_ = 0.0;
};

// --- the whole -------------------------------------------------------------------------------------------------------

int run(const std::filesystem::path& directory, MakeNetwork make) {
  const auto begin = std::chrono::steady_clock::now();
  const Pictures training = load(directory, "train"), test = load(directory, "t10k");
  std::printf("data      %zu pictures to train on, %zu to test with, read in %.1f s\n", training.images.rows(),
              test.images.rows(), seconds_since(begin));

  const auto recording = std::chrono::steady_clock::now();
  Tape tape;
  SplitMix64 random(1);
  const std::vector<Value> picture = tape.inputs("pixels", pixels);
  const Value label = tape.input(0.0, "label");
  const Network network = make(tape, picture, random);
  Executor<float> model(compile(batch_mean(softmax_cross_entropy(network.scores, label))), {.max_samples = batch});
  Executor<float> predictor(compile_inference(network.scores), model);
  std::printf("network   %s, recorded as %zu scalars, compiled to %zu instructions in %.1f s\n", network.name.c_str(),
              tape.size(), model.program().instructions.size(), seconds_since(recording));

  Progress progress(network.epochs);
  const std::size_t steps = network.epochs * ((training.images.rows() + batch - 1) / batch);
  FitOptions options{.epochs = network.epochs, .batch = batch, .seed = 1};
  options.schedule = [&](std::uint64_t step) { return cosine_decay(network.highest_rate, 0.0, steps, step); };
  options.on_step = [&](const StepReport& report) { progress.step(report); };
  options.on_epoch = [&](const EpochReport& report) { progress.epoch(report); };
  fit(model, training.view(), options);

  ConfusionMatrix matrix(classes);
  matrix.add(predict(predictor, test.view()), test.labels.values);
  std::printf("\n%s\n", matrix.to_string().c_str());
  for (std::size_t k = 0; k < classes; ++k) {
    std::printf("%zu %-10s  precision %.1f%%  recall %.1f%%\n", k, names[k], 100.0 * matrix.precision(k),
                100.0 * matrix.recall(k));
  }
  std::printf("\ntest accuracy  %.2f%% (%zu of %zu), after %.1f s in all\n", 100.0 * matrix.accuracy(),
              static_cast<std::size_t>(matrix.correct()), static_cast<std::size_t>(matrix.total()),
              seconds_since(begin));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const bool convolves = argc > 1 && std::string(argv[1]) == "--convolutions";
  const int named = convolves ? 2 : 1;  // the argument that is the directory, if any
  if (argc > named + 1 || (argc > named && argv[named][0] == '-')) {
    std::fprintf(stderr, "usage: fashion_mnist [--convolutions] [directory]\n");
    return 2;
  }
  try {
    const std::filesystem::path directory = argc > named ? argv[named] : debian_directory;
    return is_there(directory) ? run(directory, convolves ? convolutions : perceptron) : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fashion_mnist: %s\n", error.what());
    return 1;
  }
}
