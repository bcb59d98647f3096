// Functions of a vector, for the formulas of the op table. Most are glibc's vector ones (at most 4 ULP:
// sysdeps/x86_64/fpu/libm-test-ulps; special values go through the scalar function), or the scalar ones lane by lane.
// tanh is our own: without special cases, it takes half the time.
#pragma once

#include <type_traits>

#include "tapeloom/core/ops/gamma.h"
#include "tapeloom/core/ops/ops.h"
#include "tapeloom/runtime/kernels/lanes.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS {
namespace {

// --- of the C library ------------------------------------------------------------------------------------------------

#define TAPELOOM_EACH_LANE(name, scalar)                                       \
  template <class T>                                                           \
  inline Lanes<T> name(Lanes<T> x) {                                           \
    for (std::size_t i = 0; i < Lanes<T>::count; ++i) x.v[i] = scalar(x.v[i]); \
    return x;                                                                  \
  }
#define TAPELOOM_EACH_LANE_OF_TWO(name, scalar)                                        \
  template <class T>                                                                   \
  inline Lanes<T> name(Lanes<T> a, Lanes<T> b) {                                       \
    for (std::size_t i = 0; i < Lanes<T>::count; ++i) a.v[i] = scalar(a.v[i], b.v[i]); \
    return a;                                                                          \
  }

#ifdef TAPELOOM_MVEC
using Floats = Lanes<float>;
using Doubles = Lanes<double>;
#define TAPELOOM_GLUE_(letter, lanes, function, suffix) _ZGV##letter##lanes##v_##function##suffix
#define TAPELOOM_GLUE(letter, lanes, function, suffix) TAPELOOM_GLUE_(letter, lanes, function, suffix)
#if TAPELOOM_VECTOR_BYTES == 16
#define TAPELOOM_MVEC_FLOAT N4
#define TAPELOOM_MVEC_DOUBLE N2
#elif TAPELOOM_VECTOR_BYTES == 32
#define TAPELOOM_MVEC_FLOAT N8
#define TAPELOOM_MVEC_DOUBLE N4
#else
#define TAPELOOM_MVEC_FLOAT N16
#define TAPELOOM_MVEC_DOUBLE N8
#endif
#define TAPELOOM_FUNCTION_OF(Numbers, name, lanes, suffix)                                       \
  extern "C" Numbers::Vector TAPELOOM_GLUE(TAPELOOM_MVEC, lanes, name, suffix)(Numbers::Vector); \
  inline Numbers name(Numbers x) { return Numbers(TAPELOOM_GLUE(TAPELOOM_MVEC, lanes, name, suffix)(x.v)); }
#define TAPELOOM_VECTOR_FUNCTION(name)                       \
  TAPELOOM_FUNCTION_OF(Floats, name, TAPELOOM_MVEC_FLOAT, f) \
  TAPELOOM_FUNCTION_OF(Doubles, name, TAPELOOM_MVEC_DOUBLE, )
#else
#define TAPELOOM_VECTOR_FUNCTION(name) TAPELOOM_EACH_LANE(name, std::name)
#endif

TAPELOOM_VECTOR_FUNCTION(exp)
TAPELOOM_VECTOR_FUNCTION(expm1)
TAPELOOM_VECTOR_FUNCTION(log)
TAPELOOM_VECTOR_FUNCTION(log1p)
TAPELOOM_VECTOR_FUNCTION(sin)
TAPELOOM_VECTOR_FUNCTION(cos)
TAPELOOM_VECTOR_FUNCTION(atan)
TAPELOOM_VECTOR_FUNCTION(tan)
TAPELOOM_VECTOR_FUNCTION(asin)
TAPELOOM_VECTOR_FUNCTION(acos)
TAPELOOM_VECTOR_FUNCTION(sinh)
TAPELOOM_VECTOR_FUNCTION(cosh)
TAPELOOM_VECTOR_FUNCTION(asinh)
TAPELOOM_VECTOR_FUNCTION(acosh)
TAPELOOM_VECTOR_FUNCTION(atanh)
TAPELOOM_VECTOR_FUNCTION(exp2)
TAPELOOM_VECTOR_FUNCTION(log2)
TAPELOOM_VECTOR_FUNCTION(log10)
TAPELOOM_VECTOR_FUNCTION(cbrt)
TAPELOOM_VECTOR_FUNCTION(erf)
TAPELOOM_VECTOR_FUNCTION(erfc)
#undef TAPELOOM_VECTOR_FUNCTION

#ifdef TAPELOOM_MVEC
#define TAPELOOM_GLUE_TWO_(letter, lanes, function, suffix) _ZGV##letter##lanes##vv_##function##suffix
#define TAPELOOM_GLUE_TWO(letter, lanes, function, suffix) TAPELOOM_GLUE_TWO_(letter, lanes, function, suffix)
#define TAPELOOM_FUNCTION_OF_TWO(Numbers, name, lanes, suffix)                                                        \
  extern "C" Numbers::Vector TAPELOOM_GLUE_TWO(TAPELOOM_MVEC, lanes, name, suffix)(Numbers::Vector, Numbers::Vector); \
  inline Numbers name(Numbers a, Numbers b) {                                                                         \
    return Numbers(TAPELOOM_GLUE_TWO(TAPELOOM_MVEC, lanes, name, suffix)(a.v, b.v));                                  \
  }
#define TAPELOOM_VECTOR_FUNCTION_OF_TWO(name)                    \
  TAPELOOM_FUNCTION_OF_TWO(Floats, name, TAPELOOM_MVEC_FLOAT, f) \
  TAPELOOM_FUNCTION_OF_TWO(Doubles, name, TAPELOOM_MVEC_DOUBLE, )
#else
#define TAPELOOM_VECTOR_FUNCTION_OF_TWO(name) TAPELOOM_EACH_LANE_OF_TWO(name, std::name)
#endif

TAPELOOM_VECTOR_FUNCTION_OF_TWO(pow)
TAPELOOM_VECTOR_FUNCTION_OF_TWO(hypot)
TAPELOOM_VECTOR_FUNCTION_OF_TWO(atan2)
#undef TAPELOOM_VECTOR_FUNCTION_OF_TWO

// Seldom used, and no vector function has them: up to 15 times as long as exp takes for a vector of floats.
TAPELOOM_EACH_LANE(lgamma, ops::lgamma)
TAPELOOM_EACH_LANE(digamma, ops::digamma)
TAPELOOM_EACH_LANE_OF_TWO(polygamma, ops::polygamma)
TAPELOOM_EACH_LANE_OF_TWO(fmod, std::fmod)
#undef TAPELOOM_EACH_LANE
#undef TAPELOOM_EACH_LANE_OF_TWO

// --- our own ---------------------------------------------------------------------------------------------------------

/// The numbers from -most to most, and NaN, as they are; others at the nearer end.
inline Lanes<float> clamp(Lanes<float> x, float most) {
  const Lanes<float> end(static_cast<double>(most));
  // Compilers do not find these in comparisons. Where one operand is NaN, the second is the result.
#if TAPELOOM_VECTOR_BYTES == 64
  constexpr __mmask16 all = 0xffff;
  return Lanes<float>(_mm512_maskz_max_ps(all, (-end).v, _mm512_maskz_min_ps(all, end.v, x.v)));
#elif TAPELOOM_VECTOR_BYTES == 32
  return Lanes<float>(_mm256_max_ps((-end).v, _mm256_min_ps(end.v, x.v)));
#else
  const Lanes<float> below = select(end < x, end, x);
  return select(below < -end, -end, below);
#endif
}

/// 2 h / (1 + h^2) with h = tanh(x / 2) = n / d: the nearer h comes to 1, the less its own errors count, so that few
/// terms do, and the derivative 1 - tanh(x)^2 loses no more than 4 eps. n / x and d are polynomials of x^2, whose
/// quotient fits tanh(x) to 7.4e-9, relatively (by Remez' algorithm, with the relative error of h over cosh(x)). With
/// its roundings at most 4.7 ULP, of all floats: 4.48 where nothing is fused, 4.07 or 4.63 by which of the two squares
/// is. tanh rounds to 1 beyond 9.011.
inline Lanes<float> tanh(Lanes<float> x) {
  using Numbers = Lanes<float>;
  const Numbers c = clamp(x, 9.012f), t = c * c;
  const Numbers n = (Numbers(1.14332850307248e-4) * t + Numbers(0.0297774325322149)) * (t * c) + c;
  const Numbers d =
      ((Numbers(2.46135825253032e-6) * t + Numbers(0.00241385975151434)) * t + Numbers(0.226221463108482)) * t +
      Numbers(2.0);
  return clamp((n + n) * d / (d * d + n * n), 1.0f);
}

/// e / (e + 2), with e = exp(2 |x|) - 1, and the sign of x; beyond 20, tanh rounds to 1. At most 4 ULP. For e, y = 2
/// |x| is n log(2) + r with a whole number n and |r| <= log(2) / 2 (W. J. Cody and W. Waite, Software Manual for the
/// Elementary Functions, 1980): exp(r) - 1 is Taylor's series up to r^13 / 13!, and e = 2^n (exp(r) - 1) + (2^n - 1).
inline Lanes<double> tanh(Lanes<double> x) {
  using Numbers = Lanes<double>;
  using Bits = Numbers::Mask;
  const auto bits = [](Numbers number) { return (Bits)number.v; };
  const auto of_bits = [](Bits pattern) { return Numbers((Numbers::Vector)pattern); };
  const Numbers size = abs(x), end(20.0), one(1.0), c = select(end < size, end, size), y = c + c;
  // Adding it rounds to a whole number, which is in the last bits of the sum then.
  const Numbers rounder(0x1.8p52), shifted = y * Numbers(1.4426950408889634) + rounder, n = shifted - rounder;
  // log(2) in two parts, the first of which is exact when it is multiplied with n.
  const Numbers r = (y - n * Numbers(0.69314718036912382)) - n * Numbers(1.9082149292705877e-10);
  const auto pair = [&](double low, double high) { return Numbers(1.0 / high) * r + Numbers(1.0 / low); };
  const Numbers r2 = r * r, r4 = r2 * r2;
  const Numbers low = (pair(40320, 362880) * r2 + pair(720, 5040)) * r4 + (pair(24, 120) * r2 + pair(2, 6));
  const Numbers high = pair(479001600, 6227020800) * r2 + pair(3628800, 39916800);
  const Numbers exp_less_one = (high * (r4 * r4) + low) * r2 + r;
  constexpr std::int64_t bias = 1023, exponent = std::int64_t{1} << 52;
  const Numbers power = of_bits((bits(shifted) << 52) + (Bits{} + bias * exponent));
  const Numbers e = power * exp_less_one + (power - one);
  const Bits sign = bits(x) ^ bits(size);
  return of_bits(bits(e / (e + Numbers(2.0))) | sign);
}

// --- whole numbers and signs -----------------------------------------------------------------------------------------

/// |a| with the sign of b.
template <class T>
inline Lanes<T> copysign(Lanes<T> a, Lanes<T> b) {
  using Mask = typename Lanes<T>::Mask;
  const Mask sign = Mask{} + (typename Lanes<T>::Bits{1} << (8 * sizeof(T) - 1));
  return Lanes<T>((typename Lanes<T>::Vector)(((Mask)a.v & ~sign) | ((Mask)b.v & sign)));
}

/// From here on every number is whole; a smaller one that is added to it is rounded to the nearest.
template <class T>
inline constexpr double all_whole = std::is_same_v<T, float> ? 0x1p23 : 0x1p52;

/// x itself where it is whole anyway; otherwise what of_nearest(|x|, the nearest of |x|) is, with the sign of x.
template <class T, class F>
inline Lanes<T> whole(Lanes<T> x, F&& of_nearest) {
  const Lanes<T> size = abs(x), end(all_whole<T>), nearest = (size + end) - end;
  return select(size < end, copysign(of_nearest(size, nearest), x), x);
}

template <class T>
inline Lanes<T> floor(Lanes<T> x) {
  return whole(x, [&](Lanes<T>, Lanes<T> nearest) {
    const Lanes<T> n = copysign(nearest, x);
    return select(n > x, n - Lanes<T>(1.0), n);
  });
}

template <class T>
inline Lanes<T> ceil(Lanes<T> x) {
  return whole(x, [&](Lanes<T>, Lanes<T> nearest) {
    const Lanes<T> n = copysign(nearest, x);
    return select(n < x, n + Lanes<T>(1.0), n);
  });
}

/// Halves away from zero.
template <class T>
inline Lanes<T> round(Lanes<T> x) {
  return whole(x, [](Lanes<T> size, Lanes<T> nearest) {
    const Lanes<T> one(1.0), below = select(nearest > size, nearest - one, nearest);
    return select(size - below >= Lanes<T>(0.5), below + one, below);
  });
}

}  // namespace
}  // namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS
