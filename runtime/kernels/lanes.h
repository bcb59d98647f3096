// A vector register as a number type, and its functions: what all kernels of a table are written over. A source of a
// table (baseline.cpp and the like) defines
//
//   TAPELOOM_KERNELS        the namespace, one for each instruction set
//   TAPELOOM_VECTOR_BYTES   the size of a vector register
//   TAPELOOM_MVEC           the letter of glibc's vector functions for it, if the build has them
//
// and is compiled with that instruction set's flags. What it includes from here on lives in that namespace or is a
// template over its types, so that no symbol compiled with wide instructions can stand in for another file's.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

#ifndef TAPELOOM_KERNELS  // read by itself, as by an editor
#define TAPELOOM_KERNELS baseline
#define TAPELOOM_VECTOR_BYTES 16
#endif
#if TAPELOOM_VECTOR_BYTES > 16
#include <immintrin.h>
#endif

#include "tapeloom/core/ops/ops.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS {
namespace {

template <class T>
struct BitsOf;
template <>
struct BitsOf<float> {
  using type = std::int32_t;
};
template <>
struct BitsOf<double> {
  using type = std::int64_t;
};

/// One vector register, as a number type for the formulas of the op table.
template <class T>
struct Lanes {
  static constexpr std::size_t count = TAPELOOM_VECTOR_BYTES / sizeof(T);
  using Bits = typename BitsOf<T>::type;
  typedef T Vector __attribute__((vector_size(TAPELOOM_VECTOR_BYTES)));
  typedef Bits Mask __attribute__((vector_size(TAPELOOM_VECTOR_BYTES)));

  Vector v;

  Lanes() : v{} {}
  explicit Lanes(Vector vector) : v(vector) {}
  /// x - 0 is x for every x; 0 + x would lose the sign of -0.
  explicit Lanes(double number) : v(static_cast<T>(number) - Vector{}) {}

  static Lanes load(const T* from) {
    Vector vector;
    __builtin_memcpy(&vector, from, sizeof vector);
    return Lanes(vector);
  }
  void store(T* to) const { __builtin_memcpy(to, &v, sizeof v); }
};

/// Reads and writes a vector's first lanes alone, `count` of them and fewer than all; the others are read as zeros.
template <class T>
class FirstLanes {
 public:
  explicit FirstLanes(std::size_t count) : count_(count) {}
  Lanes<T> load(const T* from) const {
    Lanes<T> lanes;
    for (std::size_t i = 0; i < count_; ++i) lanes.v[i] = from[i];
    return lanes;
  }
  void store(Lanes<T> lanes, T* to) const {
    for (std::size_t i = 0; i < count_; ++i) to[i] = lanes.v[i];
  }

 private:
  std::size_t count_;
};

#if TAPELOOM_VECTOR_BYTES == 64
template <>
class FirstLanes<float> {
 public:
  explicit FirstLanes(std::size_t count) : mask_(static_cast<__mmask16>((1u << count) - 1)) {}
  Lanes<float> load(const float* from) const { return Lanes<float>(_mm512_maskz_loadu_ps(mask_, from)); }
  void store(Lanes<float> lanes, float* to) const { _mm512_mask_storeu_ps(to, mask_, lanes.v); }

 private:
  __mmask16 mask_;
};
template <>
class FirstLanes<double> {
 public:
  explicit FirstLanes(std::size_t count) : mask_(static_cast<__mmask8>((1u << count) - 1)) {}
  Lanes<double> load(const double* from) const { return Lanes<double>(_mm512_maskz_loadu_pd(mask_, from)); }
  void store(Lanes<double> lanes, double* to) const { _mm512_mask_storeu_pd(to, mask_, lanes.v); }

 private:
  __mmask8 mask_;
};
#elif TAPELOOM_VECTOR_BYTES == 32
template <>
class FirstLanes<float> {
 public:
  explicit FirstLanes(std::size_t count)
      : mask_(_mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)),
                                 _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))) {}
  Lanes<float> load(const float* from) const { return Lanes<float>(_mm256_maskload_ps(from, mask_)); }
  void store(Lanes<float> lanes, float* to) const { _mm256_maskstore_ps(to, mask_, lanes.v); }

 private:
  __m256i mask_;
};
template <>
class FirstLanes<double> {
 public:
  explicit FirstLanes(std::size_t count)
      : mask_(_mm256_cmpgt_epi64(_mm256_set1_epi64x(static_cast<long long>(count)), _mm256_setr_epi64x(0, 1, 2, 3))) {}
  Lanes<double> load(const double* from) const { return Lanes<double>(_mm256_maskload_pd(from, mask_)); }
  void store(Lanes<double> lanes, double* to) const { _mm256_maskstore_pd(to, mask_, lanes.v); }

 private:
  __m256i mask_;
};
#endif

template <class T>
struct LaneMask {
  typename Lanes<T>::Mask m;
};

#define TAPELOOM_ARITHMETIC(sign)                         \
  template <class T>                                      \
  inline Lanes<T> operator sign(Lanes<T> a, Lanes<T> b) { \
    return Lanes<T>(a.v sign b.v);                        \
  }
TAPELOOM_ARITHMETIC(+)
TAPELOOM_ARITHMETIC(-)
TAPELOOM_ARITHMETIC(*)
TAPELOOM_ARITHMETIC(/)
#undef TAPELOOM_ARITHMETIC

#define TAPELOOM_COMPARE(sign)                               \
  template <class T>                                         \
  inline LaneMask<T> operator sign(Lanes<T> a, Lanes<T> b) { \
    return {a.v sign b.v};                                   \
  }
TAPELOOM_COMPARE(<)
TAPELOOM_COMPARE(<=)
TAPELOOM_COMPARE(>)
TAPELOOM_COMPARE(>=)
TAPELOOM_COMPARE(==)
TAPELOOM_COMPARE(!=)
#undef TAPELOOM_COMPARE

template <class T>
inline Lanes<T> operator-(Lanes<T> x) {
  return Lanes<T>(-x.v);
}

template <class T>
inline Lanes<T> select(LaneMask<T> condition, Lanes<T> a, Lanes<T> b) {
  return Lanes<T>(condition.m ? a.v : b.v);
}

template <class T>
inline Lanes<T> abs(Lanes<T> x) {
  using Mask = typename Lanes<T>::Mask;
  const Mask magnitude =
      Mask{} + static_cast<typename Lanes<T>::Bits>(~(typename Lanes<T>::Bits{1} << (8 * sizeof(T) - 1)));
  return Lanes<T>((typename Lanes<T>::Vector)((Mask)x.v & magnitude));
}

template <class T>
inline Lanes<T> sqrt(Lanes<T> x) {
  for (std::size_t i = 0; i < Lanes<T>::count; ++i) x.v[i] = std::sqrt(x.v[i]);
  return x;
}

// Functions of a vector. Most are glibc's vector ones (at most 4 ULP: sysdeps/x86_64/fpu/libm-test-ulps; special values
// go through the scalar function), or the scalar ones lane by lane. tanh is our own: without special cases, it takes
// half the time.

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
#define TAPELOOM_VECTOR_FUNCTION(name)                                            \
  template <class T>                                                              \
  inline Lanes<T> name(Lanes<T> x) {                                              \
    for (std::size_t i = 0; i < Lanes<T>::count; ++i) x.v[i] = std::name(x.v[i]); \
    return x;                                                                     \
  }
#endif

TAPELOOM_VECTOR_FUNCTION(exp)
TAPELOOM_VECTOR_FUNCTION(expm1)
TAPELOOM_VECTOR_FUNCTION(log)
TAPELOOM_VECTOR_FUNCTION(log1p)
TAPELOOM_VECTOR_FUNCTION(sin)
TAPELOOM_VECTOR_FUNCTION(cos)
TAPELOOM_VECTOR_FUNCTION(atan)
#undef TAPELOOM_VECTOR_FUNCTION

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

#ifdef TAPELOOM_MVEC
#define TAPELOOM_GLUE_TWO_(letter, lanes, function) _ZGV##letter##lanes##vv_##function
#define TAPELOOM_GLUE_TWO(letter, lanes, function) TAPELOOM_GLUE_TWO_(letter, lanes, function)
extern "C" Floats::Vector TAPELOOM_GLUE_TWO(TAPELOOM_MVEC, TAPELOOM_MVEC_FLOAT, powf)(Floats::Vector, Floats::Vector);
extern "C" Doubles::Vector TAPELOOM_GLUE_TWO(TAPELOOM_MVEC, TAPELOOM_MVEC_DOUBLE, pow)(Doubles::Vector,
                                                                                       Doubles::Vector);
inline Floats pow(Floats a, Floats b) {
  return Floats(TAPELOOM_GLUE_TWO(TAPELOOM_MVEC, TAPELOOM_MVEC_FLOAT, powf)(a.v, b.v));
}
inline Doubles pow(Doubles a, Doubles b) {
  return Doubles(TAPELOOM_GLUE_TWO(TAPELOOM_MVEC, TAPELOOM_MVEC_DOUBLE, pow)(a.v, b.v));
}
#else
template <class T>
inline Lanes<T> pow(Lanes<T> a, Lanes<T> b) {
  for (std::size_t i = 0; i < Lanes<T>::count; ++i) a.v[i] = std::pow(a.v[i], b.v[i]);
  return a;
}
#endif

/// The first `count` lanes of x, and those of y after them.
template <class T>
inline Lanes<T> first_lanes(Lanes<T> x, std::size_t count, Lanes<T> y) {
  typename Lanes<T>::Mask index;
  for (std::size_t i = 0; i < Lanes<T>::count; ++i) index[i] = static_cast<typename Lanes<T>::Bits>(i);
  return select(LaneMask<T>{index < static_cast<typename Lanes<T>::Bits>(count) - typename Lanes<T>::Mask{}}, x, y);
}

/// Keeps the compiler from computing addresses earlier than they are needed: those of all rows of a block, and of all
/// ways to finish it, are more than there are registers.
template <class P>
inline void here(P& address) {
  asm("" : "+r"(address));
}

}  // namespace
}  // namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS
