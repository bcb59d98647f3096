#include "tapeloom/runtime/interpreter.h"

#include <algorithm>
#include <type_traits>

#include "tapeloom/core/check.h"
#include "tapeloom/runtime/uniform.h"

namespace tapeloom::inline v0_1::runtime {

namespace {

// A whole number of vectors for every instruction set and number type.
constexpr std::size_t lane_unit = 16;
constexpr std::size_t most_tile_samples = 512;
// Tile slots that are swept together should stay in half of a 1 MiB second-level cache.
constexpr std::size_t tile_bytes = 512 * 1024;
constexpr std::size_t most_groups = 8;

template <class T>
const KernelTable<T>& choose_kernels(const Program& program) {
  if constexpr (std::is_same_v<T, double>) {
    if (program.exact) return exact_kernels();
  }
  return kernels<T>();
}

}  // namespace

std::size_t preferred_tile_samples(const Program& program, std::size_t number_size) {
  const std::size_t slots = std::max<std::size_t>(program.tile_slots, 1);
  const std::size_t fitting = tile_bytes / (slots * number_size) / lane_unit * lane_unit;
  return std::clamp(fitting, lane_unit, most_tile_samples);
}

std::size_t group_count(const Program& program, std::size_t tiles) {
  return program.exact ? 1 : std::min(tiles, most_groups);
}

namespace {

/// Room to transpose the operand of a reduce_outer instruction in: its terms for each sample, in whole vectors.
std::size_t scratch_numbers(const Program& program, std::size_t tile_samples) {
  std::size_t terms = 0;
  for (const Instruction& i : program.instructions) {
    const Shape& shape = program.shapes[i.shape];
    if (i.kind == InstructionKind::reduce_outer)
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

/// True if an instruction that runs once a step, or the results, read a parameter's uniform slot.
bool reads_parameters_once(const Program& program) {
  const auto is_parameter = [&](std::uint32_t slot) { return slot < program.parameters.size(); };
  for (const Stage& stage : program.stages) {
    for (std::uint32_t i = stage.uniform.begin; i < stage.uniform.end; ++i) {
      for (std::uint32_t x : program.instructions[i].x) {
        if (is_parameter(x)) return true;
      }
    }
  }
  for (const GradientPiece& piece : program.gradients) {
    if (is_parameter(piece.slot)) return true;
  }
  for (const ProgramOutput& output : program.outputs) {
    if (is_parameter(output.slot)) return true;
  }
  return is_parameter(program.loss_slot);
}

}  // namespace

template <class T>
Interpreter<T>::Interpreter(const Program& program, std::size_t max_samples)
    : program_(program),
      kernels_(choose_kernels<T>(program)),
      tile_samples_(std::min(preferred_tile_samples(program, sizeof(T)), round_up(max_samples, lane_unit))),
      batch_lanes_(round_up(max_samples, tile_samples_)),
      max_groups_(group_count(program, batch_lanes_ / tile_samples_)),
      copies_parameters_(reads_parameters_once(program)),
      gradients_in_place_(program.gradients.size() == 1 && program.gradients[0].count == program.parameters.size() &&
                          program.trained.size() == 1 && program.trained[0].size() == program.parameters.size()) {
  uniform_ = arena_.plan(program.uniform_slots + lane_unit);  // operands are read in whole vectors
  tile_ = arena_.plan(program.tile_slots * tile_samples_);
  batch_ = arena_.plan(program.batch_slots * batch_lanes_);
  totals_ = arena_.plan((max_groups_ - 1) * program.total_count);
  scratch_ = arena_.plan(scratch_numbers(program, tile_samples_));
  outputs_ = arena_.plan(max_samples * program.outputs.size());
  input_gradients_ = arena_.plan(program.has_input_gradients ? max_samples * program.input_count : 0);
  gradients_ = arena_.plan(program.parameters.size());
  arena_.allocate();

  T* uniform = arena_.data(uniform_);
  for (std::size_t i = 0; i < program.constants.size(); ++i) {
    uniform[program.first_constant() + i] = static_cast<T>(program.constants[i]);
  }
  for (std::size_t i = 0; i < program.uniform_inputs.size(); ++i)
    set_uniform_input(i, program.uniform_inputs[i].initial);
  view_ = {arena_.data(tile_), uniform, tile_samples_, tile_samples_};
}

template <class T>
void Interpreter<T>::set_uniform_input(std::size_t index, double number) {
  arena_.data(uniform_)[program_.first_uniform_input() + index] = static_cast<T>(number);
}

template <class T>
void Interpreter<T>::repeat_outputs(std::size_t rows) {
  const std::size_t count = program_.outputs.size();
  T* outputs = arena_.data(outputs_);
  for (std::size_t r = 1; r < rows; ++r) std::copy_n(outputs, count, outputs + r * count);
}

template <class T>
GuardFailure Interpreter<T>::run(const Binding& binding, const BatchRows& batch, std::span<const T> parameters) {
  T* uniform = arena_.data(uniform_);
  if (copies_parameters_) std::copy_n(parameters.begin(), program_.parameters.size(), uniform);
  view_.parameters = parameters.data();
  view_.parameter_count = parameters.size();
  uniform[program_.samples_slot()] = static_cast<T>(batch.count);
  GuardFailure failure;
  for (const Stage& stage : program_.stages) {
    run_uniform_instructions(stage.uniform, failure);
    sweep(stage, binding, batch, failure);
  }
  if (failure.guard == SIZE_MAX) collect(batch.count);
  return failure;
}

template <class T>
void Interpreter<T>::run_uniform_instructions(Range range, GuardFailure& failure) {
  T* uniform = arena_.data(uniform_);
  for (std::uint32_t at = range.begin; at < range.end; ++at) {
    const Instruction& i = program_.instructions[at];
    if (i.kind == InstructionKind::guard) {
      check_guard(i, {0, 1}, failure);
    } else {
      run_uniform(i, program_.shapes[i.shape], kernels_, uniform);
    }
  }
}

template <class T>
void Interpreter<T>::sweep(const Stage& stage, const Binding& binding, const BatchRows& batch, GuardFailure& failure) {
  if (stage.tile.size() == 0) return;
  const std::size_t tiles = (batch.count + tile_samples_ - 1) / tile_samples_;
  const std::size_t groups = group_count(program_, tiles);
  for (std::size_t group = 0; group < groups; ++group) {
    const std::size_t first = tiles * group / groups, end = tiles * (group + 1) / groups;
    for (std::size_t t = first; t < end; ++t) {
      const std::size_t begin = t * tile_samples_;
      const Tile tile{begin, std::min(tile_samples_, batch.count - begin)};
      view_.lanes = round_up(tile.count, kernels_.vector_lanes);
      for (std::uint32_t i = stage.inputs.begin; i < stage.inputs.end; ++i) {
        const Load& load = program_.loads[i];
        binding.load(load, batch, begin, tile.count, view_.lanes, view_.stride, kernels_,
                     view_.tile + load.slot * view_.stride);
      }
      run_tile(stage, tile, group, t == first, failure);
    }
  }
  add_groups(stage.totals, groups);
}

template <class T>
void Interpreter<T>::run_tile(const Stage& stage, const Tile& tile, std::size_t group, bool first,
                              GuardFailure& failure) {
  T* totals = totals_of(group);
  T* batch = arena_.data(batch_) + tile.begin;
  const Instruction* end = program_.instructions.data() + stage.tile.end;
  for (const Instruction* i = program_.instructions.data() + stage.tile.begin; i != end; ++i) {
    const Shape& shape = program_.shapes[i->shape];
    switch (i->kind) {
      case InstructionKind::elementwise:
        kernels_.elementwise[static_cast<std::size_t>(i->op)][i->uniform_mask](view_, *i, shape);
        break;
      case InstructionKind::row_sum:
      case InstructionKind::copy:
      case InstructionKind::zero:
      case InstructionKind::add_at:
      case InstructionKind::dense:
      case InstructionKind::dense_reverse:
        run_tile_block(*i, shape);
        break;
      case InstructionKind::outer:
        fail_check("outer products of a tile are reduced", __FILE__, __LINE__);
      case InstructionKind::reduce:
        reduce(*i, shape, tile, totals, first);
        break;
      case InstructionKind::reduce_outer:
        reduce_outer(*i, shape, tile, totals, first);
        break;
      case InstructionKind::guard:
        check_guard(*i, tile, failure);
        break;
      case InstructionKind::spill:
        for (std::uint32_t r = 0; r < shape.rows; ++r) {
          std::copy_n(operand(*i, shape).row(r), view_.lanes, batch + (i->out + r) * batch_lanes_);
        }
        break;
      case InstructionKind::reload:
        for (std::uint32_t r = 0; r < shape.rows; ++r) {
          std::copy_n(batch + (i->x[0] + r) * batch_lanes_, view_.lanes, view_.tile + (i->out + r) * view_.stride);
        }
        break;
      case InstructionKind::store_output:
        store(*i, shape, tile, arena_.data(outputs_), program_.outputs.size());
        break;
      case InstructionKind::store_sample:
        if (i->x[1] >= tile.begin && i->x[1] < tile.begin + tile.count) {
          arena_.data(outputs_)[i->out] = operand(*i, shape).row(0)[i->x[1] - tile.begin];
        }
        break;
      case InstructionKind::store_input_gradient:
        store(*i, shape, tile, arena_.data(input_gradients_), program_.input_count);
        break;
    }
  }
}

/// The instructions that move or combine whole rows of the tile.
template <class T>
void Interpreter<T>::run_tile_block(const Instruction& i, const Shape& s) {
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
  } else if (i.kind == InstructionKind::add_at) {
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
  } else {
    const Rows y = operand(i, s, 1);
    const bool reverse = i.kind == InstructionKind::dense_reverse;
    const Entries<T> weights =
        reverse ? Entries<T>{x.data, s.term_step, s.row_step} : Entries<T>{x.data, s.row_step, s.term_step};
    Product<T> product{
        reverse ? s.terms : s.rows, lanes, reverse ? s.rows : s.terms, weights, y.data, y.step, out, stride};
    product.finish.op = i.op, product.finish.then = i.then;
    if (i.op != Op::constant) {
      const Rows z = operand(i, s, 2);
      product.finish.operand = z.data, product.finish.step = z.step, product.finish.per_lane = z.lane_step == 1;
    }
    kernels_.multiply(product);
  }
}

template <class T>
void Interpreter<T>::reduce(const Instruction& i, const Shape& s, const Tile& tile, T* totals, bool first) {
  const Rows x = operand(i, s);
  const TotalEntries<T> to{totals + i.out, s.row_step, 0};
  if (x.lane_step == 1) return kernels_.reduce({x.data, s.rows, x.step}, tile.count, to, first);
  for (std::uint32_t r = 0; r < s.rows; ++r) {
    // A uniform number is added once for each sample: exact mode counts its roundings.
    const T each = *x.row(r);
    T& total = to.data[r * to.row_step];
    if (first) total = each;
    for (std::size_t k = first ? 1 : 0; k < tile.count; ++k) total += each;
  }
}

template <class T>
void Interpreter<T>::reduce_outer(const Instruction& i, const Shape& s, const Tile& tile, T* totals, bool first) {
  TileRows<T> y = rows(i, s, 0), x = rows(i, s, 1);
  TotalEntries<T> to{totals + i.out, s.row_step, s.term_step};
  // A matrix that is stored column by column is the transpose of one that is not.
  if (x.rows > 1 && to.term_step != 1 && to.row_step == 1) {
    std::swap(x, y);
    std::swap(to.row_step, to.term_step);
  }
  if (dots_are_cheaper(y.rows, x.rows, view_.lanes / kernels_.vector_lanes, kernels_.vector_lanes) ||
      (x.rows > 1 && to.term_step != 1)) {
    return kernels_.dots(y, x, tile.count, to, first);
  }
  // With the terms of X side by side the product is an ordinary one, whose vectors run along the terms.
  T* scratch = arena_.data(scratch_);
  const std::size_t terms = round_up(x.rows, lane_unit);
  kernels_.transpose(x.rows, tile.count, x.data, x.step, scratch, terms);
  kernels_.multiply({y.rows, x.rows, tile.count, {y.data, y.step, 1}, scratch, terms, to.data, to.row_step, !first});
}

template <class T>
void Interpreter<T>::check_guard(const Instruction& i, const Tile& tile, GuardFailure& failure) const {
  const Rows condition = operand(i, Shape{});
  const bool expected = program_.guards[i.out].expected;
  for (std::size_t s = 0; s < (condition.lane_step == 0 ? 1 : tile.count); ++s) {
    if ((condition.data[s] != T(0)) == expected) continue;
    const std::size_t sample = condition.lane_step == 0 ? 0 : tile.begin + s;
    if (i.out < failure.guard || (i.out == failure.guard && sample < failure.sample)) failure = {i.out, sample};
    return;
  }
}

template <class T>
void Interpreter<T>::store(const Instruction& i, const Shape& shape, const Tile& tile, T* rows,
                           std::size_t row_length) {
  const Rows x = operand(i, shape);
  T* to = rows + tile.begin * row_length + i.out;
  for (std::uint32_t r = 0; r < shape.rows; ++r) {
    for (std::size_t s = 0; s < tile.count; ++s) to[s * row_length + r] = x.row(r)[s * x.lane_step];
  }
}

/// Neighbours in pairs until one is left: ((0 + 1) + (2 + 3)) + ...
template <class T>
void Interpreter<T>::add_groups(Range totals, std::size_t groups) {
  const auto of = [&](std::size_t group) {
    using Numbers = Eigen::Array<T, Eigen::Dynamic, 1>;
    return Eigen::Map<Numbers>(totals_of(group) + totals.begin, static_cast<Eigen::Index>(totals.size()));
  };
  for (std::size_t step = 1; step < groups; step *= 2) {
    for (std::size_t group = 0; group + step < groups; group += 2 * step) of(group) += of(group + step);
  }
}

template <class T>
void Interpreter<T>::collect(std::size_t samples) {
  const T* uniform = arena_.data(uniform_);
  if (program_.loss_slot != Program::no_slot) loss_ = uniform[program_.loss_slot];
  if (!gradients_in_place_) collect_gradients();
  T* outputs = arena_.data(outputs_);
  for (std::size_t k = 0; k < program_.outputs.size(); ++k) {
    if (program_.outputs[k].varying) continue;
    for (std::size_t s = 0; s < samples; ++s)
      outputs[s * program_.outputs.size() + k] = uniform[program_.outputs[k].slot];
  }
}

template <class T>
void Interpreter<T>::collect_gradients() {
  T* gradients = arena_.data(gradients_);
  for (const GradientPiece& piece : program_.gradients) {
    std::copy_n(arena_.data(uniform_) + piece.slot, piece.count, gradients + piece.first.index);
  }
  std::uint32_t frozen = 0;
  for (const Range trained : program_.trained) {
    std::fill(gradients + frozen, gradients + trained.begin, T(0));
    frozen = trained.end;
  }
  std::fill(gradients + frozen, gradients + program_.parameters.size(), T(0));
}

template class Interpreter<float>;
template class Interpreter<double>;

}  // namespace tapeloom::inline v0_1::runtime
