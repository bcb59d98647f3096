// A style of programs that compute with their own derivatives, as equations in a loss, forces and penalties do.
#include <algorithm>

#include "fuzz/styles.h"

namespace tapeloom::test::fuzz {

namespace {

/// Which statements y is computed from, y among them.
std::vector<bool> cone(const Script& script, std::uint32_t y) {
  std::vector<bool> in(script.statements.size());
  in[y] = true;
  for (std::size_t i = y + 1; i-- > 0;) {
    if (!in[i]) continue;
    for (std::uint32_t x : script.statements[i].x) in[x] = true;
  }
  return in;
}

}  // namespace

/// A leaf or a computed value, most often one that y depends on.
std::uint32_t Styles::variable(std::uint32_t y) {
  const Script& s = b_.script();
  const std::vector<bool> in = cone(s, y);
  const bool leaves = b_.chance(0.7), any = b_.chance(0.05);
  List found;
  for (std::uint32_t i = 0; i < s.statements.size(); ++i) {
    const Kind kind = s.statements[i].kind;
    const bool data = kind == Kind::input && s.recorded && !s.data_on_tape;
    if (kind == Kind::number || data || !(in[i] || any)) continue;
    if (any || s.leaf(i) == leaves) found.push_back(i);
  }
  return found.empty() ? b_.parameter() : b_.some(found);
}

std::uint32_t Styles::differentiated(std::uint32_t y, std::uint32_t by) {
  const Script& s = b_.script();
  const std::vector<bool> in = cone(s, y);
  bool reduces = false;
  for (std::size_t i = 0; i < in.size(); ++i) reduces = reduces || (in[i] && s.statements[i].kind == Kind::batch);
  const auto along = [&](std::uint32_t x) {
    const std::size_t way = b_.below(5);
    if (way == 0) return b_.parameter();
    if (way == 1) return b_.uniform();
    if (way == 2 && b_.varying(x)) return x;
    return b_.number(way == 3 ? 0.0 : 1.0);
  };
  const std::size_t way = b_.below(7);
  // By way of a reduction over the samples, the derivatives of what varies are a number for each pair of them.
  if (way <= 1 || (reduces && b_.varying(y) && b_.chance(0.5))) return b_.make(Kind::derivative, {y, by, along(by)});
  if (reduces && b_.varying(y)) y = b_.batch(Op::batch_sum, y);
  if (way > 2) return b_.make(Kind::gradient, {y, by});
  List x = {y, by};
  for (std::size_t more = b_.below(3); more-- > 0;) x.push_back(variable(y));
  const std::size_t n = x.size() - 1;
  for (std::size_t i = 0; i < n; ++i) x.push_back(along(x[1 + i]));
  return b_.make(Kind::hessian_vector, x, static_cast<std::uint32_t>(b_.below(n)));
}

List Styles::derivatives(const List& x) {
  List result;
  for (std::size_t i = 0, count = 1 + b_.below(3); i < count; ++i) {
    std::uint32_t y = b_.some(x);
    if (b_.chance(0.4)) y = b_.chance(0.5) ? b_.plus(y, b_.some(x)) : b_.times(tamed(y), b_.some(x));
    if (b_.chance(0.2))
      y = b_.over(y, b_.plus(b_.apply(Op::square, b_.some(x)), b_.number(b_.chance(0.5) ? 0.0 : 0.5)));
    if (b_.chance(0.2)) y = b_.apply(Op::where, comparison(b_.some(x), b_.some(x)), y, tamed(b_.some(x)));
    if (b_.chance(0.2)) y = b_.apply(Op::square, b_.minus(y, b_.chance(0.3) ? y : b_.some(x)));
    if (b_.varying(y) && b_.chance(0.2)) y = b_.batch(b_.chance(0.5) ? Op::batch_sum : Op::batch_mean, y);
    std::uint32_t by = variable(y);
    for (std::size_t order = 1 + b_.below(b_.chance(0.2) ? 3 : 2); order-- > 0;) {
      y = differentiated(y, by);
      if (b_.chance(0.3)) y = b_.chance(0.5) ? b_.times(y, b_.some(x)) : b_.apply(Op::square, y);
      if (b_.chance(0.4)) by = variable(y);
    }
    result.push_back(y);
  }
  if (b_.chance(0.6)) result.push_back(b_.some(x));
  return result;
}

}  // namespace tapeloom::test::fuzz
