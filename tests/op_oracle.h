// What every op of the table should give, written a second time: by hand, in long double, with std:: functions and
// textbook derivatives. Nothing here comes from core/ops/ops.h but the names of the ops and the domains to draw from.
#pragma once

#include <array>
#include <cmath>
#include <numbers>
#include <random>
#include <span>

#include "gamma_oracle.h"
#include "tapeloom/core/base/check.h"
#include "tapeloom/core/ops/ops.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::test {

struct OpOracle {
  long double value;
  std::array<long double, 3> partial;
};

/// Value and partial derivatives of a scalar op at x, at kinks and for NaN those that docs/numerics.md states. Leaves
/// and reductions have none.
inline OpOracle op_oracle(Op op, const std::array<long double, 3>& x) {
  const long double a = x[0], b = x[1], c = x[2];
  const auto truth = [](bool condition) { return OpOracle{condition ? 1.0L : 0.0L, {}}; };
  switch (op) {
    case Op::constant:
    case Op::parameter:
    case Op::input:
    case Op::uniform_input:
    case Op::batch_sum:
    case Op::batch_mean:
      break;
    case Op::add:
      return {a + b, {1, 1}};
    case Op::sub:
      return {a - b, {1, -1}};
    case Op::mul:
      return {a * b, {b, a}};
    case Op::div:
      return {a / b, {1 / b, -a / (b * b)}};
    case Op::less:
      return truth(a < b);
    case Op::less_equal:
      return truth(a <= b);
    case Op::greater:
      return truth(a > b);
    case Op::greater_equal:
      return truth(a >= b);
    case Op::equal:
      return truth(a == b);
    case Op::not_equal:
      return truth(a != b);
    case Op::neg:
      return {-a, {-1}};
    case Op::exp:
      return {std::exp(a), {std::exp(a)}};
    case Op::expm1:
      return {std::expm1(a), {std::exp(a)}};
    case Op::log:
      return {std::log(a), {1 / a}};
    case Op::log1p:
      return {std::log1p(a), {1 / (1 + a)}};
    case Op::sqrt:
      return {std::sqrt(a), {1 / (2 * std::sqrt(a))}};
    case Op::square:
      return {a * a, {2 * a}};
    case Op::tanh:
      return {std::tanh(a), {1 / (std::cosh(a) * std::cosh(a))}};
    case Op::sigmoid:
      return {1 / (1 + std::exp(-a)), {1 / ((1 + std::exp(-a)) * (1 + std::exp(a)))}};
    case Op::relu:
      return {a <= 0 ? 0 : a, {a <= 0 ? 0.0L : 1.0L}};
    case Op::softplus:
      return {a > 0 ? a + std::log1p(std::exp(-a)) : std::log1p(std::exp(a)), {1 / (1 + std::exp(-a))}};
    case Op::sin:
      return {std::sin(a), {std::cos(a)}};
    case Op::cos:
      return {std::cos(a), {-std::sin(a)}};
    case Op::atan:
      return {std::atan(a), {1 / (1 + a * a)}};
    case Op::abs:
      return {std::fabs(a), {a > 0 ? 1.0L : a < 0 ? -1.0L : 0.0L}};
    case Op::tan:
      return {std::tan(a), {1 / (std::cos(a) * std::cos(a))}};
    case Op::asin:
      return {std::asin(a), {1 / std::sqrt((1 - a) * (1 + a))}};
    case Op::acos:
      return {std::acos(a), {-1 / std::sqrt((1 - a) * (1 + a))}};
    case Op::sinh:
      return {std::sinh(a), {std::cosh(a)}};
    case Op::cosh:
      return {std::cosh(a), {std::sinh(a)}};
    case Op::asinh:
      return {std::asinh(a), {1 / std::sqrt(1 + a * a)}};
    case Op::acosh:
      return {std::acosh(a),
              {a < 1 ? std::numeric_limits<long double>::quiet_NaN() : 1 / std::sqrt((a - 1) * (a + 1))}};
    case Op::atanh:
      return {std::atanh(a), {1 / ((1 - a) * (1 + a))}};
    case Op::exp2:
      return {std::exp2(a), {std::exp2(a) * std::numbers::ln2_v<long double>}};
    case Op::log2:
      return {std::log2(a), {1 / (a * std::numbers::ln2_v<long double>)}};
    case Op::log10:
      return {std::log10(a), {1 / (a * std::numbers::ln10_v<long double>)}};
    case Op::cbrt:
      return {std::cbrt(a), {1 / (3 * std::cbrt(a) * std::cbrt(a))}};
    case Op::erf:
      return {std::erf(a), {2 * std::numbers::inv_sqrtpi_v<long double> / std::exp(a * a)}};
    case Op::erfc:
      return {std::erfc(a), {-2 * std::numbers::inv_sqrtpi_v<long double> / std::exp(a * a)}};
    case Op::lgamma:
      return {log_gamma(a), {digamma_oracle(a)}};
    case Op::digamma:
      return {digamma_oracle(a), {polygamma_oracle(1, a)}};
    case Op::floor:
      return {std::floor(a), {}};
    case Op::ceil:
      return {std::ceil(a), {}};
    case Op::round:
      return {std::round(a), {}};
    case Op::stop_gradient:
      return {a, {}};
    case Op::hypot: {
      const long double r = std::hypot(a, b);
      return {r, {r == 0 ? 0 : a / r, r == 0 ? 0 : b / r}};
    }
    case Op::atan2: {
      const long double r = std::hypot(a, b);
      return {std::atan2(a, b), {r == 0 ? 0 : b / r / r, r == 0 ? 0 : -a / r / r}};
    }
    case Op::fmod:
      return {std::fmod(a, b), {1, -std::round((a - std::fmod(a, b)) / b)}};  // a / b may round up to a whole number
    case Op::copysign: {
      const long double sign = a > 0 ? 1 : a < 0 ? -1 : 0;
      return {std::copysign(a, b), {std::signbit(b) ? -sign : sign, 0}};
    }
    case Op::polygamma:
      return {polygamma_oracle(a, b), {0, polygamma_oracle(a + 1, b)}};
    case Op::leaky_relu:
      return {a > 0 ? a : b * a, {a > 0 ? 1 : b, a > 0 ? 0 : a}};
    case Op::pow:
      // By a: of a power of 0 the derivative is 0; by b at a = 0: the limit.
      return {std::pow(a, b),
              {b == 0 ? 0 : b * std::pow(a, b - 1), a == 0 && !(b < 0) ? 0 : std::pow(a, b) * std::log(a)}};
    case Op::max:
      return {a != a || b != b ? a + b : a < b ? b : a, {a < b ? 0.0L : 1.0L, a < b ? 1.0L : 0.0L}};
    case Op::min:
      return {a != a || b != b ? a + b : a > b ? b : a, {a > b ? 0.0L : 1.0L, a > b ? 1.0L : 0.0L}};
    case Op::where:
      return {a != 0 ? b : c, {0, a != 0 ? 1.0L : 0.0L, a != 0 ? 0.0L : 1.0L}};
    case Op::multiply_add:
      return {a * b + c, {b, a, 1}};
    case Op::multiply_subtract:
      return {a * b - c, {b, a, -1}};
    case Op::subtract_product:
      return {c - a * b, {-b, -a, 1}};
    // Of an adjoint b of zero: zero for every a, and so is the derivative by a.
    case Op::mul_adjoint:
      return {b == 0 ? 0 : a * b, {b, a}};
    case Op::mul_adjoints:
      return {a == 0 || b == 0 ? 0 : a * b, {b, a}};
    case Op::div_adjoint:
      return {b == 0 ? 0 : b / a, {b == 0 ? 0 : -b / (a * a), 1 / a}};
    case Op::unless_zero:  // a is another adjoint, which only happens to be zero there
      return {b == 0 ? 0 : a, {1, 0}};
    case Op::tanh_adjoint:
      return {b == 0 ? 0 : (1 - a) * (1 + a) * b, {b == 0 ? 0 : -2 * a * b, (1 - a) * (1 + a)}};
    case Op::sigmoid_adjoint:
      return {b == 0 ? 0 : a * (1 - a) * b, {b == 0 ? 0 : (1 - 2 * a) * b, a * (1 - a)}};
    case Op::relu_adjoint:
      return {a <= 0 ? 0 : b, {0, a <= 0 ? 0.0L : 1.0L}};
    case Op::atan_adjoint:
      return {b == 0 ? 0 : b / (1 + a * a), {b == 0 ? 0 : -2 * a * b / (1 + a * a) / (1 + a * a), 1 / (1 + a * a)}};
  }
  fail_check("a scalar op", __FILE__, __LINE__);
}

/// Calls f(op, domain) for every scalar op of the table, in the table's order, those of adjoints among them.
template <class F>
void for_each_scalar_op(F&& f) {
#define TAPELOOM_OP(name, Struct) f(Op::name, std::span<const ops::Domain>(ops::Struct::domain));
#include "tapeloom/core/ops/ops.def"
}

/// Applies the op to Values as a user would write it: a + b, exp(a), where(a, b, c).
inline Value record_op(Op op, const std::array<Value, 3>& x) {
  return tapeloom::apply(op, std::span(x).first(op_arity(op)));
}

/// Whether a test draws that operand, and may move it a little. The others are numbers that choose a function, or have
/// no derivative although the value follows them.
inline bool is_drawn(Op op, std::size_t operand) {
  if (op == Op::stop_gradient) return false;
  return ops::visit(
      op, [&]<class F>() { return F::domain[operand].lower < F::domain[operand].upper; }, [] { return false; });
}

/// Draws one operand list in the op's domain, at least `distance` from every kink and jump of the ops: multiples of 1/2
/// for the first operand, ties of the first two, and their whole quotients. (Smooth ops lose nothing by it.)
inline std::array<double, 3> draw_operands(std::span<const ops::Domain> domain, std::mt19937_64& generator,
                                           double distance) {
  const auto near_whole = [&](double x) { return std::abs(x - std::round(x)) < distance; };
  for (;;) {
    std::array<double, 3> x{};
    for (std::size_t i = 0; i < domain.size(); ++i) {
      const double unit = static_cast<double>(generator() >> 11) * 0x1p-53;
      x[i] = domain[i].lower + (domain[i].upper - domain[i].lower) * unit;
    }
    const bool given = domain[0].lower == domain[0].upper;
    const bool tie = domain.size() > 1 && (std::abs(x[0] - x[1]) < distance || near_whole(x[0] / x[1]));
    if (given || (!near_whole(2.0 * x[0]) && !tie)) return x;
  }
}

}  // namespace tapeloom::test
