// What the gates decide by. All of it is deterministic: the bootstrap draws from a fixed seed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <stdexcept>
#include <vector>

namespace tapeloom::bench {

/// Of an even number of numbers the mean of the middle two. Throws std::invalid_argument for none.
inline double exact_median(std::vector<double> numbers) {
  if (numbers.empty()) throw std::invalid_argument("the median of no numbers");
  std::sort(numbers.begin(), numbers.end());
  const std::size_t n = numbers.size();
  return n % 2 == 1 ? numbers[n / 2] : 0.5 * (numbers[n / 2 - 1] + numbers[n / 2]);
}

/// exp of the mean logarithm. Throws std::invalid_argument for none.
inline double geometric_mean(std::span<const double> numbers) {
  if (numbers.empty()) throw std::invalid_argument("the mean of no numbers");
  double sum = 0.0;
  for (const double number : numbers) sum += std::log(number);
  return std::exp(sum / static_cast<double>(numbers.size()));
}

/// Two-sided: how likely it is that of wins + losses fair coins at least as many fall on one side, 2 P(X >= max) for X
/// binomial(n, 1/2), at most 1. Ties are left out beforehand.
inline double sign_test(std::size_t wins, std::size_t losses) {
  const std::size_t n = wins + losses, larger = std::max(wins, losses);
  const auto log_factorial = [](std::size_t k) { return std::lgamma(static_cast<double>(k) + 1.0); };
  double tail = 0.0;
  for (std::size_t k = larger; k <= n; ++k) {
    tail +=
        std::exp(log_factorial(n) - log_factorial(k) - log_factorial(n - k) - static_cast<double>(n) * std::log(2.0));
  }
  return std::min(1.0, 2.0 * tail);
}

struct Interval {
  double low, high;
};

/// The percentile interval of the median over resamples with replacement (Efron, "Bootstrap methods", 1979). Of very
/// few numbers it is all they span.
inline Interval bootstrap_median(std::span<const double> numbers, double confidence = 0.95,
                                 std::size_t resamples = 10000, std::uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  std::vector<double> medians, sample(numbers.size());
  for (std::size_t r = 0; r < resamples; ++r) {
    for (double& number : sample) number = numbers[random() % numbers.size()];
    medians.push_back(exact_median(sample));
  }
  std::sort(medians.begin(), medians.end());
  const auto outside = static_cast<std::size_t>(0.5 * (1.0 - confidence) * static_cast<double>(resamples));
  return {medians[outside], medians[resamples - 1 - outside]};
}

}  // namespace tapeloom::bench
