// How much faster B is than A, measured in one process by turns, so that whatever else the machine does meets both.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

namespace tapeloom::bench {

struct RatioOptions {
  std::size_t pairs = 15;
  /// A measurement repeats its function until it lasts about this long.
  double slice_seconds = 0.02;
};

/// Times are seconds a call; the ratio is time(A) / time(B), taken within each pair.
struct Ratio {
  double median = 0.0;
  double lowest = 0.0;
  double highest = 0.0;
  double median_seconds_a = 0.0;
  double median_seconds_b = 0.0;
};

inline double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Seconds a call, over `calls` calls.
template <class F>
double time_calls(F& function, std::size_t calls) {
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < calls; ++i) function();
  return seconds_since(begin) / static_cast<double>(calls);
}

/// How many calls last at least `seconds`; also warms up.
template <class F>
std::size_t calls_lasting(F& function, double seconds) {
  std::size_t calls = 1;
  for (;;) {
    const double total = time_calls(function, calls) * static_cast<double>(calls);
    if (total >= seconds) return calls;
    calls *= 2;
  }
}

inline double median(std::vector<double> numbers) {
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

/// Runs A B A B ... and compares within each pair.
template <class A, class B>
Ratio measure_ratio(A&& a, B&& b, const RatioOptions& options = {}) {
  const std::size_t calls_a = calls_lasting(a, options.slice_seconds);
  const std::size_t calls_b = calls_lasting(b, options.slice_seconds);
  std::vector<double> ratios, seconds_a, seconds_b;
  for (std::size_t pair = 0; pair < std::max<std::size_t>(options.pairs, 1); ++pair) {
    seconds_a.push_back(time_calls(a, calls_a));
    seconds_b.push_back(time_calls(b, calls_b));
    ratios.push_back(seconds_a.back() / seconds_b.back());
  }
  const auto [lowest, highest] = std::minmax_element(ratios.begin(), ratios.end());
  return {median(ratios), *lowest, *highest, median(seconds_a), median(seconds_b)};
}

}  // namespace tapeloom::bench
