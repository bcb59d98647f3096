// Binds products to where their matrices lie, and cuts them into calls.
#include <algorithm>
#include <utility>

#include "tapeloom/runtime/execute/arena.h"
#include "tapeloom/runtime/execute/calls.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

/// From here on it is worth while to copy a matrix for them.
constexpr std::size_t least_rows_for_a_copy = 4;

}  // namespace

template <class T>
void CallPlanner<T>::bind_products(std::uint32_t at) {
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  const bool outer = i.kind == InstructionKind::outer;
  const Matrix w(i, s);
  // That of the first place would be another one than those of the places after it.
  const bool one_matrix = s.places == 1 || s.place_step == 0;
  const auto transposed = outer || !one_matrix ? transposed_.end() : transposed_.find(w);
  const bool is_transposed = transposed != transposed_.end(), side_by_side = w.has_columns() || is_transposed;
  // Once a step, places that share a matrix are rows of one product: if its columns lie side by side, or a copy pays.
  const bool may_copy = w.may_be_copied(program_) && s.places >= least_rows_for_a_copy;
  const bool together = view_.once() && s.place_step == 0 && (outer || side_by_side || may_copy);
  const bool rows_are_places = !outer && view_.once() && (together || side_by_side);
  if (is_checked(at)) ++most_calls_;
  std::size_t bind = products_.size();
  const std::size_t begin = bind;
  for (std::uint32_t p = 0; p < (together ? 1 : s.places); ++p) {
    const Instruction here = instructions::at_place(i, s, p);
    products_.push_back(outer ? bound_outer(here, s) : rows_are_places ? bound_places(here, s) : bound_lanes(here, s));
    if (has_gaps(s)) leave_gaps_out(s, p, outer, rows_are_places);
  }
  for (; bind < products_.size(); ++bind) {
    BoundProduct<T>& bound = products_[bind];
    bound.at = at;
    if (!skip_zeros_) bound.product.adjoints = Adjoints::none;
    if (bound.b_column_step != 1) {
      bound.b_row_step = std::exchange(bound.product.b_stride, round_up(bound.product.n, lane_unit));
      if (is_transposed) {
        bound.b_copy = transposed->second;
      } else {
        copy_.resize(std::max(copy_.size(), bound.product.k * bound.product.b_stride));
      }
    }
    if (i.op != no_op && view_.once()) bind_addend(at, rows_are_places && products_.size() == begin + 1, bound);
    if (!has_room_) most_calls_ += planned_.make_room(bound.product);
  }
}

/// What is added to a product that runs once a step: by its kernel, if that may do it and has whole vectors, or after
/// the last of its calls.
template <class T>
void CallPlanner<T>::bind_addend(std::uint32_t at, bool in_kernel, BoundProduct<T>& bound) {
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  const OperandRows<T> z(view_, i, s, 2);
  if (in_kernel && !skip_zeros_ && bound.product.n % planned_.lanes_of(bound.product.n) == 0) {
    bound.product.finish = {.op = i.op, .operand = z.data, .step = bound.product.n, .per_lane = true};
    return;
  }
  add_afterwards(at);
}

template <class T>
void CallPlanner<T>::add_afterwards(std::uint32_t at) {
  adds_.insert(at);
  ++most_calls_;
}

template <class T>
void CallPlanner<T>::add_addend(std::uint32_t at, CallList<T>& calls) const {
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  calls.calls.push_back({.kind = Call<T>::Kind::adds,
                         .at = at,
                         .end = static_cast<std::uint32_t>(instructions::facts_of(i, s).result.count),
                         .a = OperandRows<T>(view_, i, s, 2).data,
                         .c = view_.tile + i.out,
                         .runs = nullptr});
}

/// Of the latest product, which is that of place p, or of all places. Columns of which each has other gaps become
/// products.
template <class T>
void CallPlanner<T>::leave_gaps_out(const Shape& s, std::uint32_t p, bool outer, bool rows_are_places) {
  ProductGaps gaps = gaps_of(s, p);
  if (!outer) {
    gaps.term_step = 1, gaps.row_step = rows_are_places ? s.terms : 0;
    products_.back().product.gaps = &gaps_.emplace_back(gaps);
    return;
  }
  gaps.term_step = s.terms;
  const bool of_columns = products_.back().product.adjoints == Adjoints::a;
  (of_columns ? gaps.column_step : gaps.row_step) = 1;
  const BoundProduct<T> all = products_.back();
  const std::size_t products = of_columns ? all.times : 1;
  products_.pop_back();
  for (std::size_t n = 0; n < products; ++n, ++gaps.first) {
    BoundProduct<T>& each = products_.emplace_back(all);
    each.b += n * all.b_step, each.c += n * all.c_step, each.times = all.times / products;
    each.product.gaps = &gaps_.emplace_back(gaps);
  }
}

/// For the most samples; once a step there is one column.
template <class T>
BoundProduct<T> CallPlanner<T>::bound_lanes(const Instruction& i, const Shape& s) const {
  const OperandRows<T> w(view_, i, s, 0), x(view_, i, s, 1);
  const Matrix of_w(i, s);
  Product<T> product{.m = of_w.results,
                     .n = view_.stride,
                     .k = of_w.terms,
                     .a_row_step = of_w.result_step,
                     .a_column_step = of_w.term_step,
                     .b_stride = x.step,
                     .c_stride = view_.stride,
                     .adjoints = i.kind == InstructionKind::dense_reverse ? Adjoints::b : Adjoints::none};
  if (!view_.once()) product.finish.op = i.op, product.finish.then = i.then;
  if (product.finish.op != no_op) {
    const OperandRows<T> z(view_, i, s, 2);
    product.finish.operand = z.data, product.finish.step = z.step, product.finish.per_lane = z.lane_step == 1;
  }
  return {.at = 0, .product = product, .a = w.data, .b = x.data, .c = view_.tile + i.out * view_.stride};
}

/// Once a step: out(p, i) = the sum over j of W(i, j) y(p, j), for one place or all together. Rows of C are places; the
/// columns of W lie side by side, or are copied.
template <class T>
BoundProduct<T> CallPlanner<T>::bound_places(const Instruction& i, const Shape& s) const {
  const OperandRows<T> y(view_, i, s, 1);
  const Matrix of_w(i, s);
  return {.at = 0,
          .product = {.m = s.place_step == 0 ? s.places : 1,
                      .n = of_w.results,
                      .k = of_w.terms,
                      .a_row_step = instructions::window_step(i, s) * y.step,
                      .a_column_step = y.step,
                      .b_stride = of_w.term_step,
                      .c_stride = of_w.results,
                      .adjoints = i.kind == InstructionKind::dense_reverse ? Adjoints::a : Adjoints::none},
          .a = y.data,
          .b = view_.uniform_slot(i.x[0]),
          .c = view_.tile + i.out,
          .b_column_step = of_w.results == 1 ? 1 : of_w.result_step};
}

/// Once a step: out(i, j) = x(i) y(j), or its sum over the places.
template <class T>
BoundProduct<T> CallPlanner<T>::bound_outer(const Instruction& i, const Shape& s) const {
  auto [a, b] = Sides<T>(view_, i, s);
  const bool swapped = b.rows > 1 && b.result_step != 1 && (a.rows == 1 || a.result_step == 1);
  if (swapped) std::swap(a, b);
  const bool side_by_side = b.rows == 1 || b.result_step == 1;
  const std::size_t columns = side_by_side ? b.rows : 1;
  return {.at = 0,
          .product = {.m = a.rows,
                      .n = columns,
                      .k = s.place_step == 0 ? s.places : 1,
                      .a_row_step = a.of.step,
                      .a_column_step = a.place_step,
                      .b_stride = b.place_step,
                      .c_stride = a.result_step,
                      .adjoints = swapped ? Adjoints::b : Adjoints::a},
          .a = a.of.data,
          .b = b.of.data,
          .c = view_.tile + i.out,
          .b_column_step = columns == 1 ? 1 : b.of.step,
          .times = b.rows / columns,
          .b_step = b.of.step,
          .c_step = b.result_step};
}

/// Whether a matrix that is computed once a step meets a 0 where a gap is, and may be infinite. Parameters are looked
/// at before the step.
template <class T>
bool CallPlanner<T>::is_checked(std::uint32_t at) const {
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  const bool gaps = i.kind == InstructionKind::dense && s.gaps != Shape::no_gaps;
  return gaps && view_.once() && !skip_zeros_ && !Matrix(i, s).is_of_parameters(program_);
}

template <class T>
void CallPlanner<T>::add_check(std::uint32_t at, CallList<T>& calls) const {
  const Instruction& i = program_.instructions[at];
  const auto results = static_cast<std::uint32_t>(instructions::Dense{i, program_.shapes[i.shape]}.result().count);
  calls.calls.push_back(
      {.kind = Call<T>::Kind::check, .at = at, .end = results, .a = view_.tile + i.out, .runs = nullptr});
}

template <class T>
void CallPlanner<T>::add_product(BoundProduct<T>& bound, CallList<T>& calls) {
  Product<T>& product = bound.product;
  const T* b = bound.b;
  using Kind = typename Call<T>::Kind;
  if (!view_.once()) product.n = round_up(calls.samples, kernels_.vector_lanes);
  if (bound.b_column_step != 1) {
    T* const copy = bound.b_copy == nullptr ? scratch_ : bound.b_copy;
    const Transposed<T> copied = {b,    bound.b_column_step, bound.b_row_step, product.n, product.k,
                                  copy, product.b_stride};
    const bool is_there = bound.b_copy != nullptr && !copied_.insert(bound.b_copy).second;
    if (!is_there) calls.calls.push_back({.kind = Kind::transpose, .at = bound.at, .transposed = copied});
    b = copy;
  }
  const bool once = bound.times == 1, from_end = reads_from_end(matrix_of(bound));
  const std::size_t parts = parts_of(bound);
  for (std::size_t part = 0; part < parts; ++part) {
    const std::size_t place = from_end ? parts - 1 - part : part, first = product.k * place / parts;
    Product<T> of_part = product;
    of_part.k = product.k * (place + 1) / parts - first;
    if (part > 0) of_part.finish = {};
    planned_.plan(of_part);
    for (const KernelCall<T>& call : planned_.calls()) {
      calls.calls.push_back({.kind = once ? Kind::product : Kind::products,
                             .at = bound.at,
                             .end = static_cast<std::uint32_t>(bound.times),
                             .a = bound.a + first * product.a_column_step + call.a_offset,
                             .b = b + first * product.b_stride + call.b_offset,
                             .c = bound.c + call.c_offset,
                             .kernel = call});
      if (part > 0) calls.calls.back().kernel.continues = true;
      if (once) continue;
      calls.calls.back().kernel.b_offset = bound.b_step, calls.calls.back().kernel.c_offset = bound.c_step;
    }
  }
}

/// The rows of a matrix are read part by part where it is read again and is larger than the first-level cache: a row of
/// 256 x 64 floats takes 0.7 times as long then, of 256 x 64 doubles 0.9 times.
template <class T>
std::size_t CallPlanner<T>::parts_of(const BoundProduct<T>& bound) const {
  constexpr std::size_t first_level_bytes = 40 * 1024, part_bytes = 16 * 1024;
  const Product<T>& p = bound.product;
  const auto reads = reads_.find(matrix_of(bound));
  const bool plain = p.adjoints == Adjoints::none && p.gaps == nullptr && bound.times == 1 && p.m == 1;
  if (!plain || reads == reads_.end() || reads->second.count < 2) return 1;
  const std::size_t bytes = p.k * p.n * sizeof(T);
  return bytes <= first_level_bytes ? 1 : std::min((bytes + part_bytes - 1) / part_bytes, p.k);
}

template <class T>
void CallPlanner<T>::bind_dots_of_load(std::uint32_t at) {
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  const Matrix w(i, s);
  const std::uint32_t load = in_place_.read_by(at);
  BoundDots<T> bound{.at = at,
                     .load = load,
                     .load_column = i.x[1] - program_.loads[load].slot,
                     .sums = {.a_rows = view_.stride,
                              .a_stride = 0,
                              .b_rows = w.results,
                              .b_stride = w.result_step,
                              .c_row_step = 1,
                              .c_column_step = view_.stride,
                              .samples = w.terms},
                     .w = view_.uniform_slot(w.slot),
                     .out = view_.tile + i.out * view_.stride,
                     .finish = bound_lanes(i, s).product};
  bound.finish.k = 0;
  dots_.push_back(bound);
  if (has_room_) return;
  // How many calls there are depends on how far apart the rows are, which are bound later.
  std::size_t calls = 0;
  for (std::size_t stride = 1; stride <= lane_unit; stride *= 2) {
    bound.sums.a_stride = stride;
    calls = std::max(calls, planned_.make_room(bound.sums));
  }
  most_calls_ += calls + planned_.make_room(bound.finish);
}

template <class T>
void CallPlanner<T>::add_dots_of_load(BoundDots<T>& bound, CallList<T>& calls) {
  using Kind = typename Call<T>::Kind;
  bound.sums.a_rows = calls.samples, bound.sums.a_stride = calls.load_strides[bound.load];
  planned_.plan(bound.sums);
  for (const KernelCall<T>& call : planned_.calls()) {
    calls.calls.push_back({.kind = Kind::dots_of_load,
                           .at = bound.at,
                           .load = bound.load,
                           .b = bound.w + call.b_offset,
                           .c = bound.out + call.c_offset,
                           .kernel = call});
    calls.calls.back().kernel.a_offset += bound.load_column;
  }
  bound.finish.n = round_up(calls.samples, kernels_.vector_lanes);
  planned_.plan(bound.finish);
  for (const KernelCall<T>& call : planned_.calls()) {
    calls.calls.push_back({.kind = Kind::product, .at = bound.at, .c = bound.out + call.c_offset, .kernel = call});
  }
}

#define TAPELOOM_INSTANTIATE(T)                                                \
  template void CallPlanner<T>::bind_products(std::uint32_t);                  \
  template void CallPlanner<T>::add_afterwards(std::uint32_t);                 \
  template bool CallPlanner<T>::is_checked(std::uint32_t) const;               \
  template void CallPlanner<T>::add_addend(std::uint32_t, CallList<T>&) const; \
  template void CallPlanner<T>::add_check(std::uint32_t, CallList<T>&) const;  \
  template void CallPlanner<T>::add_product(BoundProduct<T>&, CallList<T>&);   \
  template void CallPlanner<T>::bind_dots_of_load(std::uint32_t);              \
  template void CallPlanner<T>::add_dots_of_load(BoundDots<T>&, CallList<T>&);
TAPELOOM_INSTANTIATE(float)
TAPELOOM_INSTANTIATE(double)
#undef TAPELOOM_INSTANTIATE

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
