// A table of kernels from the same source for every instruction set: see lanes.h.
#pragma once

#include "tapeloom/core/base/random_number.h"
#include "tapeloom/runtime/kernels/gather.h"
#include "tapeloom/runtime/kernels/links.h"
#include "tapeloom/runtime/kernels/multiply.h"
#include "tapeloom/runtime/kernels/reduce.h"
#include "tapeloom/runtime/kernels/rows.h"
#include "tapeloom/runtime/kernels/transpose.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS {
namespace {

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

/// The lanes of x folded by F, in each of them.
template <class T, class F, std::size_t distance = Lanes<T>::count / 2>
Lanes<T> fold_lanes(Lanes<T> x) {
  if constexpr (distance == 0) {
    return x;
  } else {
    const auto moved = [&]<std::size_t... lane>(std::index_sequence<lane...> lanes) {
      return shuffle(x, x, std::index_sequence<(lane + distance) % lanes.size()...>());
    };
    return fold_lanes<T, F, distance / 2>(F::forward(x, moved(std::make_index_sequence<Lanes<T>::count>())));
  }
}

template <class T, class F>
T extreme_by(const T* numbers, std::size_t count) {
  constexpr std::size_t width = Lanes<T>::count;
  Lanes<T> all = Lanes<T>::load(numbers);
  for (std::size_t i = width; i + width <= count; i += width) all = F::forward(all, Lanes<T>::load(numbers + i));
  all = F::forward(all, Lanes<T>::load(numbers + count - width));  // some of them twice
  return fold_lanes<T, F>(all).v[0];
}

template <class T>
T extreme(Op op, const T* numbers, std::size_t count) {
  return op == Op::max ? extreme_by<T, ops::Max>(numbers, count) : extreme_by<T, ops::Min>(numbers, count);
}

template <class T>
bool come_out(const T* numbers, const T* expected, std::size_t step, std::size_t count) {
  using Vector = typename Lanes<T>::Vector;
  constexpr std::size_t width = Lanes<T>::count;
  typename Lanes<T>::Mask found = {};
  Vector all = *expected - Vector{};
  std::size_t i = 0;
  for (; i + width <= count; i += width) {
    if (step != 0) all = Lanes<T>::load(expected + i).v;
    found |= (Lanes<T>::load(numbers + i).v != Vector{}) ^ (all != Vector{});
  }
  bool same = true;
  for (std::size_t l = 0; l < width; ++l) same = same && found[l] == 0;
  for (; i < count; ++i) same = same && (numbers[i] != T(0)) == (expected[i * step] != T(0));
  return same;
}

template <class T>
void random_numbers(std::uint64_t stream, std::uint64_t first, std::size_t count, T* to) {
  constexpr std::size_t width = Lanes<T>::count;
  for (std::size_t i = 0; i < count; i += width) {
    for (std::size_t l = 0; l < width; ++l)
      to[i + l] = detail::to_unit_interval<T>(detail::random_bits(stream, first + i + l));
  }
}

template <class T>
constexpr KernelTable<T> make_table(const char* name) {
  KernelTable<T> table{name,
                       Lanes<T>::count,
                       {},
                       {},
                       {},
                       link_of_last<T>,
                       plan<T>,
                       plan_sums<T>,
                       row_sum<T>,
                       gather<T>,
                       reduce_products<T>,
                       row_extreme<T>,
                       row_extreme_reverse<T>,
                       extreme<T>,
                       add<T>,
                       add_products<T>,
                       sum_runs<T>,
                       subtract_scaled<T>,
                       transpose<T>,
                       all_finite<T>,
                       come_out<T>,
                       random_numbers<T>};
  const auto enter = [&]<class F, unsigned mask>(Op op) {
    if constexpr (mask + 1 < (1u << F::arity)) {
      table.elementwise[static_cast<std::size_t>(op)][mask] = elementwise<T, F, mask>;
      table.link[static_cast<std::size_t>(op)][mask] = link<T, F, mask>;
      table.link_of_one[static_cast<std::size_t>(op)][mask] = link_of_one<T, F, mask, 0>;
    }
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
