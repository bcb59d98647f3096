// The derivatives of log |gamma| in long double, by recurrence up to where Stirling's series holds: from below as well,
// where core/ops/gamma.cpp reflects.
#pragma once

#include <cmath>
#include <limits>
#include <numbers>

namespace tapeloom::test {

namespace detail {

/// B_2, B_4, ...
inline constexpr long double bernoulli[] = {1.0L / 6,  -1.0L / 30,     1.0L / 42, -1.0L / 30,
                                            5.0L / 66, -691.0L / 2730, 7.0L / 6,  -3617.0L / 510};
inline constexpr long double far_right = 60, far_left = -2000;

inline bool at_pole(long double x) { return x <= 0 && x == std::floor(x); }

}  // namespace detail

inline long double log_gamma(long double x) {
  int sign;
  return ::lgammal_r(x, &sign);
}

inline long double digamma_oracle(long double x) {
  using namespace detail;
  constexpr long double pi = std::numbers::pi_v<long double>;
  if (x == 0) return std::copysign(std::numeric_limits<long double>::infinity(), -x);
  if (at_pole(x) || std::isnan(x)) return std::numeric_limits<long double>::quiet_NaN();
  if (x < far_left) return digamma_oracle(1 - x) - pi / std::tan(pi * std::remainder(x, 1.0L));
  long double sum = 0;
  for (; x < far_right; x += 1) sum -= 1 / x;
  sum += std::log(x) - 0.5L / x;
  for (int k = 1; k <= 8; ++k) sum -= bernoulli[k - 1] / (2 * k * std::pow(x, 2.0L * k));
  return sum;
}

/// Of an order from 0 to 20.
inline long double polygamma_oracle(long double order, long double x) {
  using namespace detail;
  constexpr long double nan = std::numeric_limits<long double>::quiet_NaN();
  constexpr long double infinity = std::numeric_limits<long double>::infinity();
  if (!(order >= 0 && order <= 100 && order == std::floor(order)) || std::isnan(x) || x == -infinity) return nan;
  if (order == 0) return digamma_oracle(x);
  const int n = static_cast<int>(order);
  const bool odd = n % 2 != 0;
  if (at_pole(x)) return odd ? infinity : x == 0 ? std::copysign(infinity, -x) : nan;
  const long double sign = odd ? 1 : -1;
  if (x == infinity) return sign * 0;
  if (x < far_left) return nan;  // no test asks
  long double sum = 0;
  for (; x < far_right; x += 1) sum += std::tgamma(order + 1) / std::pow(x, order + 1);
  sum += std::tgamma(order) / std::pow(x, order) + std::tgamma(order + 1) / (2 * std::pow(x, order + 1));
  for (int k = 1; k <= 8; ++k) {
    sum += bernoulli[k - 1] * (std::tgamma(2 * k + order) / std::tgamma(2 * k + 1.0L)) / std::pow(x, 2 * k + order);
  }
  return sign * sum;
}

}  // namespace tapeloom::test
