#include "bench/comparison/measurement.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <random>
#include <stdexcept>

namespace tapeloom::bench {
namespace {

/// Seconds of the processor, of all threads.
double cpu_now() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

struct Times {
  double wall, cpu;
};

Times time_call(const Contender& contender, std::size_t calls) {
  const double cpu = cpu_now();
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < calls; ++i) contender.call();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
  const double units = contender.units * static_cast<double>(calls);
  return {wall.count() / units, (cpu_now() - cpu) / units};
}

void add_time(Measurement& result, const Times& times) {
  result.seconds.push_back(times.wall);
  result.cpu_seconds.push_back(times.cpu);
}

/// Warms up, finds out how many calls a repetition takes, and returns how many repetitions are left to be done.
std::size_t prepare(Contender& contender, const TimingOptions& options) {
  std::size_t calls = 1;
  const Times first = time_call(contender, 1);
  double seconds = first.wall * contender.units;
  if (seconds > 1.0) {
    const std::size_t repetitions = std::min(options.slow_repetitions, options.repetitions);
    if (repetitions < options.repetitions) {
      if (!contender.result.remark.empty()) contender.result.remark += "; ";
      contender.result.remark += std::to_string(repetitions) + " repetitions, because a call takes over a second";
    }
    add_time(contender.result, first);
    return repetitions - 1;
  }
  while (seconds < options.slice_seconds) {
    calls *= 2;
    seconds = time_call(contender, calls).wall * contender.units * static_cast<double>(calls);
  }
  contender.result.calls = calls;
  return options.repetitions;
}

}  // namespace

double Measurement::quantile(double q) const {
  if (seconds.empty()) return unknown;
  std::vector<double> sorted = seconds;
  std::sort(sorted.begin(), sorted.end());
  const double place = q * static_cast<double>(sorted.size() - 1);
  const std::size_t below = static_cast<std::size_t>(place), above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

const std::vector<Variant>& all_variants() {
  static const std::vector<Variant> all = {
    {"closures", "closures"},
    {"evaluator", "Tapeloom: evaluator"},
    {"eager", "Tapeloom: recorded anew"},
    {"exact", "Tapeloom: exact"},
    {"unrolled", "Tapeloom: unrolled, float"},
    {"double", "Tapeloom: double"},
    {"float", "Tapeloom: float"},
    {"double_all", "Tapeloom: double, all threads", true},
    {"float_all", "Tapeloom: float, all threads", true},
    {"eigen_double", "Eigen by hand: double"},
    {"eigen_float", "Eigen by hand: float"},
    {"plain_eigen_float", "Eigen as usual: float"},
#if defined(TAPELOOM_BENCH_ADOLC)
    {"adolc", "ADOL-C: double"},
#endif
#if defined(TAPELOOM_BENCH_TORCH)
    {"torch_double", "LibTorch eager: double"},
    {"torch", "LibTorch eager: float"},
#endif
  };
  return all;
}

const Variant& variant_of(const std::string& id) {
  for (const Variant& variant : all_variants()) {
    if (variant.id == id) return variant;
  }
  throw std::invalid_argument("no variant " + id);
}

bool has_variant(const std::string& id) {
  const std::vector<Variant>& all = all_variants();
  return std::any_of(all.begin(), all.end(), [&id](const Variant& variant) { return variant.id == id; });
}

Contender contender_of(const std::string& chart, const std::string& work, const std::string& variant,
                       std::function<void()> call, double units) {
  Contender contender;
  contender.result.chart = chart;
  contender.result.work = work;
  contender.result.variant = variant_of(variant).id;
  contender.call = std::move(call);
  contender.units = units;
  return contender;
}

Stage::Stage(const std::string& chart, const std::string& work) {
  std::fprintf(stderr, "%s: %s", chart.c_str(), work.c_str());
}

Stage::~Stage() {
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin_;
  std::fprintf(stderr, ", %.1f s\n", seconds.count());
}

std::vector<Measurement> measure(std::vector<Contender> contenders, const TimingOptions& options) {
  std::vector<std::size_t> order, left;
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    left.push_back(prepare(contenders[i], options));
    order.push_back(i);
  }
  std::mt19937_64 random(contenders.size());
  for (std::size_t round = 0; round < options.repetitions; ++round) {
    std::shuffle(order.begin(), order.end(), random);
    for (const std::size_t i : order) {
      if (left[i] == 0) continue;
      --left[i];
      add_time(contenders[i].result, time_call(contenders[i], contenders[i].result.calls));
    }
  }
  std::vector<Measurement> results;
  for (Contender& contender : contenders) results.push_back(std::move(contender.result));
  return results;
}

void set_break_even(std::vector<Measurement>& measurements) {
  for (Measurement& m : measurements) {
    if (std::isnan(m.record_seconds)) continue;
    const double once = m.record_seconds + (std::isnan(m.compile_seconds) ? 0.0 : m.compile_seconds);
    for (const Measurement& closures : measurements) {
      if (closures.variant != "closures" || closures.chart != m.chart || closures.work != m.work) continue;
      const double gain = closures.median_seconds() - m.median_seconds();
      m.break_even_steps = gain > 0.0 ? once / gain : std::numeric_limits<double>::infinity();
    }
  }
}

}  // namespace tapeloom::bench
