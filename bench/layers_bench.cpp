// One training step of the five nets with few samples, of recurrent and convolutional nets, and of SimpleChains' small
// net with Adam, by Tapeloom, by hand-written Eigen and, where it is installed, by LibTorch: by turns, in one thread.
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
#include "bench/comparison/peers.h"
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

/// By LibTorch; null where it is not installed.
template <class T>
std::unique_ptr<NetRunner> by_torch(const LayerWork& work, std::span<const double> start) {
  const std::string variant = std::is_same_v<T, float> ? "torch" : "torch_double";
  if (!has_peer(variant)) return nullptr;
  const Data data{work.samples, work.x, work.y};
  if (work.dense) return make_peer(variant, {*work.dense, data, {start.begin(), start.end()}});
  return make_peer_layers(variant, work.net, data, start);
}

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
  if (const auto torch = by_torch<T>(work, start)) compare("LibTorch", *torch);
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

/// Prints the columns of a precision, in the order of print_head().
template <class T>
void time_in(const LayerWork& work) {
  const std::vector<double> start = work.start();
  EigenTrainer<T> by_hand(work.by_hand, work.net, start, work.x, work.y, work.samples);
  LayerTrainer<T> trainer(work);
  const double peak = run_peak<T>();
  Contestant eigen("Eigen", [&] { by_hand.step(static_cast<T>(timed_rate)); });
  Contestant tapeloom("Tapeloom", [&] { trainer.step(timed_rate); });
  Contestant most("peak", [] { run_peak<T>(); });
  std::vector<Contestant*> all = {&eigen, &tapeloom, &most};
  const std::unique_ptr<NetRunner> runner = by_torch<T>(work, start);
  Contestant torch("LibTorch", [&] { runner->step(timed_rate); });
  if (runner != nullptr) all.push_back(&torch);
  measure_by_turns(all, rounds, slice_seconds);
  std::printf(" %.3g |", 1e6 * tapeloom.median_seconds());
  for (const Contestant* other : {&eigen, &torch}) {
    if (other->seconds().empty()) continue;
    std::printf(" %.3g | %.2f |", 1e6 * other->median_seconds(), median_ratio(*other, tapeloom));
  }
  std::printf(" %.0f%% |", 100.0 * work.flops() / peak * median_ratio(most, tapeloom));
}

void print_head() {
  const bool torch = has_peer("torch");
  std::string names = "| net / samples |", lines = "|---|";
  for (const char* precision : {"", "double: "}) {
    names += std::string(" ") + precision + "Tapeloom, us | Eigen, us | ratio |";
    if (torch) names += " LibTorch, us | ratio |";
    names += " of peak |";
    for (int column = torch ? 6 : 4; column > 0; --column) lines += "---|";
  }
  std::printf("\n%s\n%s\n", names.c_str(), lines.c_str());
}

void print_torch() {
  const auto [name, fact] = peer_fact("torch");
  std::printf("%s: %s\n", name.c_str(), fact.c_str());
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
    print_torch();
    return 0;
  }
  print_machine();
  print_torch();
  print_head();
  for (const LayerWork& work : works) {
    std::printf("| %s |", work.name().c_str());
    time_in<float>(work);
    time_in<double>(work);
    std::printf("\n");
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace tapeloom::bench

int main(int argc, char** argv) {
  return tapeloom::bench::run_program("layers_bench", [&] { return tapeloom::bench::run(argc, argv); });
}
