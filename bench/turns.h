// Times several functions by turns, in a new random order each round, so that whatever else the machine does meets all.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bench/ratio.h"

namespace tapeloom::bench {

/// One of those who take turns. Times are seconds a call, one a round.
class Contestant {
 public:
  template <class F>
  Contestant(std::string name, F function)
      : name_(std::move(name)), time_([function](std::size_t calls) mutable { return time_calls(function, calls); }) {}

  const std::string& name() const { return name_; }
  const std::vector<double>& seconds() const { return seconds_; }
  double median_seconds() const { return median(seconds_); }

  /// Finds how many calls last `slice_seconds`; also warms up.
  void warm_up(double slice_seconds) {
    for (calls_ = 1; time_(calls_) * static_cast<double>(calls_) < slice_seconds;) calls_ *= 2;
  }
  void take_turn() { seconds_.push_back(time_(calls_)); }

 private:
  std::string name_;
  std::function<double(std::size_t)> time_;
  std::size_t calls_ = 1;
  std::vector<double> seconds_;
};

inline void measure_by_turns(const std::vector<Contestant*>& contestants, std::size_t rounds, double slice_seconds) {
  for (Contestant* contestant : contestants) contestant->warm_up(slice_seconds);
  std::vector<Contestant*> order = contestants;
  std::mt19937_64 random(rounds);
  for (std::size_t round = 0; round < rounds; ++round) {
    std::shuffle(order.begin(), order.end(), random);
    for (Contestant* contestant : order) contestant->take_turn();
  }
}

/// The median over the rounds of time(a) / time(b).
inline double median_ratio(const Contestant& a, const Contestant& b) {
  std::vector<double> ratios;
  for (std::size_t round = 0; round < a.seconds().size(); ++round) {
    ratios.push_back(a.seconds()[round] / b.seconds()[round]);
  }
  return median(ratios);
}

}  // namespace tapeloom::bench
