#include "tapeloom/runtime/execute/uniform_products.h"

#include <algorithm>

#include "tapeloom/runtime/execute/arena.h"
#include "tapeloom/runtime/execute/tile_plan.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

/// From here on it is worth while to copy a matrix for them.
constexpr std::size_t least_rows_for_a_copy = 4;

}  // namespace

template <class T>
UniformProducts<T>::UniformProducts(const Program& program, const KernelTable<T>& kernels, T* slots, bool skip_zeros)
    : kernels_(kernels), most_entries_(program.uniform_slots) {
  std::size_t most = 0;
  for (const Stage& stage : program.stages) {
    for (std::uint32_t at = stage.uniform.begin; at < stage.uniform.end; ++at) {
      const Instruction& i = program.instructions[at];
      if (!is_uniform_product(i)) continue;
      const Shape& s = program.shapes[i.shape];
      Planned planned = i.kind == InstructionKind::outer ? outer(i, s, slots) : dense(i, s, slots);
      planned.instruction = at;
      if (!skip_zeros) planned.product.adjoints = Adjoints::none;
      Product<T>& product = planned.product;
      product.b_stride = planned.b_row_step;
      if (planned.b_column_step != 1) {
        product.b_stride = round_up(product.n, lane_unit);
        most = std::max(most, product.k * product.b_stride);
      }
      planned.calls = PlannedCalls<T>(kernels, product);
      products_.push_back(std::move(planned));
    }
  }
  rows_.resize(most);
}

/// out(p, i) = the sum over j of W(i, j) y(p, j), or of W(j, i) y(p, j), for all places p.
template <class T>
typename UniformProducts<T>::Planned UniformProducts<T>::dense(const Instruction& i, const Shape& s, T* slots) const {
  const bool reverse = i.kind == InstructionKind::dense_reverse;
  const std::size_t results = reverse ? s.terms : s.rows, inner = reverse ? s.rows : s.terms;
  const std::size_t result_step = reverse ? s.term_step : s.row_step, inner_step = reverse ? s.row_step : s.term_step;
  const T *w = slots + i.x[0], *y = slots + i.x[1];
  const bool side_by_side = result_step == 1 || results == 1, one_w = s.place_step == 0;
  // A matrix whose entries are all its own. Others could be larger than what they are copied from.
  const bool may_copy = result_step > 0 && inner_step > 0 && results * inner <= most_entries_;
  if (side_by_side || (one_w && may_copy && s.places >= least_rows_for_a_copy)) {
    // Rows of C are places.
    const std::size_t rows = one_w ? s.places : 1;
    return {.instruction = 0,
            .product = {.m = rows,
                        .n = results,
                        .k = inner,
                        .a_row_step = inner * s.step[1],
                        .a_column_step = s.step[1],
                        .b_stride = 0,
                        .c_stride = results,
                        .adjoints = reverse ? Adjoints::a : Adjoints::none},
            .a = y,
            .b = w,
            .c = slots + i.out,
            .b_row_step = inner_step,
            .b_column_step = side_by_side ? 1 : result_step,
            .places = s.places / rows,
            .a_step = inner * s.step[1],
            .b_step = s.place_step,
            .c_step = results};
  }
  return {.instruction = 0,
          .product = {.m = results,
                      .n = 1,
                      .k = inner,
                      .a_row_step = result_step,
                      .a_column_step = inner_step,
                      .b_stride = 0,
                      .c_stride = 1,
                      .adjoints = reverse ? Adjoints::b : Adjoints::none},
          .a = w,
          .b = y,
          .c = slots + i.out,
          .b_row_step = s.step[1],
          .b_column_step = 1,
          .places = s.places,
          .a_step = s.place_step,
          .b_step = inner * s.step[1],
          .c_step = results};
}

/// out(p, i, j) = x(p, i) y(p, j), or out(i, j) = its sum over the places p.
template <class T>
typename UniformProducts<T>::Planned UniformProducts<T>::outer(const Instruction& i, const Shape& s, T* slots) const {
  /// One of the vectors, and how far apart its results are.
  struct Side {
    const T* data;
    std::size_t count, step, result_step;
  };
  Side a = {slots + i.x[0], s.rows, s.step[0], s.row_step}, b = {slots + i.x[1], s.terms, s.step[1], s.term_step};
  const bool swapped = b.count > 1 && b.result_step != 1 && (a.count == 1 || a.result_step == 1);
  if (swapped) std::swap(a, b);
  const bool adds_up = s.place_step == 0, side_by_side = b.count == 1 || b.result_step == 1;
  const std::size_t columns = side_by_side && b.step != 0 ? b.count : 1;
  return {.instruction = 0,
          .product = {.m = a.count,
                      .n = columns,
                      .k = adds_up ? s.places : 1,
                      .a_row_step = a.step,
                      .a_column_step = a.count * a.step,
                      .b_stride = 0,
                      .c_stride = a.result_step,
                      .adjoints = swapped ? Adjoints::b : Adjoints::a},
          .a = a.data,
          .b = b.data,
          .c = slots + i.out,
          .b_row_step = b.count * b.step,
          .b_column_step = columns == 1 ? 1 : b.step,
          .places = adds_up ? 1 : s.places,
          .a_step = a.count * a.step,
          .b_step = b.count * b.step,
          .c_step = s.place_step,
          .entries = b.count / columns,
          .b_entry_step = b.step,
          .c_entry_step = b.result_step};
}

template <class T>
const T* UniformProducts<T>::copied(const Planned& planned, const T* b) {
  const Product<T>& p = planned.product;
  if (planned.b_row_step == 1) {
    kernels_.transpose(p.n, p.k, b, planned.b_column_step, rows_.data(), p.b_stride);
    return rows_.data();
  }
  for (std::size_t j = 0; j < p.k; ++j) {
    const T* row = b + j * planned.b_row_step;
    for (std::size_t i = 0; i < p.n; ++i) rows_[j * p.b_stride + i] = row[i * planned.b_column_step];
  }
  return rows_.data();
}

template <class T>
void UniformProducts<T>::run(std::uint32_t instruction) {
  const auto before = [](const Planned& planned, std::uint32_t at) { return planned.instruction < at; };
  const Planned& planned = *std::lower_bound(products_.begin(), products_.end(), instruction, before);
  for (std::size_t p = 0; p < planned.places; ++p) {
    const T* a = planned.a + p * planned.a_step;
    const T* b = planned.b + p * planned.b_step;
    T* c = planned.c + p * planned.c_step;
    if (planned.b_column_step != 1) b = copied(planned, b);
    for (std::size_t e = 0; e < planned.entries; ++e) {
      planned.calls.run(a, b + e * planned.b_entry_step, c + e * planned.c_entry_step);
    }
  }
}

template class UniformProducts<float>;
template class UniformProducts<double>;

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
