#include "tapeloom/runtime/execute/one_by_one.h"

#include <algorithm>

#include "tapeloom/core/program/cost.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

namespace {

/// Estimates are of nets of all kinds. Of attention, the steps of one sample take so much less than those of few that
/// there is no doubt.
constexpr double better_one_by_one = 0.7;

}  // namespace

FewSamples samples_one_by_one(const Program& program, std::size_t max_samples, std::size_t number_size) {
  FewSamples found;
  const Program* one = program.of_one_sample.get();
  if (one == nullptr || !one->is_mean_over_samples) return found;
  // A gradient that is a constant, or another number that stays from step to step, must not be written over.
  const auto stays = [&](const GradientPiece& piece) { return piece.slot < program.first_total(); };
  if (std::ranges::any_of(program.gradients, stays)) return found;
  // A number of each gradient is read and added to.
  const double adding = static_cast<double>(program.parameters.size()) / cost::numbers_a_second;
  const double each = cost::seconds_of_one_sample(*one, number_size) + adding;
  const double once = cost::seconds_once(program);
  for (std::size_t samples = 2; samples <= std::min(max_samples, cost::most_few_samples); ++samples) {
    const cost::LaneCosts lanes = cost::lane_costs(program, samples, number_size);
    const double together = once + std::min(lanes.samples, lanes.rows);
    found[samples] = each * static_cast<double>(samples) < better_one_by_one * together;
  }
  return found;
}

/// The mean of the samples' losses and derivatives, and the outputs of each.
template <class T>
GuardFailure Interpreter<T>::run_one_by_one(const Binding& binding, const BatchRows& batch) {
  const T share = T(1) / static_cast<T>(batch.count);
  const std::size_t outputs = program_.outputs.size(), inputs = program_.input_count;
  T* const mean = gradients_data();  // by parameters: several that are equal may have one slot
  one_by_one_->start(binding, uniform_inputs_);
  loss_ = T(0);
  for (std::size_t sample = 0; sample < batch.count; ++sample) {
    Interpreter& each = one_by_one_->run(batch, sample);
    loss_ += each.loss() * share;
    std::ranges::copy(each.outputs(1), arena_.data(outputs_) + sample * outputs);
    if (program_.has_input_gradients) {
      T* to = arena_.data(input_gradients_) + sample * inputs;
      for (const T gradient : each.input_gradients(1)) *to++ = gradient * share;
    }
    const std::span<const T> gradients = program_.has_gradients ? each.gradients() : std::span<const T>();
    for (const GradientPiece& piece : program_.gradients) {
      T* to = mean + piece.first.index;
      const T* from = gradients.data() + piece.first.index;
      for (std::uint32_t i = 0; i < piece.count; ++i) to[i] = (sample == 0 ? T(0) : to[i]) + from[i] * share;
    }
  }
  if (!gradients_in_place_) {
    for (const GradientPiece& piece : program_.gradients) {
      std::copy_n(mean + piece.first.index, piece.count, uniform_ + piece.slot);
    }
    collect_gradients();
  }
  formed_ = true, descends_by_held_ = false;
  return {};
}

template GuardFailure Interpreter<float>::run_one_by_one(const Binding&, const BatchRows&);
template GuardFailure Interpreter<double>::run_one_by_one(const Binding&, const BatchRows&);

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
