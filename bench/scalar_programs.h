// Ordinary numeric programs, each a template on the number: with double it is the plain function, with Value it is
// recorded. None is a net. T(a + b) is said where other libraries' a + b has a type of its own. Sizes are arguments, so
// that the same program can be had wider or deeper.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "bench/scalar_fits.h"
#include "bench/scalar_numbers.h"

namespace tapeloom::bench::scalar_programs {

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
      l[i][j] = i == j ? T(sqrt(sum)) : T(sum / l[j][j]);
    }
    total = j == 0 ? T(log(l[0][0])) : T(total + log(l[j][j]));
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

/// The determinant of the last n - row rows of a matrix, without the columns taken, by minors of each row.
template <class T>
T determinant(std::span<const T> x, std::size_t n, std::size_t row = 0, std::size_t taken = 0) {
  T total = T(0.0);
  bool adds = true;
  for (std::size_t j = 0; j < n; ++j) {
    if ((taken >> j & 1) != 0) continue;
    const T& here = x[row * n + j];
    const T part = row + 1 == n ? here : here * determinant(x, n, row + 1, taken | std::size_t{1} << j);
    total = adds ? T(total + part) : T(total - part);
    adds = !adds;
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
