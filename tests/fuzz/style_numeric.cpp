// Styles of numeric programs: what is read lies at several depths, in edges, pairs, wavefronts and triangles.
#include <algorithm>

#include "fuzz/styles.h"

namespace tapeloom::test::fuzz {

/// Steps over a grid whose ends are kept, or computed in another way.
List Styles::kept_ends(const List& x) {
  List u = x;
  const std::size_t steps = 1 + b_.below(4), edge = b_.below(4), act = some_activation(), n = x.size();
  const bool commuted = b_.chance(0.3), remembers = b_.chance(0.3);
  const std::uint32_t k = b_.chance(0.5) ? b_.parameter(0.3) : b_.number(0.25), two = b_.number(2.0);
  List before = u;
  for (std::size_t s = 0; s < steps; ++s) {
    List next = u;
    for (std::size_t i = 0; i < n; ++i) {
      const bool first = i == 0, last = i + 1 == n;
      if (first || last) {
        if (edge == 1) next[i] = activation(act, b_.times(k, u[i]));
        if (edge == 2 && n > 1) next[i] = b_.plus(u[i], b_.times(k, b_.minus(first ? u[i + 1] : u[i - 1], u[i])));
        if (edge == 3 && first) next[i] = b_.apply(Op::neg, b_.times(k, u[i]));
        continue;
      }
      const std::uint32_t bend = b_.plus(b_.minus(u[i - 1], b_.times(two, u[i])), u[i + 1]);
      next[i] = b_.plus(u[i], commuted && i % 2 == 0 ? b_.times(bend, k) : b_.times(k, bend));
      if (remembers) next[i] = b_.minus(next[i], b_.times(k, before[i]));
    }
    before = u;
    u = next;
  }
  return u;
}

/// Each pair once, with something for either.
List Styles::pairs(const List& x) {
  List place = x;
  const std::size_t steps = 1 + b_.below(2), act = some_activation(), n = std::min<std::size_t>(x.size(), 5);
  place.resize(n);
  const std::uint32_t small = b_.number(0.125);
  for (std::size_t s = 0; s < steps; ++s) {
    List force;
    for (std::size_t i = 0; i < n; ++i) force.push_back(b_.minus(small, place[i]));
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = i + 1; j < n; ++j) {
        const std::uint32_t f = activation(act, b_.minus(place[i], place[j]));
        force[i] = b_.plus(force[i], f);
        force[j] = b_.minus(force[j], f);
      }
    }
    for (std::size_t i = 0; i < n; ++i) place[i] = b_.plus(place[i], b_.times(small, force[i]));
  }
  return place;
}

/// A table each of whose entries is computed from three before it.
List Styles::wavefront(const List& x) {
  const std::size_t n = 2 + b_.below(3), way = b_.below(3);
  const std::uint32_t gap = b_.chance(0.5) ? b_.parameter(0.3) : b_.number(0.5);
  std::vector<List> r(n, List(n));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      const std::uint32_t own = b_.minus(x[i % x.size()], x[(i + j) % x.size()]);
      if (i == 0 || j == 0) {
        const std::uint32_t before = i + j == 0 ? gap : r[i == 0 ? 0 : i - 1][j == 0 ? 0 : j - 1];
        r[i][j] = way == 0 ? b_.plus(before, gap) : b_.plus(before, own);
        continue;
      }
      const std::uint32_t a = r[i - 1][j - 1], c = r[i - 1][j], d = r[i][j - 1];
      if (way == 2) {
        const auto small = [&](std::uint32_t v) { return b_.apply(Op::sigmoid, b_.apply(Op::neg, v)); };
        r[i][j] = b_.minus(own, b_.plus(b_.plus(small(a), small(c)), small(d)));
      } else {
        const Op op = way == 0 ? Op::min : Op::max;
        r[i][j] = b_.apply(op, b_.apply(op, b_.plus(c, gap), b_.plus(d, gap)), b_.plus(a, own));
      }
    }
  }
  List result = r[n - 1];
  for (std::size_t i = 0; i + 1 < n; ++i) result.push_back(r[i][n - 1]);
  return result;
}

/// Each value from all before it.
List Styles::triangular_solve(const List& x) {
  const std::size_t n = std::min<std::size_t>(x.size(), 7), act = some_activation();
  const bool as_dots = b_.chance(0.5), weights = b_.chance(0.5);
  const auto entry = [&](std::size_t i, std::size_t j) {
    return weights ? b_.parameter(0.3) : b_.times(b_.number(0.125), x[(i * 3 + j) % x.size()]);
  };
  List y = x;
  y.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    if (as_dots) {
      for (std::size_t j = 0; j < i; ++j) y[i] = b_.minus(y[i], b_.times(entry(i, j), y[j]));
    }
    y[i] = activation(act, y[i]);
    for (std::size_t j = i + 1; !as_dots && j < n; ++j) y[j] = b_.minus(y[j], b_.times(entry(j, i), y[i]));
  }
  return y;
}

/// Sums or products of the first values, in rounds that double their lengths.
List Styles::rounds_of_scan(const List& x) {
  List y = x;
  const bool multiplies = b_.chance(0.4);
  for (std::uint32_t& each : y) each = multiplies ? b_.apply(Op::sigmoid, each) : each;
  for (std::size_t d = 1; d < y.size(); d *= 2) {
    List next = y;
    for (std::size_t i = d; i < y.size(); ++i)
      next[i] = multiplies ? b_.times(y[i], y[i - d]) : b_.plus(y[i], y[i - d]);
    y = next;
  }
  return y;
}

}  // namespace tapeloom::test::fuzz
