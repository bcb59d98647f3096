#include "tapeloom/runtime/tile_tasks.h"

#include "tapeloom/runtime/arena.h"

namespace tapeloom::inline v0_1::runtime {

namespace {

bool is_product(const Instruction& i) {
  return i.kind == InstructionKind::dense || i.kind == InstructionKind::dense_reverse;
}
bool has_planned_totals(const Instruction& i) {
  return i.kind == InstructionKind::reduce_outer || (i.kind == InstructionKind::reduce && (i.uniform_mask & 1) == 0);
}

}  // namespace

template <class T>
TileTasks<T>::TileTasks(const Program& program, const KernelTable<T>& kernels, const TileView<T>& view,
                        const std::vector<std::uint32_t>& loaded)
    : program_(program), kernels_(kernels), stage_begins_(program.stages.size() + 1) {
  std::size_t most_tasks = 0;
  for (const Stage& stage : program.stages) {
    for (std::uint32_t at = stage.tile.begin; at < stage.tile.end; ++at) {
      const Instruction& i = program.instructions[at];
      const Shape& shape = program.shapes[i.shape];
      if (is_product(i)) {
        for (std::uint32_t p = 0; p < shape.places; ++p) {
          products_.push_back(bound_product(view, at_place(i, shape, p), shape));
          most_tasks += products_.back().calls.room();
        }
      } else if (has_planned_totals(i)) {
        const bool outer = i.kind == InstructionKind::reduce_outer;
        for (std::uint32_t p = 0; p < (outer ? shape.places : 1); ++p) {
          totals_.push_back(outer ? bound_outer(view, at_place(i, shape, p), shape, loaded[at])
                                  : bound_sums(view, i, shape));
          totals_.back().begins = i.op != Op::add && (p == 0 || shape.place_step != 0);
          most_tasks += totals_.back().calls.room() + 1;
        }
      } else {
        ++most_tasks;
      }
    }
  }
  tasks_.reserve(most_tasks);
}

template <class T>
void TileTasks<T>::plan(std::size_t samples, std::span<const SampleRows<T>> loaded_rows) {
  using Kind = typename TileTask<T>::Kind;
  samples_ = samples;
  tasks_.clear();
  TileProduct<T>* product = products_.data();
  TileTotals<T>* totals = totals_.data();
  for (std::size_t s = 0; s < program_.stages.size(); ++s) {
    const Range range = program_.stages[s].tile;
    for (std::uint32_t at = range.begin; at < range.end; ++at) {
      const Instruction& i = program_.instructions[at];
      const Shape& shape = program_.shapes[i.shape];
      if (is_product(i)) {
        for (std::uint32_t p = 0; p < shape.places; ++p) add_product(at, *product++);
      } else if (has_planned_totals(i)) {
        const std::uint32_t places = i.kind == InstructionKind::reduce ? 1 : shape.places;
        for (std::uint32_t p = 0; p < places; ++p) add_totals(at, *totals++, loaded_rows);
      } else if (i.kind == InstructionKind::elementwise) {
        const auto kernel = kernels_.elementwise[static_cast<std::size_t>(i.op)][i.uniform_mask];
        tasks_.push_back({.kind = Kind::elementwise, .at = at, .whole = {kernel, &i, &shape}});
      } else {
        tasks_.push_back({.kind = Kind::other, .at = at, .whole = {nullptr, &i, &shape}});
      }
    }
    stage_begins_[s + 1] = tasks_.size();
  }
}

template <class T>
void TileTasks<T>::add_product(std::uint32_t at, TileProduct<T>& product) {
  product.product.n = round_up(samples_, kernels_.vector_lanes);
  product.calls.plan(product.product);
  for (const KernelCall<T>& call : product.calls.calls()) {
    tasks_.push_back({.kind = TileTask<T>::Kind::product, .at = at, .call = {&call, product.a, product.b, product.c}});
  }
}

template <class T>
void TileTasks<T>::add_totals(std::uint32_t at, TileTotals<T>& totals, std::span<const SampleRows<T>> loaded_rows) {
  using Kind = typename TileTask<T>::Kind;
  Product<T>& product = totals.product;
  const bool loads = totals.load != no_load;
  const bool multiplies =
      totals.may_multiply && !dots_are_cheaper(product.m, product.n, samples_, kernels_.vector_lanes, !loads);
  const auto add_calls = [&](Kind kind, const T* a, const T* b) {
    for (const KernelCall<T>& call : totals.calls.calls()) {
      tasks_.push_back(
          {.kind = kind, .begins = totals.begins, .at = at, .out = totals.out, .call = {&call, a, b, nullptr}});
    }
  };
  if (multiplies) {
    product.k = samples_;
    product.b_stride = loads ? loaded_rows[totals.load].stride : round_up(product.n, lane_unit);
    totals.calls.plan(product);
    tasks_.push_back({.kind = Kind::rows, .at = at, .totals = &totals});
    add_calls(Kind::rows_product, totals.product_a, nullptr);
  } else {
    totals.sums.samples = samples_;
    totals.calls.plan(totals.sums);
    add_calls(Kind::sums, totals.a, totals.b);
  }
}

/// For the most samples.
template <class T>
TileProduct<T> TileTasks<T>::bound_product(const TileView<T>& view, const Instruction& i, const Shape& s) const {
  const TileOperand<T> w(view, i, s, 0), x(view, i, s, 1);
  const bool reverse = i.kind == InstructionKind::dense_reverse;
  Product<T> product{.m = reverse ? s.terms : s.rows,
                     .n = view.stride,
                     .k = reverse ? s.rows : s.terms,
                     .a_row_step = reverse ? s.term_step : s.row_step,
                     .a_column_step = reverse ? s.row_step : s.term_step,
                     .b_stride = x.step,
                     .c_stride = view.stride};
  product.finish.op = i.op, product.finish.then = i.then;
  if (i.op != Op::constant) {
    const TileOperand<T> z(view, i, s, 2);
    product.finish.operand = z.data, product.finish.step = z.step, product.finish.per_lane = z.lane_step == 1;
  }
  TileProduct<T> bound = {product, w.data, x.data, view.tile + i.out * view.stride, PlannedCalls<T>(kernels_)};
  bound.calls.make_room(product);
  return bound;
}

template <class T>
TileTotals<T> TileTasks<T>::bound_sums(const TileView<T>& view, const Instruction& i, const Shape& s) const {
  const TileOperand<T> y(view, i, s);
  TileTotals<T> totals{
      .sums = {.a_rows = s.rows, .a_stride = y.step, .c_row_step = s.row_step}, .a = y.data, .out = i.out};
  totals.calls = PlannedCalls<T>(kernels_);
  totals.calls.make_room(totals.sums);
  return totals;
}

template <class T>
TileTotals<T> TileTasks<T>::bound_outer(const TileView<T>& view, const Instruction& i, const Shape& s,
                                        std::uint32_t load) const {
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
  if (!by_columns && load != no_load) totals.load = load, totals.load_column = i.x[1] - program_.loads[load].slot;
  totals.calls = PlannedCalls<T>(kernels_);
  totals.calls.make_room(totals.sums);
  totals.calls.make_room(totals.product);
  return totals;
}

template class TileTasks<float>;
template class TileTasks<double>;

}  // namespace tapeloom::inline v0_1::runtime
