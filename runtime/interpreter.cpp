#include "tapeloom/runtime/interpreter.h"

#include <algorithm>
#include <type_traits>

#include "tapeloom/core/error.h"

namespace tapeloom::runtime {

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

template <class T>
Interpreter<T>::Interpreter(const Program& program, std::size_t max_samples)
    : program_(program),
      kernels_(choose_kernels<T>(program)),
      tile_samples_(std::min(preferred_tile_samples(program, sizeof(T)), round_up(max_samples, lane_unit))),
      batch_lanes_(round_up(max_samples, tile_samples_)),
      max_groups_(group_count(program, batch_lanes_ / tile_samples_)) {
  uniform_ = arena_.plan(program.uniform_slots);
  tile_ = arena_.plan(program.tile_slots * tile_samples_);
  batch_ = arena_.plan(program.batch_slots * batch_lanes_);
  totals_ = arena_.plan(max_groups_ * program.reductions.size());
  outputs_ = arena_.plan(max_samples * program.outputs.size());
  input_gradients_ = arena_.plan(program.has_input_gradients ? max_samples * program.input_count : 0);
  gradients_ = arena_.plan(program.parameters.size());
  arena_.allocate();

  T* uniform = arena_.data(uniform_);
  for (std::size_t i = 0; i < program.constants.size(); ++i) {
    uniform[program.first_constant() + i] = static_cast<T>(program.constants[i]);
  }
  for (std::size_t i = 0; i < program.uniform_inputs.size(); ++i) set_uniform_input(i, program.uniform_inputs[i].initial);
  view_ = {arena_.data(tile_), uniform, tile_samples_, tile_samples_};
}

template <class T>
void Interpreter<T>::set_uniform_input(std::size_t index, double number) {
  arena_.data(uniform_)[program_.first_uniform_input() + index] = static_cast<T>(number);
}

template <class T>
GuardFailure Interpreter<T>::run(const Binding& binding, const BatchRows& batch, std::span<const T> parameters) {
  T* uniform = arena_.data(uniform_);
  std::copy_n(parameters.begin(), program_.parameters.size(), uniform);
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
    if (i.kind == InstructionKind::elementwise) {
      run_uniform(i, uniform);
    } else {
      check_guard(i, {0, 1}, failure);
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
        binding.load(load.input, batch, begin, tile.count, view_.lanes, view_.tile + load.slot * view_.stride);
      }
      run_tile(stage, tile, group, t == first, failure);
    }
  }
  add_groups(stage.reductions, groups);
}

template <class T>
void Interpreter<T>::run_tile(const Stage& stage, const Tile& tile, std::size_t group, bool first,
                              GuardFailure& failure) {
  T* totals = arena_.data(totals_) + group * program_.reductions.size();
  T* batch = arena_.data(batch_) + tile.begin;
  const Instruction* end = program_.instructions.data() + stage.tile.end;
  for (const Instruction* i = program_.instructions.data() + stage.tile.begin; i != end; ++i) {
    switch (i->kind) {
      case InstructionKind::elementwise:
        kernels_.elementwise[static_cast<std::size_t>(i->op)][i->uniform_mask](view_, *i);
        break;
      case InstructionKind::reduce:
        reduce(*i, tile, totals, first);
        break;
      case InstructionKind::guard:
        check_guard(*i, tile, failure);
        break;
      case InstructionKind::spill:
        std::copy_n(operand(*i), view_.lanes, batch + i->out * batch_lanes_);
        break;
      case InstructionKind::reload:
        std::copy_n(batch + i->x[0] * batch_lanes_, view_.lanes, view_.tile + i->out * view_.stride);
        break;
      case InstructionKind::store_output:
        store(*i, tile, arena_.data(outputs_), program_.outputs.size());
        break;
      case InstructionKind::store_input_gradient:
        store(*i, tile, arena_.data(input_gradients_), program_.input_count);
        break;
    }
  }
}

template <class T>
void Interpreter<T>::reduce(const Instruction& i, const Tile& tile, T* totals, bool first) {
  T& total = totals[i.out];
  if ((i.uniform_mask & 1) == 0) {
    total = kernels_.reduce(total, first, operand(i), tile.count);
    return;
  }
  // A uniform number is added once for each sample: exact mode counts its roundings.
  const T each = *operand(i);
  if (first) total = each;
  for (std::size_t s = first ? 1 : 0; s < tile.count; ++s) total += each;
}

template <class T>
void Interpreter<T>::check_guard(const Instruction& i, const Tile& tile, GuardFailure& failure) const {
  const bool uniform = (i.uniform_mask & 1) != 0;
  const T* condition = operand(i);
  const bool expected = program_.guards[i.out].expected;
  for (std::size_t s = 0; s < (uniform ? 1 : tile.count); ++s) {
    if ((condition[s] != T(0)) == expected) continue;
    const std::size_t sample = uniform ? 0 : tile.begin + s;
    if (i.out < failure.guard || (i.out == failure.guard && sample < failure.sample)) failure = {i.out, sample};
    return;
  }
}

template <class T>
void Interpreter<T>::store(const Instruction& i, const Tile& tile, T* rows, std::size_t row_length) {
  const bool uniform = (i.uniform_mask & 1) != 0;
  const T* from = operand(i);
  T* to = rows + tile.begin * row_length + i.out;
  for (std::size_t s = 0; s < tile.count; ++s) to[s * row_length] = from[uniform ? 0 : s];
}

/// Neighbours in pairs until one is left: ((0 + 1) + (2 + 3)) + ...
template <class T>
void Interpreter<T>::add_groups(Range reductions, std::size_t groups) {
  if (reductions.size() == 0) return;
  const auto count = static_cast<Eigen::Index>(reductions.size());
  const auto totals = [&](std::size_t group) {
    T* first = arena_.data(totals_) + group * program_.reductions.size() + reductions.begin;
    return Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>>(first, count);
  };
  for (std::size_t step = 1; step < groups; step *= 2) {
    for (std::size_t group = 0; group + step < groups; group += 2 * step) totals(group) += totals(group + step);
  }
  T* uniform = arena_.data(uniform_);
  for (std::uint32_t r = reductions.begin; r < reductions.end; ++r) {
    uniform[program_.reductions[r]] = arena_.data(totals_)[r];
  }
}

template <class T>
void Interpreter<T>::collect(std::size_t samples) {
  const T* uniform = arena_.data(uniform_);
  if (program_.loss_slot != Program::no_slot) loss_ = uniform[program_.loss_slot];
  T* gradients = arena_.data(gradients_);
  for (std::size_t p = 0; p < program_.gradient_slots.size(); ++p) {
    gradients[p] = program_.gradient_slots[p] == Program::no_slot ? T(0) : uniform[program_.gradient_slots[p]];
  }
  T* outputs = arena_.data(outputs_);
  for (std::size_t k = 0; k < program_.outputs.size(); ++k) {
    if (program_.outputs[k].varying) continue;
    for (std::size_t s = 0; s < samples; ++s) outputs[s * program_.outputs.size() + k] = uniform[program_.outputs[k].slot];
  }
}

template class Interpreter<float>;
template class Interpreter<double>;

}  // namespace tapeloom::runtime
