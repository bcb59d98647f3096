// The standard library's functions of numbers, for Values too: opt in, for code that is generic in its type of numbers
// and calls std::exp(x), or exp(x) after `using std::exp` or `using namespace std`. Without this header such code does
// not compile with Values, but for std::max, std::min and std::clamp, which compare and record guards.
//
// Include it before the code: what a template calls by a qualified name is looked up where the template is written.
//
// With it std::max, std::min and std::clamp of Values are ops, which choose sample by sample and need no guard:
//
// - a NaN on either side gives NaN, where the ones for doubles give the first operand, or the other, by the order;
//   std::fmax and std::fmin pass over NaN;
// - of equal operands the first one gets the derivative;
// - the result is a new Value and no reference to an operand, so that nothing can be assigned to it.
//
// std::isnan, isinf, isfinite and signbit give comparisons: numbers in where(), with a guard where a bool is needed.
// Whatever else compares Values, as std::sort, std::max_element and std::max with an order of its own do, guards as
// ever.
//
// The C++ standard allows nobody to add names to namespace std ([namespace.std]), using-declarations not excepted; all
// compilers do what is meant. docs/generic-code.md says what follows, and how others do it.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <initializer_list>
#include <span>
#include <type_traits>

#include "tapeloom/core/record/functions.h"
#include "tapeloom/core/record/value.h"

/// What namespace std has besides the functions of one name in namespace tapeloom.
namespace tapeloom::inline TAPELOOM_ABI::standard {

/// sqrt(a^2 + b^2 + c^2). The larger of a and c is among the first two: hypot(0, 0) has no second derivatives, but
/// hypot(0, 0, c) has.
inline Value hypot(Value a, Value b, Value c) {
  const Condition swapped = abs(c) > abs(a);
  const Value larger = where(swapped, c, a), smaller = where(swapped, a, c);
  const Value of_two = tapeloom::hypot(larger, b);
  return tapeloom::hypot(of_two, smaller);
}

/// Of a list that is not empty.
inline Value max(std::initializer_list<Value> list) {
  Value most = *list.begin();
  for (const Value& next : std::span(list.begin(), list.size()).subspan(1)) most = tapeloom::max(most, next);
  return most;
}
inline Value min(std::initializer_list<Value> list) {
  Value least = *list.begin();
  for (const Value& next : std::span(list.begin(), list.size()).subspan(1)) least = tapeloom::min(least, next);
  return least;
}

/// With T said, as in std::max<T>(x, 0.0). Constraints make these the better ones of two that are otherwise alike.
template <std::same_as<Value> T>
T max(const T& a, const T& b) {
  return tapeloom::max(a, b);
}
template <std::same_as<Value> T>
T min(const T& a, const T& b) {
  return tapeloom::min(a, b);
}
template <std::same_as<Value> T>
T max(std::initializer_list<T> list) {
  return standard::max(list);
}
template <std::same_as<Value> T>
T min(std::initializer_list<T> list) {
  return standard::min(list);
}
template <std::same_as<Value> T>
T clamp(const T& x, const T& low, const T& high) {
  return tapeloom::clamp(x, low, high);
}

/// Two types of built-in numbers: as without this header, an error, and not Values. A type that is said, as in
/// std::max<long>(1, 2L), is no argument for `deduced`, so that these are none of the candidates there.
template <class T>
concept BuiltInNumber = std::is_arithmetic_v<T> || std::is_enum_v<T>;
template <class A, class B>
concept MixedNumbers = BuiltInNumber<A> && BuiltInNumber<B> && !std::same_as<A, B>;
template <int deduced = 0, class A, class B>
requires MixedNumbers<A, B>
void max(A, B) = delete;
template <int deduced = 0, class A, class B>
requires MixedNumbers<A, B>
void min(A, B) = delete;
template <int deduced = 0, class A, class B, class C>
requires(MixedNumbers<A, B>&& BuiltInNumber<C>) || (MixedNumbers<A, C> && BuiltInNumber<B>)void clamp(A, B, C) = delete;

}  // namespace tapeloom::inline TAPELOOM_ABI::standard

// NOLINTBEGIN(cert-dcl58-cpp)
namespace std {

using tapeloom::abs;
using tapeloom::acos;
using tapeloom::acosh;
using tapeloom::asin;
using tapeloom::asinh;
using tapeloom::atan;
using tapeloom::atan2;
using tapeloom::atanh;
using tapeloom::cbrt;
using tapeloom::ceil;
using tapeloom::copysign;
using tapeloom::cos;
using tapeloom::cosh;
using tapeloom::erf;
using tapeloom::erfc;
using tapeloom::exp;
using tapeloom::exp2;
using tapeloom::expm1;
using tapeloom::fabs;
using tapeloom::floor;
using tapeloom::fmax;
using tapeloom::fmin;
using tapeloom::fmod;
using tapeloom::hypot;
using tapeloom::lgamma;
using tapeloom::log;
using tapeloom::log10;
using tapeloom::log1p;
using tapeloom::log2;
using tapeloom::pow;
using tapeloom::round;
using tapeloom::sin;
using tapeloom::sinh;
using tapeloom::sqrt;
using tapeloom::tan;
using tapeloom::tanh;

using tapeloom::isfinite;
using tapeloom::isinf;
using tapeloom::isnan;
using tapeloom::signbit;

using tapeloom::clamp;
using tapeloom::max;
using tapeloom::min;
using tapeloom::standard::clamp;
using tapeloom::standard::hypot;
using tapeloom::standard::max;
using tapeloom::standard::min;

}  // namespace std
// NOLINTEND(cert-dcl58-cpp)
