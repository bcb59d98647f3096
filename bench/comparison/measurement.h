// What one contender of the comparison took for one piece of work, and how contenders are timed together.
#pragma once

#include <chrono>
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
  bool all_threads = false;  ///< otherwise one
};

/// In the order in which they are listed everywhere. Peers that the build did not find are not among them.
const std::vector<Variant>& all_variants();
const Variant& variant_of(const std::string& id);
bool has_variant(const std::string& id);

/// The times of one variant at one piece of work. All in seconds and bytes; NaN where there is no such figure.
struct Measurement {
  std::string chart;    ///< works of one chart are shown together: "nets", "width", ...
  std::string work;     ///< such as "64-32-10 tanh / 32"
  double x = unknown;   ///< what the chart varies: the width, the batch, the nodes recorded
  std::string variant;  ///< an id

  std::vector<double> seconds;  ///< a unit of work, one a repetition
  std::vector<double> cpu_seconds;
  std::size_t calls = 1;  ///< in a repetition
  /// What is done once before the first step; the medians of nine times, or of as many as fit into a fifth of a second.
  double record_seconds = unknown, compile_seconds = unknown;
  std::size_t nodes = 0;              ///< recorded; 0 if nothing is
  double break_even_steps = unknown;  ///< see set_break_even
  /// Of a process that does nothing else: resident memory, and the median of a step with the heap as the C library has
  /// it by default.
  double peak_bytes = unknown, alone_seconds = unknown;
  std::string remark;  ///< what is special about these figures; shown with them

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

Contender contender_of(const std::string& chart, const std::string& work, const std::string& variant,
                       std::function<void()> call, double units = 1.0);

/// Says on the standard error stream what is being done, and at its end how long that took.
class Stage {
 public:
  Stage(const std::string& chart, const std::string& work);
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  ~Stage();

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

struct TimingOptions {
  std::size_t repetitions = 9;
  /// A repetition goes on for about that long, but does at least one call.
  double slice_seconds = 0.02;
  /// Of those whose call takes more than a second, the first of them without a call before to warm up: the check of
  /// the results has just been one.
  std::size_t slow_repetitions = 3;
};

/// Times all, in a new random order each round, and puts the times into their results. Destroys the contenders.
std::vector<Measurement> measure(std::vector<Contender> contenders, const TimingOptions& options);

/// For every measurement with recording or compiling: after how many steps the time for that has come back against the
/// closure design at the same work; infinite if it never does. Needs the work's measurement of "closures".
void set_break_even(std::vector<Measurement>& measurements);

}  // namespace tapeloom::bench
