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

/// A few layers of windows that slide over a list, or over its rows, and share their weights. What lies outside is left
/// out, or a plain 0 that weights meet.
List Styles::windows(const List& x) {
  const std::size_t layers = 1 + b_.below(2), act = some_activation();
  // Windows of long lists are not copied.
  const std::size_t columns = std::min<std::size_t>(x.size(), b_.chance(0.4) ? 3 : b_.chance(0.7) ? 8 : 40);
  const bool zeros = b_.chance(0.3), biases = b_.chance(0.7), ragged = b_.chance(0.1);
  List y = x;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    const std::size_t rows = std::min<std::size_t>((y.size() + columns - 1) / columns, 4), outputs = 1 + b_.below(3);
    const std::size_t height = rows == 1 ? 1 : 3, width = b_.chance(0.7) ? 3 : 5, stride = b_.chance(0.8) ? 1 : 2;
    const std::uint32_t zero = b_.number(0.0);
    std::vector<List> weights(outputs);
    for (List& kernel : weights) {
      for (std::size_t k = 0; k <= height * width; ++k) kernel.push_back(b_.parameter(0.5));
    }
    List next;
    for (std::size_t i = 0; i < rows; i += stride) {
      for (std::size_t j = 0; j < columns; j += stride) {
        for (const List& kernel : weights) {
          List terms;
          if (biases) terms.push_back(kernel.back());
          for (std::size_t k = 0; k < height * width; ++k) {
            const std::size_t row = i + k / width - height / 2, column = j + k % width - width / 2;
            const std::size_t at = row * columns + column;
            const bool inside = row < rows && column < columns && at < y.size();  // both wrap around below 0
            if (inside && !(ragged && b_.chance(0.1))) {
              terms.push_back(b_.product(kernel[k], y[at]));
            } else if (zeros) {
              terms.push_back(b_.product(kernel[k], zero));
            }
          }
          next.push_back(activation(act, terms.empty() ? zero : b_.total(terms)));
        }
      }
    }
    y = std::move(next);
  }
  return y;
}

}  // namespace tapeloom::test::fuzz
