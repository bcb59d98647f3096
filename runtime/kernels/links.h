// Elementwise functions of rows as links of chains (kernels.h), and which of them take the rows before in a register.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <utility>

#include "tapeloom/runtime/kernels/rows.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS {
namespace {

/// Whether rows go from link to link. Longer vectors are for more rows; and x86-64 without AVX2 is rare, so that links
/// for it would but make what is shipped larger.
#if TAPELOOM_VECTOR_BYTES == 32 || (TAPELOOM_VECTOR_BYTES == 16 && !defined(__x86_64__))
#define TAPELOOM_HANDS_ON 1

/// A vector that begins with these rows; what follows may be anything.
template <class T>
inline Lanes<T> begun(Few<T> rows) {
#if TAPELOOM_VECTOR_BYTES == 16
  return Lanes<T>(rows);
#else
  if constexpr (sizeof(T) == 4) {
    return Lanes<T>(_mm256_castps128_ps256(rows));
  } else {
    return Lanes<T>(_mm256_castpd128_pd256(rows));
  }
#endif
}

template <class T>
inline Few<T> first_few(Lanes<T> lanes) {
#if TAPELOOM_VECTOR_BYTES == 16
  return lanes.v;
#else
  if constexpr (sizeof(T) == 4) {
    return _mm256_castps256_ps128(lanes.v);
  } else {
    return _mm256_castpd256_pd128(lanes.v);
  }
#endif
}
#else
#define TAPELOOM_HANDS_ON 0
#endif

/// Nothing that comes after it takes what came before; but to keep rows costs nothing where no function is called.
template <class T, class F, unsigned mask>
const Link<T>* link(const Link<T>* l, T, [[maybe_unused]] Few<T> rows, std::size_t lanes) {
  elementwise<T, F, mask>(l->out, l->x[0], l->x[1], l->x[2], l->rows * lanes);
  return l[1].run(l + 1, T{}, TAPELOOM_HANDS_ON ? rows : Few<T>{}, lanes);
}

#if TAPELOOM_HANDS_ON
/// Of one vector. Its operands of `last_mask` are the rows before.
template <class T, class F, unsigned mask, unsigned last_mask>
const Link<T>* link_of_one(const Link<T>* l, T last, Few<T> rows, std::size_t lanes) {
  const auto operand = [&]<unsigned k>() {
    if constexpr ((last_mask >> k & 1) != 0) return begun<T>(rows);
    return Operand<T, (mask >> k & 1) != 0>(l->x[k]).at(0);
  };
  Lanes<T> result;
  if constexpr (F::arity == 1) {
    result = F::forward(operand.template operator()<0>());
  } else if constexpr (F::arity == 2) {
    result = F::forward(operand.template operator()<0>(), operand.template operator()<1>());
  } else {
    result = F::forward(operand.template operator()<0>(), operand.template operator()<1>(),
                        operand.template operator()<2>());
  }
  result.store(l->out);
  return l[1].run(l + 1, last, first_few(result), lanes);
}

/// Ops of which a link takes half to nine tenths of the time where the operand before is handed on to it, rather than
/// written and read again.
inline constexpr std::array handed_on = {Op::add,  Op::sub, Op::mul, Op::div, Op::neg,          Op::square,
                                         Op::sqrt, Op::exp, Op::sin, Op::cos, Op::multiply_add, Op::subtract_product};

/// By place in `handed_on`, the operands that are one number for all, and those that are the rows before.
template <class T>
struct LinkTable {
  typename Link<T>::Run of[handed_on.size()][8][8];
};
template <class T>
constexpr LinkTable<T> make_links() {
  LinkTable<T> table{};
  const auto enter = [&]<class F, unsigned both>(std::size_t at) {
    constexpr unsigned mask = both / 8, last_mask = both % 8;
    if constexpr ((mask | last_mask) < (1u << F::arity) && (mask & last_mask) == 0 && last_mask != 0) {
      table.of[at][mask][last_mask] = link_of_one<T, F, mask, last_mask>;
    }
  };
  const auto enter_all = [&]<class F, Op op, unsigned... both>(std::integer_sequence<unsigned, both...>) {
    constexpr auto at = std::find(handed_on.begin(), handed_on.end(), op) - handed_on.begin();
    if constexpr (at < std::ssize(handed_on)) (enter.template operator()<F, both>(at), ...);
  };
#define TAPELOOM_OP(name, Struct) \
  enter_all.template operator()<ops::Struct, Op::name>(std::make_integer_sequence<unsigned, 64>());
#include "tapeloom/core/ops/ops.def"
  return table;
}

template <class T>
typename Link<T>::Run link_of_last(Op op, unsigned uniform_mask, unsigned last_mask) {
  static constexpr LinkTable<T> table = make_links<T>();
  const auto at = std::find(handed_on.begin(), handed_on.end(), op);
  return at == handed_on.end() ? nullptr : table.of[at - handed_on.begin()][uniform_mask][last_mask];
}
#else
template <class T, class F, unsigned mask, unsigned>
const Link<T>* link_of_one(const Link<T>* l, T, Few<T>, std::size_t lanes) {
  elementwise<T, F, mask>(l->out, l->x[0], l->x[1], l->x[2], Lanes<T>::count);
  return l[1].run(l + 1, T{}, Few<T>{}, lanes);
}
template <class T>
inline constexpr std::nullptr_t link_of_last = nullptr;
#endif

}  // namespace
}  // namespace tapeloom::inline TAPELOOM_ABI::runtime::TAPELOOM_KERNELS
