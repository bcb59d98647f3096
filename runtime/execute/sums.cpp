// Binds sums over samples, and over rows that lie side by side, to where their rows lie, and cuts them into calls.
#include <algorithm>

#include "tapeloom/core/program/cost.h"
#include "tapeloom/runtime/execute/arena.h"
#include "tapeloom/runtime/execute/calls.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

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
void CallPlanner<T>::bind_sums(std::uint32_t at) {
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  const bool outer = i.kind == InstructionKind::reduce_outer;
  // Then blocks of totals stay in registers from place to place.
  const bool together = outer && s.place_step == 0 && !skip_zeros_;
  const Shape run = instructions::run_of_places(s);
  for (std::uint32_t p = 0; p < (outer ? s.places : 1); p += together ? run.places : 1) {
    BoundSums<T>& bound = sums_.emplace_back(outer            ? bound_outer_sums(instructions::at_place(i, s, p), run)
                                             : are_dots(i, s) ? bound_dots(i, s)
                                                              : bound_sums(i, s));
    bound.at = at;
    bound.begins = !i.accumulates && (p == 0 || s.place_step != 0);
    bound.follows_row_sums = outer && i.follows_row_sums && s.windows.run == 0;
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
    if (together) bound.sums.places = run.places;
    if (!outer && i.op != no_op) add_afterwards(at);
    if (has_room_) continue;
    std::size_t calls = planned_.make_room(bound.sums);
    if (bound.may_multiply) {
      Product<T> panel = bound.product;
      panel.n = panel_columns(bound);
      const std::size_t panels = (bound.product.n + panel.n - 1) / panel.n;
      calls = std::max(calls, panels * bound.sums.places * (planned_.make_room(panel) + 1));
    }
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
  const instructions::ReduceOuter outer{i, s};
  if (outer.may_read_load()) {
    bound.load = outer.load(), bound.load_column = i.x[1] - program_.loads[bound.load].slot,
    bound.load_place = instructions::window_step(i, s);
  }
  return bound;
}

template <class T>
bool CallPlanner<T>::multiplies(const BoundSums<T>& bound, std::size_t samples) const {
  const Product<T>& p = bound.product;
  const std::size_t places = bound.sums.places, lanes = kernels_.vector_lanes, together = bound.places_together();
  if (bound.load != no_load && in_place_.contains(bound.load)) return true;
  const std::size_t transposed = bound.load == no_load ? (bound.rows_of(together) + together - 1) / together : 0;
  // Each block of dot products reads all places. From the second-level cache that takes longer: 16 x 80 of them at 60
  // places, of 32 floats or 16 doubles each, 1.2 times as long.
  constexpr std::size_t first_level_bytes = 48 * 1024, a_call = 20;  // the latter as many multiplications of vectors
  const bool far = places * (p.m + p.n) * samples * sizeof(T) > first_level_bytes;
  std::size_t dots = cost::dots(p.m, p.n, places * round_up(samples, lanes), lanes);
  if (far) dots += dots / 5;
  if (may_sum_rows(bound, samples)) dots += cost::dots(p.m, 1, samples, lanes) + a_call;
  return bound.may_multiply && places * cost::product_over_samples(p.m, p.n, samples, lanes, transposed) < dots;
}

template <class T>
bool CallPlanner<T>::may_sum_rows(const BoundSums<T>& bound, std::size_t samples) const {
  return bound.follows_row_sums && !skip_zeros_ &&
         can_sum_rows(bound.product.m, bound.product.n, samples, kernels_.vector_lanes);
}

template <class T>
bool CallPlanner<T>::sums_rows(const BoundSums<T>& bound, std::size_t samples) const {
  return may_sum_rows(bound, samples) && multiplies(bound, samples);
}

/// How many columns of the product are transposed at a time, so that they are in the first-level cache still when they
/// are multiplied: 10 x 512 totals over 64 floats take 0.36 times as long as if all were transposed first.
template <class T>
std::size_t CallPlanner<T>::panel_columns(const BoundSums<T>& bound) const {
  constexpr std::size_t panel_vectors = 4;
  const bool transposes = bound.load == no_load && bound.places_together() == 1;
  return transposes ? std::min(bound.product.n, panel_vectors * kernels_.vector_lanes) : bound.product.n;
}

/// With one product for each place and panel of columns. Rows that neighbouring places share are transposed for some of
/// them together.
template <class T>
void CallPlanner<T>::add_product_of_sums(BoundSums<T>& bound, CallList<T>& calls) {
  const bool loads = bound.load != no_load;
  using Kind = typename Call<T>::Kind;
  Product<T> product = bound.product;
  product.k = calls.samples;
  product.sums_rows = sums_rows(bound, calls.samples);
  const std::size_t places = bound.sums.places, together = bound.places_together(), columns = panel_columns(bound);
  for (std::size_t first = 0; first < bound.product.n; first += columns) {
    product.n = std::min(columns, bound.product.n - first);
    product.b_stride = loads           ? calls.load_strides[bound.load]
                       : together == 1 ? round_up(product.n, lane_unit)
                                       : round_up(bound.rows_of(together), lane_unit);
    planned_.plan(product);
    for (std::size_t p = 0; p < places; ++p) {
      if (!loads && p % together == 0) {
        const Transposed<T> b = {bound.rows + first * bound.rows_step + p * bound.rows_place,
                                 bound.rows_step,
                                 1,
                                 together == 1 ? product.n : bound.rows_of(std::min(together, places - p)),
                                 calls.samples,
                                 scratch_,
                                 product.b_stride};
        calls.calls.push_back({.kind = Kind::transpose, .at = bound.at, .transposed = b});
      }
      for (const KernelCall<T>& call : planned_.calls()) {
        calls.calls.push_back({.kind = loads ? Kind::sums_of_load : Kind::sums,
                               .adds = !bound.begins || p > 0,
                               .at = bound.at,
                               .load = bound.load,
                               .a = bound.product_a + p * bound.product_a_place + call.a_offset,
                               .b = loads ? nullptr : scratch_ + p % together * bound.rows_apart() + call.b_offset,
                               .c = bound.c + first + call.c_offset,
                               .kernel = call});
        if (loads) calls.calls.back().kernel.b_offset += bound.load_column + p * bound.load_place;
      }
    }
  }
}

template <class T>
void CallPlanner<T>::add_sums(BoundSums<T>& bound, CallList<T>& calls) {
  if (multiplies(bound, calls.samples)) return add_product_of_sums(bound, calls);
  if (!view_.once()) bound.sums.samples = calls.samples;
  planned_.plan(bound.sums);
  const std::size_t begin = calls.calls.size();
  for (const KernelCall<T>& call : planned_.calls()) {
    calls.calls.push_back({.kind = Call<T>::Kind::sums,
                           .adds = !bound.begins,
                           .at = bound.at,
                           .a = bound.a + call.a_offset,
                           .b = bound.b == nullptr ? nullptr : bound.b + call.b_offset,
                           .c = bound.c + call.c_offset,
                           .kernel = call});
  }
  if (reads_from_end(bound.a)) std::reverse(calls.calls.begin() + begin, calls.calls.end());
}

#define TAPELOOM_INSTANTIATE(T)                                                       \
  template bool CallPlanner<T>::are_dots(const Instruction& i, const Shape& s) const; \
  template void CallPlanner<T>::bind_sums(std::uint32_t);                             \
  template bool CallPlanner<T>::sums_rows(const BoundSums<T>&, std::size_t) const;    \
  template void CallPlanner<T>::add_sums(BoundSums<T>&, CallList<T>&);
TAPELOOM_INSTANTIATE(float)
TAPELOOM_INSTANTIATE(double)
#undef TAPELOOM_INSTANTIATE

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
