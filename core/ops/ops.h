// The formulas of the op table. A struct gives
//
//   forward(x...)              the value
//   reverse(x..., y, adjoint)  the contribution to each operand's adjoint, y = forward(x...)
//   differentiable             bit i: operand i has a derivative that is not zero everywhere
//   domain                     where tests sample each operand
//
// The formulas are templates with unqualified maths and `select` instead of `?:`, so that the same text serves
// double, long double, vector lanes, compiler graph expressions and Value. Derivatives: Baydin et al., "Automatic
// Differentiation in Machine Learning", JMLR 18 (2018), table 2, unless a line says otherwise.
//
// In reverse at most one argument of a call, and one operand of an operator, is computed; others have a line of their
// own. C++ leaves the order of arguments to the compiler, and the graph has the order in which they were computed.
//
// An adjoint of zero contributes nothing, whatever it meets: a branch not taken by `where` must not send 0 * inf = NaN
// upward. So no formula multiplies an adjoint itself: mul_adjoint, div_adjoint and unless_zero give zero for it in
// every kernel, and stand where a factor can be infinite although the operands are finite; `scaled` stands everywhere
// else, and is the plain product in kernels of vectors (a step that finds NaN is then repeated without them).
#pragma once

#include <array>
#include <cmath>
#include <iterator>
#include <numbers>
#include <type_traits>
#include <utility>

#include "tapeloom/core/ops/gamma.h"
#include "tapeloom/core/ops/op.h"

namespace tapeloom::inline TAPELOOM_ABI {

template <class T>
requires std::is_floating_point_v<T>
constexpr T select(bool condition, T a, T b) { return condition ? a : b; }

}  // namespace tapeloom::inline TAPELOOM_ABI

namespace tapeloom::inline TAPELOOM_ABI::ops {

using std::abs;
using std::acos;
using std::acosh;
using std::asin;
using std::asinh;
using std::atan;
using std::atan2;
using std::atanh;
using std::cbrt;
using std::ceil;
using std::copysign;
using std::cos;
using std::cosh;
using std::erf;
using std::erfc;
using std::exp;
using std::exp2;
using std::expm1;
using std::floor;
using std::fmod;
using std::hypot;
using std::log;
using std::log10;
using std::log1p;
using std::log2;
using std::pow;
using std::round;
using std::sin;
using std::sinh;
using std::sqrt;
using std::tan;
using std::tanh;

/// The interval a test draws an operand from.
struct Domain {
  double lower, upper;
};

/// As a formula calls the adjoint rows; graph expressions have their own.
#define TAPELOOM_ADJOINT(name, Struct) \
  template <class T>                   \
  T name(T x, T adjoint);
#include "tapeloom/core/ops/ops.def"

/// What derivatives compute from a number and an adjoint, in which it is linear: zero where the adjoint is. They are
/// rows of the table, so that a graph keeps each as one op. Their own derivatives: by the adjoint the same row, of the
/// adjoint that comes in; by the number zero as well where either adjoint is, since the row is zero for every number
/// there.
struct Adjoint {
  static constexpr std::size_t arity = 2;
  static constexpr unsigned differentiable = 0b11;
  static constexpr Domain domain[] = {{-1, 1}, {-3, 3}};
};

/// The contribution x, which is linear in the adjoint. An adjoint goes through to x also where x is not looked at:
/// x grows with the adjoint there, too.
struct UnlessZero : Adjoint {
  static constexpr unsigned differentiable = 0b01;
  template <class T>
  static T forward(T x, T adjoint) {
    return select(adjoint == T(0.0), T(0.0), x);
  }
  template <class T>
  static std::array<T, 2> reverse(T, T, T, T adjoint) {
    return {adjoint, T(0.0)};
  }
};
/// factor * adjoint
struct MulAdjoint : Adjoint {
  static auto forward(auto factor, auto adjoint) { return UnlessZero::forward(factor * adjoint, adjoint); }
  template <class T>
  static std::array<T, 2> reverse(T factor, T by, T, T adjoint) {
    const T by_factor = mul_adjoints(by, adjoint);
    return {by_factor, mul_adjoint(factor, adjoint)};
  }
};
/// The product of two adjoints, zero where either is.
struct MulAdjoints : Adjoint {
  static auto forward(auto a, auto b) { return UnlessZero::forward(MulAdjoint::forward(a, b), a); }
  template <class T>
  static std::array<T, 2> reverse(T a, T b, T, T adjoint) {
    const T by_a = mul_adjoints(b, adjoint);
    return {by_a, mul_adjoints(a, adjoint)};
  }
};
/// adjoint / divisor
struct DivAdjoint : Adjoint {
  static constexpr Domain domain[] = {{0.25, 3}, {-3, 3}};
  static auto forward(auto divisor, auto adjoint) { return UnlessZero::forward(adjoint / divisor, adjoint); }
  template <class T>
  static std::array<T, 2> reverse(T divisor, T, T y, T adjoint) {
    const T by_adjoint = div_adjoint(divisor, adjoint);
    return {-mul_adjoints(y, by_adjoint), by_adjoint};
  }
};

/// factor * adjoint: zero for an adjoint of zero among scalars, and whatever the product is among vectors. Graph
/// expressions and recorded formulas have their own.
template <class T>
T scaled(T factor, T adjoint) {
  if constexpr (std::is_floating_point_v<T>) {
    return MulAdjoint::forward(factor, adjoint);
  } else {
    return factor * adjoint;
  }
}
/// factor * part, of what an op's formula made of an adjoint that is not zero: a part that is zero all the same, as
/// adjoint / inf is, hides no NaN. Recorded formulas have their own: they cannot tell where that adjoint is zero.
template <class T>
T scaled_part(T factor, T part) {
  return factor * part;
}
/// scaled() of two adjoints, either of which may be zero.
template <class T>
T scaled_adjoints(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return MulAdjoints::forward(a, b);
  } else {
    return a * b;
  }
}

/// Of the result y.
struct TanhAdjoint : Adjoint {
  template <class T>
  static T forward(T y, T adjoint) {
    return scaled(T(1.0) - y * y, adjoint);
  }
  template <class T>
  static std::array<T, 2> reverse(T y, T by, T, T adjoint) {
    const T slope = T(-2.0) * y, both = scaled_adjoints(by, adjoint);
    const T by_y = scaled(slope, both);
    return {by_y, tanh_adjoint(y, adjoint)};
  }
};
/// Of the result y.
struct SigmoidAdjoint : Adjoint {
  template <class T>
  static T forward(T y, T adjoint) {
    return scaled(y * (T(1.0) - y), adjoint);
  }
  template <class T>
  static std::array<T, 2> reverse(T y, T by, T, T adjoint) {
    const T slope = T(1.0) - (y + y), both = scaled_adjoints(by, adjoint);
    const T by_y = scaled(slope, both);
    return {by_y, sigmoid_adjoint(y, adjoint)};
  }
};
/// relu'(0) = 0. The result is positive, or not a number, exactly where the operand is.
struct ReluAdjoint : Adjoint {
  static constexpr unsigned differentiable = 0b10;
  template <class T>
  static T forward(T y, T adjoint) {
    return select(y <= T(0.0), T(0.0), adjoint);
  }
  template <class T>
  static std::array<T, 2> reverse(T y, T, T, T adjoint) {
    return {T(0.0), relu_adjoint(y, adjoint)};
  }
};

/// adjoint / (1 + x^2), of the operand x. Where x^2 could overflow, it is all of 1 + x^2 that can be told.
struct AtanAdjoint : Adjoint {
  static constexpr double square_is_all = 1e9;
  template <class T>
  static T forward(T x, T adjoint) {
    const auto large = abs(x) > T(square_is_all);
    const T first = select(large, x, T(1.0));
    const T sum = T(1.0) + x * x;
    return DivAdjoint::forward(select(large, x, sum), DivAdjoint::forward(first, adjoint));
  }
  template <class T>
  static std::array<T, 2> reverse(T x, T, T y, T adjoint) {
    const T by_adjoint = atan_adjoint(x, adjoint);
    const T slope = T(-2.0) * x, first = scaled(slope, y);
    const T by_x = scaled_adjoints(first, by_adjoint);
    return {by_x, by_adjoint};
  }
};

#define TAPELOOM_ADJOINT(name, Struct)  \
  template <class T>                    \
  T name(T x, T adjoint) {              \
    return Struct::forward(x, adjoint); \
  }
#include "tapeloom/core/ops/ops.def"

template <std::size_t N>
struct Arity {
  static constexpr std::size_t arity = N;
  static constexpr unsigned differentiable = (1u << N) - 1;
};

struct Add : Arity<2> {
  static constexpr Domain domain[] = {{-3, 3}, {-3, 3}};
  static auto forward(auto a, auto b) { return a + b; }
  static auto reverse(auto, auto, auto, auto adjoint) { return std::array{adjoint, adjoint}; }
};

struct Sub : Arity<2> {
  static constexpr Domain domain[] = {{-3, 3}, {-3, 3}};
  static auto forward(auto a, auto b) { return a - b; }
  static auto reverse(auto, auto, auto, auto adjoint) { return std::array{adjoint, -adjoint}; }
};

struct Mul : Arity<2> {
  static constexpr Domain domain[] = {{-3, 3}, {-3, 3}};
  static auto forward(auto a, auto b) { return a * b; }
  static auto reverse(auto a, auto b, auto, auto adjoint) { return std::array{scaled(b, adjoint), scaled(a, adjoint)}; }
};

struct Div : Arity<2> {
  static constexpr Domain domain[] = {{-3, 3}, {0.25, 3}};
  static auto forward(auto a, auto b) { return a / b; }
  template <class T>
  static std::array<T, 2> reverse(T, T b, T y, T adjoint) {
    const T da = div_adjoint(b, adjoint);
    const T times_y = scaled_part(y, da);
    return {da, unless_zero(-times_y, adjoint)};
  }
};

/// Shared by the comparisons: steps, whose derivative is zero wherever it exists.
struct Comparison {
  static constexpr std::size_t arity = 2;
  static constexpr unsigned differentiable = 0;
  static constexpr Domain domain[] = {{-1, 1}, {-1, 1}};
  template <class T>
  static std::array<T, 2> reverse(T, T, T, T) {
    return {T(0.0), T(0.0)};
  }
};

struct Less : Comparison {
  template <class T>
  static T forward(T a, T b) {
    return select(a < b, T(1.0), T(0.0));
  }
};
struct LessEqual : Comparison {
  template <class T>
  static T forward(T a, T b) {
    return select(a <= b, T(1.0), T(0.0));
  }
};
struct Greater : Comparison {
  template <class T>
  static T forward(T a, T b) {
    return select(a > b, T(1.0), T(0.0));
  }
};
struct GreaterEqual : Comparison {
  template <class T>
  static T forward(T a, T b) {
    return select(a >= b, T(1.0), T(0.0));
  }
};
struct Equal : Comparison {
  template <class T>
  static T forward(T a, T b) {
    return select(a == b, T(1.0), T(0.0));
  }
};
struct NotEqual : Comparison {
  template <class T>
  static T forward(T a, T b) {
    return select(a != b, T(1.0), T(0.0));
  }
};

struct Neg : Arity<1> {
  static constexpr Domain domain[] = {{-3, 3}};
  static auto forward(auto x) { return -x; }
  static auto reverse(auto, auto, auto adjoint) { return std::array{-adjoint}; }
};

struct Exp : Arity<1> {
  static constexpr Domain domain[] = {{-5, 5}};
  static auto forward(auto x) { return exp(x); }
  static auto reverse(auto, auto y, auto adjoint) { return std::array{mul_adjoint(y, adjoint)}; }
};

struct Expm1 : Arity<1> {
  static constexpr Domain domain[] = {{-5, 5}};
  static auto forward(auto x) { return expm1(x); }
  template <class T>
  static std::array<T, 1> reverse(T, T y, T adjoint) {
    return {mul_adjoint(y + T(1.0), adjoint)};
  }
};

struct Log : Arity<1> {
  static constexpr Domain domain[] = {{0.1, 10}};
  static auto forward(auto x) { return log(x); }
  static auto reverse(auto x, auto, auto adjoint) { return std::array{div_adjoint(x, adjoint)}; }
};

struct Log1p : Arity<1> {
  static constexpr Domain domain[] = {{-0.9, 10}};
  static auto forward(auto x) { return log1p(x); }
  template <class T>
  static std::array<T, 1> reverse(T x, T, T adjoint) {
    return {div_adjoint(T(1.0) + x, adjoint)};
  }
};

struct Sqrt : Arity<1> {
  static constexpr Domain domain[] = {{0.1, 10}};
  static auto forward(auto x) { return sqrt(x); }
  static auto reverse(auto, auto y, auto adjoint) { return std::array{div_adjoint(y + y, adjoint)}; }
};

struct Square : Arity<1> {
  static constexpr Domain domain[] = {{-3, 3}};
  static auto forward(auto x) { return x * x; }
  static auto reverse(auto x, auto, auto adjoint) { return std::array{scaled(x + x, adjoint)}; }
};

struct Tanh : Arity<1> {
  static constexpr Domain domain[] = {{-3, 3}};
  static auto forward(auto x) { return tanh(x); }
  static auto reverse(auto, auto y, auto adjoint) { return std::array{tanh_adjoint(y, adjoint)}; }
};

struct Sigmoid : Arity<1> {
  static constexpr Domain domain[] = {{-5, 5}};
  /// 1 / (1 + exp(-x)) for x >= 0 and exp(x) / (1 + exp(x)) below, so that exp never overflows.
  template <class T>
  static T forward(T x) {
    T e = exp(-abs(x));
    return select(x < T(0.0), e, T(1.0)) / (T(1.0) + e);
  }
  static auto reverse(auto, auto y, auto adjoint) { return std::array{sigmoid_adjoint(y, adjoint)}; }
};

/// The same function as a formula may call it; graph expressions and Value have their own.
template <class T>
T sigmoid(T x) {
  return Sigmoid::forward(x);
}

struct Relu : Arity<1> {
  static constexpr Domain domain[] = {{-3, 3}};
  template <class T>
  static T forward(T x) {
    return select(x <= T(0.0), T(0.0), x);
  }
  static auto reverse(auto, auto y, auto adjoint) { return std::array{relu_adjoint(y, adjoint)}; }
};

struct Softplus : Arity<1> {
  static constexpr Domain domain[] = {{-5, 5}};
  /// log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), so that exp never overflows.
  template <class T>
  static T forward(T x) {
    return select(x <= T(0.0), T(0.0), x) + log1p(exp(-abs(x)));
  }
  static auto reverse(auto x, auto, auto adjoint) { return std::array{scaled(sigmoid(x), adjoint)}; }
};

struct Sin : Arity<1> {
  static constexpr Domain domain[] = {{-6, 6}};
  static auto forward(auto x) { return sin(x); }
  static auto reverse(auto x, auto, auto adjoint) { return std::array{scaled(cos(x), adjoint)}; }
};

struct Cos : Arity<1> {
  static constexpr Domain domain[] = {{-6, 6}};
  static auto forward(auto x) { return cos(x); }
  static auto reverse(auto x, auto, auto adjoint) { return std::array{-scaled(sin(x), adjoint)}; }
};

struct Atan : Arity<1> {
  static constexpr Domain domain[] = {{-6, 6}};
  static auto forward(auto x) { return atan(x); }
  static auto reverse(auto x, auto, auto adjoint) { return std::array{atan_adjoint(x, adjoint)}; }
};

struct Abs : Arity<1> {
  static constexpr Domain domain[] = {{-3, 3}};
  static auto forward(auto x) { return abs(x); }
  /// abs'(0) = 0.
  template <class T>
  static std::array<T, 1> reverse(T x, T, T adjoint) {
    const T negative = -adjoint;
    const T otherwise = select(x < T(0.0), negative, T(0.0));
    return {select(x > T(0.0), adjoint, otherwise)};
  }
};

struct Tan : Arity<1> {
  static constexpr Domain domain[] = {{-1.3, 1.3}};
  static auto forward(auto x) { return tan(x); }
  /// No number is so near to a pole that y^2 overflows.
  template <class T>
  static std::array<T, 1> reverse(T, T y, T adjoint) {
    return {scaled(T(1.0) + y * y, adjoint)};
  }
};

struct Asin : Arity<1> {
  static constexpr Domain domain[] = {{-0.9, 0.9}};
  static auto forward(auto x) { return asin(x); }
  /// 1 / sqrt((1 - x) (1 + x)), in which nothing cancels near 1 and -1.
  template <class T>
  static std::array<T, 1> reverse(T x, T, T adjoint) {
    const T above = T(1.0) - x, below = T(1.0) + x;
    return {div_adjoint(sqrt(above * below), adjoint)};
  }
};

struct Acos : Arity<1> {
  static constexpr Domain domain[] = {{-0.9, 0.9}};
  static auto forward(auto x) { return acos(x); }
  template <class T>
  static std::array<T, 1> reverse(T x, T, T adjoint) {
    const T above = T(1.0) - x, below = T(1.0) + x;
    return {-div_adjoint(sqrt(above * below), adjoint)};
  }
};

struct Sinh : Arity<1> {
  static constexpr Domain domain[] = {{-3, 3}};
  static auto forward(auto x) { return sinh(x); }
  static auto reverse(auto x, auto, auto adjoint) { return std::array{mul_adjoint(cosh(x), adjoint)}; }
};

struct Cosh : Arity<1> {
  static constexpr Domain domain[] = {{-3, 3}};
  static auto forward(auto x) { return cosh(x); }
  static auto reverse(auto x, auto, auto adjoint) { return std::array{mul_adjoint(sinh(x), adjoint)}; }
};

struct Asinh : Arity<1> {
  static constexpr Domain domain[] = {{-6, 6}};
  static auto forward(auto x) { return asinh(x); }
  /// 1 / sqrt(1 + x^2), whose square does not overflow.
  template <class T>
  static std::array<T, 1> reverse(T x, T, T adjoint) {
    return {div_adjoint(hypot(T(1.0), x), adjoint)};
  }
};

struct Acosh : Arity<1> {
  static constexpr Domain domain[] = {{1.2, 10}};
  static auto forward(auto x) { return acosh(x); }
  /// 1 / sqrt(x^2 - 1), in two factors that do not overflow. NaN below 1, as the value is.
  template <class T>
  static std::array<T, 1> reverse(T x, T, T adjoint) {
    const T below = sqrt(x - T(1.0)), above = sqrt(x + T(1.0));
    return {div_adjoint(below * above, adjoint)};
  }
};

struct Atanh : Arity<1> {
  static constexpr Domain domain[] = {{-0.9, 0.9}};
  static auto forward(auto x) { return atanh(x); }
  template <class T>
  static std::array<T, 1> reverse(T x, T, T adjoint) {
    const T above = T(1.0) - x, below = T(1.0) + x;
    return {div_adjoint(above * below, adjoint)};
  }
};

struct Exp2 : Arity<1> {
  static constexpr Domain domain[] = {{-5, 5}};
  static auto forward(auto x) { return exp2(x); }
  template <class T>
  static std::array<T, 1> reverse(T, T y, T adjoint) {
    return {mul_adjoint(y, scaled(T(std::numbers::ln2), adjoint))};
  }
};

struct Log2 : Arity<1> {
  static constexpr Domain domain[] = {{0.1, 10}};
  static auto forward(auto x) { return log2(x); }
  template <class T>
  static std::array<T, 1> reverse(T x, T, T adjoint) {
    return {div_adjoint(x, scaled(T(std::numbers::log2e), adjoint))};
  }
};

struct Log10 : Arity<1> {
  static constexpr Domain domain[] = {{0.1, 10}};
  static auto forward(auto x) { return log10(x); }
  template <class T>
  static std::array<T, 1> reverse(T x, T, T adjoint) {
    return {div_adjoint(x, scaled(T(std::numbers::log10e), adjoint))};
  }
};

struct Cbrt : Arity<1> {
  static constexpr Domain domain[] = {{0.1, 10}};
  static auto forward(auto x) { return cbrt(x); }
  template <class T>
  static std::array<T, 1> reverse(T, T y, T adjoint) {
    return {div_adjoint(T(3.0) * (y * y), adjoint)};
  }
};

/// Of the derivatives of erf and erfc.
inline constexpr double two_over_sqrt_pi = 2.0 * std::numbers::inv_sqrtpi;

struct Erf : Arity<1> {
  static constexpr Domain domain[] = {{-3, 3}};
  static auto forward(auto x) { return erf(x); }
  template <class T>
  static std::array<T, 1> reverse(T x, T, T adjoint) {
    const T bell = exp(-(x * x));
    return {scaled(T(two_over_sqrt_pi) * bell, adjoint)};
  }
};

struct Erfc : Arity<1> {
  static constexpr Domain domain[] = {{-3, 3}};
  static auto forward(auto x) { return erfc(x); }
  template <class T>
  static std::array<T, 1> reverse(T x, T, T adjoint) {
    const T bell = exp(-(x * x));
    return {scaled(T(-two_over_sqrt_pi) * bell, adjoint)};
  }
};

/// log |gamma(x)|
struct Lgamma : Arity<1> {
  static constexpr Domain domain[] = {{0.2, 8}};
  static auto forward(auto x) { return lgamma(x); }
  static auto reverse(auto x, auto, auto adjoint) { return std::array{mul_adjoint(digamma(x), adjoint)}; }
};

/// The derivative of lgamma.
struct Digamma : Arity<1> {
  static constexpr Domain domain[] = {{0.2, 8}};
  static auto forward(auto x) { return digamma(x); }
  template <class T>
  static std::array<T, 1> reverse(T x, T, T adjoint) {
    return {mul_adjoint(polygamma(T(1.0), x), adjoint)};
  }
};

/// Shared by functions that are steps, whose derivative is zero wherever it exists, and taken for zero elsewhere, and
/// by what is said to have none.
struct Step {
  static constexpr std::size_t arity = 1;
  static constexpr unsigned differentiable = 0;
  static constexpr Domain domain[] = {{-3, 3}};
  template <class T>
  static std::array<T, 1> reverse(T, T, T) {
    return {T(0.0)};
  }
};

struct Floor : Step {
  static auto forward(auto x) { return floor(x); }
};
struct Ceil : Step {
  static auto forward(auto x) { return ceil(x); }
};
/// Halves away from zero.
struct Round : Step {
  static auto forward(auto x) { return round(x); }
};

/// x, computed anew in every step, to which no adjoint goes. A node of its own, so that nothing takes it for x before
/// there are derivatives.
struct StopGradient : Step {
  static auto forward(auto x) { return x; }
};

struct LeakyRelu : Arity<2> {
  static constexpr Domain domain[] = {{-3, 3}, {0.01, 0.5}};
  template <class T>
  static T forward(T x, T slope) {
    return select(x > T(0.0), x, slope * x);
  }
  /// The derivative at 0 is the slope.
  template <class T>
  static std::array<T, 2> reverse(T x, T slope, T, T adjoint) {
    const T below = scaled(slope, adjoint), dx = select(x > T(0.0), adjoint, below);
    const T by_slope = scaled(x, adjoint), dslope = select(x > T(0.0), T(0.0), by_slope);
    return {dx, dslope};
  }
};

struct Pow : Arity<2> {
  static constexpr Domain domain[] = {{0.1, 3}, {-3, 3}};
  static auto forward(auto a, auto b) { return pow(a, b); }
  /// d/da = b a^(b-1), zero for b = 0 even at a = 0; d/db = a^b log(a), whose limit at a = 0 is zero for b >= 0.
  template <class T>
  static std::array<T, 2> reverse(T a, T b, T y, T adjoint) {
    // Linear in b, as products are in an adjoint: zero for b = 0, where the derivative by b is a^(b-1) all the same. A
    // `select` would have none there.
    const T by_a = mul_adjoint(pow(a, b - T(1.0)), b), da = scaled(by_a, adjoint);
    const T by_b = scaled(y * log(a), adjoint), infinite = scaled(y * log(a), adjoint);
    const T at_zero = select(b < T(0.0), infinite, T(0.0));
    const T db = select(a == T(0.0), at_zero, by_b);
    return {unless_zero(da, adjoint), unless_zero(db, adjoint)};
  }
};

/// Ties go to the first operand. A NaN on either side gives NaN, whose adjoint goes to the first.
struct Max : Arity<2> {
  static constexpr Domain domain[] = {{-3, 3}, {-3, 3}};
  static auto forward(auto a, auto b) { return select(b > a, b, select(a >= b, a, a + b)); }
  template <class T>
  static std::array<T, 2> reverse(T a, T b, T, T adjoint) {
    return {select(b > a, T(0.0), adjoint), select(b > a, adjoint, T(0.0))};
  }
};

/// Like Max.
struct Min : Arity<2> {
  static constexpr Domain domain[] = {{-3, 3}, {-3, 3}};
  static auto forward(auto a, auto b) { return select(b < a, b, select(a <= b, a, a + b)); }
  template <class T>
  static std::array<T, 2> reverse(T a, T b, T, T adjoint) {
    return {select(b < a, T(0.0), adjoint), select(b < a, adjoint, T(0.0))};
  }
};

/// sqrt(a^2 + b^2), whose squares do not overflow.
struct Hypot : Arity<2> {
  static constexpr Domain domain[] = {{-3, 3}, {-3, 3}};
  static auto forward(auto a, auto b) { return hypot(a, b); }
  /// The derivatives at (0, 0) are 0.
  template <class T>
  static std::array<T, 2> reverse(T a, T b, T y, T adjoint) {
    const T by_a = a / y, da = select(y == T(0.0), T(0.0), by_a);
    const T by_b = b / y, db = select(y == T(0.0), T(0.0), by_b);
    return {scaled(da, adjoint), scaled(db, adjoint)};
  }
};

/// The angle of the point (b, a), as in C.
struct Atan2 : Arity<2> {
  static constexpr Domain domain[] = {{-3, 3}, {-3, 3}};
  static auto forward(auto a, auto b) { return atan2(a, b); }
  /// b / r^2 and -a / r^2 with the radius r, which is divided by twice: its square may overflow. The derivatives at
  /// (0, 0) are 0.
  template <class T>
  static std::array<T, 2> reverse(T a, T b, T, T adjoint) {
    const T r = hypot(a, b);
    const T cosine = b / r, by_a = select(r == T(0.0), T(0.0), cosine);
    const T sine = a / r, by_b = select(r == T(0.0), T(0.0), sine);
    const T da = scaled(by_a, adjoint), db = scaled(by_b, adjoint);
    return {div_adjoint(r, da), -div_adjoint(r, db)};
  }
};

/// a - n b for the whole number n = trunc(a / b); has the sign of a.
struct Fmod : Arity<2> {
  static constexpr Domain domain[] = {{-3, 3}, {0.25, 3}};
  static auto forward(auto a, auto b) { return fmod(a, b); }
  /// n is (a - y) / b; a / b may be rounded up to the next whole number.
  template <class T>
  static std::array<T, 2> reverse(T a, T b, T y, T adjoint) {
    const T n = round((a - y) / b);
    return {adjoint, -mul_adjoint(n, adjoint)};
  }
};

/// |a| with the sign of b, which a zero has as well.
struct Copysign : Arity<2> {
  static constexpr unsigned differentiable = 0b01;
  static constexpr Domain domain[] = {{-3, 3}, {-3, 3}};
  static auto forward(auto a, auto b) { return copysign(a, b); }
  /// The product of the signs of a and y, with 0 for a = 0 as abs has it.
  template <class T>
  static std::array<T, 2> reverse(T a, T, T y, T adjoint) {
    const T opposite = -adjoint;
    const T of_positive = select(y > T(0.0), adjoint, opposite), of_negative = select(y > T(0.0), opposite, adjoint);
    const T otherwise = select(a < T(0.0), of_negative, T(0.0));
    return {select(a > T(0.0), of_positive, otherwise), T(0.0)};
  }
};

/// The derivative of that order of digamma(x), which is of order 0.
struct Polygamma : Arity<2> {
  static constexpr unsigned differentiable = 0b10;
  static constexpr Domain domain[] = {{1, 1}, {0.2, 8}};
  static auto forward(auto order, auto x) { return polygamma(order, x); }
  template <class T>
  static std::array<T, 2> reverse(T order, T x, T, T adjoint) {
    const T next = order + T(1.0);
    return {T(0.0), mul_adjoint(polygamma(next, x), adjoint)};
  }
};

/// The second operand where the first is not zero (NaN counts as true), the third elsewhere.
struct Where : Arity<3> {
  static constexpr unsigned differentiable = 0b110;
  static constexpr Domain domain[] = {{-1, 1}, {-3, 3}, {-3, 3}};
  template <class T>
  static T forward(T condition, T a, T b) {
    return select(condition != T(0.0), a, b);
  }
  template <class T>
  static std::array<T, 3> reverse(T condition, T, T, T, T adjoint) {
    return {T(0.0), select(condition != T(0.0), adjoint, T(0.0)), select(condition != T(0.0), T(0.0), adjoint)};
  }
};

/// A product as a number of its own, for whoever might round it together with what it is added to.
template <class T>
T rounded(T product) {
  return product;
}

// What a pass makes of a product and the sum or difference that reads it: one pass over rows instead of two. The
// product is rounded, as by the two ops: else x * x - y * y would not be 0 for x = y, and its root NaN.
struct MultiplyAdd : Arity<3> {
  static constexpr Domain domain[] = {{1, 3}, {1, 3}, {1, 3}};
  static auto forward(auto a, auto b, auto c) { return rounded(a * b) + c; }
  template <class T>
  static std::array<T, 3> reverse(T a, T b, T, T, T adjoint) {
    const T by_a = scaled(b, adjoint);
    return {by_a, scaled(a, adjoint), adjoint};
  }
};
struct MultiplySubtract : Arity<3> {
  static constexpr Domain domain[] = {{2, 3}, {2, 3}, {-3, 3}};
  static auto forward(auto a, auto b, auto c) { return rounded(a * b) - c; }
  template <class T>
  static std::array<T, 3> reverse(T a, T b, T, T, T adjoint) {
    const T by_a = scaled(b, adjoint), by_b = scaled(a, adjoint);
    return {by_a, by_b, -adjoint};
  }
};
struct SubtractProduct : Arity<3> {
  static constexpr Domain domain[] = {{2, 3}, {2, 3}, {-3, 3}};
  static auto forward(auto a, auto b, auto c) { return c - rounded(a * b); }
  template <class T>
  static std::array<T, 3> reverse(T a, T b, T, T, T adjoint) {
    const T minus = -adjoint, by_a = scaled(b, minus);
    return {by_a, scaled(a, minus), adjoint};
  }
};

/// Calls f.template operator()<Struct>() for a scalar op; leaves and reductions go to g().
template <class F, class G>
decltype(auto) visit(Op op, F&& f, G&& g) {
  switch (op) {
#define TAPELOOM_LEAF(name) case Op::name:
#define TAPELOOM_REDUCTION(name) case Op::name:
#include "tapeloom/core/ops/ops.def"
    break;
#define TAPELOOM_OP(name, Struct) \
  case Op::name:                  \
    return f.template operator()<Struct>();
#include "tapeloom/core/ops/ops.def"
  }
  return g();
}

// The table's arity and the struct's are two statements of one fact.
#define TAPELOOM_OP(name, Struct) \
  static_assert(op_arity(Op::name) == Struct::arity && std::size(Struct::domain) == Struct::arity);
#include "tapeloom/core/ops/ops.def"

}  // namespace tapeloom::inline TAPELOOM_ABI::ops
