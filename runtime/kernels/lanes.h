// A vector register as a number type: what all kernels of a table are written over. A source of a table (baseline.cpp
// and the like) defines
//
//   TAPELOOM_KERNELS        the namespace, one for each instruction set
//   TAPELOOM_VECTOR_BYTES   the size of a vector register
//   TAPELOOM_MVEC           the letter of glibc's vector functions for it, if the build has them
//
// and is compiled with that instruction set's flags. What it includes from here on lives in that namespace or is a
// template over its types, so that no symbol compiled with wide instructions can stand in for another file's.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#ifndef TAPELOOM_KERNELS  // read by itself, as by an editor
#define TAPELOOM_KERNELS baseline
#define TAPELOOM_VECTOR_BYTES 16
#endif
#if TAPELOOM_VECTOR_BYTES > 16
#include <immintrin.h>
#endif

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

/// Reads a vector's last lanes alone, `count` of them; the others are zeros.
template <class T>
class LastLanes {
 public:
  explicit LastLanes(std::size_t count) : count_(count) {}
  Lanes<T> load(const T* from) const {
    Lanes<T> lanes;
    for (std::size_t i = 0; i < count_; ++i) lanes.v[Lanes<T>::count - count_ + i] = from[i];
    return lanes;
  }

 private:
  std::size_t count_;
};

/// Lane l of the result is lane l + by, and after the last comes the first.
template <class T>
inline Lanes<T> rotated(Lanes<T> lanes, std::size_t by) {
  Lanes<T> result;
  for (std::size_t l = 0; l < Lanes<T>::count; ++l) result.v[l] = lanes.v[(l + by) % Lanes<T>::count];
  return result;
}

#if TAPELOOM_VECTOR_BYTES == 64
template <>
class LastLanes<float> {
 public:
  explicit LastLanes(std::size_t count) : mask_(static_cast<__mmask16>(0xffff0000u >> count)) {}
  Lanes<float> load(const float* from) const { return Lanes<float>(_mm512_maskz_expandloadu_ps(mask_, from)); }

 private:
  __mmask16 mask_;
};
template <>
class LastLanes<double> {
 public:
  explicit LastLanes(std::size_t count) : mask_(static_cast<__mmask8>(0xff00u >> count)) {}
  Lanes<double> load(const double* from) const { return Lanes<double>(_mm512_maskz_expandloadu_pd(mask_, from)); }

 private:
  __mmask8 mask_;
};

template <>
inline Lanes<float> rotated(Lanes<float> lanes, std::size_t by) {
  const __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return Lanes<float>(
      _mm512_maskz_permutexvar_ps(0xffff, _mm512_add_epi32(first, _mm512_set1_epi32(static_cast<int>(by))), lanes.v));
}
template <>
inline Lanes<double> rotated(Lanes<double> lanes, std::size_t by) {
  const __m512i first = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
  return Lanes<double>(_mm512_maskz_permutexvar_pd(
      0xff, _mm512_add_epi64(first, _mm512_set1_epi64(static_cast<long long>(by))), lanes.v));
}
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

/// The first `count` lanes of x, and those of y after them.
template <class T>
inline Lanes<T> first_lanes(Lanes<T> x, std::size_t count, Lanes<T> y) {
  typename Lanes<T>::Mask index;
  for (std::size_t i = 0; i < Lanes<T>::count; ++i) index[i] = static_cast<typename Lanes<T>::Bits>(i);
  return select(LaneMask<T>{index < static_cast<typename Lanes<T>::Bits>(count) - typename Lanes<T>::Mask{}}, x, y);
}

/// See ops::rounded. These sources may be compiled to have a product and a sum rounded once.
template <class T>
inline Lanes<T> rounded(Lanes<T> product) {
#if defined(__AVX512F__)
  asm("" : "+v"(product.v));
#elif defined(__SSE2__)
  asm("" : "+x"(product.v));
#elif defined(__aarch64__)
  asm("" : "+w"(product.v));
#else
  asm("" : "+m"(product.v));
#endif
  return product;
}

/// Keeps the compiler from computing addresses earlier than they are needed: those of all rows of a block, and of all
/// ways to finish it, are more than there are registers.
template <class P>
inline void here(P& address) {
  asm("" : "+r"(address));
}

}  // namespace
}  // namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS
