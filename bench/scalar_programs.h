// Ordinary numeric programs, each a template on the number: with double it is the plain function, with Value it is
// recorded. None is a net. Sizes are arguments, so that the same program can be had wider or deeper.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace tapeloom::bench::scalar_programs {

template <class T>
using Numbers = std::vector<T>;

/// Numbers that a program has for data, the same in every run.
inline double datum(std::size_t i) {
  const double x = std::sin(12.9898 * static_cast<double>(i + 1)) * 43758.5453;
  return x - std::floor(x);
}

template <class T>
T sum_of_squares(const Numbers<T>& x) {
  T total = x[0] * x[0];
  for (std::size_t i = 1; i < x.size(); ++i) total = total + x[i] * x[i];
  return total;
}

inline double least(double a, double b) { return a < b ? a : b; }
inline double most(double a, double b) { return a < b ? b : a; }

/// next[i] of each point by it and its neighbours, of which the ends have one, unless they are neighbours themselves.
template <class T, class At>
Numbers<T> each_point(const Numbers<T>& u, bool periodic, At at) {
  const std::size_t last = u.size() - 1;
  Numbers<T> next = u;
  if (periodic) next[0] = at(0, last, 1);
  for (std::size_t i = 1; i < last; ++i) next[i] = at(i, i - 1, i + 1);
  if (periodic) next[last] = at(last, last - 1, 0);
  return next;
}

/// Heat in a rod of n points over some steps; its ends are kept, or are neighbours.
template <class T>
T heat(std::span<const T> x, std::size_t n, std::size_t steps, bool periodic) {
  Numbers<T> u(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(n));
  for (std::size_t s = 0; s < steps; ++s) {
    u = each_point(u, periodic, [&](std::size_t i, std::size_t left, std::size_t right) {
      return u[i] + 0.2 * (u[left] - 2.0 * u[i] + u[right]);
    });
  }
  return sum_of_squares(u);
}

/// A string of n points that swings.
template <class T>
T wave(std::span<const T> x, std::size_t n, std::size_t steps, bool periodic) {
  Numbers<T> u(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(n)), before = u;
  for (std::size_t s = 0; s < steps; ++s) {
    const Numbers<T> next = each_point(u, periodic, [&](std::size_t i, std::size_t left, std::size_t right) {
      return 2.0 * u[i] - before[i] + 0.3 * (u[left] - 2.0 * u[i] + u[right]);
    });
    before = u;
    u = next;
  }
  return sum_of_squares(u);
}

/// y0' = -k0 y0, yi' = k(i-1) y(i-1) - ki yi: a chain of reactions by the method of Runge and Kutta.
template <class T>
T reactions(std::span<const T> x, std::size_t n, std::size_t steps) {
  const auto slope = [&](const Numbers<T>& y) {
    Numbers<T> d(n);
    d[0] = -(x[0] * y[0]);
    for (std::size_t i = 1; i < n; ++i) d[i] = x[i - 1] * y[i - 1] - x[i] * y[i];
    return d;
  };
  const double h = 1.0 / static_cast<double>(steps);
  Numbers<T> y(x.begin() + static_cast<std::ptrdiff_t>(n), x.begin() + static_cast<std::ptrdiff_t>(2 * n));
  const auto ahead = [&](const Numbers<T>& by, double time) {
    Numbers<T> z(n);
    for (std::size_t i = 0; i < n; ++i) z[i] = y[i] + time * by[i];
    return z;
  };
  for (std::size_t s = 0; s < steps; ++s) {
    const Numbers<T> a = slope(y), b = slope(ahead(a, h / 2)), c = slope(ahead(b, h / 2)), d = slope(ahead(c, h));
    for (std::size_t i = 0; i < n; ++i) y[i] = y[i] + h / 6 * (a[i] + 2.0 * b[i] + 2.0 * c[i] + d[i]);
  }
  return sum_of_squares(y);
}

template <class T>
std::vector<Numbers<T>> matrix_of(std::span<const T> x, std::size_t n, double diagonal) {
  std::vector<Numbers<T>> a(n);
  for (std::size_t i = 0; i < n; ++i) {
    a[i].assign(x.begin() + static_cast<std::ptrdiff_t>(i * n), x.begin() + static_cast<std::ptrdiff_t>(i * n + n));
    a[i][i] = a[i][i] + diagonal;
  }
  return a;
}

/// The logarithm of the determinant, by elimination without pivots.
template <class T>
T lu(std::span<const T> x, std::size_t n) {
  std::vector<Numbers<T>> a = matrix_of(x, n, static_cast<double>(n));
  for (std::size_t k = 0; k < n; ++k) {
    for (std::size_t i = k + 1; i < n; ++i) {
      a[i][k] = a[i][k] / a[k][k];
      for (std::size_t j = k + 1; j < n; ++j) a[i][j] = a[i][j] - a[i][k] * a[k][j];
    }
  }
  using std::log;
  T total = log(a[0][0]);
  for (std::size_t i = 1; i < n; ++i) total = total + log(a[i][i]);
  return total;
}

/// The same of a symmetric matrix, of which the lower half is given.
template <class T>
T cholesky(std::span<const T> x, std::size_t n) {
  using std::log;
  using std::sqrt;
  const std::vector<Numbers<T>> a = matrix_of(x, n, static_cast<double>(n));
  std::vector<Numbers<T>> l(n, Numbers<T>(n));
  T total = a[0][0];
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = j; i < n; ++i) {
      T sum = a[i][j];
      for (std::size_t k = 0; k < j; ++k) sum = sum - l[i][k] * l[j][k];
      l[i][j] = i == j ? sqrt(sum) : sum / l[j][j];
    }
    total = j == 0 ? log(l[0][0]) : total + log(l[j][j]);
  }
  return total;
}

/// L y = b, a row of dot products after another; the right side follows the matrix.
template <class T>
T triangular_solve(std::span<const T> x, std::size_t n) {
  const std::vector<Numbers<T>> a = matrix_of(x, n, static_cast<double>(n));
  Numbers<T> y(n);
  for (std::size_t i = 0; i < n; ++i) {
    T sum = x[n * n + i];
    for (std::size_t j = 0; j < i; ++j) sum = sum - a[i][j] * y[j];
    y[i] = sum / a[i][i];
  }
  return sum_of_squares(y);
}

/// Particles on a line that push each other away: each pair once, with a force on either.
template <class T>
T pair_forces(std::span<const T> x, std::size_t n, std::size_t steps) {
  Numbers<T> place(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(n));
  Numbers<T> speed(x.begin() + static_cast<std::ptrdiff_t>(n), x.begin() + static_cast<std::ptrdiff_t>(2 * n));
  for (std::size_t s = 0; s < steps; ++s) {
    Numbers<T> force(n);
    for (std::size_t i = 0; i < n; ++i) force[i] = 0.0 - place[i];
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = i + 1; j < n; ++j) {
        const T r = place[i] - place[j];
        const T f = r / (0.1 + r * r);
        force[i] = force[i] + f;
        force[j] = force[j] - f;
      }
    }
    for (std::size_t i = 0; i < n; ++i) {
      speed[i] = speed[i] + 0.01 * force[i];
      place[i] = place[i] + 0.01 * speed[i];
    }
  }
  return sum_of_squares(place);
}

/// How far two series of n numbers are apart, stretched to fit each other, with a soft minimum.
template <class T>
T soft_dtw(std::span<const T> x, std::size_t n) {
  using std::exp;
  using std::log;
  std::vector<Numbers<T>> r(n, Numbers<T>(n));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      const T apart = x[i] - x[n + j];
      const T cost = apart * apart;
      if (i == 0 && j == 0) {
        r[i][j] = cost;
      } else if (i == 0) {
        r[i][j] = cost + r[i][j - 1];
      } else if (j == 0) {
        r[i][j] = cost + r[i - 1][j];
      } else {
        r[i][j] = cost - log(exp(-r[i - 1][j - 1]) + exp(-r[i - 1][j]) + exp(-r[i][j - 1]));
      }
    }
  }
  return r[n - 1][n - 1];
}

/// What it costs to make one series of n numbers of another, by changes and gaps at 0.4 each.
template <class T, class Least>
T edit_distance(std::span<const T> x, std::size_t n, Least least) {
  std::vector<Numbers<T>> r(n + 1, Numbers<T>(n + 1));
  for (std::size_t i = 0; i <= n; ++i) {
    for (std::size_t j = 0; j <= n; ++j) {
      if (i == 0 || j == 0) {
        r[i][j] = T(0.4 * static_cast<double>(i + j));
        continue;
      }
      const T apart = x[i - 1] - x[n + j - 1];
      r[i][j] = least(least(r[i - 1][j] + 0.4, r[i][j - 1] + 0.4), r[i - 1][j - 1] + apart * apart);
    }
  }
  return r[n][n];
}

/// All products of the first numbers, in rounds that double their lengths.
template <class T>
T scan(std::span<const T> x, std::size_t n) {
  Numbers<T> y(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(n));
  for (std::size_t i = 0; i < n; ++i) y[i] = y[i] * 0.1 + 0.95;
  for (std::size_t d = 1; d < n; d *= 2) {
    Numbers<T> next = y;
    for (std::size_t i = d; i < n; ++i) next[i] = y[i] * y[i - d];
    y = next;
  }
  return sum_of_squares(y);
}

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

/// A particle in the plane that charges push away, step by step: how far it is from the middle at last. The numbers are
/// its place and speed, and the places of the charges.
template <class T>
T particle(std::span<const T> x, std::size_t charges, std::size_t steps) {
  using std::sqrt;
  constexpr double h = 0.01;
  T p[2] = {x[0], x[1]}, v[2] = {x[2], x[3]};
  for (std::size_t s = 0; s < steps; ++s) {
    T force[2] = {-0.5 * p[0], -0.5 * p[1]};
    for (std::size_t c = 0; c < charges; ++c) {
      const T a = p[0] - (x[4 + 2 * c] + 1.5), b = p[1] - (x[5 + 2 * c] - 1.5);
      const T squared = a * a + b * b;
      const T strength = 1.0 / (squared * sqrt(squared));
      force[0] = force[0] + a * strength, force[1] = force[1] + b * strength;
    }
    for (std::size_t i = 0; i < 2; ++i) p[i] = p[i] + h * v[i], v[i] = v[i] + h * force[i];
  }
  return p[0] * p[0] + p[1] * p[1];
}

/// A saddle point of x^2 - y^2 + x y / 2 + 0.3 sin(x y), in two coordinates each, by descent in x, before each step of
/// which y ascends.
template <class T>
T saddle(std::span<const T> start, std::size_t steps, std::size_t steps_up) {
  using std::cos;
  using std::sin;
  constexpr double rate = 0.1;
  const auto slope = [](T of, T other, double curvature) {
    return curvature * of + 0.5 * other + 0.3 * other * cos(of * other);
  };
  T value = 0.0;
  T x[2] = {start[0], start[1]}, y[2] = {start[2], start[3]};
  for (std::size_t s = 0; s < steps; ++s) {
    for (std::size_t up = 0; up < steps_up; ++up) {
      for (std::size_t i = 0; i < 2; ++i) y[i] = y[i] + rate * slope(y[i], x[i], -2.0);
    }
    for (std::size_t i = 0; i < 2; ++i) x[i] = x[i] - rate * slope(x[i], y[i], 2.0);
  }
  for (std::size_t i = 0; i < 2; ++i) {
    value = value + x[i] * x[i] - y[i] * y[i] + 0.5 * x[i] * y[i] + 0.3 * sin(x[i] * y[i]);
  }
  return value;
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

/// The determinant of the last n - row rows of a matrix, without the columns taken, by minors of each row.
template <class T>
T determinant(std::span<const T> x, std::size_t n, std::size_t row = 0, std::size_t taken = 0) {
  T total = T(0.0);
  bool adds = true;
  for (std::size_t j = 0; j < n; ++j) {
    if ((taken >> j & 1) != 0) continue;
    const T& here = x[row * n + j];
    const T part = row + 1 == n ? here : here * determinant(x, n, row + 1, taken | std::size_t{1} << j);
    total = adds ? total + part : total - part;
    adds = !adds;
  }
  return total;
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

/// How a program is called: with a scale of its size. A scale of 1 is what is measured.
struct Named {
  std::string_view name;
  std::size_t arguments;  ///< how many numbers it takes
};

inline constexpr Named all[] = {
    {"heat, ends kept", 256},
    {"heat, periodic", 256},
    {"wave, ends kept", 128},
    {"wave, periodic", 128},
    {"reactions", 120},
    {"lu", 900},
    {"cholesky", 576},
    {"triangular solve", 2352},
    {"pair forces", 40},
    {"soft dtw", 48},
    {"edit distance", 48},
    {"scan", 256},
    {"k-means", 10},
    {"mixture", 28},
    {"particle", 8},
    {"saddle", 4},
    {"hand", 26},
    {"determinant", 49},
    {"log-sum-exp", 40000},
    {"polynomial", 128},
    {"letters", 266},
    {"cameras", 1731},
};
inline constexpr std::size_t count = std::size(all);

/// Program i of `all`.
template <class T, class Least, class Most>
T run(std::size_t i, std::span<const T> x, Least least, Most most) {
  switch (i) {
    case 0:
      return heat(x, 256, 80, false);
    case 1:
      return heat(x, 256, 80, true);
    case 2:
      return wave(x, 128, 60, false);
    case 3:
      return wave(x, 128, 60, true);
    case 4:
      return reactions(x, 60, 40);
    case 5:
      return lu(x, 30);
    case 6:
      return cholesky(x, 24);
    case 7:
      return triangular_solve(x, 48);
    case 8:
      return pair_forces(x, 20, 4);
    case 9:
      return soft_dtw(x, 24);
    case 10:
      return edit_distance(x, 24, least);
    case 11:
      return scan(x, 256);
    case 12:
      return k_means(x, 5, 200, least);
    case 13:
      return mixture(x, 3, 4, 100, most);
    case 14:
      return particle(x, 2, 200);
    case 15:
      return saddle(x, 20, 20);
    case 16:
      return hand(x, 500);
    case 17:
      return determinant(x, 7);
    case 18:
      return log_sum_exp(x, most);
    case 19:
      return polynomial(x, 256);
    case 20:
      return letters(x, 14, 2, 32);
    default:
      return cameras(x, 21, 500, 2000);
  }
}

}  // namespace tapeloom::bench::scalar_programs
