#include "tapeloom/runtime/execute/tile_runner.h"

#include <algorithm>

#include "tapeloom/core/base/check.h"
#include "tapeloom/runtime/execute/tile_rows.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

constexpr std::size_t no_piece = SIZE_MAX;

}  // namespace

template <class T>
TileRunner<T>::TileRunner(const Program& program, const KernelTable<T>& kernels, const StepBuffers<T>& buffers,
                          std::size_t most_samples, bool profiled, bool skip_zeros)
    : program_(program),
      kernels_(kernels),
      buffers_(buffers),
      gathered_(program.loads.size(), no_piece),
      sample_rows_(program.loads.size()),
      times_(profiled ? program.instructions.size() : 0) {
  // Then the slots of a block lie like one long row in the largest tiles.
  view_.stride = slot_stride(round_up(most_samples, kernels.vector_lanes), sizeof(T));
  tile_ = arena_.plan(program.tile_slots * view_.stride);
  scratch_ = arena_.plan(scratch_numbers(program, most_samples));
  for (const Instruction& i : program.instructions) {
    if (i.kind != InstructionKind::reduce_outer) continue;
    const std::uint32_t load = instructions::ReduceOuter{i, program.shapes[i.shape]}.load();
    if (load == no_load || gathered_[load] != no_piece) continue;
    gathered_[load] = arena_.plan(most_samples * program.loads[load].count);
  }
  arena_.allocate();
  view_.tile = arena_.data(tile_);
  view_.uniform = buffers.uniform;
  view_.parameters = buffers.parameters;
  view_.parameter_count = program_.parameters.size();
  view_.indices = program_.indices.data();
  planner_.emplace(program, kernels, view_, buffers.totals, arena_.data(scratch_), skip_zeros);
  for (TileCalls<T>& plan : plans_) plan = planner_->make_room();
}

template <class T>
void TileRunner<T>::load(const Stage& stage, const Binding& binding, const BatchRows& batch, const Tile& tile) {
  for (std::uint32_t at = stage.inputs.begin; at < stage.inputs.end; ++at) {
    const Load& load = program_.loads[at];
    T* out = view_.tile + load.slot * view_.stride;
    SampleRows<T>& rows = sample_rows_[at];
    const std::size_t stride = rows.stride;
    rows = binding.in_place<T>(at, batch, tile.begin);
    if (rows.data != nullptr) {
      kernels_.transpose(tile.count, load.count, rows.data, rows.stride, out, view_.stride);
    } else {
      rows = binding.gather(at, batch, tile.begin, tile.count, view_.stride, kernels_, out,
                            gathered_[at] == no_piece ? nullptr : arena_.data(gathered_[at]));
    }
    rows_moved_ = rows_moved_ || rows.stride != stride;
  }
}

template <class T>
bool TileRunner<T>::fits(const TileCalls<T>& calls, std::size_t samples) const {
  if (calls.samples != samples) return false;
  for (std::size_t l = 0; l < sample_rows_.size(); ++l) {
    if (calls.load_strides[l] != sample_rows_[l].stride) return false;
  }
  return true;
}

template <class T>
const TileCalls<T>& TileRunner<T>::calls_for(std::size_t samples) {
  rows_moved_ = false;
  for (std::size_t looked = 0; !fits(plans_[plan_], samples); ++looked) {
    plan_ = (plan_ + 1) % plans_.size();
    if (looked < plans_.size()) continue;
    planner_->plan(samples, sample_rows_, plans_[plan_]);
  }
  view_.lanes = round_up(samples, kernels_.vector_lanes);
  return plans_[plan_];
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
  load(stage, binding, batch, tile);
  const bool same = plans_[plan_].samples == tile.count && !rows_moved_;
  const TileCalls<T>& plan = same ? plans_[plan_] : calls_for(tile.count);
  if constexpr (profiled) stopwatch.lap(load_time_);
  using Kind = typename TileCall<T>::Kind;
  const std::ptrdiff_t shift = totals - buffers_.totals;
  const auto list = plan.of_stage(static_cast<std::size_t>(&stage - program_.stages.data()));
  // A chain of tests, with the frequent ones first, takes fewer instructions than a switch.
  for (const TileCall<T>& call : list) {
    if (call.kind == Kind::product) {
      call.call.run(call.call, call.a, call.b, call.c, false);
    } else if (call.kind == Kind::sums) {
      call.call.run(call.call, call.a, call.b, call.c + shift, call.adds || !first);
    } else if (call.kind == Kind::instructions) {
      run_instructions<profiled>(call, tile, totals, first, stopwatch);
      continue;
    } else if (call.kind == Kind::sums_of_load) {
      const T* b = sample_rows_[call.load].data + call.call.b_offset;
      call.call.run(call.call, call.a, b, call.c + shift, call.adds || !first);
    } else {
      const TileTranspose<T>& t = call.transpose;
      kernels_.transpose(t.columns, tile.count, t.from, t.from_stride, t.to, t.to_stride);
    }
    if constexpr (profiled) {
      if (&call == &list.back() || (&call)[1].at != call.at) stopwatch.lap(times_[call.at]);
    }
  }
}

template <class T>
template <bool profiled>
void TileRunner<T>::run_instructions(const TileCall<T>& list, const Tile& tile, T* totals, bool first,
                                     [[maybe_unused]] Stopwatch<profiled>& stopwatch) {
  const std::size_t lanes = view_.lanes;
  // Less one, so that 0 is never less.
  const std::uint32_t most_rows = lanes == view_.stride ? UINT32_MAX : 1;
  const RowCall<T>* call = list.rows;
  for (std::uint32_t at = list.at; at != list.end; ++at, ++call) {
    if (call->rows - 1 < most_rows) {
      call->run(call->out, call->x[0], call->x[1], call->x[2], lanes * call->rows);
    } else {
      run_other(program_.instructions[at], tile, totals, first);
    }
    if constexpr (profiled) stopwatch.lap(times_[at]);
  }
}

template <class T>
void TileRunner<T>::run_other(const Instruction& i, const Tile& tile, T* totals, bool first) {
  const Shape& shape = program_.shapes[i.shape];
  T* spilled = buffers_.batch + tile.begin;
  switch (i.kind) {
    case InstructionKind::elementwise:
    case InstructionKind::row_sum:
    case InstructionKind::row_extreme:
    case InstructionKind::row_extreme_reverse:
    case InstructionKind::copy:
    case InstructionKind::gather:
      return run_rows(program_, i, kernels_, view_);
    case InstructionKind::reduce:
      return reduce_uniform(i, shape, tile, totals, first && !i.accumulates);
    case InstructionKind::reduce_products:
      return kernels_.reduce_products(view_, i, shape, tile.count, totals + i.out, !first || i.accumulates);
    case InstructionKind::guard:
      return check_guard(i, tile);
    case InstructionKind::spill:
      for (std::uint32_t r = 0; r < shape.rows; ++r) {
        std::copy_n(TileOperand<T>(view_, i, shape).row(r), view_.lanes, spilled + (i.out + r) * buffers_.batch_lanes);
      }
      return;
    case InstructionKind::reload:
      for (std::uint32_t r = 0; r < shape.rows; ++r) {
        std::copy_n(spilled + (i.x[0] + r) * buffers_.batch_lanes, view_.lanes,
                    view_.tile + (i.out + r) * view_.stride);
      }
      return;
    case InstructionKind::store_output:
      return store(i, shape, tile, buffers_.outputs, program_.outputs.size());
    case InstructionKind::store_sample:
      if (i.x[1] >= tile.begin && i.x[1] < tile.begin + tile.count) {
        buffers_.outputs[i.out] = TileOperand<T>(view_, i, shape).row(0)[i.x[1] - tile.begin];
      }
      return;
    case InstructionKind::store_input_gradient:
      return store(i, shape, tile, buffers_.input_gradients, program_.input_count);
    case InstructionKind::zero:
    case InstructionKind::add_at:
    case InstructionKind::dense:
    case InstructionKind::dense_reverse:
    case InstructionKind::outer:
    case InstructionKind::reduce_outer:
      break;
  }
  fail_check("a tile's instruction that is no call", __FILE__, __LINE__);
}

/// A uniform number is added once for each sample: exact mode counts its roundings.
template <class T>
void TileRunner<T>::reduce_uniform(const Instruction& i, const Shape& s, const Tile& tile, T* totals, bool first) {
  const TileOperand<T> x(view_, i, s);
  for (std::uint32_t r = 0; r < s.rows; ++r) {
    const T each = *x.row(r);
    T& total = totals[i.out + r * s.row_step];
    if (first) total = each;
    for (std::size_t k = first ? 1 : 0; k < tile.count; ++k) total += each;
  }
}

template <class T>
void TileRunner<T>::check_guard(const Instruction& i, const Tile& tile) {
  const TileOperand<T> condition(view_, i, Shape{});
  const bool expected = program_.guards[i.out].expected;
  for (std::size_t s = 0; s < (condition.lane_step == 0 ? 1 : tile.count); ++s) {
    if ((condition.data[s] != T(0)) == expected) continue;
    return failure_.add({i.out, condition.lane_step == 0 ? 0 : tile.begin + s});
  }
}

template <class T>
void TileRunner<T>::store(const Instruction& i, const Shape& shape, const Tile& tile, T* rows, std::size_t row_length) {
  const TileOperand<T> x(view_, i, shape);
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

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
