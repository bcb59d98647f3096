// What the error bounds of the fuzzer know of each op: how exactly it and its derivatives are computed, and where a
// small error in an operand may do more than its corners show. The figures are those of docs/numerics.md.
#pragma once

#include <array>
#include <cstddef>

#include "fuzz/bounded.h"
#include "tapeloom/core/ops/op.h"

namespace tapeloom::test::fuzz {

using Real = long double;

/// Errors that functions are computed with, in units of the last place of 1 (half an ulp or more): docs/numerics.md.
Real function_units(Op op);
/// What that error is relative to: the result, or 1 where digits cancel near its zeros.
Real function_size(Op op, const std::array<Real, 3>& x, Real y);
/// Ops that pick or copy, whose results and derivatives are as exact as their operands, and those that are never
/// rounded.
bool copies(Op op);
/// Whether the derivative by that operand, where it is 0, is so because another one is chosen or an adjoint is 0, so
/// that no adjoint makes it more.
bool chooses_away(Op op, std::size_t operand, const std::array<Real, 3>& x, const Arithmetic& arithmetic);
/// Whether what is computed in the operands' place may lie across a pole or a jump that no corner shows.
bool pole_near(Op op, const std::array<Real, 3>& x, const std::array<Real, 3>& error, const Arithmetic& arithmetic);
/// What else is added to the error of a derivative by how it is computed: from the result y with its error.
Real partial_error(Op op, std::size_t operand, const std::array<Real, 3>& x, Real y, Real y_error, Real p,
                   const Arithmetic& arithmetic);

}  // namespace tapeloom::test::fuzz
