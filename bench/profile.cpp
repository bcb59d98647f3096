// Where the time of a step goes, instruction by instruction, for the workloads of the gates:
//
//   tapeloom_profile [--threads NUMBER] PART_OF_NAME
//
// Without a name it prints them all.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

#include "bench/gates/workloads.h"
#include "bench/machine.h"
#include "bench/main.h"
#include "bench/measure_peak.h"
#include "bench/ratio.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::bench {
namespace {

void profile(const NamedWorkload& named, const WorkloadOptions& options, const Peaks& peaks) {
  constexpr double seconds = 0.5;
  const std::unique_ptr<Workload> workload = named.make(options);
  auto run = [&] { workload->run(10); };
  for (double spent = 0.0; spent < seconds;) spent += time_calls(run, 1);
  std::printf("\n%s\n%s", named.name.c_str(), workload->profile(peaks).c_str());
}

int run(int argc, char** argv) {
  WorkloadOptions options{.threads = 1, .profile = true};
  std::string part;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--threads" && i + 1 < argc) {
      options.threads = std::stoul(argv[++i]);
    } else if (argument.starts_with("-") || !part.empty()) {
      throw std::invalid_argument("usage: tapeloom_profile [--threads NUMBER] PART_OF_NAME");
    } else {
      part = argument;
    }
  }
  const std::vector<NamedWorkload> chosen = workloads(part);
  if (part.empty()) {
    for (const NamedWorkload& named : chosen) std::printf("%s\n", named.name.c_str());
    return 0;
  }
  const Peaks peaks = {measure_peak<float>(), measure_peak<double>()};
  print_machine();
  std::printf("- Tapeloom's kernels: %s\n", runtime::kernels<float>().name);
  std::printf("- peak of one core: %.0f GFLOP/s float, %.0f double\n", 1e-9 * peaks.in_float, 1e-9 * peaks.in_double);
  for (const NamedWorkload& named : chosen) profile(named, options, peaks);
  return 0;
}

}  // namespace
}  // namespace tapeloom::bench

int main(int argc, char** argv) {
  return tapeloom::bench::run_program("tapeloom_profile", [&] { return tapeloom::bench::run(argc, argv); });
}
