#include "tapeloom/core/ops/gamma.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace tapeloom::inline TAPELOOM_ABI::ops {

namespace {

// On x86-64 a long double has eleven bits more than a double: what cancels near zeros, and the roundings of sums, stay
// below the result's last place.
using Wide = long double;

constexpr Wide infinity = std::numeric_limits<Wide>::infinity();
constexpr Wide not_a_number = std::numeric_limits<Wide>::quiet_NaN();

/// B_2k / (2k)! for k = 1, 2, ..., with Bernoulli's numbers.
constexpr Wide bernoulli_over_factorial[] = {1.0L / 12,
                                             -1.0L / 720,
                                             1.0L / 30240,
                                             -1.0L / 1209600,
                                             1.0L / 47900160,
                                             -691.0L / 1307674368000,
                                             1.0L / 74724249600,
                                             -3617.0L / 10670622842880000,
                                             43867.0L / 5109094217170944000,
                                             -174611.0L / 802857662698291200000.0L};

bool is_pole(Wide x) { return x <= 0 && x == std::floor(x); }
/// Of functions that have another sign on either side of each pole: `at_zero` at 0, which has a sign itself.
Wide at_odd_pole(Wide x, Wide at_zero) { return x != 0 ? not_a_number : std::signbit(x) ? -at_zero : at_zero; }

/// log(x) - 1/(2x) - sum_k B_2k / (2k x^2k), Stirling's series, once psi(x) = psi(x + 1) - 1/x has made x large.
Wide digamma_of_positive(Wide x) {
  constexpr Wide large = 16;
  Wide less = 0;
  for (; x < large; x += 1) less += 1 / x;
  const Wide over_square = 1 / (x * x);
  Wide power = over_square, factorial = 1, series = 0;
  for (int k = 1; k <= 10; ++k, power *= over_square) {
    series += bernoulli_over_factorial[k - 1] * factorial * power;  // (2k - 1)!
    factorial *= static_cast<Wide>(2 * k) * (2 * k + 1);
  }
  return std::log(x) - 1 / (2 * x) - series - less;
}

/// psi(1 - x) - psi(x) = pi cot(pi x), in which x may be replaced by its distance from a whole number.
Wide digamma_of(Wide x) {
  if (is_pole(x)) return std::isinf(x) ? not_a_number : at_odd_pole(x, -infinity);
  if (!(x < 0)) return digamma_of_positive(x);
  const Wide distance = x - std::round(x);
  return digamma_of_positive(1 - x) - std::numbers::pi_v<Wide> / std::tan(std::numbers::pi_v<Wide> * distance);
}

Wide inverse_power(Wide x, int power) {
  const Wide inverse = 1 / x;
  return power == 1 ? inverse : power == 2 ? inverse * inverse : std::pow(x, static_cast<Wide>(-power));
}

/// Hurwitz' zeta function, the sum of (x + k)^-s over k = 0, 1, ..., for x > 0: the first terms, and the rest by the
/// formula of Euler and Maclaurin.
Wide zeta(int s, Wide x) {
  const Wide large = 16 + s;
  Wide sum = 0;
  for (; x < large; x += 1) sum += inverse_power(x, s);
  const Wide over_square = 1 / (x * x), first = inverse_power(x, s);
  Wide factor = first * s / x, series = 0;  // s (s + 1) ... (s + 2k - 2) / x^(s + 2k - 1)
  for (int k = 1; k <= 10; ++k) {
    series += bernoulli_over_factorial[k - 1] * factor;
    factor *= static_cast<Wide>(s + 2 * k - 1) * (s + 2 * k) * over_square;
  }
  return sum + (inverse_power(x, s - 1) / (s - 1) + first / 2 + series);
}

/// (-1)^(n + 1) n! zeta(n + 1, x). For x < 0 zeta is the sum over all whole numbers k, from the two sides of x's
/// nearest one, less that of k < 0.
Wide polygamma_of(Wide order, Wide x) {
  constexpr Wide most = 100;
  if (!(order >= 0 && order <= most && order == std::floor(order)) || std::isnan(x)) return not_a_number;
  if (order == 0) return digamma_of(x);
  const int n = static_cast<int>(order), s = n + 1;
  const Wide sign = n % 2 != 0 ? 1 : -1;
  if (is_pole(x)) return std::isinf(x) ? not_a_number : n % 2 != 0 ? infinity : at_odd_pole(x, -infinity);
  if (std::isinf(x)) return sign * 0;
  Wide factorial = 1;
  for (int k = 2; k <= n; ++k) factorial *= k;
  if (x > 0) return sign * factorial * zeta(s, x);
  const Wide distance = x - std::round(x), above = distance > 0 ? distance : 1 + distance,
             below = distance > 0 ? 1 - distance : -distance;
  return sign * factorial * (zeta(s, above) - sign * (zeta(s, 1 - x) - zeta(s, below)));
}

}  // namespace

double lgamma(double x) {
  int sign;
  return ::lgamma_r(x, &sign);
}
float lgamma(float x) { return static_cast<float>(lgamma(static_cast<double>(x))); }

double digamma(double x) { return static_cast<double>(digamma_of(x)); }
float digamma(float x) { return static_cast<float>(digamma_of(x)); }

double polygamma(double order, double x) { return static_cast<double>(polygamma_of(order, x)); }
float polygamma(float order, float x) { return static_cast<float>(polygamma_of(order, x)); }

}  // namespace tapeloom::inline TAPELOOM_ABI::ops
