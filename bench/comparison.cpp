// The comparison: Tapeloom in all its ways of running, the closure design, Eigen written by hand and other libraries,
// over nets, widths, batches, recordings, a whole training run, tiny expressions and an epoch of Fashion-MNIST.
//
//   comparison [--quick] [--only CHART]... [--variant ID]... [--json FILE] [--html FILE]
//
// Prints tables as Markdown. --quick does a part of it, in about a minute. Charts: nets, width, batch, nodes, run,
// tiny, epoch, scalar. --variant restricts the first four to those that all_variants() has by that id.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <stdexcept>

#include "bench/comparison/peers.h"
#include "bench/comparison/report.h"
#include "bench/comparison/works.h"
#include "bench/eigen_nets.h"
#include "bench/machine.h"
#include "bench/main.h"
#include "bench/measure_peak.h"
#include "bench/tidy_heap.h"
#include "tapeloom/runtime/kernels/kernels.h"
#include "tapeloom/version.h"

namespace tapeloom::bench {
namespace {

struct Options {
  Plan plan;
  std::vector<std::string> only;
  std::string json, html;
};

Options read_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--quick") {
      options.plan.quick = true;
      options.plan.timing = {.repetitions = 9, .slice_seconds = 0.003, .slow_repetitions = 1};
    } else if (argument == "--only" && i + 1 < argc) {
      options.only.push_back(argv[++i]);
    } else if (argument == "--variant" && i + 1 < argc) {
      options.plan.variants.push_back(variant_of(argv[++i]).id);
    } else if (argument == "--json" && i + 1 < argc) {
      options.json = argv[++i];
    } else if (argument == "--html" && i + 1 < argc) {
      options.html = argv[++i];
    } else {
      throw std::invalid_argument(
          "usage: comparison [--quick] [--only CHART]... [--variant ID]... [--json FILE] [--html FILE]");
    }
  }
  return options;
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

std::string megabytes(double bytes) { return std::to_string(static_cast<int>(1e-6 * bytes + 0.5)) + " MB"; }

std::string measured_peak() {
  return std::to_string(static_cast<int>(1e-9 * measure_peak<float>())) + " GFLOP/s float, " +
         std::to_string(static_cast<int>(1e-9 * measure_peak<double>())) + " double, of one core (FMAs on registers, " +
         std::to_string(tapeloom_bench_peak_vector_bytes()) + "-byte vectors)";
}

Circumstances circumstances_of(const Options& options, const char* executable) {
  Circumstances c;
  c.executable = executable;
  c.cores = std::thread::hardware_concurrency();
  const auto add = [&c](const char* name, const std::string& fact) { c.facts.emplace_back(name, fact); };
  add("processor", cpu_property("model name") + " (family " + cpu_property("cpu family") + ", model " +
                       cpu_property("model") + "), " + std::to_string(c.cores) + " threads at once");
  std::ifstream kernel("/proc/version");
  std::string system;
  for (std::string word; system.size() < 40 && kernel >> word;) system += (system.empty() ? "" : " ") + word;
  add("system", system);
  add("compiler", compiler_name() + ", " + build_kind());
  add("flags", TAPELOOM_BENCH_FLAGS);
  add("tapeloom", std::string(version()) + ", kernels: " + runtime::kernels<float>().name);
  add("eigen", std::string(tapeloom_bench_eigen_version()) + ", -O3 -march=native");
  add("peak", measured_peak());
  for (const auto& [name, fact] : peer_facts()) add(name.c_str(), fact);
  add("repetitions", std::to_string(options.plan.timing.repetitions) + " of each, of at least " +
                         format_seconds(options.plan.timing.slice_seconds) + "; " +
                         std::to_string(options.plan.timing.slow_repetitions) +
                         " where a call takes over a second; all in one process, in a new random order each round");
  add("threads", "one, but for the variants that say all threads");
  add("memory",
      "the most that was ever resident in a process that makes one variant and does two steps; a process "
      "that only makes the data of the smallest net: " +
          megabytes(ask_alone("none", 0).peak_bytes));
  add("heap",
      "tidy for all (freed blocks are merged and kept), in which everybody is at its best; the column of processes of "
      "their own has a step with what the C library does by default, which strews the nodes of closures over the heap");
  if (options.plan.quick) add("quick", "a part of the works, and short repetitions: for checking, not for quoting");
  return c;
}

struct Chart {
  const char* name;
  std::vector<Measurement> (*compare)(const Plan&);
};
constexpr Chart charts[] = {{"nets", compare_nets},        {"width", compare_widths},       {"batch", compare_batches},
                            {"nodes", compare_recordings}, {"equation", compare_equations}, {"run", compare_training},
                            {"tiny", compare_tiny},        {"scalar", compare_scalar},      {"epoch", compare_epoch}};

int run(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == "--alone") {
    const Alone alone = run_alone(argv[2], static_cast<std::size_t>(std::stoul(argv[3])));
    std::printf("%.0f %.17g\n", alone.peak_bytes, alone.seconds);
    return 0;
  }
  tidy_heap();
  const Options options = read_options(argc, argv);
  Circumstances circumstances = circumstances_of(options, argv[0]);
  std::vector<Measurement> all;
  for (const Chart& chart : charts) {
    const bool chosen = std::find(options.only.begin(), options.only.end(), chart.name) != options.only.end();
    if (!options.only.empty() && !chosen) continue;
    std::vector<Measurement> some = chart.compare(options.plan);
    if (some.empty()) circumstances.facts.emplace_back("left out", chart.name);
    for (Measurement& m : some) all.push_back(std::move(m));
  }
  const auto epoch = std::find_if(all.begin(), all.end(), [](const Measurement& m) { return m.chart == "epoch"; });
  if (epoch != all.end()) {
    const std::vector<Measurement> estimated = estimate_closure_epoch(all);
    all.insert(epoch, estimated.begin(), estimated.end());
  }
  if (all.empty()) throw std::invalid_argument("nothing to compare");
  set_break_even(all);

  for (const auto& [name, fact] : circumstances.facts) std::printf("- %s: %s\n", name.c_str(), fact.c_str());
  std::printf("%s", table_text(all).c_str());
  if (!options.json.empty()) write_file(options.json, json_text(circumstances, all));
  if (!options.html.empty()) write_file(options.html, page_text(circumstances, all));
  return 0;
}

}  // namespace
}  // namespace tapeloom::bench

int main(int argc, char** argv) {
  return tapeloom::bench::run_program("comparison", [&] { return tapeloom::bench::run(argc, argv); });
}
