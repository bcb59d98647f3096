// How tests compare numbers. An infinity equals only the same infinity, and NaN equals NaN, so that a test cannot pass
// because both a bound and a difference became infinite or a comparison with NaN came out false.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace tapeloom::test {

inline constexpr double inf = std::numeric_limits<double>::infinity();
inline constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// Two numbers are close if any one of the bounds holds.
struct Bound {
  double relative = 0.0;   ///< of the larger magnitude
  double absolute = 0.0;   ///< for results near zero, whose relative error means nothing
  std::uint64_t ulps = 0;  ///< representable numbers between the two, of their own type
};

/// True if the two are the same number to the last bit, the sign of zero included. All NaNs are the same.
template <class T>
requires std::is_floating_point_v<T>
bool same_bits(T a, T b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b && std::signbit(a) == std::signbit(b);
}

/// Representable numbers from a to b; 0 for equal ones, -0 and 0 included. Both must be finite.
template <class T>
requires std::is_same_v<T, float> || std::is_same_v<T, double> std::uint64_t ulps_between(T a, T b) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  // Floating-point numbers are sign and magnitude; as offsets from zero they are in order.
  const auto offset = [](T x) {
    const auto bits = static_cast<std::int64_t>(std::bit_cast<Bits>(std::abs(x)));
    return std::signbit(x) ? -bits : bits;
  };
  const std::int64_t i = offset(a), j = offset(b);
  return i > j ? static_cast<std::uint64_t>(i) - static_cast<std::uint64_t>(j)
               : static_cast<std::uint64_t>(j) - static_cast<std::uint64_t>(i);
}

/// True if a and b differ by no more than the bound allows. Symmetric in a and b.
template <class T>
requires std::is_floating_point_v<T>
bool close(T a, T b, const Bound& bound) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (std::isinf(a) || std::isinf(b)) return a == b;
  if (a == b) return true;
  // Halves, because the difference of two finite numbers can be infinite.
  const long double half = std::fabs(static_cast<long double>(a) / 2 - static_cast<long double>(b) / 2);
  const long double larger = std::fmax(std::fabs(static_cast<long double>(a)), std::fabs(static_cast<long double>(b)));
  if (half <= larger / 2 * static_cast<long double>(bound.relative)) return true;
  if (half <= static_cast<long double>(bound.absolute) / 2) return true;
  if constexpr (std::is_same_v<T, long double>) {
    return false;
  } else {
    return ulps_between(a, b) <= bound.ulps;
  }
}

/// The usual case: within `relative` of the larger magnitude, or within `absolute`.
template <class T>
bool close(T a, T b, double relative, double absolute = 0.0) {
  return close(a, b, Bound{relative, absolute, 0});
}

}  // namespace tapeloom::test
