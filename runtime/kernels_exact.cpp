// Kernels of exact mode, and of uniform instructions: one number at a time, through the scalar functions.
#include "tapeloom/core/check.h"
#include "tapeloom/core/ops.h"
#include "tapeloom/runtime/kernels.h"

namespace tapeloom::inline v0_1::runtime {

namespace {

template <class F, class T, class Read>
T apply(const Instruction& i, Read&& read) {
  if constexpr (F::arity == 1) {
    return F::forward(read(0, i.x[0]));
  } else if constexpr (F::arity == 2) {
    return F::forward(read(0, i.x[0]), read(1, i.x[1]));
  } else {
    return F::forward(read(0, i.x[0]), read(1, i.x[1]), read(2, i.x[2]));
  }
}

template <class F>
void elementwise(const TileView<double>& view, const Instruction& i, const Shape&) {
  double* out = view.tile + i.out * view.stride;
  for (std::size_t lane = 0; lane < view.lanes; ++lane) {
    out[lane] = apply<F, double>(i, [&](unsigned operand, std::uint32_t slot) {
      const bool uniform = (i.uniform_mask >> operand & 1) != 0;
      return uniform ? *view.uniform_slot(slot) : view.tile[slot * view.stride + lane];
    });
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

constexpr KernelTable<double> make_table() {
  // Exact programs are not rolled: they have no rows to multiply or to add.
  KernelTable<double> table{};
  table.name = "exact", table.vector_lanes = 1;
  table.plan_sums = plan_sums, table.add = add, table.transpose = transpose;
#define TAPELOOM_OP(name, Struct) \
  for (auto& entry : table.elementwise[static_cast<std::size_t>(Op::name)]) entry = elementwise<ops::Struct>;
#include "tapeloom/core/ops.def"
  return table;
}

constexpr KernelTable<double> table = make_table();

}  // namespace

const KernelTable<double>& exact_kernels() { return table; }

template <class T>
ScalarFunction<T> scalar_function(Op op) {
  return ops::visit(
      op,
      []<class F>() -> ScalarFunction<T> {
        return [](const Instruction& i, T* slots) {
          slots[i.out] = apply<F, T>(i, [&](unsigned, std::uint32_t slot) { return slots[slot]; });
        };
      },
      []() -> ScalarFunction<T> { fail_check("a scalar op", __FILE__, __LINE__); });
}

template ScalarFunction<float> scalar_function<float>(Op);
template ScalarFunction<double> scalar_function<double>(Op);

}  // namespace tapeloom::inline v0_1::runtime
