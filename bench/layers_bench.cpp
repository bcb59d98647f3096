// One training step of the five nets with few samples, of recurrent and convolutional nets, and of SimpleChains' small
// net with Adam, by Tapeloom and by hand-written Eigen: by turns, in one thread.
//
//   layers_bench [--only PART_OF_NAME]... [--check]
//
// Before anything is timed, what a step of each does to the parameters is compared; --check does nothing else, with
// fewer samples.
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include "bench/cases.h"
#include "bench/eigen_nets.h"
#include "bench/layer_works.h"
#include "bench/machine.h"
#include "bench/main.h"
#include "bench/measure_peak.h"
#include "bench/tidy_heap.h"
#include "bench/turns.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::bench {
namespace {

constexpr double timed_rate = 1e-6;
// A power of two, so large that what a step of gradient descent does to a parameter is its gradient but for a rounding.
constexpr double checked_rate = 1024.0;
constexpr std::size_t rounds = 21;
constexpr double slice_seconds = 0.004;

// --- comparing -------------------------------------------------------------------------------------------------------

template <class T, class Trainer>
std::vector<double> moved(std::span<const double> start, Trainer& trainer, double rate, double& loss) {
  loss = static_cast<double>(trainer.step(static_cast<T>(rate)));
  std::vector<double> numbers = trainer.parameters();
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = (start[i] - numbers[i]) / rate;
  return numbers;
}

template <class T>
void check_in(const LayerWork& work, std::span<const double> start, double loss, std::span<const double> expected) {
  const auto compare = [&](const char* by, auto&& trainer) {
    double other = 0.0;
    const std::vector<double> got = moved<T>(start, trainer, work.checked_rate(checked_rate), other);
    require_equal(work.name() + ", Eigen in double against " + by, loss, expected, other, got, work.tolerance<T>());
  };
  compare("Eigen", EigenTrainer<T>(work.by_hand, work.net, start, work.x, work.y, work.samples));
  compare("Tapeloom", LayerTrainer<T>(work));
}

void check(const LayerWork& work) {
  const std::vector<double> start = work.start();
  EigenTrainer<double> reference(work.by_hand, work.net, start, work.x, work.y, work.samples);
  double loss = 0.0;
  const std::vector<double> expected = moved<double>(start, reference, work.checked_rate(checked_rate), loss);
  check_in<double>(work, start, loss, expected);
  check_in<float>(work, start, loss, expected);
}

// --- timing ----------------------------------------------------------------------------------------------------------

template <class T>
struct Times {
  double tapeloom, eigen, ratio, of_peak;
};

template <class T>
Times<T> time_in(const LayerWork& work) {
  const std::vector<double> start = work.start();
  EigenTrainer<T> by_hand(work.by_hand, work.net, start, work.x, work.y, work.samples);
  LayerTrainer<T> trainer(work);
  const double peak = run_peak<T>();
  Contestant eigen("Eigen", [&] { by_hand.step(static_cast<T>(timed_rate)); });
  Contestant tapeloom("Tapeloom", [&] { trainer.step(timed_rate); });
  Contestant most("peak", [] { run_peak<T>(); });
  measure_by_turns({&eigen, &tapeloom, &most}, rounds, slice_seconds);
  return {tapeloom.median_seconds(), eigen.median_seconds(), median_ratio(eigen, tapeloom),
          work.flops() / peak * median_ratio(most, tapeloom)};
}

void time(const LayerWork& work) {
  const Times<float> f = time_in<float>(work);
  const Times<double> d = time_in<double>(work);
  std::printf("| %s | %.3g | %.3g | %.2f | %.0f%% | %.3g | %.3g | %.2f | %.0f%% |\n", work.name().c_str(),
              1e6 * f.tapeloom, 1e6 * f.eigen, f.ratio, 100.0 * f.of_peak, 1e6 * d.tapeloom, 1e6 * d.eigen, d.ratio,
              100.0 * d.of_peak);
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  bool only_check = false;
  std::vector<std::string> parts;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--check") == 0) {
      only_check = true;
    } else if (std::strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
      parts.push_back(argv[++i]);
    } else {
      throw std::invalid_argument("usage: layers_bench [--only PART_OF_NAME]... [--check]");
    }
  }
  tidy_heap();
  std::vector<LayerWork> works = all_layer_works(only_check);
  if (!parts.empty()) {
    std::erase_if(works, [&](const LayerWork& work) {
      return std::none_of(parts.begin(), parts.end(),
                          [&](const std::string& part) { return work.name().find(part) != std::string::npos; });
    });
  }
  if (works.empty()) throw std::invalid_argument("nothing has such a name");
  for (const LayerWork& work : works) check(work);
  if (only_check) {
    std::printf("what a step does is the same in all designs, for %zu works\n", works.size());
    return 0;
  }
  print_machine();
  std::printf(
      "\n| net / samples | Tapeloom, us | Eigen, us | ratio | of peak | double: Tapeloom, us | Eigen, us | ratio | of "
      "peak |\n|---|---|---|---|---|---|---|---|---|\n");
  for (const LayerWork& work : works) time(work);
  return 0;
}

}  // namespace
}  // namespace tapeloom::bench

int main(int argc, char** argv) {
  return tapeloom::bench::run_program("layers_bench", [&] { return tapeloom::bench::run(argc, argv); });
}
