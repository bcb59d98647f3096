// The source of every kernel table. A file that includes it defines
//
//   TAPELOOM_KERNELS        the namespace, one for each instruction set
//   TAPELOOM_VECTOR_BYTES   the size of a vector register
//   TAPELOOM_MVEC           the letter of glibc's vector functions for it, if the build has them
//
// and is compiled with that instruction set's flags. Everything here lives in that namespace or is a template over its
// types, so that no symbol compiled with wide instructions can stand in for another file's.

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

#if TAPELOOM_VECTOR_BYTES > 16
#include <immintrin.h>
#endif

#include "tapeloom/core/ops.h"
#include "tapeloom/runtime/kernels.h"

namespace tapeloom::inline v0_1::runtime::TAPELOOM_KERNELS {
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

// Transcendental functions: glibc's vector ones (at most 4 ULP: sysdeps/x86_64/fpu/libm-test-ulps; special values go
// through the scalar function), or the scalar ones lane by lane; tanh of floats is below.
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
#define TAPELOOM_FLOAT_FUNCTION(name)                                                                   \
  extern "C" Floats::Vector TAPELOOM_GLUE(TAPELOOM_MVEC, TAPELOOM_MVEC_FLOAT, name, f)(Floats::Vector); \
  inline Floats name(Floats x) { return Floats(TAPELOOM_GLUE(TAPELOOM_MVEC, TAPELOOM_MVEC_FLOAT, name, f)(x.v)); }
#define TAPELOOM_DOUBLE_FUNCTION(name)                                                                    \
  extern "C" Doubles::Vector TAPELOOM_GLUE(TAPELOOM_MVEC, TAPELOOM_MVEC_DOUBLE, name, )(Doubles::Vector); \
  inline Doubles name(Doubles x) { return Doubles(TAPELOOM_GLUE(TAPELOOM_MVEC, TAPELOOM_MVEC_DOUBLE, name, )(x.v)); }
#define TAPELOOM_VECTOR_FUNCTION(name) TAPELOOM_FLOAT_FUNCTION(name) TAPELOOM_DOUBLE_FUNCTION(name)
#else
#define TAPELOOM_DOUBLE_FUNCTION(name) TAPELOOM_VECTOR_FUNCTION(name)
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
TAPELOOM_DOUBLE_FUNCTION(tanh)
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

/// x P(x^2) / Q(x^2), the best relative fit of two polynomials of degree 4 on [-9.02, 9.02] (2.2e-8, found by weighted
/// least squares with Lawson's weights); beyond, tanh rounds to 1. With its roundings at most 6 ULP. Both are evaluated
/// in few steps that wait for each other (Estrin's scheme).
inline Lanes<float> tanh(Lanes<float> x) {
  using Numbers = Lanes<float>;
  const Numbers one(1.0), c = clamp(x, 9.02f), t = c * c, square = t * t;
  const Numbers low_p = Numbers(0.133825994496) * t + one,
                high_p =
                    Numbers(1.33817796621e-8) * square + (Numbers(2.06340378506e-5) * t + Numbers(0.00349735180723));
  const Numbers low_q = Numbers(0.467159207657) * t + one,
                high_q =
                    Numbers(7.78922740692e-7) * square + (Numbers(0.000328834210004) * t + Numbers(0.0258839620302));
  return clamp((high_p * (c * square) + low_p * c) / (high_q * square + low_q), 1.0f);
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

/// An operand of one row: a slot of the tile, or one number for all lanes.
template <class T, bool uniform>
struct Operand {
  const T* lanes;
  Operand(const TileView<T>& view, std::size_t slot) : lanes(view.tile + slot * view.stride) {}
  Lanes<T> at(std::size_t lane) const { return Lanes<T>::load(lanes + lane); }
};
template <class T>
struct Operand<T, true> {
  Lanes<T> number;
  Operand(const TileView<T>& view, std::size_t slot) : number(static_cast<double>(*view.uniform_slot(slot))) {}
  Lanes<T> at(std::size_t) const { return number; }
};

/// Whether the rows of the result and of the operands of the tile lie one after another, like one long row.
template <unsigned mask, std::size_t arity>
bool is_one_row(const Shape& shape) {
  for (std::size_t k = 0; k < arity; ++k) {
    if (shape.step[k] != ((mask >> k & 1) != 0 ? 0u : 1u)) return false;
  }
  return true;
}

/// One row of the result, or more that lie like one long row.
template <class T, class F, unsigned mask>
inline void elementwise_row(const TileView<T>& view, const Instruction& i, const Shape& shape, std::size_t row,
                            std::size_t lanes) {
  T* out = view.tile + (i.out + row) * view.stride;
  const auto slot = [&](std::size_t k) { return i.x[k] + row * shape.step[k]; };
  const Operand<T, (mask & 1) != 0> a(view, slot(0));
  const auto each = [&](auto&& at) {
    std::size_t l = 0;
    do at(l).store(out + l);
    while ((l += Lanes<T>::count) < lanes);
  };
  if constexpr (F::arity == 1) {
    each([&](std::size_t l) { return F::forward(a.at(l)); });
  } else {
    const Operand<T, (mask & 2) != 0> b(view, slot(1));
    if constexpr (F::arity == 2) {
      each([&](std::size_t l) { return F::forward(a.at(l), b.at(l)); });
    } else {
      const Operand<T, (mask & 4) != 0> c(view, slot(2));
      each([&](std::size_t l) { return F::forward(a.at(l), b.at(l), c.at(l)); });
    }
  }
}

template <class T, class F, unsigned mask>
__attribute__((noinline)) void elementwise_rows(const TileView<T>& view, const Instruction& i, const Shape& shape) {
  for (std::size_t r = 0; r < shape.rows; ++r) elementwise_row<T, F, mask>(view, i, shape, r, view.lanes);
}

template <class T, class F, unsigned mask>
void elementwise(const TileView<T>& view, const Instruction& i, const Shape& shape) {
  std::size_t lanes = view.lanes;
  if (shape.rows > 1) {
    if (lanes != view.stride || !is_one_row<mask, F::arity>(shape)) {
      return elementwise_rows<T, F, mask>(view, i, shape);
    }
    lanes *= shape.rows;
  }
  elementwise_row<T, F, mask>(view, i, shape, 0, lanes);
}

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

#include "tapeloom/runtime/kernels_transpose.h"
// After the above, whose shuffles they use.
#include "tapeloom/runtime/kernels_multiply.h"
#include "tapeloom/runtime/kernels_reduce.h"

#include "tapeloom/runtime/kernels_fold.h"

template <class T>
void add(T* to, const T* from, std::size_t count) {
  constexpr std::size_t width = Lanes<T>::count;
  std::size_t i = 0;
  for (; i + width <= count; i += width) (Lanes<T>::load(to + i) + Lanes<T>::load(from + i)).store(to + i);
  for (; i < count; ++i) to[i] += from[i];
}

template <class T>
void subtract_scaled(T* to, T factor, const T* from, std::size_t count) {
  constexpr std::size_t width = Lanes<T>::count;
  std::size_t i = 0;
  for (; i + width <= count; i += width) {
    Lanes<T>(Lanes<T>::load(to + i).v - factor * Lanes<T>::load(from + i).v).store(to + i);
  }
  for (; i < count; ++i) to[i] -= factor * from[i];
}

template <class T>
constexpr KernelTable<T> make_table(const char* name) {
  KernelTable<T> table{name,
                       Lanes<T>::count,
                       {},
                       plan<T>,
                       plan_sums<T>,
                       row_sum<T>,
                       row_extreme<T>,
                       row_extreme_reverse<T>,
                       add<T>,
                       subtract_scaled<T>,
                       transpose<T>};
  const auto enter = [&]<class F, unsigned mask>(Op op) {
    if constexpr (mask + 1 < (1u << F::arity))
      table.elementwise[static_cast<std::size_t>(op)][mask] = elementwise<T, F, mask>;
  };
#define TAPELOOM_OP(name, Struct)                      \
  enter.template operator()<ops::Struct, 0>(Op::name); \
  enter.template operator()<ops::Struct, 1>(Op::name); \
  enter.template operator()<ops::Struct, 2>(Op::name); \
  enter.template operator()<ops::Struct, 3>(Op::name); \
  enter.template operator()<ops::Struct, 4>(Op::name); \
  enter.template operator()<ops::Struct, 5>(Op::name); \
  enter.template operator()<ops::Struct, 6>(Op::name);
#include "tapeloom/core/ops.def"
  return table;
}

}  // namespace

#define TAPELOOM_STRING_(x) #x
#define TAPELOOM_STRING(x) TAPELOOM_STRING_(x)
extern const KernelTable<float> float_kernels;
extern const KernelTable<double> double_kernels;
constinit const KernelTable<float> float_kernels = make_table<float>(TAPELOOM_STRING(TAPELOOM_KERNELS));
constinit const KernelTable<double> double_kernels = make_table<double>(TAPELOOM_STRING(TAPELOOM_KERNELS));

}  // namespace tapeloom::inline v0_1::runtime::TAPELOOM_KERNELS
