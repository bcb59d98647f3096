// The source of every kernel table. A file that includes it defines
//
//   TAPELOOM_KERNELS        the namespace, one for each instruction set
//   TAPELOOM_VECTOR_BYTES   the size of a vector register
//   TAPELOOM_MVEC           the letter of glibc's vector functions for it, if the build has them
//
// and is compiled with that instruction set's flags. Everything here and in the headers for it lives in that namespace
// or is a template over its types, so that no symbol compiled with wide instructions can stand in for another file's.
#pragma once

#include "tapeloom/runtime/kernels/fold.h"
#include "tapeloom/runtime/kernels/functions.h"
#include "tapeloom/runtime/kernels/lanes.h"
#include "tapeloom/runtime/kernels/multiply.h"
#include "tapeloom/runtime/kernels/reduce.h"
#include "tapeloom/runtime/kernels/rows.h"
#include "tapeloom/runtime/kernels/transpose.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS {
namespace {

template <class T, class F, unsigned mask>
void elementwise(T* out, const T* x, const T* y, const T* z, std::size_t lanes) {
  const auto each = [&](auto&& at) {
    std::size_t l = 0;
    do at(l).store(out + l);
    while ((l += Lanes<T>::count) < lanes);
  };
  const Operand<T, (mask & 1) != 0> a(x);
  if constexpr (F::arity == 1) {
    each([&](std::size_t l) { return F::forward(a.at(l)); });
  } else {
    const Operand<T, (mask & 2) != 0> b(y);
    if constexpr (F::arity == 2) {
      each([&](std::size_t l) { return F::forward(a.at(l), b.at(l)); });
    } else {
      const Operand<T, (mask & 4) != 0> c(z);
      each([&](std::size_t l) { return F::forward(a.at(l), b.at(l), c.at(l)); });
    }
  }
}

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
bool all_finite(const T* numbers, std::size_t count) {
  constexpr std::size_t width = Lanes<T>::count;
  typename Lanes<T>::Mask found = {};
  std::size_t i = 0;
  for (; i + width <= count; i += width) {
    const auto v = Lanes<T>::load(numbers + i).v;
    found |= v - v != typename Lanes<T>::Vector{};
  }
  bool all = true;
  for (std::size_t l = 0; l < width; ++l) all = all && found[l] == 0;
  for (; i < count; ++i) all = all && numbers[i] - numbers[i] == T(0);
  return all;
}

template <class T>
constexpr KernelTable<T> make_table(const char* name) {
  KernelTable<T> table{name,
                       Lanes<T>::count,
                       {},
                       plan<T>,
                       plan_sums<T>,
                       row_sum<T>,
                       gather<T>,
                       reduce_products<T>,
                       row_extreme<T>,
                       row_extreme_reverse<T>,
                       add<T>,
                       subtract_scaled<T>,
                       transpose<T>,
                       all_finite<T>};
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
#include "tapeloom/core/ops/ops.def"
  return table;
}

}  // namespace

#define TAPELOOM_STRING_(x) #x
#define TAPELOOM_STRING(x) TAPELOOM_STRING_(x)
extern const KernelTable<float> float_kernels;
extern const KernelTable<double> double_kernels;
constinit const KernelTable<float> float_kernels = make_table<float>(TAPELOOM_STRING(TAPELOOM_KERNELS));
constinit const KernelTable<double> double_kernels = make_table<double>(TAPELOOM_STRING(TAPELOOM_KERNELS));

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS
