#include "tapeloom/runtime/train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <numbers>
#include <string>
#include <type_traits>
#include <utility>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/number_text.h"
#include "tapeloom/runtime/execute/parameter_buffer.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

void check_not_negative(const char* option, double number) {
  if (!(number >= 0.0) || !std::isfinite(number)) {
    throw BindError(std::string(option) + " must be a finite number, zero or more; it is " + number_text(number));
  }
}

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

/// From the first update on, the parameters are others than the recording's.
template <class T>
inline void note_training(Executor<T>& executor, std::uint64_t steps) {
  if (steps == 0) executor.shared_parameters()->record.set_trained();
}

/// Allocates the moments at the first update; later there must be as many as parameters.
template <class T>
inline void check_moments(std::vector<T>& moments, std::size_t count, std::uint64_t steps) {
  if (steps == 0) moments = std::vector<T>(count);
  if (moments.size() != count) refuse_parameters(moments.size(), count);
}

/// Throws BindError unless `state` is of that kind, with moments of these names and of one length.
template <class T>
void check_state(const OptimizerState<T>& state, const char* kind, std::initializer_list<const char*> names) {
  if (state.kind != kind) {
    throw BindError("the state is of an optimizer \"" + state.kind + "\", and this one is \"" + kind + "\"");
  }
  bool good = state.moments.size() == names.size();
  for (std::size_t i = 0; good && i < names.size(); ++i) {
    good = state.moments[i].first == names.begin()[i] &&
           state.moments[i].second.size() == state.moments[0].second.size() &&
           (state.steps == 0 || !state.moments[i].second.empty());
  }
  if (!good) throw BindError(std::string("the state has not the moments of an optimizer \"") + kind + "\"");
}

double fraction(std::uint64_t step, std::uint64_t steps) {
  return static_cast<double>(step) / static_cast<double>(steps);
}

}  // namespace

template <class T>
void Optimizer<T>::update(Executor<T>& executor) {
  check_trains(executor);
  apply(executor, executor.gradients());
}

template <class T>
void Optimizer<T>::update(Executor<T>& executor, std::span<const T> gradients) {
  check_trains(executor);
  if (gradients.size() != executor.parameters().size()) {
    throw BindError(std::to_string(gradients.size()) + " gradients for " +
                    std::to_string(executor.parameters().size()) + " parameters");
  }
  apply(executor, gradients);
}

template <class T>
Sgd<T>::Sgd(const SgdOptions& options) : options_(options) {
  check_not_negative("SgdOptions::learning_rate", options.learning_rate);
  check_not_negative("SgdOptions::momentum", options.momentum);
  check_not_negative("SgdOptions::weight_decay", options.weight_decay);
  if (options.nesterov && options.momentum == 0.0) {
    throw BindError("SgdOptions::nesterov needs a momentum above zero");
  }
}

template <class T>
void Sgd<T>::set_learning_rate(double rate) {
  check_not_negative("learning rate", rate);
  options_.learning_rate = rate;
}

template <class T>
void Sgd<T>::apply(Executor<T>& executor, std::span<const T> gradients) {
  check_moments(velocity_, gradients.size(), steps_);
  note_training(executor, steps_);
  ++steps_;
  const T rate = static_cast<T>(options_.learning_rate);
  T* p = executor.parameters().data();
  const T* gradient = gradients.data();
  const bool exact = std::is_same_v<T, double> && executor.program().exact;
  if (options_.momentum == 0.0 && options_.weight_decay == 0.0 && !exact) {
    static const runtime::KernelTable<T>& kernels = runtime::kernels<T>();
    for (const Range trained : executor.trained()) {
      kernels.subtract_scaled(p + trained.begin, rate, gradient + trained.begin, trained.size());
    }
    return;
  }
  const T momentum = static_cast<T>(options_.momentum);
  const T decay = static_cast<T>(options_.weight_decay);
  const bool nesterov = options_.nesterov;
  T* v = velocity_.data();
  for (const Range trained : executor.trained()) {
    for (std::size_t i = trained.begin; i < trained.end; ++i) {
      const T g = gradient[i] + decay * p[i];
      v[i] = momentum * v[i] + g;
      p[i] -= rate * (nesterov ? g + momentum * v[i] : v[i]);
    }
  }
}

template <class T>
OptimizerState<T> Sgd<T>::state() const {
  return {"sgd", steps_, options_.learning_rate, {{"velocity", velocity_}}};
}

template <class T>
void Sgd<T>::restore(const OptimizerState<T>& state) {
  check_state(state, "sgd", {"velocity"});
  std::vector<T> velocity = state.moments[0].second;
  set_learning_rate(state.learning_rate);
  // Nothing below throws.
  steps_ = state.steps;
  velocity_ = std::move(velocity);
}

template <class T>
Adam<T>::Adam(const AdamOptions& options) : options_(options) {
  check_not_negative("AdamOptions::learning_rate", options.learning_rate);
  check_beta("AdamOptions::beta1", options.beta1);
  check_beta("AdamOptions::beta2", options.beta2);
  check_not_negative("AdamOptions::epsilon", options.epsilon);
  check_not_negative("AdamOptions::weight_decay", options.weight_decay);
}

template <class T>
void Adam<T>::set_learning_rate(double rate) {
  check_not_negative("learning rate", rate);
  options_.learning_rate = rate;
}

template <class T>
void Adam<T>::apply(Executor<T>& executor, std::span<const T> gradients) {
  check_moments(first_moment_, gradients.size(), steps_);
  check_moments(second_moment_, gradients.size(), steps_);
  note_training(executor, steps_);
  ++steps_;
  const double t = static_cast<double>(steps_);
  const T beta1 = static_cast<T>(options_.beta1), rest1 = static_cast<T>(1.0 - options_.beta1);
  const T beta2 = static_cast<T>(options_.beta2), rest2 = static_cast<T>(1.0 - options_.beta2);
  // lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon), with what does not depend on i taken out.
  const T rate = static_cast<T>(options_.learning_rate / (1.0 - std::pow(options_.beta1, t)));
  const T root = static_cast<T>(1.0 / std::sqrt(1.0 - std::pow(options_.beta2, t)));
  const T epsilon = static_cast<T>(options_.epsilon);
  const T l2 = static_cast<T>(options_.l2 ? options_.weight_decay : 0.0);
  const T keep = static_cast<T>(options_.l2 ? 1.0 : 1.0 - options_.learning_rate * options_.weight_decay);
  T* p = executor.parameters().data();
  const T* gradient = gradients.data();
  T* m = first_moment_.data();
  T* v = second_moment_.data();
  for (const Range trained : executor.trained()) {
    for (std::size_t i = trained.begin; i < trained.end; ++i) {
      const T g = gradient[i] + l2 * p[i];
      m[i] = beta1 * m[i] + rest1 * g;
      v[i] = beta2 * v[i] + rest2 * g * g;
      p[i] = keep * p[i] - rate * m[i] / (std::sqrt(v[i]) * root + epsilon);
    }
  }
}

template <class T>
OptimizerState<T> Adam<T>::state() const {
  return {"adam", steps_, options_.learning_rate, {{"first_moment", first_moment_}, {"second_moment", second_moment_}}};
}

template <class T>
void Adam<T>::restore(const OptimizerState<T>& state) {
  check_state(state, "adam", {"first_moment", "second_moment"});
  std::vector<T> first_moment = state.moments[0].second, second_moment = state.moments[1].second;
  set_learning_rate(state.learning_rate);
  // Nothing below throws.
  steps_ = state.steps;
  first_moment_ = std::move(first_moment);
  second_moment_ = std::move(second_moment);
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

template class Optimizer<float>;
template class Optimizer<double>;
template class Sgd<float>;
template class Sgd<double>;
template class Adam<float>;
template class Adam<double>;

}  // namespace tapeloom::inline TAPELOOM_ABI
