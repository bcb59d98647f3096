#include "tapeloom/runtime/tile_runner.h"

#include <algorithm>

#include "tapeloom/core/check.h"
#include "tapeloom/runtime/stopwatch.h"

namespace tapeloom::inline v0_1::runtime {

namespace {

constexpr std::uint32_t no_load = UINT32_MAX;
constexpr std::size_t no_piece = SIZE_MAX;

/// One more than the last tile slot that an instruction may write from Instruction::out on; 0 if it writes none.
std::uint64_t written_slots(const Instruction& i, const Shape& s) {
  switch (i.kind) {
    case InstructionKind::elementwise:
    case InstructionKind::copy:
    case InstructionKind::zero:
    case InstructionKind::dense:
    case InstructionKind::reload:
      return s.rows;
    case InstructionKind::dense_reverse:
      return s.terms;
    case InstructionKind::row_sum:
      return 1;
    case InstructionKind::add_at:
      return std::uint64_t{s.rows - 1} * s.row_step + std::uint64_t{s.terms - 1} * s.term_step + 1;
    case InstructionKind::outer:
    case InstructionKind::reduce:
    case InstructionKind::reduce_outer:
    case InstructionKind::guard:
    case InstructionKind::spill:
    case InstructionKind::store_output:
    case InstructionKind::store_sample:
    case InstructionKind::store_input_gradient:
      return 0;
  }
  fail_check("an instruction kind", __FILE__, __LINE__);
}

/// Room to transpose an operand of a reduce_outer instruction in: its terms for each sample, in whole vectors.
std::size_t scratch_numbers(const Program& program, std::size_t tile_samples) {
  std::size_t terms = 0;
  for (const Instruction& i : program.instructions) {
    const Shape& shape = program.shapes[i.shape];
    if (i.kind != InstructionKind::reduce_outer) continue;
    terms = std::max({terms, std::size_t{shape.rows}, std::size_t{shape.terms}});
  }
  return terms > 1 ? round_up(terms, lane_unit) * tile_samples : 0;
}

/// Whether `rows` x `terms` sums of products over the samples are faster one by one, which adds up the lanes of each,
/// than as a matrix product, which transposes the terms. In register operations.
bool dots_are_cheaper(std::size_t rows, std::size_t terms, std::size_t vectors, std::size_t vector_lanes) {
  const std::size_t term_vectors = (terms + vector_lanes - 1) / vector_lanes, samples = vectors * vector_lanes;
  const std::size_t dots = rows * terms * (vectors + 6);
  const std::size_t product = 8 * terms * vectors + rows * term_vectors * samples + 120;
  return dots <= product;
}

}  // namespace

std::vector<std::uint32_t> find_loaded_operands(const Program& program) {
  std::vector<std::uint32_t> loaded(program.instructions.size(), no_load);
  for (const Stage& stage : program.stages) {
    for (std::uint32_t at = stage.inputs.begin; at < stage.inputs.end; ++at) {
      const Load& load = program.loads[at];
      const std::uint64_t begin = load.slot, end = begin + load.count;
      for (std::uint32_t n = stage.tile.begin; n < stage.tile.end; ++n) {
        const Instruction& i = program.instructions[n];
        const Shape& shape = program.shapes[i.shape];
        if (i.kind == InstructionKind::reduce_outer && (i.uniform_mask & 2) == 0 && shape.step[1] == 1 &&
            i.x[1] >= begin && i.x[1] + shape.terms <= end) {
          loaded[n] = at;
        }
        const std::uint64_t written = written_slots(i, shape);
        if (written > 0 && i.out < end && i.out + written > begin) break;
      }
    }
  }
  return loaded;
}

template <class T>
TileRunner<T>::TileRunner(const Program& program, const KernelTable<T>& kernels,
                          const std::vector<std::uint32_t>& loaded, std::size_t tile_samples, bool profiled)
    : program_(program),
      kernels_(kernels),
      loaded_(loaded),
      gathered_(program.loads.size(), no_piece),
      sample_rows_(program.loads.size()),
      times_(profiled ? program.instructions.size() : 0) {
  tile_ = arena_.plan(program.tile_slots * tile_samples);
  scratch_ = arena_.plan(scratch_numbers(program, tile_samples));
  for (std::size_t n = 0; n < loaded.size(); ++n) {
    const std::uint32_t load = loaded[n];
    if (load == no_load || gathered_[load] != no_piece) continue;
    // Rows of other lengths would be read past their end.
    if (program.shapes[program.instructions[n].shape].terms % kernels.vector_lanes != 0) continue;
    gathered_[load] = arena_.plan(tile_samples * program.loads[load].count);
  }
  arena_.allocate();
  view_.tile = arena_.data(tile_);
  view_.stride = tile_samples;
}

template <class T>
void TileRunner<T>::start(const StepBuffers<T>& buffers) {
  buffers_ = buffers;
  view_.uniform = buffers.uniform;
  view_.parameters = buffers.parameters;
  view_.parameter_count = program_.parameters.size();
  failure_ = {};
}

template <class T>
void TileRunner<T>::load(const Stage& stage, const Binding& binding, const BatchRows& batch, const Tile& tile) {
  for (std::uint32_t at = stage.inputs.begin; at < stage.inputs.end; ++at) {
    const Load& load = program_.loads[at];
    sample_rows_[at] = binding.load(load, batch, tile.begin, tile.count, view_.lanes, view_.stride, kernels_,
                                    view_.tile + load.slot * view_.stride,
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
  view_.lanes = round_up(tile.count, kernels_.vector_lanes);
  load(stage, binding, batch, tile);
  if constexpr (profiled) stopwatch.lap(load_time_);
  T* spilled = buffers_.batch + tile.begin;
  const Instruction* end = program_.instructions.data() + stage.tile.end;
  for (const Instruction* i = program_.instructions.data() + stage.tile.begin; i != end; ++i) {
    const Shape& shape = program_.shapes[i->shape];
    switch (i->kind) {
      case InstructionKind::elementwise:
        kernels_.elementwise[static_cast<std::size_t>(i->op)][i->uniform_mask](view_, *i, shape);
        break;
      case InstructionKind::dense:
      case InstructionKind::dense_reverse:
        multiply(*i, shape);
        break;
      case InstructionKind::row_sum:
      case InstructionKind::copy:
      case InstructionKind::zero:
      case InstructionKind::add_at:
        move_rows(*i, shape);
        break;
      case InstructionKind::outer:
        fail_check("outer products of a tile are reduced", __FILE__, __LINE__);
      case InstructionKind::reduce:
        reduce(*i, shape, tile, totals, first && i->op != Op::add);
        break;
      case InstructionKind::reduce_outer:
        reduce_outer(*i, shape, tile, totals, first && i->op != Op::add);
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
    if constexpr (profiled) stopwatch.lap(times_[static_cast<std::size_t>(i - program_.instructions.data())]);
  }
}

/// The instructions that move or add whole rows of the tile.
template <class T>
void TileRunner<T>::move_rows(const Instruction& i, const Shape& s) {
  const std::size_t stride = view_.stride, lanes = view_.lanes;
  T* out = view_.tile + i.out * stride;
  const Rows x = operand(i, s, 0);
  const auto copy_row = [&](std::size_t r, T* to) {
    x.lane_step == 1 ? static_cast<void>(std::copy_n(x.row(r), lanes, to))
                     : static_cast<void>(std::fill_n(to, lanes, *x.row(r)));
  };
  if (i.kind == InstructionKind::zero) {
    for (std::uint32_t r = 0; r < s.rows; ++r) std::fill_n(out + r * stride, lanes, T(0));
  } else if (i.kind == InstructionKind::copy) {
    for (std::uint32_t r = 0; r < s.rows; ++r) copy_row(r, out + r * stride);
  } else if (i.kind == InstructionKind::row_sum) {
    copy_row(0, out);
    for (std::uint32_t r = 1; r < s.rows; ++r) kernels_.add(out, x.row(r), lanes);
  } else {
    for (std::uint32_t r = 0; r < s.rows; ++r) {
      for (std::uint32_t t = 0; t < s.terms; ++t) {
        T* to = out + (r * s.row_step + t * s.term_step) * stride;
        const T* from = x.row(r * s.terms + t);
        if (x.lane_step == 1) {
          kernels_.add(to, from, lanes);
        } else {
          for (std::size_t l = 0; l < lanes; ++l) to[l] += *from;
        }
      }
    }
  }
}

template <class T>
void TileRunner<T>::multiply(const Instruction& i, const Shape& s) {
  const Rows w = operand(i, s, 0), x = operand(i, s, 1);
  T* out = view_.tile + i.out * view_.stride;
  const bool reverse = i.kind == InstructionKind::dense_reverse;
  const std::size_t rows = reverse ? s.terms : s.rows, terms = reverse ? s.rows : s.terms;
  const Entries<T> weights =
      reverse ? Entries<T>{w.data, s.term_step, s.row_step} : Entries<T>{w.data, s.row_step, s.term_step};
  Product<T> product{rows, view_.lanes, terms, weights, x.data, x.step, out, view_.stride};
  product.finish.op = i.op, product.finish.then = i.then;
  if (i.op != Op::constant) {
    const Rows z = operand(i, s, 2);
    product.finish.operand = z.data, product.finish.step = z.step, product.finish.per_lane = z.lane_step == 1;
  }
  kernels_.multiply(product);
}

template <class T>
void TileRunner<T>::reduce(const Instruction& i, const Shape& s, const Tile& tile, T* totals, bool first) {
  const TotalEntries<T> to{totals + i.out, s.row_step, 0};
  if ((i.uniform_mask & 1) == 0) return kernels_.reduce(tile_rows(i, s, 0, s.rows), tile.count, to, first);
  const Rows x = operand(i, s);
  for (std::uint32_t r = 0; r < s.rows; ++r) {
    // A uniform number is added once for each sample: exact mode counts its roundings.
    const T each = *x.row(r);
    T& total = to.data[r * to.row_step];
    if (first) total = each;
    for (std::size_t k = first ? 1 : 0; k < tile.count; ++k) total += each;
  }
}

template <class T>
void TileRunner<T>::reduce_outer(const Instruction& i, const Shape& s, const Tile& tile, T* totals, bool first) {
  TileRows<T> y = tile_rows(i, s, 0, s.rows), x = tile_rows(i, s, 1, s.terms);
  TotalEntries<T> to{totals + i.out, s.row_step, s.term_step};
  const bool whole_vectors = x.rows % kernels_.vector_lanes == 0;
  // A matrix that is stored column by column is the transpose of one that is not.
  const bool by_columns = x.rows > 1 && to.term_step != 1 && to.row_step == 1;
  if (by_columns) {
    std::swap(x, y);
    std::swap(to.row_step, to.term_step);
  }
  const bool scattered = x.rows > 1 && to.term_step != 1;
  if (scattered || dots_are_cheaper(y.rows, x.rows, view_.lanes / kernels_.vector_lanes, kernels_.vector_lanes)) {
    return kernels_.dots(y, x, tile.count, to, first);
  }
  // With the terms of a sample side by side the product is an ordinary one, whose vectors run along the terms. So lie
  // the samples' own rows; other operands are transposed.
  Product<T> product{y.rows, x.rows, tile.count, {y.data, y.step, 1}, nullptr, 0, to.data, to.row_step, !first};
  const std::uint32_t load = loaded_[static_cast<std::size_t>(&i - program_.instructions.data())];
  if (load != no_load && whole_vectors && !by_columns && sample_rows_[load].data != nullptr) {
    product.b = sample_rows_[load].data + (i.x[1] - program_.loads[load].slot);
    product.b_stride = sample_rows_[load].stride;
  } else {
    T* scratch = arena_.data(scratch_);
    product.b = scratch, product.b_stride = round_up(x.rows, lane_unit);
    kernels_.transpose(x.rows, tile.count, x.data, x.step, scratch, product.b_stride);
  }
  kernels_.multiply(product);
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
