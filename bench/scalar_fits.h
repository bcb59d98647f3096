// Programs that do the same for many points, or letters: how well some numbers explain them.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "bench/scalar_numbers.h"

namespace tapeloom::bench::scalar_programs {

/// The squared distances of n points in the plane from the nearest of k centres.
template <class T, class Least>
T k_means(std::span<const T> x, std::size_t k, std::size_t n, Least least) {
  T total = x[0] * 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    T nearest = x[0];
    for (std::size_t c = 0; c < k; ++c) {
      const T a = datum(2 * i) - x[2 * c], b = datum(2 * i + 1) - x[2 * c + 1];
      const T distance = a * a + b * b;
      nearest = c == 0 ? distance : least(nearest, distance);
    }
    total = total + nearest;
  }
  return total;
}

/// The negative logarithm of the likelihood of n points under a mixture of k Gaussians with d dimensions.
template <class T, class Most>
T mixture(std::span<const T> x, std::size_t d, std::size_t k, std::size_t n, Most most) {
  using std::exp;
  using std::log;
  const std::size_t each = 2 * d + 1;  // a weight, means and the logarithms of the inverse deviations
  T total = x[0] * 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    Numbers<T> terms;
    for (std::size_t c = 0; c < k; ++c) {
      T exponent = x[c * each];
      for (std::size_t j = 0; j < d; ++j) {
        const T z = (datum(i * d + j) - x[c * each + 1 + j]) * exp(x[c * each + 1 + d + j]);
        exponent = exponent + x[c * each + 1 + d + j] - 0.5 * (z * z);
      }
      terms.push_back(exponent);
    }
    T greatest = terms[0];
    for (std::size_t c = 1; c < k; ++c) greatest = most(greatest, terms[c]);
    T sum = exp(terms[0] - greatest);
    for (std::size_t c = 1; c < k; ++c) sum = sum + exp(terms[c] - greatest);
    total = total - (log(sum) + greatest);
  }
  return total;
}

/// A rotation, row by row, and where it moves the origin.
template <class T>
struct Motion {
  T turn[9], shift[3];

  Motion after(const Motion& first) const {
    Motion both = *this;
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 3; ++j) {
        both.turn[3 * i + j] =
            turn[3 * i] * first.turn[j] + turn[3 * i + 1] * first.turn[3 + j] + turn[3 * i + 2] * first.turn[6 + j];
      }
      both.shift[i] = moved(first.shift, i);
    }
    return both;
  }
  template <class Number>
  T moved(const Number (&x)[3], std::size_t i) const {
    return turn[3 * i] * x[0] + turn[3 * i + 1] * x[1] + turn[3 * i + 2] * x[2] + shift[i];
  }
};

/// About an axis, and then along the second one by `along`.
template <class T>
Motion<T> joint(std::size_t axis, T angle, double along) {
  using std::cos;
  using std::sin;
  const T c = cos(angle), s = sin(angle), one = T(1.0), zero = T(0.0);
  Motion<T> of{{zero, zero, zero, zero, zero, zero, zero, zero, zero}, {zero, T(along), zero}};
  const std::size_t a = (axis + 1) % 3, b = (axis + 2) % 3;
  of.turn[4 * axis] = one, of.turn[4 * a] = c, of.turn[4 * b] = c, of.turn[3 * a + b] = -s, of.turn[3 * b + a] = s;
  return of;
}

/// How far a hand's skin is from n measured points, in three coordinates each. The numbers are how the hand stands,
/// three angles and a place, and of each of five fingers how it is spread, and bent at three joints; skin follows two
/// bones.
template <class T>
Numbers<T> skin(std::span<const T> x, std::size_t n) {
  std::vector<Motion<T>> bones;
  Motion<T> wrist = joint(0, x[0], 0.0).after(joint(1, x[1], 0.0)).after(joint(2, x[2], 0.0));
  for (std::size_t i = 0; i < 3; ++i) wrist.shift[i] = x[3 + i];
  bones.push_back(wrist);
  for (std::size_t finger = 0; finger < 5; ++finger) {
    const std::span<const T> bent = x.subspan(6 + 4 * finger, 4);
    bones.push_back(wrist.after(joint(2, bent[0], 0.1 * static_cast<double>(finger))).after(joint(0, bent[1], 0.9)));
    for (std::size_t i = 2; i < 4; ++i) bones.push_back(bones.back().after(joint(0, bent[i], 0.4)));
  }
  Numbers<T> apart;
  apart.reserve(3 * n);
  for (std::size_t point = 0; point < n; ++point) {
    const double at[3] = {datum(3 * point), datum(3 * point + 1), datum(3 * point + 2)};
    const Motion<T>&a = bones[point % bones.size()], &b = bones[(point + 1) % bones.size()];
    const double share = datum(7 * point);
    for (std::size_t i = 0; i < 3; ++i) {
      apart.push_back(share * a.moved(at, i) + (1.0 - share) * b.moved(at, i) - datum(11 * point + i));
    }
  }
  return apart;
}

template <class T>
T hand(std::span<const T> x, std::size_t n) {
  return sum_of_squares(skin(x, n));
}

/// The logarithm of a sum of exponentials, which the greatest number is taken out of.
template <class T, class Most>
T log_sum_exp(std::span<const T> x, Most most) {
  using std::exp;
  using std::log;
  T greatest = x[0];
  for (std::size_t i = 1; i < x.size(); ++i) greatest = most(greatest, x[i]);
  T sum = exp(x[0] - greatest);
  for (std::size_t i = 1; i < x.size(); ++i) sum = sum + exp(x[i] - greatest);
  return log(sum) + greatest;
}

/// The squared distances of a polynomial from n numbers at n places between -1 and 1; x are its coefficients.
template <class T>
T polynomial(std::span<const T> x, std::size_t n) {
  T total = T(0.0);
  for (std::size_t i = 0; i < n; ++i) {
    const double t = 2.0 * static_cast<double>(i) / static_cast<double>(n - 1) - 1.0;
    double power = 1.0;
    T apart = T(datum(i));
    for (const T& coefficient : x) apart = apart - power * coefficient, power *= t;
    total = total + apart * apart;
  }
  return total;
}

/// How unlikely n letters of d are to a stack of cells with a memory, each of which sees one number of the cell below.
/// Of each cell and gate a weight and a bias; of the letters a weight into the stack, and two out of it.
template <class T>
T letters(std::span<const T> x, std::size_t d, std::size_t layers, std::size_t n) {
  using std::exp;
  using std::log;
  using std::tanh;
  const auto sigmoid = [](const T& z) { return 1.0 / (1.0 + exp(-z)); };
  const std::size_t each = 8 * d;
  const std::span<const T> ends = x.subspan(layers * each);
  std::vector<Numbers<T>> hidden(layers, Numbers<T>(d, T(0.1))), memory = hidden;
  T total = T(0.0);
  const auto letter = [&](std::size_t step) { return static_cast<std::size_t>(datum(step) * static_cast<double>(d)); };
  for (std::size_t step = 0; step < n; ++step) {
    Numbers<T> below(d);
    for (std::size_t i = 0; i < d; ++i) below[i] = ends[i] * (letter(step) == i ? 1.0 : 0.0);
    for (std::size_t layer = 0; layer < layers; ++layer) {
      for (std::size_t i = 0; i < d; ++i) {
        const auto gate = [&](std::size_t which, const T& of) {
          return x[layer * each + 2 * which * d + i] * of + x[layer * each + (2 * which + 1) * d + i];
        };
        T& h = hidden[layer][i];
        T& c = memory[layer][i];
        const T forget = sigmoid(gate(0, below[i])), in = sigmoid(gate(1, h)), out = sigmoid(gate(2, below[i]));
        c = c * forget + in * tanh(gate(3, h));
        h = out * tanh(c);
      }
      below = hidden[layer];
    }
    T sum = T(0.0), right = T(0.0);
    for (std::size_t i = 0; i < d; ++i) {
      const T score = below[i] * ends[d + i] + ends[2 * d + i];
      sum = sum + exp(score);
      if (i == letter(step + 1)) right = score;
    }
    total = total + log(sum) - right;
  }
  return total;
}

/// The squared distances of points in space, as cameras see them, from where they were seen. Of each camera an axis
/// times an angle, its place, focal length, the middle of its picture, and two coefficients by which its lens bends;
/// then the points.
template <class T>
T cameras(std::span<const T> x, std::size_t count, std::size_t points, std::size_t seen) {
  using std::cos;
  using std::sin;
  using std::sqrt;
  constexpr std::size_t each = 11;
  T total = T(0.0);
  for (std::size_t s = 0; s < seen; ++s) {
    const std::span<const T> camera = x.subspan(s % count * each, each);
    const std::span<const T> point = x.subspan(count * each + (s * 7 + s / points) % points * 3, 3);
    T from[3], turned[3];
    for (std::size_t i = 0; i < 3; ++i) from[i] = point[i] - camera[3 + i];
    const T squared = camera[0] * camera[0] + camera[1] * camera[1] + camera[2] * camera[2];
    if (squared > 0.0) {
      const T angle = sqrt(squared), c = cos(angle), along = 1.0 / angle, w = sin(angle) * along;
      const T axis[3] = {camera[0] * along, camera[1] * along, camera[2] * along};
      const T part = (axis[0] * from[0] + axis[1] * from[1] + axis[2] * from[2]) * (1.0 - c);
      for (std::size_t i = 0; i < 3; ++i) {
        const std::size_t j = (i + 1) % 3, k = (i + 2) % 3;
        turned[i] = from[i] * c + (camera[j] * from[k] - camera[k] * from[j]) * w + axis[i] * part;
      }
    } else {
      for (std::size_t i = 0; i < 3; ++i) {
        const std::size_t j = (i + 1) % 3, k = (i + 2) % 3;
        turned[i] = from[i] + (camera[j] * from[k] - camera[k] * from[j]);
      }
    }
    const T a = turned[0] / (turned[2] + 4.0), b = turned[1] / (turned[2] + 4.0);
    const T radius = a * a + b * b, bent = 1.0 + camera[9] * radius + camera[10] * radius * radius;
    for (std::size_t i = 0; i < 2; ++i) {
      const T apart = (i == 0 ? a : b) * bent * camera[6] + camera[7 + i] - datum(2 * s + i);
      total = total + apart * apart;
    }
  }
  return total;
}

}  // namespace tapeloom::bench::scalar_programs
