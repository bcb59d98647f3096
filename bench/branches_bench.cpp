// Ordinary scalar programs with branches inside (branches.h): what a gradient takes, in times of the function itself as
// the compiler makes it, and as how many instructions it runs. Results are compared first; --check does nothing else.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>

#include "bench/branches_plain.h"
#include "bench/machine.h"
#include "bench/main.h"
#include "bench/nets.h"
#include "bench/ratio.h"
#include "tapeloom/core/record/evaluate.h"

namespace tapeloom::bench {
namespace {

/// Its parameters, how it is recorded, and the same in plain numbers.
struct Branching {
  std::string name;
  const std::vector<double>& parameters;
  std::function<Value(std::span<const Value>)> record;
  std::function<double(const double*)> plain;
};

void compare(const Branching& work, bool only_check) {
  Tape tape;
  std::vector<Value> parameters;
  for (double x : work.parameters) parameters.push_back(tape.parameter(x));
  const Value loss = work.record(parameters);
  const Evaluation expected = evaluate(loss, {});
  Executor<double> executor(compile(loss), one_thread(1));
  executor.step();
  const std::vector<double> gradients(executor.gradients().begin(), executor.gradients().end());
  require_equal("the evaluator against Tapeloom", expected.root[0], expected.gradients, executor.loss(), gradients,
                1e-11);
  const double plain = work.plain(work.parameters.data());
  if (std::fabs(plain - expected.root[0]) > 1e-9 * std::fabs(plain)) {
    throw std::runtime_error(work.name + ": the plain function computes something else");
  }
  const Program& program = executor.program();
  std::printf("| %s | %zu | %zu | %zu | %u |", work.name.c_str(), tape.size(), tape.guards().size(),
              program.instructions.size(), program.recorded_samples);
  if (only_check) return void(std::printf("\n"));
  double kept = 0.0;
  const Ratio ratio =
      measure_ratio([&] { executor.step(); }, [&] { kept += work.plain(work.parameters.data()); }, {.pairs = 9});
  std::printf(" %.1f | %.1f | %.2f |\n", 1e6 * ratio.median_seconds_a, 1e6 * ratio.median_seconds_b, ratio.median);
  if (kept == 1.0) std::printf("\n");
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  const bool only_check = argc == 2 && std::strcmp(argv[1], "--check") == 0;
  if (argc > 1 && !only_check) throw std::invalid_argument("usage: branches_bench [--check]");
  if (!only_check) print_machine();
  std::printf("\n| program | nodes | guards | instructions | samples folded |%s\n|---|---|---|---|---|%s\n",
              only_check ? "" : " gradient, us | function, us | ratio |", only_check ? "" : "---|---|---|");
  const std::size_t samples = only_check ? 100 : 1000;
  const BranchingWork means = kmeans_work(samples, 10, 16), parts = mixture_work(samples, 5, 10),
                      scores = log_sum_exp_work(only_check ? 1000 : 40000);
  const BundleWork views = bundle_work(2, 10, only_check ? 200 : 2000);
  compare({"k-means, 10 centres in 16 dimensions", means.parameters, [&](auto p) { return kmeans<Value>(means, p); },
           [&](const double* p) { return tapeloom_bench_kmeans(means, p); }},
          only_check);
  compare(
      {"mixture of 5 Gaussians in 10 dimensions", parts.parameters, [&](auto p) { return mixture<Value>(parts, p); },
       [&](const double* p) { return tapeloom_bench_mixture(parts, p); }},
      only_check);
  compare({"log-sum-exp of parameters", scores.parameters, [&](auto p) { return log_sum_exp<Value>(p); },
           [&](const double* p) { return tapeloom_bench_log_sum_exp(scores, p); }},
          only_check);
  compare({"bundle adjustment", views.parameters, [&](auto p) { return bundle<Value>(views, p); },
           [&](const double* p) { return tapeloom_bench_bundle(views, p); }},
          only_check);
  return 0;
}

}  // namespace
}  // namespace tapeloom::bench

int main(int argc, char** argv) {
  return tapeloom::bench::run_program("branches_bench", [&] { return tapeloom::bench::run(argc, argv); });
}
