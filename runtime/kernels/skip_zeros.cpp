// Kernels for a step that is repeated because its gradients had NaN: whatever an adjoint is multiplied with, zero is
// zero, and what is left out of a product is nothing. They are loops over numbers; a step that needs none of them does
// not pay for them.
#include <algorithm>

#include "tapeloom/core/base/check.h"
#include "tapeloom/core/program/instructions.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

/// a * b, or zero if the one of them that is an adjoint is.
template <Adjoints side, class T>
T product_of(T a, T b) {
  if (side == Adjoints::none) return a * b;
  return (side == Adjoints::a ? a : b) == T(0) ? T(0) : a * b;
}

bool is_gap(const ProductGaps* gaps, std::size_t i, std::size_t j, std::size_t k) {
  if (gaps == nullptr) return false;
  return instructions::Gaps::at(gaps->words,
                                gaps->first + i * gaps->row_step + j * gaps->column_step + k * gaps->term_step);
}

/// values[l] = then(op(operand, values[l])), as Finish says.
template <class T>
void finish_row(const Finish<T>& finish, const T* operand, T* values, std::size_t lanes) {
  if (finish.op != no_op) {
    const unsigned one_for_all = finish.per_lane ? 0u : 1u;
    scalar_elementwise<T>(finish.op, one_for_all)(values, operand, values, nullptr, lanes);
  }
  if (finish.then != no_op) scalar_elementwise<T>(finish.then, 0)(values, values, nullptr, nullptr, lanes);
}

template <Adjoints side, class T>
void multiply(const KernelCall<T>& call, const T* a, const T* b, T* c, bool accumulate) {
  constexpr std::size_t some = 256;
  T sums[some];
  for (std::size_t i = 0; i < call.blocks; ++i) {
    const T* operand = call.finish.operand + i * call.finish.step;
    for (std::size_t begin = 0; begin < call.last_columns; begin += some) {
      const std::size_t count = std::min(call.last_columns - begin, some);
      T* result = c + i * call.c_stride + begin;
      std::fill_n(sums, count, T(0));
      for (std::size_t k = 0; k < call.k; ++k) {
        const T each = a[i * call.a_row_step + k * call.a_column_step];
        const T* row = b + k * call.b_stride + begin;
        for (std::size_t l = 0; l < count; ++l) {
          if (!is_gap(call.gaps, i, begin + l, k)) sums[l] += product_of<side>(each, row[l]);
        }
      }
      finish_row(call.finish, operand + (call.finish.per_lane ? begin : 0), sums, count);
      for (std::size_t l = 0; l < count; ++l) result[l] = accumulate ? result[l] + sums[l] : sums[l];
    }
  }
}

template <Adjoints side, class T>
void sum_products(const KernelCall<T>& call, const T* a, const T* b, T* c, bool accumulate) {
  constexpr std::size_t chains = 8;  // of additions that do not wait for each other
  for (std::size_t i = 0; i < call.blocks; ++i) {
    for (std::size_t j = 0; j < call.last_columns; ++j) {
      const T *x = a + i * call.a_row_step, *y = b + j * call.b_stride;
      T partial[chains] = {};
      const auto add = [&](std::size_t s, std::size_t chain) {
        if (!is_gap(call.gaps, i, j, s)) partial[chain] += product_of<side>(x[s], y[s]);
      };
      std::size_t s = 0;
      for (; s + chains <= call.k; s += chains) {
        for (std::size_t n = 0; n < chains; ++n) add(s + n, n);
      }
      for (; s < call.k; ++s) add(s, s % chains);
      T sum = T(0);
      for (const T& each : partial) sum += each;
      T& total = c[i * call.c_stride + j * call.c_column_step];
      total = accumulate ? total + sum : sum;
    }
  }
}

}  // namespace

template <class T>
KernelTable<T> skipping_zeros(const KernelTable<T>& fast) {
  KernelTable<T> table = fast;
  for (std::size_t i = 0; i < op_count; ++i) {
    const Op op = static_cast<Op>(i);
    if (op_kind(op) != OpKind::adjoint) continue;
    for (unsigned mask = 0; mask < 4; ++mask) table.elementwise[i][mask] = scalar_elementwise<T>(op, mask);
  }
  return table;
}

template <class T>
std::size_t plan_skipping(const Product<T>& product, KernelCall<T>* calls) {
  TAPELOOM_CHECK(!product.sums_rows);
  const RunCall<T> run = product.adjoints == Adjoints::a   ? multiply<Adjoints::a, T>
                         : product.adjoints == Adjoints::b ? multiply<Adjoints::b, T>
                                                           : multiply<Adjoints::none, T>;
  if (calls != nullptr) *calls = whole_call(product, run);
  return 1;
}

template <class T>
std::size_t plan_skipping(const Sums& sums, KernelCall<T>* calls) {
  TAPELOOM_CHECK(sums.b_rows > 0 && sums.places == 1);
  const RunCall<T> run = sums.adjoints == Adjoints::a   ? sum_products<Adjoints::a, T>
                         : sums.adjoints == Adjoints::b ? sum_products<Adjoints::b, T>
                                                        : sum_products<Adjoints::none, T>;
  if (calls != nullptr) *calls = whole_call<T>(sums, run);
  return 1;
}

#define TAPELOOM_INSTANTIATE(T)                                             \
  template KernelTable<T> skipping_zeros(const KernelTable<T>&);            \
  template std::size_t plan_skipping<T>(const Product<T>&, KernelCall<T>*); \
  template std::size_t plan_skipping<T>(const Sums&, KernelCall<T>*);
TAPELOOM_INSTANTIATE(float)
TAPELOOM_INSTANTIATE(double)
#undef TAPELOOM_INSTANTIATE

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
