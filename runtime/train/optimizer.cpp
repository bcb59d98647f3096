#include "tapeloom/runtime/train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <numbers>
#include <string>
#include <utility>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/number_text.h"
#include "tapeloom/runtime/execute/parameter_buffer.h"
#include "tapeloom/runtime/kernels/kernels.h"
#include "tapeloom/runtime/train/option_checks.h"
#include "tapeloom/runtime/train/sums.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

void check_beta(const char* option, double number) {
  if (!(number >= 0.0 && number < 1.0)) {
    throw BindError(std::string(option) + " must be in [0, 1); it is " + number_text(number));
  }
}

template <class T>
void check_trains(const Executor<T>& executor) {
  if (!executor.program().gradients.empty()) return;
  throw BindError(
      "an optimizer needs gradients, and this program computes none: it was compiled for inference or without "
      "CompileOptions::gradients, or all of its parameters are frozen, or its loss depends on none of them");
}

[[noreturn]] void refuse_parameters(std::size_t before, std::size_t now) {
  throw BindError("this optimizer has been updating " + std::to_string(before) + " parameters; the executor has " +
                  std::to_string(now));
}

/// Throws BindError unless `state` is of that kind, with moments of these names and of one length.
template <class T>
void check_state(const OptimizerState<T>& state, const OptimizerState<T>& own) {
  if (state.kind != own.kind) {
    throw BindError("the state is of an optimizer \"" + state.kind + "\", and this one is \"" + own.kind + "\"");
  }
  bool good = state.moments.size() == own.moments.size();
  for (std::size_t i = 0; good && i < own.moments.size(); ++i) {
    const auto& [name, numbers] = state.moments[i];
    good = name == own.moments[i].first && numbers.size() == state.moments[0].second.size() &&
           (state.steps == 0 || !numbers.empty());
  }
  if (!good) throw BindError("the state has not the moments of an optimizer \"" + own.kind + "\"");
}

double fraction(std::uint64_t step, std::uint64_t steps) {
  return static_cast<double>(step) / static_cast<double>(steps);
}

}  // namespace

template <class T>
void Optimizer<T>::update(Executor<T>& executor) {
  check_trains(executor);
  apply_own(executor);
  executor.apply_assignments();
}

template <class T>
void Optimizer<T>::update(Executor<T>& executor, std::span<const T> gradients) {
  check_trains(executor);
  if (gradients.size() != executor.parameters().size()) {
    throw BindError(std::to_string(gradients.size()) + " gradients for " +
                    std::to_string(executor.parameters().size()) + " parameters");
  }
  if (!executor.program().assignments.empty()) executor.loss();  // throws as below, before anything is changed
  apply(executor, gradients);
  executor.apply_assignments();
}

template <class T>
StandardOptimizer<T>::StandardOptimizer(const char* kind, double learning_rate,
                                        std::initializer_list<const char*> moments)
    : state_{kind, 0, learning_rate, {}} {
  for (const char* name : moments) state_.moments.emplace_back(name, std::vector<T>());
}

template <class T>
void StandardOptimizer<T>::set_learning_rate(double rate) {
  runtime::check_not_negative("learning rate", rate);
  state_.learning_rate = rate;
}

template <class T>
void StandardOptimizer<T>::restore(const OptimizerState<T>& state) {
  check_state(state, state_);
  runtime::check_not_negative("learning rate", state.learning_rate);
  OptimizerState<T> copy = state;
  state_ = std::move(copy);  // which does not throw
  parameters_ = 0;
}

/// At the first update, and at the first one of a state that was restored.
template <class T>
void StandardOptimizer<T>::prepare(Executor<T>& executor, std::size_t parameters) {
  for (auto& [name, numbers] : state_.moments) {
    if (state_.steps == 0) numbers = std::vector<T>(parameters);
    if (numbers.size() != parameters) refuse_parameters(numbers.size(), parameters);
  }
  parameters_ = parameters;
  // From here on, the parameters are others than the recording's.
  if (state_.steps == 0) executor.shared_parameters()->record.set_trained();
}

template <class T>
Sgd<T>::Sgd(const SgdOptions& options)
    : StandardOptimizer<T>("sgd", options.learning_rate, {"velocity"}), options_(options) {
  runtime::check_not_negative("SgdOptions::learning_rate", options.learning_rate);
  runtime::check_not_negative("SgdOptions::momentum", options.momentum);
  runtime::check_not_negative("SgdOptions::weight_decay", options.weight_decay);
  if (options.nesterov && options.momentum == 0.0) {
    throw BindError("SgdOptions::nesterov needs a momentum above zero");
  }
}

/// Whether an update is nothing but a step down the gradient, in any order of roundings.
template <class T>
bool Sgd<T>::is_plain(const Executor<T>& executor) const {
  return options_.momentum == 0.0 && options_.weight_decay == 0.0 && !executor.program().exact;
}

template <class T>
void Sgd<T>::apply_own(Executor<T>& executor) {
  if (!is_plain(executor)) return apply(executor, executor.gradients());
  // Without results this throws, or later descend() does, before anything is changed.
  if (StandardOptimizer<T>::steps() == 0) executor.loss();
  this->prepare_update(executor, std::as_const(executor).parameters().size());
  executor.descend(static_cast<T>(StandardOptimizer<T>::learning_rate()));
  this->count_update();
}

template <class T>
void Sgd<T>::apply(Executor<T>& executor, std::span<const T> gradients) {
  this->begin_update(executor, gradients.size());
  T* p = executor.parameters().data();
  const T* gradient = gradients.data();
  const T rate = static_cast<T>(StandardOptimizer<T>::learning_rate());
  if (is_plain(executor)) {
    static const runtime::KernelTable<T>& kernels = runtime::kernels<T>();
    for (const Range range : executor.trained()) {
      kernels.subtract_scaled(p + range.begin, rate, gradient + range.begin, range.size());
    }
    return;
  }
  const T momentum = static_cast<T>(options_.momentum);
  const T decay = static_cast<T>(options_.weight_decay);
  const bool nesterov = options_.nesterov;
  T* v = this->moment(0);
  for (const Range range : executor.trained()) {
    for (std::size_t i = range.begin; i < range.end; ++i) {
      const T g = gradient[i] + decay * p[i];
      v[i] = momentum * v[i] + g;
      p[i] -= rate * (nesterov ? g + momentum * v[i] : v[i]);
    }
  }
}

template <class T>
Adam<T>::Adam(const AdamOptions& options)
    : StandardOptimizer<T>("adam", options.learning_rate, {"first_moment", "second_moment"}), options_(options) {
  runtime::check_not_negative("AdamOptions::learning_rate", options.learning_rate);
  check_beta("AdamOptions::beta1", options.beta1);
  check_beta("AdamOptions::beta2", options.beta2);
  runtime::check_not_negative("AdamOptions::epsilon", options.epsilon);
  runtime::check_not_negative("AdamOptions::weight_decay", options.weight_decay);
}

/// One pass over four arrays: as Eigen's expressions each line would be a pass (docs/extending.md has figures).
template <class T>
void Adam<T>::apply(Executor<T>& executor, std::span<const T> gradients) {
  this->begin_update(executor, gradients.size());
  T* p = executor.parameters().data();
  const T* gradient = gradients.data();
  const double learning_rate = StandardOptimizer<T>::learning_rate(),
               t = static_cast<double>(StandardOptimizer<T>::steps());
  const T beta1 = static_cast<T>(options_.beta1), rest1 = static_cast<T>(1.0 - options_.beta1);
  const T beta2 = static_cast<T>(options_.beta2), rest2 = static_cast<T>(1.0 - options_.beta2);
  // lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon), with what does not depend on i taken out.
  const T rate = static_cast<T>(learning_rate / (1.0 - std::pow(options_.beta1, t)));
  const T root = static_cast<T>(1.0 / std::sqrt(1.0 - std::pow(options_.beta2, t)));
  const T epsilon = static_cast<T>(options_.epsilon);
  const T l2 = static_cast<T>(options_.l2 ? options_.weight_decay : 0.0);
  const T keep = static_cast<T>(options_.l2 ? 1.0 : 1.0 - learning_rate * options_.weight_decay);
  T* m = this->moment(0);
  T* v = this->moment(1);
  for (const Range range : executor.trained()) {
    for (std::size_t i = range.begin; i < range.end; ++i) {
      const T g = gradient[i] + l2 * p[i];
      m[i] = beta1 * m[i] + rest1 * g;
      v[i] = beta2 * v[i] + rest2 * g * g;
      p[i] = keep * p[i] - rate * m[i] / (std::sqrt(v[i]) * root + epsilon);
    }
  }
}

double step_decay(double rate, double factor, std::uint64_t every, std::uint64_t step) {
  if (every == 0) throw BindError("step_decay: every must be at least one step");
  const std::uint64_t decays = step / every;
  return rate * std::pow(factor, static_cast<double>(decays));
}

double exponential_decay(double rate, double factor, std::uint64_t step) {
  return rate * std::pow(factor, static_cast<double>(step));
}

double cosine_decay(double rate, double floor, std::uint64_t steps, std::uint64_t step) {
  if (step >= steps) return floor;
  return floor + 0.5 * (rate - floor) * (1.0 + std::cos(std::numbers::pi * fraction(step, steps)));
}

double linear_decay(double rate, double floor, std::uint64_t steps, std::uint64_t step) {
  if (step >= steps) return floor;
  return rate + (floor - rate) * fraction(step, steps);
}

double linear_warmup(double rate, std::uint64_t steps, std::uint64_t step) {
  if (step >= steps) return rate;
  return rate * fraction(step + 1, steps);
}

namespace {

/// From here on, a sum of squares in double has all its digits: what was lost of squares below the normal numbers is
/// less than a last place, of however many.
constexpr double smallest_squares = 1e-270;

template <class T>
double norm_of(std::span<const T> numbers) {
  const double sum = runtime::dot(numbers, numbers);
  if (sum >= smallest_squares && std::isfinite(sum)) return std::sqrt(sum);
  double largest = 0.0;
  for (const T number : numbers) largest = std::max(largest, std::abs(static_cast<double>(number)));
  if (std::isnan(sum) || largest == 0.0 || std::isinf(largest)) return std::sqrt(sum);
  double squares = 0.0;
  for (const T number : numbers) {
    const double part = static_cast<double>(number) / largest;
    squares += part * part;
  }
  return largest * std::sqrt(squares);
}

/// Gradients would be turned around by a limit below zero, and not limited by NaN. Infinity limits nothing.
void check_limit(const char* name, double limit) {
  if (limit >= 0.0) return;
  throw BindError(std::string(name) + " must be zero or more; it is " + number_text(limit));
}

template <class T>
double clip_norm_of(std::span<T> gradients, double max_norm) {
  check_limit("clip_by_norm: max_norm", max_norm);
  const double norm = norm_of(std::span<const T>(gradients));
  if (!(norm > max_norm) || !std::isfinite(norm)) return norm;
  if (max_norm / norm >= static_cast<double>(std::numeric_limits<T>::min())) {
    const T factor = static_cast<T>(max_norm / norm);
    for (T& g : gradients) g *= factor;
  } else {  // it would be zero, or have few digits
    for (T& g : gradients) g = static_cast<T>(static_cast<double>(g) / norm * max_norm);
  }
  return norm;
}

template <class T>
void clip_value_of(std::span<T> gradients, double limit) {
  check_limit("clip_by_value: limit", limit);
  const T high = static_cast<T>(limit), low = -high;
  for (T& g : gradients) g = g > high ? high : g < low ? low : g;
}

}  // namespace

double gradient_norm(std::span<const float> gradients) { return norm_of(gradients); }
double gradient_norm(std::span<const double> gradients) { return norm_of(gradients); }
double clip_by_norm(std::span<float> gradients, double max_norm) { return clip_norm_of(gradients, max_norm); }
double clip_by_norm(std::span<double> gradients, double max_norm) { return clip_norm_of(gradients, max_norm); }
void clip_by_value(std::span<float> gradients, double limit) { clip_value_of(gradients, limit); }
void clip_by_value(std::span<double> gradients, double limit) { clip_value_of(gradients, limit); }

template class Optimizer<float>;
template class Optimizer<double>;
template class StandardOptimizer<float>;
template class StandardOptimizer<double>;
template class Sgd<float>;
template class Sgd<double>;
template class Adam<float>;
template class Adam<double>;

}  // namespace tapeloom::inline TAPELOOM_ABI
