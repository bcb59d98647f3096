// Programs as people write them for double and any other type of numbers: templates that call the standard library's
// functions, qualified, after a using-declaration, or after a using-directive; in a namespace of their own, as a user's
// are. Included after tapeloom/std.h.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <vector>

namespace generic_programs {

template <class T>
using List = std::vector<T>;

// --- bundle adjustment: a camera of 11 numbers sees a point ----------------------------------------------------------

template <class T>
std::array<T, 3> rotated(const T* axis, const std::array<T, 3>& x) {
  using std::cos;
  using std::sin;
  const T angle2 = axis[0] * axis[0] + axis[1] * axis[1] + axis[2] * axis[2];
  if (!(angle2 > T(0.0))) return x;
  const T angle = std::sqrt(angle2), c = cos(angle), s = sin(angle);
  const std::array<T, 3> w = {axis[0] / angle, axis[1] / angle, axis[2] / angle};
  const std::array<T, 3> cross = {w[1] * x[2] - w[2] * x[1], w[2] * x[0] - w[0] * x[2], w[0] * x[1] - w[1] * x[0]};
  const T along = (w[0] * x[0] + w[1] * x[1] + w[2] * x[2]) * (T(1.0) - c);
  return {x[0] * c + cross[0] * s + w[0] * along, x[1] * c + cross[1] * s + w[1] * along,
          x[2] * c + cross[2] * s + w[2] * along};
}

/// p: rotation (3, in fifths of a radian), centre (3), focal length, distortion (2), principal point (2); the point
/// (3), its weight and where it is seen (2). The camera looks from four units further back. The robust error, with
/// Huber's loss by std::min.
template <class T>
T reprojection_error(const List<T>& p) {
  const std::array<T, 3> seen_from = {p[11] - p[3], p[12] - p[4], p[13] - p[5] + T(4.0)};
  const std::array<T, 3> axis = {T(0.2) * p[0], T(0.2) * p[1], T(0.2) * p[2]}, x = rotated(axis.data(), seen_from);
  const T u = x[0] / x[2], v = x[1] / x[2], r2 = u * u + v * v;
  const T distortion = 1.0 + p[7] * r2 + p[8] * r2 * r2;
  const T du = p[14] * (p[6] * distortion * u + p[9] - p[15]), dv = p[14] * (p[6] * distortion * v + p[10] - p[16]);
  const T size = std::hypot(du, dv), c = std::min(size, T(1.5));
  return c * (size - T(0.5) * c);
}

// --- a mixture of two Gaussians in the plane -------------------------------------------------------------------------

template <class T>
T log_sum_exp(const List<T>& x) {
  T most = x[0];
  for (std::size_t i = 1; i < x.size(); ++i) most = std::max(most, x[i]);
  T sum = 0.0;
  for (const T& each : x) sum += std::exp(each - most);
  return std::log(sum) + most;
}

/// p: for each of the two, a weight's logarithm, a mean (2), scales' logarithms (2), an entry below them; then points.
template <class T>
T mixture(const List<T>& p) {
  using namespace std;
  constexpr std::size_t each = 6;
  T total = 0.0;
  for (std::size_t at = 2 * each; at + 1 < p.size(); at += 2) {
    List<T> terms;
    for (std::size_t k = 0; k < 2; ++k) {
      const T* q = &p[k * each];
      const T d0 = p[at] - q[1], d1 = p[at + 1] - q[2];
      const T y0 = exp(q[3]) * d0, y1 = q[5] * d0 + exp(q[4]) * d1;
      terms.push_back(q[0] + q[3] + q[4] - T(0.5) * (pow(y0, 2) + pow(y1, 2)));
    }
    total += log_sum_exp(terms);
  }
  const List<T> weights = {p[0], p[each]};
  // A Wishart prior's constant depends on no parameter, but on numbers of the same type.
  return total - static_cast<double>((p.size() - 2 * each) / 2) * log_sum_exp(weights) + lgamma(T(2.5) + abs(p[5]));
}

// --- k-means: the distance of each point to the nearest of three centres ---------------------------------------------

/// p: three centres in the plane, then points.
template <class T>
T nearest_centres(const List<T>& p) {
  T total = 0.0;
  for (std::size_t at = 6; at + 1 < p.size(); at += 2) {
    T nearest = std::numeric_limits<T>::max();
    for (std::size_t k = 0; k < 3; ++k) {
      const T d0 = p[at] - p[2 * k], d1 = p[at + 1] - p[2 * k + 1];
      nearest = std::min(nearest, d0 * d0 + d1 * d1);
    }
    total += nearest;
  }
  return total;
}

// --- three steps of an LSTM cell with one hidden unit ----------------------------------------------------------------

template <class T>
T sigmoid_of(const T& x) {
  return T(1.0) / (T(1.0) + std::exp(-x));
}

/// p: for each of four gates a weight of the input, one of the state, and a bias; then inputs.
template <class T>
T lstm(const List<T>& p) {
  using std::tanh;
  T h = 0.0, c = 0.0;
  for (std::size_t at = 12; at < p.size(); ++at) {
    const auto gate = [&](std::size_t g) { return p[3 * g] * p[at] + p[3 * g + 1] * h + p[3 * g + 2]; };
    const T forget = sigmoid_of(gate(0)), in = sigmoid_of(gate(1)), out = sigmoid_of(gate(2)), add = tanh(gate(3));
    c = forget * c + in * add;
    h = out * tanh(c);
  }
  return h * h + c;
}

// --- every function of the header, each in a place of its own --------------------------------------------------------

/// p: seven numbers between 0.2 and 0.9.
template <class T>
T all_functions(const List<T>& p) {
  const T a = p[0], b = p[1], c = p[2];
  T sum = std::sin(a) + std::cos(b) + std::tan(c) + std::asin(a) + std::acos(b) + std::atan(c) + std::atan2(a, b);
  sum += std::sinh(a) * std::cosh(b) + std::tanh(c) + std::asinh(a) + std::acosh(b + 1.0) + std::atanh(c);
  sum += std::exp(a) + std::expm1(b) + std::exp2(c) + std::log(a) + std::log1p(b) + std::log2(c) + std::log10(a);
  sum += std::pow(a, b) + std::pow(c, 3) + std::pow(2.0, a) + std::sqrt(b) + std::cbrt(c) + std::hypot(a, b);
  sum += std::hypot(a, b, c) + std::erf(a) * std::erfc(b) + std::lgamma(c) + std::abs(a - b) + std::fabs(b - c);
  sum += std::floor(5.0 * a) * b + std::ceil(3.0 * b) * c + std::round(4.0 * c) * a + std::fmod(5.0 * a, b + 1.0);
  sum += std::copysign(a, b - c) + std::max(a, b) * std::min(b, c) + std::fmax(a, c) + std::fmin(b, p[3]);
  sum += std::clamp(p[3], T(0.4), T(0.6)) * a + std::max({a, b, c}) * std::min({a, b, p[4]});
  return sum;
}

/// The same without a prefix.
template <class T>
T unqualified(const List<T>& p) {
  using namespace std;
  const T a = p[0], b = p[1], c = p[2];
  const T d = max(a, b) + min(b, c) * clamp(a, T(0.3), T(0.7)) + abs(c - a) + hypot(a, c) * fmax(b, c);
  return d + exp(a) * log(b) + sqrt(c) + pow(a, 2) + tanh(b) + atan2(c, a) + round(3.0 * b) + max({a, b, c});
}

}  // namespace generic_programs
