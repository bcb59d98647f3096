// Kernels of exact mode, and of uniform instructions: one number at a time, through the scalar functions.
#include "tapeloom/core/base/check.h"
#include "tapeloom/core/ops/ops.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

/// Of the operands read(0), ...
template <class F, class T, class Read>
T apply(Read&& read) {
  if constexpr (F::arity == 1) {
    return F::forward(read(0));
  } else if constexpr (F::arity == 2) {
    return F::forward(read(0), read(1));
  } else {
    return F::forward(read(0), read(1), read(2));
  }
}

template <class F, class T, unsigned mask>
void elementwise(T* out, const T* x, const T* y, const T* z, std::size_t lanes) {
  const T* const operands[] = {x, y, z};
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    out[lane] = apply<F, T>([&](unsigned k) { return operands[k][(mask >> k & 1) != 0 ? 0 : lane]; });
  }
}

void sum_rows(const KernelCall<double>& call, const double* a, const double*, double* c, bool accumulate) {
  for (std::size_t r = 0; r < call.blocks; ++r) {
    const double* row = a + r * call.a_row_step;
    double& total = c[r * call.c_stride];
    double sum = accumulate ? total : row[0];
    for (std::size_t i = accumulate ? 0 : 1; i < call.k; ++i) sum += row[i];
    total = sum;
  }
}

std::size_t plan_sums(const Sums& s, KernelCall<double>* calls) {
  if (calls != nullptr) {
    *calls = {.run = sum_rows, .a_row_step = s.a_stride, .c_stride = s.c_row_step, .k = s.samples, .blocks = s.a_rows};
  }
  return 1;
}

void add(double* to, const double* from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] += from[i];
}

void transpose(std::size_t rows, std::size_t columns, const double* from, std::size_t from_stride, double* to,
               std::size_t to_stride) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) to[c * to_stride + r] = from[r * from_stride + c];
  }
}

KernelTable<double> make_table() {
  // Exact programs are not rolled: they have no rows to multiply or to add.
  KernelTable<double> table{};
  table.name = "exact", table.vector_lanes = 1;
  table.plan_sums = plan_sums, table.add = add, table.transpose = transpose;
  for (std::size_t op = 0; op < op_count; ++op) {
    if (op_arity(static_cast<Op>(op)) == 0 || op_kind(static_cast<Op>(op)) == OpKind::reduction) continue;
    for (unsigned mask = 0; mask < 1u << op_arity(static_cast<Op>(op)); ++mask) {
      table.elementwise[op][mask] = scalar_elementwise<double>(static_cast<Op>(op), mask);
    }
  }
  return table;
}

}  // namespace

const KernelTable<double>& exact_kernels() {
  static const KernelTable<double> table = make_table();
  return table;
}

template <class T>
Elementwise<T> scalar_elementwise(Op op, unsigned uniform_mask) {
  return ops::visit(
      op,
      [&]<class F>() {
        const auto kernel = [&]<unsigned... mask>(std::integer_sequence<unsigned, mask...>) {
          Elementwise<T> found = nullptr;
          ((found = uniform_mask == mask ? elementwise<F, T, mask> : found), ...);
          return found;
        };
        return kernel(std::make_integer_sequence<unsigned, 1u << F::arity>());
      },
      []() -> Elementwise<T> { fail_check("a scalar op", __FILE__, __LINE__); });
}

template Elementwise<float> scalar_elementwise<float>(Op, unsigned);
template Elementwise<double> scalar_elementwise<double>(Op, unsigned);

template <class T>
ScalarFunction<T> scalar_function(Op op) {
  return ops::visit(
      op,
      []<class F>() -> ScalarFunction<T> {
        return [](const Instruction& i, T* slots) {
          slots[i.out] = apply<F, T>([&](unsigned k) { return slots[i.x[k]]; });
        };
      },
      []() -> ScalarFunction<T> { fail_check("a scalar op", __FILE__, __LINE__); });
}

template ScalarFunction<float> scalar_function<float>(Op);
template ScalarFunction<double> scalar_function<double>(Op);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
