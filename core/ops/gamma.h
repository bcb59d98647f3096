// The logarithm of the gamma function and its derivatives, as the op table's formulas call them: std::lgamma writes to
// a global variable, and <cmath> has no others. Compiled once, so that every table of kernels gives the same bits.
#pragma once

#include "tapeloom/version.h"

namespace tapeloom::inline TAPELOOM_ABI::ops {

/// log |gamma(x)|, infinite at 0, -1, -2, ...
float lgamma(float x);
double lgamma(double x);

/// The derivative of lgamma. Minus and plus infinity at 0 and -0, NaN at -1, -2, ..., where it has poles.
float digamma(float x);
double digamma(double x);

/// The derivative of digamma of an order that is a whole number from 0 (digamma itself) to 100; NaN for others. At its
/// poles, 0, -1, -2, ..., infinite for odd orders; for even ones as digamma is.
float polygamma(float order, float x);
double polygamma(double order, double x);

}  // namespace tapeloom::inline TAPELOOM_ABI::ops
