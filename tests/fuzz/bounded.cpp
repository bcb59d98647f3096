#include "fuzz/bounded.h"

#include <cmath>
#include <limits>

#include "fuzz/op_errors.h"
#include "op_oracle.h"

namespace tapeloom::test::fuzz {

namespace {

constexpr Real infinity = std::numeric_limits<Real>::infinity();

/// Multiples of 2^-12 (float: 2^-6) up to 2^12 (2^6): sums of many and products of two are exact, whatever the order.
bool on_grid(Real value, const Arithmetic& arithmetic) {
  const Real scale = arithmetic.in_float ? 0x1p6L : 0x1p12L;
  return std::fabs(value) <= scale && value * scale == std::nearbyint(value * scale);
}

/// The largest difference between what f gives at x and anywhere x may be, and whether anything is known.
Real difference(Real at, Real elsewhere) {
  if (std::isnan(at) && std::isnan(elsewhere)) return 0.0L;
  if (at == elsewhere) return 0.0L;
  const Real d = std::fabs(at - elsewhere);
  return std::isnan(d) ? infinity : d;
}

}  // namespace

Real Bounded::error(const Arithmetic& arithmetic) const {
  if (terms <= 1 || on_grid) return base;
  return base + arithmetic.slack() * static_cast<Real>(terms) * arithmetic.unit() * (magnitude + base);
}

bool Bounded::known() const { return base != infinity; }

Bounded Bounded::unknown() { return {0.0L, infinity, 0.0L, 1, false}; }

Bounded Bounded::exactly(Real value, const Arithmetic& arithmetic) {
  return {value, 0.0L, std::fabs(value), 1, fuzz::on_grid(value, arithmetic)};
}

Bounded Bounded::of(Real value, Real error, const Arithmetic& arithmetic) {
  if (!std::isfinite(value)) return error == infinity ? unknown() : Bounded{value, 0.0L, std::fabs(value), 1, false};
  if (!(std::fabs(value) + error <= arithmetic.largest())) return unknown();
  const bool grid = error == 0.0L && fuzz::on_grid(value, arithmetic);
  return {value, error, std::fabs(value), 1, grid};
}

Bounded add(const Bounded& a, const Bounded& b, Real sign, const Arithmetic& arithmetic) {
  if (b.terms == 0) return a;
  if (a.terms == 0) return {sign * b.value, b.base, b.magnitude, b.terms, b.on_grid};
  if (!a.known() || !b.known()) return Bounded::unknown();
  const Real value = a.value + sign * b.value;
  if (!std::isfinite(value)) {
    if (std::isfinite(a.value) && std::isfinite(b.value)) return Bounded::unknown();
    return {value, 0.0L, infinity, 1, false};
  }
  // Adding nothing, exactly, is exact; x - x is nothing as long as nobody adds in another order.
  const auto nothing = [&](const Bounded& x) {
    return x.value == 0.0L && x.exact(arithmetic) && (x.magnitude == 0.0L || !arithmetic.reordered);
  };
  if (nothing(b) && !a.on_grid) return {value, a.base, a.magnitude, a.terms, false};
  if (nothing(a) && !b.on_grid) return {value, b.base, b.magnitude, b.terms, false};
  Bounded result{value, a.base + b.base, a.magnitude + b.magnitude, a.terms + b.terms, false};
  result.on_grid = a.on_grid && b.on_grid && fuzz::on_grid(result.magnitude, arithmetic);
  if (!(result.magnitude + result.error(arithmetic) <= arithmetic.largest())) return Bounded::unknown();
  return result;
}

Applied apply_bounded(Op op, const std::array<Bounded, 3>& x, const Arithmetic& arithmetic) {
  const std::size_t count = op_arity(op);
  const Real unit = arithmetic.slack() * arithmetic.unit();
  std::array<Real, 3> at{}, error{};
  std::array<std::size_t, 3> inexact{};
  std::size_t inexact_count = 0;
  bool finite = true;
  for (std::size_t i = 0; i < count; ++i) {
    at[i] = x[i].value, error[i] = x[i].error(arithmetic);
    finite = finite && std::isfinite(at[i]);
    if (error[i] > 0) inexact[inexact_count++] = i;
  }
  const OpOracle centre = op_oracle(op, at);
  Applied result;

  // Operands of which nothing is known matter where they are chosen.
  bool unknown = false;
  for (std::size_t i = 0; i < count; ++i) {
    const bool not_chosen = op == Op::where && i > 0 && error[0] == 0.0L && centre.partial[i] == 0.0L;
    if (!x[i].known() && !not_chosen) unknown = true;
  }
  if (arithmetic.idioms && !finite && op != Op::where) unknown = true;
  if (pole_near(op, at, error, arithmetic)) unknown = true;
  for (std::size_t i = 0; i < count && op_kind(op) == OpKind::adjoint; ++i) {
    // Of an adjoint that may be a zero nobody knows whether it contributes nothing.
    if (error[i] > 0 && std::fabs(at[i]) <= error[i] && !std::isfinite(centre.value)) unknown = true;
  }

  Real spread = 0.0L;
  std::array<Real, 3> partial_spread{};
  const auto visit = [&](const std::array<Real, 3>& there) {
    const OpOracle other = op_oracle(op, there);
    spread = std::fmax(spread, difference(centre.value, other.value));
    for (std::size_t i = 0; i < count; ++i) {
      partial_spread[i] = std::fmax(partial_spread[i], difference(centre.partial[i], other.partial[i]));
    }
  };
  for (std::size_t corner = 0; corner < (std::size_t{1} << inexact_count) && inexact_count > 0 && !unknown; ++corner) {
    std::array<Real, 3> there = at;
    for (std::size_t k = 0; k < inexact_count; ++k) {
      const std::size_t i = inexact[k];
      if (std::isinf(error[i])) continue;
      there[i] += (corner >> k & 1) != 0 ? error[i] : -error[i];
    }
    visit(there);
  }
  for (std::size_t k = 0; k < inexact_count && !unknown; ++k) {
    // Where derivatives of atan, erf and the like are largest.
    std::array<Real, 3> there = at;
    there[inexact[k]] = 0.0L;
    if (std::fabs(at[inexact[k]]) < error[inexact[k]]) visit(there);
  }
  const Real apart = std::fabs(at[0] - at[1]);
  if ((op == Op::equal || op == Op::not_equal) && inexact_count > 0 && apart <= error[0] + error[1]) spread = 1.0L;
  if (op == Op::where && error[0] > 0 && std::fabs(at[0]) <= error[0]) {
    // A condition that may be zero chooses all that the other operand may be.
    const Real e = std::isinf(error[2]) ? 0.0L : error[2];
    for (const Real other : {at[2] - e, at[2], at[2] + e}) visit({0.0L, at[1], other});
  }
  if ((op == Op::sin || op == Op::cos) && error[0] > 1) spread = partial_spread[0] = 2.0L;

  // 1 / 0 has the sign of the zero, which identities do not keep.
  const bool infinite = finite && std::isinf(centre.value);
  if (infinite && arithmetic.reordered) unknown = true;
  if (unknown) spread = infinity;

  // A zero that is one whatever the errors is not rounded, nor is what lies on the grid.
  const bool rounds = !copies(op) && std::isfinite(centre.value) && (centre.value != 0.0L || spread > 0.0L);
  const bool exact_operands = inexact_count == 0 && finite;
  const bool may_be_exact =
      op == Op::mul || op == Op::div || op == Op::square || op == Op::sqrt || op == Op::leaky_relu;
  const bool exact = exact_operands && may_be_exact && on_grid(centre.value, arithmetic) &&
                     (op != Op::div || std::fma(centre.value, at[1], -at[0]) == 0.0L) &&
                     (op != Op::sqrt || centre.value * centre.value == at[0]);
  Real y_error = spread;
  if (rounds && !exact) {
    y_error +=
        function_units(op) * unit * (function_size(op, at, centre.value) + spread) + 4.0L * arithmetic.smallest();
  }
  result.value = Bounded::of(centre.value, y_error, arithmetic);
  if (std::isfinite(centre.value)) y_error = result.value.error(arithmetic);

  for (std::size_t i = 0; i < count; ++i) {
    Applied::Partial& p = result.partial[i];
    p.value = centre.partial[i];
    p.error = unknown ? infinity : partial_spread[i];
    if (std::isfinite(p.value)) {
      const Real more = partial_error(op, i, at, centre.value, y_error, p.value, arithmetic);
      // What is computed may underflow: tiny times an infinite adjoint is infinite, and 0 times it NaN.
      p.error += std::isnan(more) ? infinity : more > 0.0L ? more + 4.0L * arithmetic.smallest() : 0.0L;
      if (std::fabs(p.value) > arithmetic.largest()) p.error = infinity;
    } else if (finite && arithmetic.reordered) {
      p.error = infinity;
    }
    p.exact_factor = p.error == 0.0L && std::fabs(p.value) == 1.0L;
    p.chosen_away = p.error == 0.0L && p.value == 0.0L && chooses_away(op, i, at, arithmetic);
  }
  if (op == Op::where) {  // choosing needs to know the condition alone
    for (std::size_t i = 1; i < 3; ++i) {
      if (error[0] != 0.0L) continue;
      result.partial[i].error = 0.0L;
      result.partial[i].exact_factor = result.partial[i].value == 1.0L;
      result.partial[i].chosen_away = result.partial[i].value == 0.0L;
    }
  }
  return result;
}

Bounded contribution(const Applied::Partial& partial, const Bounded& adjoint, const Arithmetic& arithmetic) {
  const Real error = adjoint.error(arithmetic);
  if (adjoint.terms == 0) return {};
  // A zero that is passed on, where it may still meet a factor that is not finite.
  const Bounded zero = arithmetic.zero_contributes_nothing ? Bounded{} : Bounded::of(0.0L, 0.0L, arithmetic);
  if (partial.chosen_away) return zero;
  if (adjoint.value == 0.0L && error == 0.0L) {
    const bool finite = std::isfinite(partial.value) && std::isfinite(partial.error);
    return finite || arithmetic.zero_contributes_nothing ? zero : Bounded::unknown();
  }
  if (!adjoint.known() || partial.error == infinity) return Bounded::unknown();
  if (arithmetic.idioms && !(std::isfinite(partial.value) && std::isfinite(adjoint.value))) return Bounded::unknown();
  if (partial.exact_factor) {
    return {partial.value * adjoint.value, adjoint.base, adjoint.magnitude, adjoint.terms, adjoint.on_grid};
  }
  const Real value = partial.value * adjoint.value;
  if (!std::isfinite(value)) {
    // 0 * inf and sums that are infinite, but only where all of it is exact.
    if (std::isfinite(partial.value) && std::isfinite(adjoint.value)) return Bounded::unknown();
    const bool sure = (partial.error == 0.0L || std::fabs(partial.value) > partial.error) &&
                      (error == 0.0L || std::fabs(adjoint.value) > error);
    return sure ? Bounded{value, 0.0L, infinity, 1, false} : Bounded::unknown();
  }
  Real spread = std::fabs(partial.value) * error + std::fabs(adjoint.value) * partial.error + partial.error * error;
  if (std::isnan(spread)) return Bounded::unknown();
  const bool exact = spread == 0.0L && on_grid(partial.value, arithmetic) && adjoint.on_grid &&
                     on_grid(adjoint.magnitude * partial.value, arithmetic);
  if (value == 0.0L && spread == 0.0L) return Bounded{0.0L, 0.0L, 0.0L, 1, true};
  if (!exact) {
    spread +=
        2.0L * arithmetic.slack() * arithmetic.unit() * (std::fabs(value) + spread) + 4.0L * arithmetic.smallest();
  }
  return Bounded::of(value, spread, arithmetic);
}

}  // namespace tapeloom::test::fuzz
