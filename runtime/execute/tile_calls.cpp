#include "tapeloom/runtime/execute/tile_calls.h"

#include <algorithm>

#include "tapeloom/core/program/instructions.h"
#include "tapeloom/runtime/execute/arena.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

bool is_product(const Instruction& i) {
  return i.kind == InstructionKind::dense || i.kind == InstructionKind::dense_reverse;
}
bool has_planned_totals(const Instruction& i) {
  return i.kind == InstructionKind::reduce_outer || (i.kind == InstructionKind::reduce && !i.is_uniform(0));
}

}  // namespace

template <class T>
TilePlanner<T>::TilePlanner(const Program& program, const KernelTable<T>& kernels, const TileView<T>& view, T* totals,
                            T* scratch, bool skip_zeros)
    : program_(program),
      kernels_(kernels),
      first_totals_(totals),
      scratch_(scratch),
      skip_zeros_(skip_zeros),
      planned_(kernels) {
  for (const Stage& stage : program.stages) {
    bool in_run = false;
    for (std::uint32_t at = stage.tile.begin; at < stage.tile.end; ++at) {
      const Instruction& i = program.instructions[at];
      const Shape& shape = program.shapes[i.shape];
      if (is_product(i)) {
        for (std::uint32_t p = 0; p < shape.places; ++p) {
          products_.push_back(bound_product(view, at_place(i, shape, p), shape));
          most_calls_ += planned_.make_room(products_.back().product);
        }
      } else if (has_planned_totals(i)) {
        const bool outer = i.kind == InstructionKind::reduce_outer;
        for (std::uint32_t p = 0; p < (outer ? shape.places : 1); ++p) {
          totals_.push_back(outer ? bound_outer(view, at_place(i, shape, p), shape) : bound_sums(view, i, shape));
          TileTotals<T>& last = totals_.back();
          last.begins = !i.accumulates && (p == 0 || shape.place_step != 0);
          last.follows_row_sums = i.follows_row_sums;
          const std::size_t by_sums = planned_.make_room(last.sums);
          most_calls_ += last.may_multiply ? std::max(by_sums, planned_.make_room(last.product) + 1) : by_sums;
        }
      } else {
        rows_.push_back(bound_rows(view, i, shape));
        if (!in_run) ++most_calls_;
      }
      in_run = !is_product(i) && !has_planned_totals(i);
    }
  }
}

template <class T>
TileCalls<T> TilePlanner<T>::make_room() const {
  TileCalls<T> calls;
  calls.load_strides.resize(program_.loads.size());
  calls.stage_begins.resize(program_.stages.size() + 1);
  calls.calls.reserve(most_calls_);
  return calls;
}

template <class T>
void TilePlanner<T>::plan(std::size_t samples, std::span<const SampleRows<T>> loaded_rows, TileCalls<T>& calls) {
  calls.samples = samples;
  for (std::size_t l = 0; l < loaded_rows.size(); ++l) calls.load_strides[l] = loaded_rows[l].stride;
  calls.calls.clear();
  TileProduct<T>* product = products_.data();
  TileTotals<T>* totals = totals_.data();
  const RowCall<T>* rows = rows_.data();
  for (std::size_t s = 0; s < program_.stages.size(); ++s) {
    const Range range = program_.stages[s].tile;
    for (std::uint32_t at = range.begin; at < range.end; ++at) {
      const Instruction& i = program_.instructions[at];
      const Shape& shape = program_.shapes[i.shape];
      if (is_product(i)) {
        for (std::uint32_t p = 0; p < shape.places; ++p) add_product(at, *product++, calls);
      } else if (has_planned_totals(i)) {
        const bool last = totals == &totals_.back();
        if (!last && sums_rows(totals[1], samples)) {
          ++totals;
          continue;
        }
        const std::uint32_t places = i.kind == InstructionKind::reduce ? 1 : shape.places;
        for (std::uint32_t p = 0; p < places; ++p) add_totals(at, *totals++, calls);
      } else {
        const bool goes_on =
            calls.calls.size() > calls.stage_begins[s] && calls.calls.back().kind == TileCall<T>::Kind::instructions;
        if (!goes_on) calls.calls.push_back({.kind = TileCall<T>::Kind::instructions, .at = at, .rows = rows});
        calls.calls.back().end = at + 1;
        ++rows;
      }
    }
    calls.stage_begins[s + 1] = calls.calls.size();
  }
}

template <class T>
void TilePlanner<T>::add_product(std::uint32_t at, TileProduct<T>& product, TileCalls<T>& calls) {
  product.product.n = round_up(calls.samples, kernels_.vector_lanes);
  planned_.plan(product.product);
  for (const KernelCall<T>& call : planned_.calls()) {
    calls.calls.push_back({.kind = TileCall<T>::Kind::product,
                           .at = at,
                           .a = product.a + call.a_offset,
                           .b = product.b + call.b_offset,
                           .c = product.c + call.c_offset,
                           .call = call});
  }
}

template <class T>
bool TilePlanner<T>::multiplies(const TileTotals<T>& totals, std::size_t samples) const {
  return totals.may_multiply &&
         !dots_are_cheaper(totals.product.m, totals.product.n, samples, kernels_.vector_lanes, totals.load == no_load);
}

template <class T>
bool TilePlanner<T>::sums_rows(const TileTotals<T>& totals, std::size_t samples) const {
  return totals.follows_row_sums && !skip_zeros_ && multiplies(totals, samples) &&
         can_sum_rows(totals.product.m, totals.product.n, samples, kernels_.vector_lanes);
}

template <class T>
void TilePlanner<T>::add_totals(std::uint32_t at, TileTotals<T>& totals, TileCalls<T>& calls) {
  Product<T>& product = totals.product;
  const bool loads = totals.load != no_load;
  using Kind = typename TileCall<T>::Kind;
  const auto add_planned = [&](Kind kind, const T* a, const T* b) {
    for (const KernelCall<T>& call : planned_.calls()) {
      calls.calls.push_back({.kind = kind,
                             .adds = !totals.begins,
                             .at = at,
                             .load = totals.load,
                             .a = a + call.a_offset,
                             .b = b == nullptr ? nullptr : b + call.b_offset,
                             .c = first_totals_ + totals.out + call.c_offset,
                             .call = call});
      if (kind == Kind::sums_of_load) calls.calls.back().call.b_offset += totals.load_column;
    }
  };
  if (multiplies(totals, calls.samples)) {
    product.k = calls.samples;
    product.sums_rows = sums_rows(totals, calls.samples);
    product.b_stride = loads ? calls.load_strides[totals.load] : round_up(product.n, lane_unit);
    if (!loads) {
      calls.calls.push_back({.kind = Kind::transpose,
                             .at = at,
                             .transpose = {totals.rows, scratch_, totals.rows_step, product.n, product.b_stride}});
    }
    planned_.plan(product);
    add_planned(loads ? Kind::sums_of_load : Kind::sums, totals.product_a, loads ? nullptr : scratch_);
  } else {
    totals.sums.samples = calls.samples;
    planned_.plan(totals.sums);
    add_planned(Kind::sums, totals.a, totals.b);
  }
}

/// For the most samples.
template <class T>
TileProduct<T> TilePlanner<T>::bound_product(const TileView<T>& view, const Instruction& i, const Shape& s) const {
  const TileOperand<T> w(view, i, s, 0), x(view, i, s, 1);
  const bool reverse = i.kind == InstructionKind::dense_reverse;
  Product<T> product{.m = reverse ? s.terms : s.rows,
                     .n = view.stride,
                     .k = reverse ? s.rows : s.terms,
                     .a_row_step = reverse ? s.term_step : s.row_step,
                     .a_column_step = reverse ? s.row_step : s.term_step,
                     .b_stride = x.step,
                     .c_stride = view.stride};
  if (reverse && skip_zeros_) product.adjoints = Adjoints::b;
  product.finish.op = i.op, product.finish.then = i.then;
  if (i.op != no_op) {
    const TileOperand<T> z(view, i, s, 2);
    product.finish.operand = z.data, product.finish.step = z.step, product.finish.per_lane = z.lane_step == 1;
  }
  return {product, w.data, x.data, view.tile + i.out * view.stride};
}

template <class T>
RowCall<T> TilePlanner<T>::bound_rows(const TileView<T>& view, const Instruction& i, const Shape& s) const {
  if (i.kind != InstructionKind::elementwise) return {};
  RowCall<T> call{.run = kernels_.elementwise[static_cast<std::size_t>(i.op)][i.uniform_mask],
                  .out = view.tile + i.out * view.stride,
                  .rows = s.rows};
  for (std::size_t k = 0; k < op_arity(i.op); ++k) {
    const bool uniform = i.is_uniform(k);
    if (s.step[k] == Shape::by_index || (s.rows > 1 && s.step[k] != (uniform ? 0 : 1))) return {};
    call.x[k] = TileOperand<T>(view, i, s, k).data;
  }
  return call;
}

template <class T>
TileTotals<T> TilePlanner<T>::bound_sums(const TileView<T>& view, const Instruction& i, const Shape& s) const {
  const TileOperand<T> y(view, i, s);
  return {.sums = {.a_rows = s.rows, .a_stride = y.step, .c_row_step = s.row_step}, .a = y.data, .out = i.out};
}

template <class T>
TileTotals<T> TilePlanner<T>::bound_outer(const TileView<T>& view, const Instruction& i, const Shape& s) const {
  /// Rows of the tile that are multiplied, and how far apart their totals are.
  struct Side {
    TileOperand<T> of;
    std::size_t rows, total_step;
  };
  const Side y = {{view, i, s, 0}, s.rows, s.row_step}, x = {{view, i, s, 1}, s.terms, s.term_step};
  const Side &more = x.rows > y.rows ? x : y, &fewer = x.rows > y.rows ? y : x;
  // A matrix that is stored column by column is the transpose of one that is not.
  const bool by_columns = s.terms > 1 && s.term_step != 1 && s.row_step == 1;
  const Side &a = by_columns ? x : y, &b = by_columns ? y : x;
  TileTotals<T> totals{.sums = {.a_rows = more.rows,
                                .a_stride = more.of.step,
                                .b_rows = fewer.rows,
                                .b_stride = fewer.of.step,
                                .c_row_step = more.total_step,
                                .c_column_step = fewer.total_step},
                       .a = more.of.data,
                       .b = fewer.of.data,
                       .out = i.out};
  totals.may_multiply = b.rows == 1 || b.total_step == 1;
  totals.product = {.m = a.rows,
                    .n = b.rows,
                    .k = view.stride,
                    .a_row_step = a.of.step,
                    .a_column_step = 1,
                    .b_stride = 0,
                    .c_stride = a.total_step};
  totals.product_a = a.of.data;
  totals.rows = b.of.data, totals.rows_step = b.of.step;
  if (skip_zeros_) {
    totals.sums.adjoints = &more == &y ? Adjoints::a : Adjoints::b;
    totals.product.adjoints = by_columns ? Adjoints::b : Adjoints::a;
  }
  const std::uint32_t load = instructions::ReduceOuter{i, s}.load();
  if (!by_columns && load != no_load) totals.load = load, totals.load_column = i.x[1] - program_.loads[load].slot;
  return totals;
}

template class TilePlanner<float>;
template class TilePlanner<double>;

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
