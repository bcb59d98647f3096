// A net's training step by each of the variants, behind one interface.
#pragma once

#include <chrono>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/comparison/measurement.h"
#include "bench/nets.h"
#include "bench/ratio.h"

namespace tapeloom::bench {

inline ExecutorOptions executor_options(std::size_t max_samples, std::size_t threads) {
  return {.max_samples = max_samples, .threads = threads};
}

/// A net with the rows that every step takes.
struct NetWork {
  Net net;
  Data data;
  std::vector<double> start;      ///< the parameters, rounded to float
  bool samples_recorded = false;  ///< for Tapeloom: every sample is recorded, its numbers as constants
};

NetWork make_net_work(const Net& net, std::size_t samples);

/// Trains a net.
class NetRunner {
 public:
  virtual ~NetRunner() = default;
  /// One step on all rows: parameters -= learning_rate * gradient. Returns the loss before.
  virtual double step(double learning_rate) = 0;
  virtual std::vector<double> parameters() const = 0;
  /// Other rows to go on with, as many as before. False if that is not to be had here.
  virtual bool set_rows([[maybe_unused]] const float* const* x, [[maybe_unused]] const float* y) { return false; }
  /// Of the numbers computed with.
  virtual double epsilon() const { return std::numeric_limits<double>::epsilon(); }

  /// What its making took; NaN if there is no such thing. Compiling includes making the executor.
  double record_seconds = unknown, compile_seconds = unknown;
  std::size_t nodes = 0;
};

/// Null if nobody has written that net for the variant.
std::unique_ptr<NetRunner> make_runner(const std::string& variant, const NetWork& work);

/// Records the loss as the work wants it.
Value record_work(Tape& tape, const NetWork& work);

/// The ids of the variants that can train the net.
std::vector<std::string> runner_variants(const NetWork& work);

/// Does one step by each variant and throws std::runtime_error unless loss and gradients are those of the first one.
void check_runners(const NetWork& work, const std::vector<std::string>& variants);

/// What is done once takes another time each time: the medians of nine times, or of as many as fit into a fifth of a
/// second. `make` returns seconds of recording and of compiling, NaN for what is not done.
template <class Make>
void time_what_is_done_once(Measurement& result, Make make) {
  std::vector<double> record, compile;
  const auto begin = std::chrono::steady_clock::now();
  do {
    const auto [record_seconds, compile_seconds] = make();
    record.push_back(record_seconds);
    compile.push_back(compile_seconds);
  } while (!std::isnan(record.back()) && record.size() < 9 && seconds_since(begin) < 0.2);
  result.record_seconds = median(record);
  result.compile_seconds = median(compile);
}

/// Contenders for a step of the work, by each variant.
std::vector<Contender> net_contenders(const NetWork& work, const std::vector<std::string>& variants);

}  // namespace tapeloom::bench
