// What the programs of scalar_programs.h share.
#pragma once

#include <cmath>
#include <cstddef>
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

}  // namespace tapeloom::bench::scalar_programs
