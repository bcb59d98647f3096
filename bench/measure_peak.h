// What the loop of peak.h reaches. Apart, because that one is compiled for the machine at hand.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <type_traits>

#include "bench/peak.h"
#include "bench/ratio.h"

namespace tapeloom::bench {

/// Flops of one call of the loop in float or double, some milliseconds. Throws std::runtime_error if its sum is wrong.
template <class T>
double run_peak() {
  constexpr std::size_t rounds = 20000;
  constexpr bool in_float = std::is_same_v<T, float>;
  double sum = 0.0;
  const double flops = (in_float ? tapeloom_bench_peak_float : tapeloom_bench_peak_double)(rounds, &sum);
  const double expected = (in_float ? tapeloom_bench_peak_sum_float : tapeloom_bench_peak_sum_double)(rounds);
  if (!(std::fabs(sum - expected) <= 1e-5 * expected)) throw std::runtime_error("the peak loop computed nonsense");
  return flops;
}

/// The most that it reaches in nine attempts, in flops a second.
template <class T>
double measure_peak() {
  double flops = 0.0, most = 0.0;
  auto run = [&flops] { flops = run_peak<T>(); };
  for (int i = 0; i < 9; ++i) {
    const double seconds = time_calls(run, 1);
    most = std::max(most, flops / seconds);
  }
  return most;
}

}  // namespace tapeloom::bench
