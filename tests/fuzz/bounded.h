// A number in long double, and how far rounding may carry what a program computes in its place.
#pragma once

#include <array>
#include <cstdint>

#include "tapeloom/core/ops/op.h"

namespace tapeloom::test::fuzz {

/// How a program calculates.
struct Arithmetic {
  bool in_float = false;
  /// Not in recorded order: sums are added otherwise, identities are used, signs of zeros may change.
  bool reordered = false;
  /// Functions written through others become one op: what overflows in between need not.
  bool idioms = false;
  /// An adjoint of zero contributes nothing whatever factor it meets. Otherwise only where the factor is finite.
  bool zero_contributes_nothing = true;

  long double unit() const { return in_float ? 0x1p-24L : 0x1p-53L; }
  long double smallest() const { return in_float ? 0x1p-149L : 0x1p-1074L; }
  long double largest() const { return in_float ? 0x1p124L : 0x1p1020L; }
  /// A factor on every rounding, for what the rewritten program rounds and the recorded one does not.
  long double slack() const { return reordered ? 4.0L : 2.0L; }
};

/// What is computed differs from `value` by at most error(): a part that it has whatever the order of the sum it is,
/// and one for each of the sum's terms. An infinite error: nothing is known. A value that is not finite has no error.
struct Bounded {
  long double value = 0.0L;
  long double base = 0.0L;
  long double magnitude = 0.0L;  ///< sum of the magnitudes of the terms
  std::uint32_t terms = 0;       ///< 0: of nothing; 1: no sum
  bool on_grid = true;           ///< all terms are multiples of a unit so coarse that no sum or order of them rounds

  long double error(const Arithmetic& arithmetic) const;
  bool known() const;
  bool exact(const Arithmetic& arithmetic) const { return error(arithmetic) == 0.0L; }

  static Bounded exactly(long double value, const Arithmetic& arithmetic);
  static Bounded of(long double value, long double error, const Arithmetic& arithmetic);
  static Bounded unknown();
};

/// a + sign * b, as a sum that goes on; all of its terms in any order.
Bounded add(const Bounded& a, const Bounded& b, long double sign, const Arithmetic& arithmetic);

/// An op of the table but + and -: its value, and its partial derivatives with their errors.
struct Applied {
  Bounded value;
  struct Partial {
    long double value = 0.0L, error = 0.0L;
    bool exact_factor = false;  ///< times 1 or -1
    bool chosen_away = false;   ///< 0 because another operand was chosen, so that no factor can make it more
  };
  std::array<Partial, 3> partial = {};
};
Applied apply_bounded(Op op, const std::array<Bounded, 3>& x, const Arithmetic& arithmetic);

/// What an operand's adjoint gains.
Bounded contribution(const Applied::Partial& partial, const Bounded& adjoint, const Arithmetic& arithmetic);

}  // namespace tapeloom::test::fuzz
