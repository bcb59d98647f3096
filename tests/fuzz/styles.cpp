#include "fuzz/styles.h"

#include <algorithm>

namespace tapeloom::test::fuzz {

std::span<const Style> Styles::all() {
  static constexpr Style styles[] = {
      {"layer", &Styles::layer},
      {"layer", &Styles::layer},
      {"stencil", &Styles::stencil},
      {"scan", &Styles::scan},
      {"ragged sums", &Styles::ragged_sums},
      {"softmax", &Styles::softmax},
      {"batch statistics", &Styles::batch_statistics},
      {"computed weights", &Styles::computed_weights},
      {"choices", &Styles::choices},
      {"guarded", &Styles::guarded},
      {"algorithms", &Styles::algorithms},
      {"nearest", &Styles::nearest},
      {"nearest", &Styles::nearest},
      {"guarded rows", &Styles::guarded_rows},
      {"nothing", &Styles::nothing},
      {"sums of sums", &Styles::sums_of_sums},
      {"products", &Styles::products},
      {"chain", &Styles::chain},
      {"long reduction", &Styles::long_reduction},
      {"protected poles", &Styles::protected_poles},
      {"soup", &Styles::soup},
      {"rearranged", &Styles::rearranged},
      {"attention", &Styles::attention},
      {"coefficients", &Styles::coefficients},
      {"kept ends", &Styles::kept_ends},
      {"pairs", &Styles::pairs},
      {"wavefront", &Styles::wavefront},
      {"triangular solve", &Styles::triangular_solve},
      {"rounds of scan", &Styles::rounds_of_scan},
      {"windows", &Styles::windows},
  };
  return styles;
}

List Styles::dense(const List& x, std::size_t outputs) {
  // New weights, or ones used before, as they were or transposed.
  std::vector<List> weights;
  for (const std::vector<List>& old : matrices_) {
    if (old.size() == outputs && old[0].size() == x.size() && b_.chance(0.2)) weights = old;
    if (old.size() == x.size() && old[0].size() == outputs && b_.chance(0.4)) {
      weights.assign(outputs, {});
      for (std::size_t i = 0; i < outputs; ++i) {
        for (std::size_t j = 0; j < x.size(); ++j) weights[i].push_back(old[j][i]);
      }
    }
  }
  if (weights.empty()) {
    const bool sliding = b_.chance(0.1);
    List all;
    for (std::size_t i = 0; sliding && i < outputs + x.size(); ++i) all.push_back(b_.parameter());
    for (std::size_t i = 0; i < outputs; ++i) {
      List row;
      for (std::size_t j = 0; j < x.size(); ++j) row.push_back(sliding ? all[i + j] : b_.parameter());
      weights.push_back(row);
    }
    matrices_.push_back(weights);
  }
  const std::size_t bias = b_.below(4);
  const bool as_dot = b_.chance(0.2), ragged = b_.chance(0.1), shuffled = b_.chance(0.1), last = b_.chance(0.4);
  List result;
  const std::size_t act = some_activation();
  List biases;
  for (std::size_t i = 0; i < outputs; ++i)
    biases.push_back(bias == 0 ? b_.number(0.25) : bias == 1 ? weights[i][0] : b_.parameter(0.5));
  for (std::size_t i = 0; i < outputs; ++i) {
    if (as_dot) {
      List both = weights[i];
      both.insert(both.end(), x.begin(), x.end());
      result.push_back(activation(act, b_.plus(b_.make(Kind::dot, both), biases[i])));
      continue;
    }
    List terms;
    for (std::size_t j = 0; j < x.size(); ++j) {
      if (!ragged || j == 0 || b_.chance(0.7)) terms.push_back(b_.product(weights[i][j], x[j]));
    }
    if (shuffled)
      std::rotate(terms.begin(), terms.begin() + static_cast<std::ptrdiff_t>(b_.below(terms.size())), terms.end());
    if (bias != 3) terms.insert(last ? terms.end() : terms.begin(), biases[i]);
    result.push_back(activation(act, b_.total(terms)));
  }
  return result;
}

List Styles::layer(const List& x) { return dense(x, 1 + b_.below(b_.chance(0.2) ? 12 : 5)); }

List Styles::stencil(const List& x) {
  const std::size_t edge = b_.below(4), act = some_activation(), n = x.size();
  const bool own = b_.chance(0.2);
  List kernel, result;
  for (std::size_t i = 0; i < 3; ++i) kernel.push_back(b_.parameter());
  const std::uint32_t zero = b_.number(0.0);
  for (std::size_t i = 0; i < n; ++i) {
    if (own) {
      for (std::uint32_t& k : kernel) k = b_.parameter();
    }
    List terms;
    for (std::size_t k = 0; k < 3; ++k) {
      const std::size_t at = i + k;  // one more than the place
      if (at >= 1 && at <= n) {
        terms.push_back(b_.times(kernel[k], x[at - 1]));
      } else if (edge == 0) {
        terms.push_back(b_.times(kernel[k], at == 0 ? x[n - 1] : x[0]));
      } else if (edge == 1) {
        terms.push_back(b_.times(kernel[k], at == 0 ? x[0] : x[n - 1]));
      } else if (edge == 2) {
        terms.push_back(b_.times(kernel[k], zero));
      }
    }
    result.push_back(activation(act, b_.total(terms)));
  }
  return result;
}

List Styles::scan(const List& x) {
  const std::size_t act = some_activation(), way = b_.below(3);
  const std::uint32_t a = b_.parameter(), c = b_.parameter();
  List result;
  std::uint32_t h = b_.number(0.0);
  for (std::uint32_t each : x) {
    h = way == 0   ? b_.plus(h, each)
        : way == 1 ? activation(act, b_.plus(b_.times(a, h), b_.times(c, each)))
                   : b_.plus(b_.times(a, h), each);
    result.push_back(h);
  }
  return result;
}

List Styles::ragged_sums(const List& x) {
  List result;
  const std::size_t count = 2 + b_.below(4), way = b_.below(4);
  const std::uint32_t shared = b_.parameter();
  for (std::size_t i = 0; i < count; ++i) {
    List terms;
    const std::size_t length = way == 0 ? i + 1 : 1 + b_.below(x.size() + 3);
    for (std::size_t j = 0; j < length; ++j) {
      const std::uint32_t each = way == 0 ? x[j % x.size()] : b_.some(x);
      terms.push_back(way == 1 ? each : way == 2 ? b_.times(shared, each) : b_.times(b_.parameter(), each));
    }
    result.push_back(b_.total(terms));
  }
  return result;
}

List Styles::softmax(const List& x) {
  const std::size_t shift = b_.below(3);
  std::uint32_t largest = x[0];
  for (std::size_t i = 1; i < x.size(); ++i) {
    largest = shift == 1   ? b_.apply(Op::max, largest, x[i])
              : shift == 2 ? b_.make(Kind::std_max, {largest, x[i]})
                           : largest;
  }
  List e, result;
  for (std::uint32_t each : x)
    e.push_back(b_.apply(Op::exp, shift == 0 ? b_.apply(Op::tanh, each) : b_.minus(each, largest)));
  const std::uint32_t all = b_.total(e);
  for (std::uint32_t each : e) result.push_back(b_.over(each, all));
  return result;
}

List Styles::batch_statistics(const List& x) {
  const std::size_t way = b_.below(3);
  const std::uint32_t gain = b_.parameter(), offset = b_.parameter();
  List result;
  for (std::uint32_t each : x) {
    if (!b_.varying(each) || (way == 2 && b_.chance(0.5))) {
      result.push_back(each);
      continue;
    }
    const std::uint32_t centre = b_.minus(each, b_.batch(Op::batch_mean, each));
    if (way == 0) {
      result.push_back(centre);
      continue;
    }
    const std::uint32_t variance =
        b_.batch(b_.chance(0.9) ? Op::batch_mean : Op::batch_sum, b_.apply(Op::square, centre));
    const std::uint32_t deviation = b_.apply(Op::sqrt, b_.plus(variance, b_.number(0.3)));
    result.push_back(b_.plus(b_.times(gain, b_.over(centre, deviation)), offset));
  }
  return result;
}

List Styles::computed_weights(const List& x) {
  const std::size_t outputs = 1 + b_.below(4), way = b_.below(8), act = some_activation();
  const std::uint32_t scale = b_.chance(0.5) ? b_.parameter() : b_.uniform();
  List left, right, result;
  for (std::size_t i = 0; i < outputs; ++i) left.push_back(b_.parameter());
  for (std::size_t j = 0; j < x.size(); ++j) right.push_back(b_.parameter());
  for (std::size_t i = 0; i < outputs; ++i) {
    List terms;
    for (std::size_t j = 0; j < x.size(); ++j) {
      const std::uint32_t p = way == 3 || way == 7 ? right[j] : b_.parameter();
      const std::uint32_t weight = way == 0   ? b_.apply(Op::tanh, p)
                                   : way == 1 ? b_.times(p, scale)
                                   : way == 2 ? b_.over(p, b_.plus(b_.apply(Op::square, scale), b_.number(0.5)))
                                   : way == 3 ? b_.times(left[i], right[j])
                                   : way == 4 ? b_.times(p, b_.number((i + 3 * j) % 4 == 0 ? 0.0 : 1.25))
                                   : way == 5 ? b_.apply(Op::neg, p)
                                   : way == 6 ? b_.plus(p, b_.number(0.5))
                                              : b_.apply(Op::max, left[i], right[j]);
      terms.push_back(b_.product(weight, x[j]));
    }
    result.push_back(activation(act, b_.total(terms)));
  }
  return result;
}

List Styles::sums_of_sums(const List& x) {
  List inner, outer;
  for (std::size_t i = 0, count = 2 + b_.below(3); i < count; ++i) {
    List terms;
    for (std::size_t j = 0, n = 1 + b_.below(4); j < n; ++j)
      terms.push_back(b_.chance(0.5) ? b_.some(x) : b_.times(b_.parameter(), b_.some(x)));
    const std::uint32_t sum = b_.total(terms);
    inner.push_back(b_.chance(0.3) ? b_.apply(Op::neg, sum) : b_.chance(0.3) ? b_.times(b_.number(0.25), sum) : sum);
  }
  outer = {b_.total(inner), inner[0]};
  if (b_.chance(0.5)) outer.push_back(b_.minus(outer[0], inner.back()));
  return outer;
}

List Styles::products(const List& x) {
  List result;
  for (std::size_t i = 0; i < x.size() && result.size() < 6; ++i) {
    for (std::size_t j = i; j < x.size() && result.size() < 6; j += 1 + b_.below(2)) {
      const std::uint32_t p = b_.product(tamed(x[i]), tamed(x[j]));
      result.push_back(b_.chance(0.3) ? b_.times(b_.parameter(), p) : p);
    }
  }
  return result;
}

List Styles::chain(const List& x) {
  List result;
  const std::size_t length = 2 + b_.below(12), act = some_activation();
  std::uint32_t v = b_.some(x);
  for (std::size_t i = 0; i < length; ++i) {
    const std::uint32_t other = b_.some(x);
    const std::size_t way = b_.below(4);
    v = way == 0   ? b_.times(tamed(v), b_.parameter())
        : way == 1 ? b_.plus(v, other)
        : way == 2 ? activation(act, v)
                   : b_.minus(other, v);
    if (i % 3 == 2) result.push_back(v);
  }
  result.push_back(v);
  return result;
}

List Styles::long_reduction(const List& x) {
  List terms;
  const std::size_t length = b_.chance(0.2) ? 150 : 10 + b_.below(40);
  const bool weighed = b_.chance(0.5);
  const std::uint32_t w = b_.parameter(0.1);
  for (std::size_t i = 0; i < length; ++i) {
    const std::uint32_t each = x[i % x.size()];
    terms.push_back(weighed ? b_.times(i % 7 == 0 ? w : b_.parameter(0.2), each) : each);
  }
  return {b_.times(b_.total(terms), b_.number(0.125)), b_.some(x)};
}

List Styles::rearranged(const List& x) {
  List result;
  for (std::size_t i = 0, count = 1 + b_.below(9); i < count; ++i) result.push_back(b_.some(x));
  return result;
}

List Styles::attention(const List& x) {
  const std::size_t d = std::min<std::size_t>(2, x.size()), tokens = std::min<std::size_t>(3, x.size() / d);
  std::vector<List> q, k, v;
  for (std::size_t t = 0; t < tokens; ++t) {
    const List token(x.begin() + static_cast<std::ptrdiff_t>(d * t),
                     x.begin() + static_cast<std::ptrdiff_t>(d * t + d));
    q.push_back(dense(token, d)), k.push_back(dense(token, d)), v.push_back(dense(token, d));
  }
  List result;
  for (std::size_t i = 0; i < tokens; ++i) {
    List e;
    for (std::size_t j = 0; j <= i; ++j) {
      List both = q[i];
      both.insert(both.end(), k[j].begin(), k[j].end());
      e.push_back(b_.apply(Op::exp, b_.apply(Op::tanh, b_.make(Kind::dot, both))));
    }
    const std::uint32_t all = b_.total(e);
    for (std::size_t c = 0; c < d; ++c) {
      List terms;
      for (std::size_t j = 0; j <= i; ++j) terms.push_back(b_.times(b_.over(e[j], all), v[j][c]));
      result.push_back(b_.total(terms));
    }
  }
  return result;
}

/// Sums with the numbers of a table, as of polynomials and filters.
List Styles::coefficients(const List& x) {
  List result;
  for (std::size_t i = 0, count = 1 + b_.below(4); i < count; ++i) {
    std::uint32_t v = b_.number(b_.draw(-1.0, 1.0));
    const std::uint32_t at = b_.chance(0.5) ? tamed(b_.some(x)) : 0;
    for (std::size_t j = 0, n = 2 + b_.below(4); j < n; ++j) {
      const std::uint32_t c = b_.number(b_.draw(-1.0, 1.0));
      v = at != 0 ? b_.plus(b_.times(v, at), c) : b_.plus(v, b_.times(c, x[j % x.size()]));
    }
    result.push_back(v);
  }
  return result;
}

std::uint32_t Styles::tamed(std::uint32_t x) {
  if (b_.numbers() == Numbers::coarse) return b_.apply(Op::min, b_.apply(Op::max, x, b_.number(-2.0)), b_.number(2.0));
  return b_.chance(0.7) ? b_.apply(Op::tanh, x) : x;
}

}  // namespace tapeloom::test::fuzz
