// Steps that are done again, or from the start, by kernels that leave out what contributes nothing.
#include <algorithm>

#include "tapeloom/core/program/instructions.h"
#include "tapeloom/runtime/execute/interpreter.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// Weights that are computed are made of any parameters; products once a step are looked at when they are done.
template <class T>
void Interpreter<T>::find_weights_with_gaps() {
  const auto count = static_cast<std::uint32_t>(program_.parameters.size());
  std::vector<bool> found(count, false);
  const auto add = [&](const Instruction& i, const Shape& s, bool once) {
    if (i.kind != InstructionKind::dense || s.gaps == Shape::no_gaps) return;
    if (once && !Matrix(i, s).is_of_parameters(program_)) return;
    const std::uint32_t places = (s.places - 1) * s.place_step;
    const std::uint32_t end = i.x[0] + places + (s.rows - 1) * s.row_step + (s.terms - 1) * s.term_step + 1;
    const bool computed = end > count;
    std::fill(found.begin() + (computed ? 0 : i.x[0]), found.begin() + (computed ? count : end), true);
  };
  using instructions::each;
  each(program_, &Stage::uniform, [&](std::uint32_t, const auto& i, const auto& s) { add(i, s, true); });
  each(program_, &Stage::tile, [&](std::uint32_t, const auto& i, const auto& s) { add(i, s, false); });
  for (std::uint32_t slot = 0; slot < count; ++slot) {
    if (found[slot]) add_index(weights_with_gaps_, slot);
  }
}

template <class T>
GuardFailure Interpreter<T>::run_step(const Binding& binding, const BatchRows& batch) {
  if (batch.count < by_ones_.size() && by_ones_[batch.count]) return run_one_by_one(binding, batch);
  for (const Range& weights : weights_with_gaps_) {
    // What a gap has in its place is 0, and 0 * inf is NaN.
    if (!kernels_.all_finite(parameters_.data() + weights.begin, weights.size())) return run_again(binding, batch);
  }
  const GuardFailure failure = run_stages(binding, batch);
  if (once_->take_found_infinite()) return run_again(binding, batch);
  if (watch_ && !failure.any() && gradients_have_nan(batch.count)) repeat_for_nan(binding, batch);
  return failure;
}

template <class T>
bool Interpreter<T>::gradients_have_nan(std::size_t samples) {
  if (!watch_->all_finite(kernels_, uniform_) || (held_ && !held_->all_finite())) return true;
  const std::span<const T> by_inputs = input_gradients(samples);
  return program_.has_input_gradients && !kernels_.all_finite(by_inputs.data(), by_inputs.size());
}

/// The same step where an adjoint of zero contributes nothing, whatever it meets, and no gap does.
template <class T>
Interpreter<T>& Interpreter<T>::again() {
  if (skipping_zeros_ == nullptr) {
    skipping_zeros_ = std::make_unique<Interpreter>(program_, parameters_, max_samples_, 1, false, true);
  }
  const std::size_t first = program_.first_uniform_input();
  std::copy_n(uniform_ + first, program_.uniform_inputs.size(), skipping_zeros_->uniform_ + first);
  return *skipping_zeros_;
}

/// Everything that a step computes.
template <class T>
GuardFailure Interpreter<T>::run_again(const Binding& binding, const BatchRows& batch) {
  const GuardFailure failure = again().run_stages(binding, batch);
  if (failure.any()) return failure;
  loss_ = skipping_zeros_->loss_;
  std::ranges::copy(skipping_zeros_->outputs(batch.count), arena_.data(outputs_));
  for (const ProgramAssignment& assignment : program_.assignments) {
    uniform_[assignment.slot] = skipping_zeros_->uniform_[assignment.slot];
  }
  take_gradients(batch);
  return failure;
}

/// The gradients alone: loss and outputs are what they were.
template <class T>
void Interpreter<T>::repeat_for_nan(const Binding& binding, const BatchRows& batch) {
  again().run_stages(binding, batch);
  take_gradients(batch);
}

/// Those of the step that was done again.
template <class T>
void Interpreter<T>::take_gradients(const BatchRows& batch) {
  Interpreter& again = *skipping_zeros_;
  for (const GradientPiece& piece : program_.gradients) {
    std::copy_n(again.uniform_ + piece.slot, piece.count, uniform_ + piece.slot);
  }
  if (!gradients_in_place_) collect_gradients();
  formed_ = true, descends_by_held_ = false;
  if (program_.has_input_gradients) {
    std::ranges::copy(again.input_gradients(batch.count), arena_.data(input_gradients_));
  }
}

#define TAPELOOM_INSTANTIATE(T)                                                      \
  template void Interpreter<T>::find_weights_with_gaps();                            \
  template GuardFailure Interpreter<T>::run_step(const Binding&, const BatchRows&);  \
  template bool Interpreter<T>::gradients_have_nan(std::size_t);                     \
  template Interpreter<T>& Interpreter<T>::again();                                  \
  template GuardFailure Interpreter<T>::run_again(const Binding&, const BatchRows&); \
  template void Interpreter<T>::repeat_for_nan(const Binding&, const BatchRows&);    \
  template void Interpreter<T>::take_gradients(const BatchRows&);
TAPELOOM_INSTANTIATE(float)
TAPELOOM_INSTANTIATE(double)
#undef TAPELOOM_INSTANTIATE

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
