#include "tapeloom/runtime/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "tapeloom/core/error.h"

namespace tapeloom::inline v0_1 {

namespace {

void check_not_negative(const char* option, double number) {
  if (!(number >= 0.0) || !std::isfinite(number)) {
    throw BindError(std::string(option) + " must be a finite number, zero or more; it is " + std::to_string(number));
  }
}

void check_beta(const char* option, double number) {
  if (!(number >= 0.0 && number < 1.0)) {
    throw BindError(std::string(option) + " must be in [0, 1); it is " + std::to_string(number));
  }
}

/// The number of parameters. Allocates the state at the first update; later it must be of the same length.
template <class T>
std::size_t check_update(Executor<T>& executor, std::vector<T>& state, std::uint64_t steps) {
  if (executor.program().gradients.empty()) {
    throw BindError(
        "an optimizer needs gradients, and this program computes none: it was compiled for inference or "
        "without CompileOptions::gradients, or all of its parameters are frozen");
  }
  const std::size_t count = executor.parameters().size();
  if (steps == 0) state.assign(count, T(0));
  if (state.size() != count) {
    throw BindError("this optimizer has been updating " + std::to_string(state.size()) +
                    " parameters; the executor has " + std::to_string(count));
  }
  return count;
}

double fraction(std::uint64_t step, std::uint64_t steps) {
  return static_cast<double>(step) / static_cast<double>(steps);
}

}  // namespace

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
void Sgd<T>::update(Executor<T>& executor) {
  check_update(executor, velocity_, steps_);
  const T rate = static_cast<T>(options_.learning_rate);
  const T momentum = static_cast<T>(options_.momentum);
  const T decay = static_cast<T>(options_.weight_decay);
  const bool nesterov = options_.nesterov;
  T* p = executor.parameters().data();
  const T* gradient = executor.gradients().data();
  T* v = velocity_.data();
  for (const Range trained : executor.program().trained) {
    for (std::size_t i = trained.begin; i < trained.end; ++i) {
      const T g = gradient[i] + decay * p[i];
      v[i] = momentum * v[i] + g;
      p[i] -= rate * (nesterov ? g + momentum * v[i] : v[i]);
    }
  }
  ++steps_;
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
void Adam<T>::update(Executor<T>& executor) {
  const std::size_t count = check_update(executor, first_moment_, steps_);
  if (steps_ == 0) second_moment_.assign(count, T(0));
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
  const T* gradient = executor.gradients().data();
  T* m = first_moment_.data();
  T* v = second_moment_.data();
  for (const Range trained : executor.program().trained) {
    for (std::size_t i = trained.begin; i < trained.end; ++i) {
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

template class Sgd<float>;
template class Sgd<double>;
template class Adam<float>;
template class Adam<double>;

}  // namespace tapeloom::inline v0_1
