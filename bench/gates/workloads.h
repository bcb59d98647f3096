// The eight workloads that the gates measure: the five nets of the table of speed, and a step each of what else
// programs are made of. Everything is drawn from fixed seeds and made of the library's public
// parts.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tapeloom/core/program/program.h"

namespace tapeloom::bench {

/// What one core can do at most, in flops a second.
struct Peaks {
  double in_float, in_double;
};

/// Recorded, compiled and bound, ready to run. A step is forward, backward and, for nets, gradient descent.
class Workload {
 public:
  virtual ~Workload() = default;
  virtual void step() = 0;
  virtual const Program& program() const = 0;
  virtual std::size_t arena_bytes() const = 0;
  /// Instructions that a step dispatched, in the mean: those that run once in each stage, and the others once a tile.
  /// WorkloadOptions::profile must have asked for the count.
  virtual double dispatches() const = 0;
  /// What explain() says of the executor's profile; WorkloadOptions::profile must have asked for one.
  virtual std::string profile(const Peaks& peaks) const = 0;

  /// `count` steps. A build with TAPELOOM_BENCH_EXTRA_WORK=10 takes every tenth of them twice: 10% more work, which
  /// the gates must notice.
  void run(std::size_t count);

 private:
  std::size_t owed_ = 0;  // percent of a step
};

/// As in ExecutorOptions, of libraries that have these.
struct WorkloadOptions {
  std::size_t threads = 1;
  bool profile = false;
};

/// A name, and what makes the workload.
struct NamedWorkload {
  std::string name;
  std::function<std::unique_ptr<Workload>(const WorkloadOptions& options)> make;
};

/// Those that have `part` in their name; all for an empty one. Throws std::invalid_argument if there are none.
std::vector<NamedWorkload> workloads(const std::string& part = {});

}  // namespace tapeloom::bench
