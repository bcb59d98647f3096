// Closed forms of functions that are written through others, and what of that is left in a program.
#pragma once

#include <cmath>
#include <cstddef>

#include "counted.h"

namespace tapeloom::test {

/// exp, log and what else functions are written with.
inline std::size_t written_out(const Program& program) {
  std::size_t n = 0;
  for (const Op op : {Op::exp, Op::expm1, Op::log, Op::log1p, Op::div, Op::pow, Op::max, Op::where}) {
    n += count(program, op);
  }
  return n;
}

struct Closed {
  long double value, derivative;
};

inline Closed tanh_of(long double x) {
  const long double y = std::tanh(x), over_cosh = 1.0L / std::cosh(x);
  return {y, over_cosh * over_cosh};
}
inline Closed sigmoid_of(long double x) {
  const long double e = std::exp(-std::fabs(x)), large = 1.0L / (1.0L + e);
  return {x >= 0.0L ? large : e / (1.0L + e), e * large * large};
}
inline Closed softplus_of(long double x) {
  return {std::fmax(x, 0.0L) + std::log1p(std::exp(-std::fabs(x))), sigmoid_of(x).value};
}

}  // namespace tapeloom::test
