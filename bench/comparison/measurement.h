// What one contender of the comparison took for one piece of work, and how contenders are timed together.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace tapeloom::bench {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

/// A way to do the work. `id` names it in files and on command lines.
struct Variant {
  std::string id, title;
};

/// In the order in which they are listed everywhere. Peers that the build did not find are not among them.
const std::vector<Variant>& all_variants();
const Variant& variant_of(const std::string& id);

/// Peers that were not found when this was built, each with the package it takes.
std::vector<std::string> skipped_peers();

/// The times of one variant at one piece of work. All in seconds and bytes; NaN where there is no such figure.
struct Measurement {
  std::string chart;    ///< works of one chart are shown together: "nets", "width", ...
  std::string work;     ///< such as "64-32-10 tanh / 32"
  double x = unknown;   ///< what the chart varies: the width, the batch, the nodes recorded
  std::string variant;  ///< an id

  std::vector<double> seconds;  ///< a unit of work, one a repetition
  std::vector<double> cpu_seconds;
  std::size_t calls = 1;  ///< in a repetition
  /// What is done once before the first step; the medians of a few times.
  double record_seconds = unknown, compile_seconds = unknown;
  std::size_t nodes = 0;              ///< recorded; 0 if nothing is
  double break_even_steps = unknown;  ///< see set_break_even
  double peak_bytes = unknown;        ///< resident memory of a process that does nothing else
  std::string remark;

  double median_seconds() const { return quantile(0.5); }
  /// Of `seconds`, between neighbours.
  double quantile(double q) const;
};

/// One that is to be timed. `call` does `units` units of work, and keeps alive whatever it needs.
struct Contender {
  Measurement result;
  std::function<void()> call;
  double units = 1.0;
};

struct TimingOptions {
  std::size_t repetitions = 9;
  /// A repetition goes on for about that long, but does at least one call.
  double slice_seconds = 0.02;
  /// Of those whose call takes more than a second.
  std::size_t slow_repetitions = 3;
};

/// Times all, in a new random order each round, and puts the times into their results. Destroys the contenders.
std::vector<Measurement> measure(std::vector<Contender> contenders, const TimingOptions& options);

/// For every measurement with recording or compiling: after how many steps the time for that has come back against the
/// closure design at the same work; infinite if it never does. Needs the work's measurement of "closures".
void set_break_even(std::vector<Measurement>& measurements);

}  // namespace tapeloom::bench
