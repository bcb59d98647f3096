// Styles that choose, that do nothing, and that take anything.
#include <algorithm>

#include "fuzz/styles.h"

namespace tapeloom::test::fuzz {

Op Styles::some_comparison() {
  static constexpr Op comparisons[] = {Op::less,          Op::less_equal, Op::greater,
                                       Op::greater_equal, Op::equal,      Op::not_equal};
  return comparisons[b_.below(b_.chance(0.8) ? 4 : 6)];
}

std::uint32_t Styles::comparison(std::uint32_t a, std::uint32_t b) { return b_.apply(some_comparison(), a, b); }

List Styles::choices(const List& x) {
  const std::size_t way = b_.below(8), n = x.size();
  const std::uint32_t p = b_.parameter(), zero = b_.number(0.0);
  List result;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t a = x[i], c = n > 1 ? x[(i + 1) % n] : p;
    result.push_back(way == 0   ? b_.apply(Op::max, a, c)
                     : way == 1 ? b_.apply(Op::min, a, c)
                     : way == 2 ? b_.apply(Op::where, comparison(a, c), a, b_.times(c, p))
                     : way == 3 ? b_.apply(Op::abs, b_.minus(a, c))
                     : way == 4 ? b_.apply(Op::where, comparison(a, zero), b_.apply(Op::square, a), c)
                     : way == 5 ? b_.apply(Op::where, b_.times(comparison(a, zero), comparison(c, p)), p, a)
                     : way == 6 ? b_.times(comparison(a, c), a)
                                : b_.apply(Op::where, a, b_.plus(c, p), zero));
  }
  if (b_.chance(0.3)) {  // the largest of all
    std::uint32_t largest = x[0];
    for (std::size_t i = 1; i < n; ++i) largest = b_.apply(way % 2 == 0 ? Op::max : Op::min, largest, x[i]);
    result.push_back(largest);
  }
  return result;
}

List Styles::guarded(const List& x) {
  List result = x;
  const std::size_t way = b_.below(6);
  for (std::size_t i = 0, count = 1 + b_.below(2); i < count; ++i) {
    std::uint32_t& v = result[b_.below(result.size())];
    const std::uint32_t other = b_.chance(0.6)   ? b_.number(b_.draw(-3.0, 1.0))
                                : b_.chance(0.5) ? b_.some(x)
                                                 : b_.parameter();
    const auto branch = [&](Op op, std::uint32_t then) { return b_.add({Kind::branch, op, {v, other, then, v}}); };
    v = way == 0   ? branch(Op::less, b_.apply(Op::neg, v))
        : way == 1 ? branch(Op::greater, other)
        : way == 2 ? branch(some_comparison(), b_.some(x))
        : way == 3 ? b_.make(Kind::halving, {v, b_.number(b_.draw(0.5, 3.0))})
        : way == 4 ? b_.times(b_.make(Kind::guard, {comparison(v, other)}), v)
                   : branch(some_comparison(), b_.apply(Op::tanh, v));
    if (way == 4) b_.make(Kind::guard, {comparison(b_.some(x), b_.number(-2.0))});
  }
  return result;
}

List Styles::algorithms(const List& x) {
  const std::size_t way = b_.below(5);
  List result;
  if (way == 0) {
    std::uint32_t largest = x[0];
    for (std::size_t i = 1; i < x.size(); ++i)
      largest = b_.make(b_.chance(0.7) ? Kind::std_max : Kind::std_min, {largest, x[i]});
    result = x;
    result.push_back(largest);
  } else if (way == 1) {
    const std::uint32_t lower = b_.number(b_.draw(-3.0, -1.0)), upper = b_.number(b_.draw(1.0, 3.0));
    for (std::uint32_t each : x) result.push_back(b_.make(Kind::std_clamp, {each, lower, upper}));
  } else if (way == 2) {
    List list(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(x.size(), 5)));
    result = x;
    result.push_back(b_.make(Kind::std_sort, list, static_cast<std::uint32_t>(b_.below(list.size()))));
  } else {
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::uint32_t other = way == 3 ? b_.number(b_.draw(-2.0, -1.0)) : x[(i + 1) % x.size()];
      result.push_back(b_.chance(0.5) || way == 3 ? b_.make(Kind::std_max, {x[i], other})
                                                  : b_.apply(Op::max, x[i], other));
    }
  }
  return result;
}

/// Which of some alike scores is the smallest, or the largest, by branches: samples choose different ones.
List Styles::nearest(const List& x) {
  const std::size_t way = b_.below(5);
  const bool again = b_.chance(0.3), shared = b_.chance(0.3);
  const std::uint32_t width = b_.parameter();
  List scores;
  for (std::size_t k = 0, parts = 2 + b_.below(4); k < parts; ++k) {
    List squares;
    for (std::size_t i = 0; i < std::min<std::size_t>(x.size(), 4); ++i) {
      squares.push_back(b_.apply(Op::square, b_.minus(x[i], b_.parameter())));
    }
    const std::uint32_t sum = b_.make(Kind::sum, squares);
    scores.push_back(shared ? b_.times(sum, width) : sum);
  }
  std::uint32_t best = scores[0];
  for (std::size_t k = 1; k < scores.size(); ++k) {
    const std::uint32_t other = scores[k];
    best = way == 0   ? b_.add({Kind::branch, Op::less, {other, best, other, best}})
           : way == 1 ? b_.add({Kind::branch, Op::greater_equal, {best, other, best, other}})
           : way == 2 ? b_.make(Kind::std_min, {best, other})
                      : b_.make(Kind::std_max, {best, other});
  }
  List result = {best};
  if (way == 4) {
    List terms;
    for (std::uint32_t score : scores) terms.push_back(b_.apply(Op::exp, b_.minus(score, best)));
    result = {b_.plus(b_.apply(Op::log, b_.make(Kind::sum, terms)), best)};
  }
  if (again) result.push_back(b_.apply(Op::tanh, b_.minus(best, b_.some(scores))));
  if (again) b_.make(Kind::guard, {comparison(best, b_.number(b_.draw(-2.0, 6.0)))});
  return result;
}

/// Alike comparisons with guards, here and there or all, equal ones among them.
List Styles::guarded_rows(const List& x) {
  const std::uint32_t scale = b_.parameter(), bound = b_.number(b_.draw(-1.0, 1.0));
  const Op op = some_comparison();
  const double share = b_.chance(0.5) ? 1.0 : 0.6;
  const std::size_t way = b_.below(3);
  List result;
  for (std::size_t i = 0; i < std::max<std::size_t>(x.size(), 5); ++i) {
    const std::uint32_t v = b_.times(x[i % x.size()], b_.chance(0.1) ? b_.parameter() : scale);
    const std::uint32_t condition = b_.apply(op, v, bound);
    std::uint32_t chosen = v;
    if (way == 0) chosen = b_.times(condition, v);
    if (b_.chance(share)) {
      if (way == 1) {
        chosen = b_.add({Kind::branch, op, {v, bound, b_.apply(Op::square, v), v}});
      } else {
        b_.make(Kind::guard, {condition});
      }
    }
    result.push_back(chosen);
  }
  return result;
}

/// What simplifies away, over values in no even order.
List Styles::nothing(const List& x) {
  const std::size_t way = b_.below(12);
  List result;
  const auto number = [&](double n) { return b_.number(n); };
  for (std::size_t i = 0, count = 1 + b_.below(x.size() + 3); i < count; ++i) {
    const std::uint32_t v = b_.some(x);
    const std::uint32_t same = way == 0    ? b_.over(v, number(1.0))
                               : way == 1  ? b_.times(v, number(1.0))
                               : way == 2  ? b_.times(number(1.0), v)
                               : way == 3  ? b_.plus(v, number(0.0))
                               : way == 4  ? b_.minus(v, number(0.0))
                               : way == 5  ? b_.apply(Op::neg, b_.apply(Op::neg, v))
                               : way == 6  ? b_.apply(Op::pow, v, number(1.0))
                               : way == 7  ? b_.apply(Op::where, number(1.0), v, number(3.0))
                               : way == 8  ? b_.minus(number(0.0), b_.apply(Op::neg, v))
                               : way == 9  ? b_.plus(v, b_.times(number(0.0), b_.apply(Op::sin, b_.some(x))))
                               : way == 10 ? b_.minus(v, b_.times(b_.some(x), number(0.0)))
                                           : b_.make(Kind::sum, {v});
    result.push_back(b_.chance(0.1) ? v : same);
  }
  if (b_.chance(0.5)) {
    List terms;
    const std::size_t weighed = b_.below(3);
    for (std::uint32_t v : result)
      terms.push_back(weighed == 0 ? v : weighed == 1 ? b_.times(v, number(0.25)) : b_.times(v, b_.parameter()));
    result.push_back(b_.total(terms));
  }
  return result;
}

/// A function with a pole or an edge at zero.
std::uint32_t Styles::pole(std::uint32_t x) {
  const auto f = [&](Op op, std::uint32_t a) { return b_.apply(op, a); };
  const auto one = [&] { return b_.number(1.0); };
  switch (b_.below(11)) {
    case 0:
      return f(Op::log, x);
    case 1:
      return b_.times(x, f(Op::log, x));
    case 2:
      return f(Op::sqrt, x);
    case 3:
      return b_.over(one(), x);
    case 4:
      return f(Op::square, b_.over(one(), x));
    case 5:
      return f(Op::sin, b_.over(one(), x));
    case 6:
      return f(Op::atan, b_.over(x, x));
    case 7:
      return f(Op::sigmoid, f(Op::log, x));
    case 8:
      return b_.apply(Op::pow, x, b_.number(-0.5));
    case 9:
      return f(Op::tanh, b_.over(b_.parameter(), x));
    default:
      return b_.times(b_.parameter(), f(Op::log, x));
  }
}

List Styles::protected_poles(const List& x) {
  List result;
  const std::uint32_t zero = b_.number(0.0);
  for (std::uint32_t each : x) {
    const std::uint32_t edge = b_.apply(
        Op::where, b_.chance(0.2) ? b_.apply(Op::greater, each, b_.number(1.0)) : b_.apply(Op::greater, each, zero),
        pole(each), b_.chance(0.5) ? zero : b_.some(x));
    result.push_back(edge);
  }
  return result;
}

/// Operands of the op, made to lie where it is defined.
List Styles::into_domain(Op op, List operands) {
  const auto positive = [&](std::uint32_t a) { return b_.plus(b_.apply(Op::square, a), b_.number(0.25)); };
  const auto within_one = [&](std::uint32_t a) { return b_.times(b_.number(0.75), b_.apply(Op::sin, a)); };
  switch (op) {
    case Op::exp:
    case Op::expm1:
    case Op::exp2:
    case Op::sinh:
    case Op::cosh:
    case Op::mul:
    case Op::square:
      operands[0] = tamed(operands[0]);
      break;
    case Op::log:
    case Op::log1p:
    case Op::log2:
    case Op::log10:
    case Op::sqrt:
    case Op::pow:
    case Op::lgamma:
    case Op::digamma:
      operands[0] = positive(tamed(operands[0]));
      if (op == Op::pow) operands[1] = tamed(operands[1]);
      break;
    case Op::acosh:
      operands[0] = b_.plus(b_.number(1.0), positive(tamed(operands[0])));
      break;
    case Op::tan:
    case Op::asin:
    case Op::acos:
    case Op::atanh:
      operands[0] = within_one(operands[0]);
      break;
    case Op::div:
    case Op::fmod:
      operands[1] = positive(operands[1]);
      break;
    case Op::polygamma:
      operands = {b_.number(static_cast<double>(b_.below(4))), positive(tamed(operands[1]))};
      break;
    default:  // NOLINT: the others are defined everywhere
      break;
  }
  return operands;
}

/// Ops of the table on anything.
List Styles::soup(const List& x) {
  List known = x;
  known.push_back(b_.parameter());
  known.push_back(b_.number(b_.draw(-2.0, 2.0)));
  const bool wild = b_.numbers() == Numbers::special && b_.chance(0.5);
  for (std::size_t i = 0, steps = 2 + b_.below(14); i < steps; ++i) {
    Op op = static_cast<Op>(b_.below(op_count));
    while (op_kind(op) != OpKind::scalar && op_kind(op) != OpKind::comparison) op = static_cast<Op>(b_.below(op_count));
    const auto operand = [&] {
      return b_.chance(0.5) ? known[known.size() - 1 - b_.below(std::min<std::size_t>(known.size(), 4))]
                            : b_.some(known);
    };
    List operands;
    for (std::size_t k = 0; k < op_arity(op); ++k) operands.push_back(operand());
    if (!wild) operands = into_domain(op, std::move(operands));
    known.push_back(b_.add({Kind::apply, op, operands}));
  }
  return {known.end() - static_cast<std::ptrdiff_t>(std::min<std::size_t>(known.size(), 4)), known.end()};
}

}  // namespace tapeloom::test::fuzz
