#include "tapeloom/runtime/tile_runner.h"

#include <algorithm>

#include "tapeloom/core/check.h"
#include "tapeloom/runtime/stopwatch.h"
#include "tapeloom/runtime/tile_rows.h"

namespace tapeloom::inline v0_1::runtime {

namespace {

constexpr std::size_t no_piece = SIZE_MAX;

}  // namespace

template <class T>
TileRunner<T>::TileRunner(const Program& program, const KernelTable<T>& kernels, const StepBuffers<T>& buffers,
                          const std::vector<std::uint32_t>& loaded, std::size_t tile_samples, bool profiled)
    : program_(program),
      kernels_(kernels),
      buffers_(buffers),
      gathered_(program.loads.size(), no_piece),
      sample_rows_(program.loads.size()),
      times_(profiled ? program.instructions.size() : 0) {
  view_.stride = slot_stride(tile_samples, sizeof(T));
  tile_ = arena_.plan(program.tile_slots * view_.stride);
  scratch_ = arena_.plan(scratch_numbers(program, tile_samples));
  for (std::size_t n = 0; n < loaded.size(); ++n) {
    const std::uint32_t load = loaded[n];
    if (load == no_load || gathered_[load] != no_piece) continue;
    gathered_[load] = arena_.plan(tile_samples * program.loads[load].count);
  }
  arena_.allocate();
  view_.tile = arena_.data(tile_);
  view_.uniform = buffers.uniform;
  view_.parameters = buffers.parameters;
  view_.parameter_count = program_.parameters.size();
  bind(loaded);
  plan(tile_samples);
}

/// Works out, once for all steps, what does not depend on a tile.
template <class T>
void TileRunner<T>::bind(const std::vector<std::uint32_t>& loaded) {
  bound_.resize(program_.instructions.size());
  const auto add = [](auto& list, auto&& item) {
    list.push_back(item);
    return static_cast<std::uint32_t>(list.size() - 1);
  };
  for (const Stage& stage : program_.stages) {
    for (std::uint32_t at = stage.tile.begin; at < stage.tile.end; ++at) {
      const Instruction& i = program_.instructions[at];
      const Shape& shape = program_.shapes[i.shape];
      const bool product = i.kind == InstructionKind::dense || i.kind == InstructionKind::dense_reverse;
      if (i.kind == InstructionKind::reduce) bound_[at] = add(sums_, bound_sums(i, shape));
      if (product) bound_[at] = static_cast<std::uint32_t>(products_.size());
      if (i.kind == InstructionKind::reduce_outer) bound_[at] = static_cast<std::uint32_t>(outers_.size());
      for (std::uint32_t p = 0; p < shape.places; ++p) {
        if (product) products_.push_back(bound_product(at_place(i, shape, p), shape));
        if (i.kind == InstructionKind::reduce_outer) {
          outers_.push_back(bound_outer(at_place(i, shape, p), shape, loaded[at]));
        }
      }
    }
  }
}

/// For tiles of so many samples. A program has one or two sizes of them, mostly.
template <class T>
void TileRunner<T>::plan(std::size_t samples) {
  planned_samples_ = samples;
  view_.lanes = round_up(samples, kernels_.vector_lanes);
  for (Sums<T>& sums : sums_) sums.samples = samples;
  for (TileProduct<T>& product : products_) {
    product.product.n = view_.lanes;
    product.planned.plan(product.product);
  }
  for (Outer<T>& outer : outers_) {
    Product<T>& product = outer.product;
    product.k = outer.sums.samples = samples;
    outer.one_by_one = outer.scattered ||
                       dots_are_cheaper(product.m, product.n, samples, kernels_.vector_lanes, outer.load == no_load);
    if (!outer.one_by_one) outer.plan();
  }
}

template <class T>
void TileRunner<T>::load(const Stage& stage, const Binding& binding, const BatchRows& batch, const Tile& tile) {
  for (std::uint32_t at = stage.inputs.begin; at < stage.inputs.end; ++at) {
    const Load& load = program_.loads[at];
    sample_rows_[at] =
        binding.load(at, batch, tile.begin, tile.count, view_.stride, kernels_, view_.tile + load.slot * view_.stride,
                     gathered_[at] == no_piece ? nullptr : arena_.data(gathered_[at]));
  }
}

template <class T>
void TileRunner<T>::run(const Stage& stage, const Binding& binding, const BatchRows& batch, const Tile& tile, T* totals,
                        bool first) {
  if (times_.empty()) return run_as<false>(stage, binding, batch, tile, totals, first);
  return run_as<true>(stage, binding, batch, tile, totals, first);
}

template <class T>
template <bool profiled>
void TileRunner<T>::run_as(const Stage& stage, const Binding& binding, const BatchRows& batch, const Tile& tile,
                           T* totals, bool first) {
  [[maybe_unused]] Stopwatch<profiled> stopwatch;
  if (tile.count != planned_samples_) plan(tile.count);
  load(stage, binding, batch, tile);
  if constexpr (profiled) stopwatch.lap(load_time_);
  T* spilled = buffers_.batch + tile.begin;
  const Instruction* i = program_.instructions.data() + stage.tile.begin;
  const Shape* shapes = program_.shapes.data();
  const std::uint32_t* bound = bound_.data();
  for (std::uint32_t at = stage.tile.begin; at != stage.tile.end; ++at, ++i) {
    const Shape& shape = shapes[i->shape];
    switch (i->kind) {
      case InstructionKind::elementwise:
        kernels_.elementwise[static_cast<std::size_t>(i->op)][i->uniform_mask](view_, *i, shape);
        break;
      case InstructionKind::dense:
      case InstructionKind::dense_reverse: {
        const TileProduct<T>* product = &products_[bound[at]];
        for (std::uint32_t p = 0; p < shape.places; ++p, ++product) {
          product->planned.run(product->a, product->b, product->c);
        }
        break;
      }
      case InstructionKind::row_sum:
      case InstructionKind::row_extreme:
      case InstructionKind::row_extreme_reverse:
      case InstructionKind::copy:
      case InstructionKind::zero:
      case InstructionKind::add_at:
      case InstructionKind::gather:
      case InstructionKind::add_rows:
        run_rows(program_, *i, kernels_, view_);
        break;
      case InstructionKind::outer:
        fail_check("outer products of a tile are reduced", __FILE__, __LINE__);
      case InstructionKind::reduce:
        reduce(*i, bound[at], shape, tile, totals, first && i->op != Op::add);
        break;
      case InstructionKind::reduce_outer:
        for (std::uint32_t p = 0; p < shape.places; ++p) {
          reduce_outer(outers_[bound[at] + p], tile, totals,
                       first && i->op != Op::add && (p == 0 || shape.place_step != 0));
        }
        break;
      case InstructionKind::guard:
        check_guard(*i, tile);
        break;
      case InstructionKind::spill:
        for (std::uint32_t r = 0; r < shape.rows; ++r) {
          std::copy_n(operand(*i, shape).row(r), view_.lanes, spilled + (i->out + r) * buffers_.batch_lanes);
        }
        break;
      case InstructionKind::reload:
        for (std::uint32_t r = 0; r < shape.rows; ++r) {
          std::copy_n(spilled + (i->x[0] + r) * buffers_.batch_lanes, view_.lanes,
                      view_.tile + (i->out + r) * view_.stride);
        }
        break;
      case InstructionKind::store_output:
        store(*i, shape, tile, buffers_.outputs, program_.outputs.size());
        break;
      case InstructionKind::store_sample:
        if (i->x[1] >= tile.begin && i->x[1] < tile.begin + tile.count) {
          buffers_.outputs[i->out] = operand(*i, shape).row(0)[i->x[1] - tile.begin];
        }
        break;
      case InstructionKind::store_input_gradient:
        store(*i, shape, tile, buffers_.input_gradients, program_.input_count);
        break;
    }
    if constexpr (profiled) stopwatch.lap(times_[at]);
  }
}

/// For the most samples.
template <class T>
TileProduct<T> TileRunner<T>::bound_product(const Instruction& i, const Shape& s) const {
  const Rows w = operand(i, s, 0), x = operand(i, s, 1);
  const bool reverse = i.kind == InstructionKind::dense_reverse;
  Product<T> product{.m = reverse ? s.terms : s.rows,
                     .n = view_.stride,
                     .k = reverse ? s.rows : s.terms,
                     .a_row_step = reverse ? s.term_step : s.row_step,
                     .a_column_step = reverse ? s.row_step : s.term_step,
                     .b_stride = x.step,
                     .c_stride = view_.stride};
  product.finish.op = i.op, product.finish.then = i.then;
  if (i.op != Op::constant) {
    const Rows z = operand(i, s, 2);
    product.finish.operand = z.data, product.finish.step = z.step, product.finish.per_lane = z.lane_step == 1;
  }
  return {product, w.data, x.data, view_.tile + i.out * view_.stride, {kernels_, product}};
}

/// Without the totals, which are a group's.
template <class T>
Sums<T> TileRunner<T>::bound_sums(const Instruction& i, const Shape& s) const {
  const Rows y = operand(i, s);
  return {.y = y.data, .rows = s.rows, .y_step = y.step, .row_step = s.row_step};
}

template <class T>
void TileRunner<T>::reduce(const Instruction& i, std::uint32_t bound, const Shape& s, const Tile& tile, T* totals,
                           bool first) {
  if ((i.uniform_mask & 1) == 0) {
    Sums<T>& sums = sums_[bound];
    sums.totals = totals + i.out, sums.first = first;
    return kernels_.reduce(sums);
  }
  const Rows x = operand(i, s);
  for (std::uint32_t r = 0; r < s.rows; ++r) {
    // A uniform number is added once for each sample: exact mode counts its roundings.
    const T each = *x.row(r);
    T& total = totals[i.out + r * s.row_step];
    if (first) total = each;
    for (std::size_t k = first ? 1 : 0; k < tile.count; ++k) total += each;
  }
}

template <class T>
Outer<T> TileRunner<T>::bound_outer(const Instruction& i, const Shape& s, std::uint32_t load) const {
  const Rows y = operand(i, s, 0), x = operand(i, s, 1);
  Sums<T> sums{y.data, s.rows, y.step, x.data, s.terms, x.step, nullptr, s.row_step, s.term_step};
  const auto swap = [](Sums<T>& of) {
    std::swap(of.y, of.x), std::swap(of.rows, of.terms);
    std::swap(of.y_step, of.x_step), std::swap(of.row_step, of.term_step);
  };
  // A matrix that is stored column by column is the transpose of one that is not.
  Sums<T> rows = sums;
  const bool by_columns = s.terms > 1 && s.term_step != 1 && s.row_step == 1;
  if (by_columns) swap(rows);
  if (sums.terms > sums.rows) swap(sums);
  Outer<T> outer{sums,
                 {.m = rows.rows,
                  .n = rows.terms,
                  .k = view_.stride,
                  .a_row_step = rows.y_step,
                  .a_column_step = 1,
                  .b_stride = round_up(rows.terms, lane_unit),
                  .c_stride = rows.row_step},
                 rows.y,
                 rows.x,
                 rows.x_step,
                 rows.terms > 1 && rows.term_step != 1,
                 by_columns ? no_load : load,
                 i.out};
  if (outer.load != no_load) outer.load_column = i.x[1] - program_.loads[load].slot;
  outer.first = outer.later = PlannedProduct<T>(kernels_, outer.product);
  return outer;
}

template <class T>
void TileRunner<T>::reduce_outer(Outer<T>& outer, const Tile& tile, T* totals, bool first) {
  if (outer.one_by_one) {
    Sums<T>& sums = outer.sums;
    sums.totals = totals + outer.out, sums.first = first;
    return kernels_.dots(sums);
  }
  // With the terms of a sample side by side the product is an ordinary one, whose vectors run along the terms. So lie
  // the samples' own rows; other operands are transposed.
  const T* b;
  std::size_t b_stride = round_up(outer.product.n, lane_unit);
  if (outer.load != no_load && sample_rows_[outer.load].data != nullptr) {
    b = sample_rows_[outer.load].data + outer.load_column;
    b_stride = sample_rows_[outer.load].stride;
  } else {
    T* scratch = arena_.data(scratch_);
    kernels_.transpose(outer.product.n, tile.count, outer.rows, outer.rows_step, scratch, b_stride);
    b = scratch;
  }
  if (b_stride != outer.product.b_stride) {
    outer.product.b_stride = b_stride;
    outer.plan();
  }
  (first ? outer.first : outer.later).run(outer.a, b, totals + outer.out);
}

template <class T>
void TileRunner<T>::check_guard(const Instruction& i, const Tile& tile) {
  const Rows condition = operand(i, Shape{});
  const bool expected = program_.guards[i.out].expected;
  for (std::size_t s = 0; s < (condition.lane_step == 0 ? 1 : tile.count); ++s) {
    if ((condition.data[s] != T(0)) == expected) continue;
    return failure_.add({i.out, condition.lane_step == 0 ? 0 : tile.begin + s});
  }
}

template <class T>
void TileRunner<T>::store(const Instruction& i, const Shape& shape, const Tile& tile, T* rows, std::size_t row_length) {
  const Rows x = operand(i, shape);
  T* to = rows + tile.begin * row_length + i.out;
  for (std::uint32_t r = 0; r < shape.rows; ++r) {
    for (std::size_t s = 0; s < tile.count; ++s) to[s * row_length + r] = x.row(r)[s * x.lane_step];
  }
}

template <class T>
void TileRunner<T>::add_times(Profile& profile) const {
  const auto add = [](InstructionTime& to, const InstructionTime& from) {
    to.seconds += from.seconds;
    to.runs += from.runs;
  };
  for (std::size_t i = 0; i < times_.size(); ++i) add(profile.instructions[i], times_[i]);
  add(profile.loads, load_time_);
}

template class TileRunner<float>;
template class TileRunner<double>;

}  // namespace tapeloom::inline v0_1::runtime
