#include "bench/peak.h"

#include <cmath>

namespace {

// What the flags of this file allow.
#if defined(__AVX512F__)
constexpr std::size_t vector_bytes = 64;
#elif defined(__AVX__)
constexpr std::size_t vector_bytes = 32;
#else
constexpr std::size_t vector_bytes = 16;
#endif

// A core that starts 2 FMAs a cycle, each 4 or 5 cycles long, is busy with 10 chains; with AVX2 there are 16 registers
// for them and for a and b.
constexpr std::size_t chains = 12;
// Links of every chain in one round, so that the loop's own counting does not show.
constexpr std::size_t links = 16;

// x tends to b / (1 - a) = 1, so the numbers stay normal however long it runs.
constexpr double a = 0.9375, b = 0.0625;

template <class T>
double start(std::size_t chain, std::size_t lane) {
  return static_cast<double>(T(1) + T(chain * (vector_bytes / sizeof(T)) + lane) / T(256));
}

template <class T>
double run(std::size_t rounds, double* sum) {
  typedef T Vector __attribute__((vector_size(vector_bytes)));
  constexpr std::size_t lanes = vector_bytes / sizeof(T);
  Vector x[chains], factor, term;
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    factor[lane] = T(a);
    term[lane] = T(b);
    for (std::size_t chain = 0; chain < chains; ++chain) x[chain][lane] = T(start<T>(chain, lane));
  }
  for (std::size_t round = 0; round < rounds; ++round) {
    for (std::size_t link = 0; link < links; ++link) {
      for (Vector& v : x) v = factor * v + term;
    }
  }
  *sum = 0.0;
  for (const Vector& v : x) {
    for (std::size_t lane = 0; lane < lanes; ++lane) *sum += static_cast<double>(v[lane]);
  }
  return 2.0 * static_cast<double>(rounds) * static_cast<double>(links * chains * lanes);
}

/// x after n links is 1 + a^n (x0 - 1).
template <class T>
double expected_sum(std::size_t rounds) {
  const double left = std::pow(a, static_cast<double>(rounds * links));
  double sum = 0.0;
  for (std::size_t chain = 0; chain < chains; ++chain) {
    for (std::size_t lane = 0; lane < vector_bytes / sizeof(T); ++lane) {
      sum += 1.0 + left * (start<T>(chain, lane) - 1.0);
    }
  }
  return sum;
}

}  // namespace

double tapeloom_bench_peak_float(std::size_t rounds, double* sum) { return run<float>(rounds, sum); }
double tapeloom_bench_peak_double(std::size_t rounds, double* sum) { return run<double>(rounds, sum); }
double tapeloom_bench_peak_sum_float(std::size_t rounds) { return expected_sum<float>(rounds); }
double tapeloom_bench_peak_sum_double(std::size_t rounds) { return expected_sum<double>(rounds); }
std::size_t tapeloom_bench_peak_vector_bytes() { return vector_bytes; }
