// Binds products, and sums over samples, to where their matrices lie.
#include <algorithm>
#include <utility>

#include "tapeloom/runtime/execute/arena.h"
#include "tapeloom/runtime/execute/calls.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

/// From here on it is worth while to copy a matrix for them.
constexpr std::size_t least_rows_for_a_copy = 4;

}  // namespace

/// Once a step the product of a matrix and a vector is a sum of products for each row, if these and the vector are
/// numbers side by side and not few: sums over samples compute the same.
template <class T>
bool CallPlanner<T>::are_dots(const Instruction& i, const Shape& s) const {
  if (!view_.once() || !is_product(i)) return false;
  const Matrix w(i, s);
  return !transposed_.contains(w) && s.places == 1 && w.term_step == 1 && w.terms > few_terms &&
         OperandRows<T>(view_, i, s, 1).step == 1;
}

template <class T>
BoundSums<T> CallPlanner<T>::bound_dots(const Instruction& i, const Shape& s) const {
  const Matrix of_w(i, s);
  Sums sums{.a_rows = of_w.results, .a_stride = of_w.result_step, .b_rows = 1, .c_row_step = 1, .samples = of_w.terms};
  if (skip_zeros_ && i.kind == InstructionKind::dense_reverse) sums.adjoints = Adjoints::b;
  return {.at = 0,
          .sums = sums,
          .a = view_.uniform_slot(i.x[0]),
          .b = OperandRows<T>(view_, i, s, 1).data,
          .c = view_.tile + i.out,
          .begins = true};
}

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
    most_calls_ += planned_.make_room(bound.product);
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
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  const std::size_t rows = instructions::facts_of(i, s).result.count;
  moves_[at] = {{view_.tile + i.out, OperandRows<T>(view_, i, s, 2).data, rows, true}};
  ++most_calls_;
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
  const std::size_t columns = side_by_side && b.of.step != 0 ? b.rows : 1;
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

template <class T>
void CallPlanner<T>::bind_sums(std::uint32_t at) {
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  const bool outer = i.kind == InstructionKind::reduce_outer;
  // Then blocks of totals stay in registers from place to place.
  const bool together = outer && s.place_step == 0 && !skip_zeros_;
  for (std::uint32_t p = 0; p < (outer && !together ? s.places : 1); ++p) {
    BoundSums<T>& bound = sums_.emplace_back(outer            ? bound_outer_sums(instructions::at_place(i, s, p), s)
                                             : are_dots(i, s) ? bound_dots(i, s)
                                                              : bound_sums(i, s));
    bound.at = at;
    bound.begins = !i.accumulates && (p == 0 || s.place_step != 0);
    bound.follows_row_sums = outer && i.follows_row_sums;
    if (has_gaps(s) && !outer) {
      ProductGaps gaps = gaps_of(s, p);
      gaps.term_step = 1;
      bound.sums.gaps = &gaps_.emplace_back(gaps);
    } else if (has_gaps(s)) {
      ProductGaps gaps = gaps_of(s, p);
      (s.terms > s.rows ? gaps.row_step : gaps.column_step) = 1;  // as bound_outer_sums has them
      bound.sums.gaps = &gaps_.emplace_back(gaps);
      bound.may_multiply = false;
    }
    if (together) bound.sums.places = s.places;
    if (!outer && i.op != no_op) add_afterwards(at);
    std::size_t calls = planned_.make_room(bound.sums);
    if (bound.may_multiply) calls = std::max(calls, bound.sums.places * (planned_.make_room(bound.product) + 1));
    most_calls_ += calls;
  }
}

/// Of the samples of each row, or of rows that lie side by side.
template <class T>
BoundSums<T> CallPlanner<T>::bound_sums(const Instruction& i, const Shape& s) const {
  const OperandRows<T> y(view_, i, s);
  if (view_.once()) {
    return {.at = 0,
            .sums = {.a_rows = s.terms, .a_stride = s.rows, .c_row_step = 1, .samples = s.rows},
            .a = y.data,
            .c = view_.tile + i.out};
  }
  return {.at = 0,
          .sums = {.a_rows = s.rows, .a_stride = y.step, .c_row_step = s.row_step},
          .a = y.data,
          .c = totals_ + i.out};
}

template <class T>
BoundSums<T> CallPlanner<T>::bound_outer_sums(const Instruction& i, const Shape& s) const {
  const auto [y, x] = Sides<T>(view_, i, s);
  const Side<T>&more = x.rows > y.rows ? x : y, &fewer = x.rows > y.rows ? y : x;
  // A matrix that is stored column by column is the transpose of one that is not.
  const bool by_columns = s.terms > 1 && s.term_step != 1 && s.row_step == 1;
  const Side<T>&a = by_columns ? x : y, &b = by_columns ? y : x;
  BoundSums<T> bound{.at = 0,
                     .sums = {.a_rows = more.rows,
                              .a_stride = more.of.step,
                              .b_rows = fewer.rows,
                              .b_stride = fewer.of.step,
                              .c_row_step = more.result_step,
                              .c_column_step = fewer.result_step,
                              .a_place_step = more.place_step,
                              .b_place_step = fewer.place_step},
                     .a = more.of.data,
                     .b = fewer.of.data,
                     .c = totals_ + i.out};
  bound.may_multiply = b.rows == 1 || b.result_step == 1;
  bound.product = {.m = a.rows,
                   .n = b.rows,
                   .k = view_.stride,
                   .a_row_step = a.of.step,
                   .a_column_step = 1,
                   .b_stride = 0,
                   .c_stride = a.result_step};
  bound.product_a = a.of.data;
  bound.rows = b.of.data, bound.rows_step = b.of.step;
  bound.product_a_place = a.place_step, bound.rows_place = b.place_step;
  if (skip_zeros_) {
    bound.sums.adjoints = &more == &y ? Adjoints::a : Adjoints::b;
    bound.product.adjoints = by_columns ? Adjoints::b : Adjoints::a;
  }
  const std::uint32_t load = instructions::ReduceOuter{i, s}.load();
  if (!by_columns && load != no_load) {
    bound.load = load, bound.load_column = i.x[1] - program_.loads[load].slot,
    bound.load_place = instructions::window_step(i, s);
  }
  return bound;
}

#define TAPELOOM_INSTANTIATE(T)                                                       \
  template bool CallPlanner<T>::are_dots(const Instruction& i, const Shape& s) const; \
  template void CallPlanner<T>::bind_products(std::uint32_t);                         \
  template void CallPlanner<T>::bind_sums(std::uint32_t);
TAPELOOM_INSTANTIATE(float)
TAPELOOM_INSTANTIATE(double)
#undef TAPELOOM_INSTANTIATE

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
