// Measures the gates' workloads; what is to be made of the figures, gates.cpp says. Of Tapeloom it uses the public
// parts alone, so that it can be built beside another revision of the library.
//
//   gate_measure structure [PART_OF_NAME]   a line "workload <tab> figure <tab> number" for each figure
//   gate_measure steps [PART_OF_NAME]       under callgrind: writes what 10 and what 20 steps executed, as parts
//   "10:name"
//                                           and "20:name" of callgrind's file
//   gate_measure time [PART_OF_NAME]        a line "workload <tab> nanoseconds a step" for each: the shortest of ten
//                                           stretches of 5 ms
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <stdexcept>

#include "bench/allocation_counter.h"
#include "bench/gates/workloads.h"
#include "bench/main.h"
#include "bench/ratio.h"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#define TAPELOOM_HAVE_CALLGRIND
#endif

namespace tapeloom::bench {
namespace {

void measure_structure(const NamedWorkload& named) {
  constexpr std::size_t steps = 10;
  const std::unique_ptr<Workload> w = named.make({}), profiled = named.make({.profile = true});
  profiled->run(steps);
  w->run(steps);  // an optimizer allocates its state in the first
  const std::size_t before = allocations;
  w->run(steps);
  const std::size_t allocated = allocations - before;
  const auto print = [&](const char* figure, std::size_t number) {
    std::printf("%s\t%s\t%zu\n", named.name.c_str(), figure, number);
  };
  print("instructions", w->program().instructions.size());
  print("dispatches a step", static_cast<std::size_t>(profiled->dispatches()));
  print("arena bytes", w->arena_bytes());
  print("allocations in ten steps", allocated);
}

void count_steps([[maybe_unused]] const NamedWorkload& named) {
#ifdef TAPELOOM_HAVE_CALLGRIND
  const std::unique_ptr<Workload> w = named.make({});
  w->run(10);
  for (const std::size_t steps : {10, 20}) {
    const std::string label = std::to_string(steps) + ":" + named.name;
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
    w->run(steps);
    CALLGRIND_DUMP_STATS_AT(label.c_str());
    CALLGRIND_STOP_INSTRUMENTATION;
  }
#else
  throw std::runtime_error("built without valgrind's headers");
#endif
}

/// The shortest, because whatever else the machine does only makes it longer.
void time_steps(const NamedWorkload& named) {
  const std::unique_ptr<Workload> w = named.make({});
  constexpr double slice_seconds = 0.005;
  std::size_t tens = 1;  // see Workload::run
  auto run = [&] { w->run(10 * tens); };
  while (time_calls(run, 1) < slice_seconds) tens *= 2;
  double shortest = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 10; ++i) shortest = std::min(shortest, time_calls(run, 1));
  std::printf("%s\t%.3f\n", named.name.c_str(), 1e9 * shortest / (10.0 * static_cast<double>(tens)));
}

int run(int argc, char** argv) {
  const std::string what = argc == 2 || argc == 3 ? argv[1] : "";
  const auto measure = what == "structure" ? measure_structure
                       : what == "steps"   ? count_steps
                       : what == "time"    ? time_steps
                                           : nullptr;
  if (measure == nullptr) throw std::invalid_argument("usage: gate_measure structure|steps|time [PART_OF_NAME]");
  for (const NamedWorkload& w : workloads(argc == 3 ? argv[2] : "")) measure(w);
  return 0;
}

}  // namespace
}  // namespace tapeloom::bench

int main(int argc, char** argv) {
  return tapeloom::bench::run_program(
      "gate_measure", [&] { return tapeloom::bench::run(argc, argv); }, 2);
}
