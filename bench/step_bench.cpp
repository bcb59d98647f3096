// One training step (forward, loss, backward, update) of three nets: the closure design in double, Tapeloom in exact
// double, default double and default float. Before a net is timed, all four must give the same loss and gradients.
//
//   step_bench [Google Benchmark's options]   times each
//   step_bench --ratios                       times closures and Tapeloom by turns and prints the median ratios
//   step_bench --check                        compares loss and gradients only
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>

#include "bench/nets.h"
#include "bench/ratio.h"

namespace tapeloom::bench {
namespace {

using closure::Activation;

// Small, so that the numbers stay what they are at the start however long a net is timed.
constexpr double learning_rate = 1e-6;

struct Case {
  Net net;
  std::size_t samples;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {{"3-4-4-1 tanh", 3, {4, 4, 1}, Activation::tanh, Activation::tanh, LossKind::squared}, 4},
      {{"2-16-16-1 relu", 2, {16, 16, 1}, Activation::relu, Activation::linear, LossKind::hinge, 1e-4}, 100},
      {{"64-32-10 tanh", 64, {32, 10}, Activation::tanh, Activation::tanh, LossKind::squared}, 32},
  };
  return all;
}

/// One net and its data, in all four designs.
class Contest {
 public:
  explicit Contest(const Case& c)
      : name(c.net.name + " x" + std::to_string(c.samples)),
        data(make_random_data(c.net, c.samples, 2)),
        start(initial_parameters(c.net, 1)),
        closures(c.net, start),
        exact(c.net, start, data, true),
        in_double(c.net, start, data, false),
        in_float(c.net, start, data, false) {
    const double loss = closures.step(data, learning_rate);
    const std::vector<double> gradients = closures.gradients();
    const auto check = [&](const char* design, auto& trainer, double epsilon) {
      const double other = static_cast<double>(trainer.step(learning_rate));
      require_equal(name + ", closures against " + design, loss, gradients, other, trainer.gradients(),
                    tolerance(c.net, c.samples, epsilon));
    };
    check("exact double", exact, std::numeric_limits<double>::epsilon());
    check("double", in_double, std::numeric_limits<double>::epsilon());
    check("float", in_float, static_cast<double>(std::numeric_limits<float>::epsilon()));
  }

  std::string name;
  Data data;
  std::vector<double> start;
  ClosureTrainer closures;
  TapeloomTrainer<double> exact, in_double;
  TapeloomTrainer<float> in_float;
};

template <class Step>
void register_step(const Contest& contest, const char* design, Step step) {
  const auto run = [step](benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(step());
  };
  benchmark::RegisterBenchmark((contest.name + "/" + design).c_str(), run)->Unit(benchmark::kMicrosecond);
}

void register_all(std::vector<std::unique_ptr<Contest>>& contests) {
  for (const auto& contest : contests) {
    Contest* c = contest.get();
    register_step(*c, "closures", [c] { return c->closures.step(c->data, learning_rate); });
    register_step(*c, "tapeloom exact double", [c] { return c->exact.step(learning_rate); });
    register_step(*c, "tapeloom double", [c] { return c->in_double.step(learning_rate); });
    register_step(*c, "tapeloom float", [c] { return c->in_float.step(learning_rate); });
  }
}

void print_ratios(Contest& c) {
  const auto print = [&c](const char* design, auto& trainer) {
    const Ratio r =
        measure_ratio([&c] { c.closures.step(c.data, learning_rate); }, [&trainer] { trainer.step(learning_rate); });
    std::printf("%-20s %-13s %10.2f us %10.2f us %8.1f x  (%.1f to %.1f)\n", c.name.c_str(), design,
                1e6 * r.median_seconds_a, 1e6 * r.median_seconds_b, r.median, r.lowest, r.highest);
  };
  print("exact double", c.exact);
  print("double", c.in_double);
  print("float", c.in_float);
}

int run(int argc, char** argv) {
  const bool ratios = argc == 2 && std::strcmp(argv[1], "--ratios") == 0;
  const bool check = argc == 2 && std::strcmp(argv[1], "--check") == 0;
  std::vector<std::unique_ptr<Contest>> contests;
  for (const Case& c : cases()) contests.push_back(std::make_unique<Contest>(c));
  if (check) {
    std::printf("loss and gradients agree for %zu nets\n", contests.size());
    return 0;
  }
  if (ratios) {
    std::printf("%-20s %-13s %13s %13s %10s\n", "net x samples", "design", "closures", "tapeloom", "ratio");
    for (const auto& contest : contests) print_ratios(*contest);
    return 0;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  register_all(contests);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace
}  // namespace tapeloom::bench

int main(int argc, char** argv) {
  try {
    return tapeloom::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "step_bench: %s\n", error.what());
    return 1;
  }
}
