// What is no product comes down to, and what finishes a product, where rows are lanes.
#include <algorithm>
#include <utility>

#include "tapeloom/core/base/check.h"
#include "tapeloom/core/program/lists.h"
#include "tapeloom/runtime/execute/row_plan.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

template <class T>
void RowPlanner<T>::bind(const SampleSlots<T>& at) {
  at_ = at;
  for (const Stage& stage : program_.stages) {
    for (std::uint32_t i = stage.tile.begin; i < stage.tile.end; ++i) bind_instruction(i);
  }
}

template <class T>
void RowPlanner<T>::bind_instruction(std::uint32_t at) {
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  using Kind = typename RowStep<T>::Kind;
  RowStep<T> step{.kind = Kind::other, .at = at};
  switch (i.kind) {
    case InstructionKind::dense:
    case InstructionKind::dense_reverse:
      return bind_finish(at);
    case InstructionKind::reduce_outer:
      return;
    case InstructionKind::row_sum:
      if (!i.is_uniform(0) && s.step[0] == 1 && s.rows > few_terms) return;
      break;
    case InstructionKind::elementwise:
      step = elementwise(at);
      break;
    case InstructionKind::copy:
      if (s.step[0] == 1) step = rows_of(at), step.kind = Kind::copy;
      break;
    case InstructionKind::reduce:
      if (i.is_uniform(0)) {
        step.kind = Kind::once;
      } else {
        step = rows_of(at), step.kind = Kind::total, step.out = at_.totals + i.out;
      }
      break;
    case InstructionKind::reduce_products:
      step.kind = Kind::products, step.rows = s.rows, step.out = at_.totals + i.out;
      break;
    case InstructionKind::guard:
      if (i.is_uniform(0)) step.kind = Kind::once;
      break;
    case InstructionKind::gather:
      return bind_lists(at);
    case InstructionKind::row_extreme:
    case InstructionKind::row_extreme_reverse:
    case InstructionKind::spill:
    case InstructionKind::reload:
    case InstructionKind::store_output:
    case InstructionKind::store_sample:
    case InstructionKind::store_input_gradient:
      break;
    case InstructionKind::zero:
    case InstructionKind::add_at:
    case InstructionKind::outer:
      fail_check("an instruction of a tile", __FILE__, __LINE__);
  }
  steps_.push_back(step);
}

/// Of one operand, from x0 on to `out`.
template <class T>
RowStep<T> RowPlanner<T>::rows_of(std::uint32_t at) const {
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  const OperandRows<T> x(at_.slots, i, s, 0);
  RowStep<T> step{.kind = RowStep<T>::Kind::other, .at = at, .rows = s.rows, .out = at_.slots.tile + i.out};
  step.x[0] = x.data, step.apart[0] = i.is_uniform(0) ? 0 : at_.apart, step.lane[0] = x.step;
  return step;
}

template <class T>
RowStep<T> RowPlanner<T>::elementwise(std::uint32_t at) const {
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  using Kind = typename RowStep<T>::Kind;
  RowStep<T> step{.kind = Kind::vectors, .at = at, .rows = s.rows, .out = at_.slots.tile + i.out};
  const std::size_t arity = op_arity(i.op);
  unsigned one_for_all = 0;
  for (std::size_t k = 0; k < arity; ++k) {
    const bool by_index = s.step[k] == Shape::by_index;
    const OperandRows<T> x(at_.slots, i, s, k);
    step.x[k] = by_index ? at_.slots.tile : x.data;
    step.apart[k] = i.is_uniform(k) ? 0 : at_.apart;
    step.lane[k] = s.rows == 1 || s.step[k] == 1 ? 1 : 0, step.row_step[k] = s.step[k];
    if (by_index || s.step[k] > 1) step.kind = Kind::gathered, step.lane[k] = 1;
    if (step.lane[k] == 0) one_for_all |= 1u << k;
  }
  const auto& kernels = kernels_.elementwise[static_cast<std::size_t>(i.op)];
  if (one_for_all + 1 == 1u << arity) {
    // There is no kernel for numbers alone: the first one is repeated.
    one_for_all &= ~1u, step.lane[0] = 1;
    step.kind = Kind::gathered;
  }
  step.run = kernels[one_for_all];
  return step;
}

template <class T>
void RowPlanner<T>::bind_finish(std::uint32_t at) {
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  using Kind = typename RowStep<T>::Kind;
  const auto begin = static_cast<std::uint32_t>(steps_.size());
  const auto rows = static_cast<std::uint32_t>(instructions::facts_of(i, s).result.count);
  T* const out = at_.slots.tile + i.out;
  if (i.op != no_op) {
    const OperandRows<T> z(at_.slots, i, s, 2);
    RowStep<T> step{.kind = Kind::vectors, .at = at, .rows = rows, .out = out};
    step.x = {z.data, out}, step.apart = {i.is_uniform(2) ? 0 : at_.apart, at_.apart};
    step.lane = {z.step == 0 && rows > 1 ? 0u : 1u, 1};
    step.row_step = {s.step[2], 1};
    if (z.step > 1) step.kind = Kind::gathered;
    step.run = kernels_.elementwise[static_cast<std::size_t>(i.op)][step.lane[0] == 0 ? 1 : 0];
    steps_.push_back(step);
  }
  if (i.then != no_op) {
    RowStep<T> step{.kind = Kind::vectors, .at = at, .rows = rows, .out = out};
    step.x = {out}, step.apart = {at_.apart}, step.lane = {1};
    step.run = kernels_.elementwise[static_cast<std::size_t>(i.then)][0];
    steps_.push_back(step);
  }
  finishing_.push_back({begin, static_cast<std::uint32_t>(steps_.size())});
}

/// Neighbouring rows that are sums of neighbours are added up together, where most of them are.
template <class T>
void RowPlanner<T>::bind_lists(std::uint32_t at) {
  using Kind = typename RowStep<T>::Kind;
  const Instruction& i = program_.instructions[at];
  const Shape& s = program_.shapes[i.shape];
  const std::uint32_t* const indices = program_.indices.data();
  RowStep<T> step{.kind = Kind::lists, .at = at, .rows = s.rows};
  std::vector<instructions::ListRun> runs = instructions::find_list_runs(i, s, indices);
  if (instructions::are_in_tile(runs, indices)) {
    step.kind = Kind::runs, step.out = at_.slots.tile + i.out, step.x[0] = at_.slots.tile, step.runs = std::move(runs);
  }
  steps_.push_back(std::move(step));
}

template void RowPlanner<float>::bind(const SampleSlots<float>&);
template void RowPlanner<double>::bind(const SampleSlots<double>&);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
