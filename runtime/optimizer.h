// Optimizers over the flat parameter vector, and learning-rate schedules as plain functions of the step.
#pragma once

#include <cstdint>
#include <vector>

#include "tapeloom/core/export.h"
#include "tapeloom/runtime/executor.h"

namespace tapeloom::inline v0_1 {

/// Stochastic gradient descent. With g = gradient + weight_decay * p (L2, as in PyTorch's SGD):
///   v = momentum * v + g;  p -= lr * (nesterov ? g + momentum * v : v)        (momentum 0: p -= lr * g)
/// The first step sets v = g. Frozen parameters are left alone.
struct SgdOptions {
  double learning_rate = 0.01;
  double momentum = 0.0;
  bool nesterov = false;
  double weight_decay = 0.0;
};

template <class T>
class TAPELOOM_API Sgd {
 public:
  /// Throws BindError for a negative rate, momentum or decay, and for Nesterov without momentum.
  explicit Sgd(const SgdOptions& options = {});
  /// Updates the executor's parameters by the gradients of its last step. The state is allocated at the first update
  /// and belongs to that many parameters: an executor with another number of them, or without gradients, throws
  /// BindError.
  void update(Executor<T>& executor);
  /// From the next update on. Throws BindError for a negative rate.
  void set_learning_rate(double rate);
  double learning_rate() const { return options_.learning_rate; }
  std::uint64_t steps() const { return steps_; }

 private:
  SgdOptions options_;
  std::uint64_t steps_ = 0;
  std::vector<T> velocity_;
};

/// Adam: Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 1. weight_decay is decoupled,
/// p -= lr * weight_decay * p (AdamW: Loshchilov & Hutter, ICLR 2019), or with `l2` added to the gradient.
struct AdamOptions {
  double learning_rate = 0.001;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;
  bool l2 = false;
};

template <class T>
class TAPELOOM_API Adam {
 public:
  /// Throws BindError for rates below zero and betas outside [0, 1).
  explicit Adam(const AdamOptions& options = {});
  /// As Sgd::update.
  void update(Executor<T>& executor);
  /// From the next update on. Throws BindError for a negative rate.
  void set_learning_rate(double rate);
  double learning_rate() const { return options_.learning_rate; }
  std::uint64_t steps() const { return steps_; }

 private:
  AdamOptions options_;
  std::uint64_t steps_ = 0;
  std::vector<T> first_moment_, second_moment_;
};

/// rate * factor^(floor(step / every)). Throws BindError for every = 0.
TAPELOOM_API double step_decay(double rate, double factor, std::uint64_t every, std::uint64_t step);
/// rate * factor^step.
TAPELOOM_API double exponential_decay(double rate, double factor, std::uint64_t step);
/// From `rate` at step 0 to `floor` at `steps` and after, along half a cosine (Loshchilov & Hutter, ICLR 2017, eq. 5).
TAPELOOM_API double cosine_decay(double rate, double floor, std::uint64_t steps, std::uint64_t step);
/// From `rate` at step 0 to `floor` at `steps` and after, along a line (micrograd's demo: 1.0 to 0.1).
TAPELOOM_API double linear_decay(double rate, double floor, std::uint64_t steps, std::uint64_t step);
/// rate * (step + 1) / steps up to `steps`, then `rate`.
TAPELOOM_API double linear_warmup(double rate, std::uint64_t steps, std::uint64_t step);

extern template class Sgd<float>;
extern template class Sgd<double>;
extern template class Adam<float>;
extern template class Adam<double>;

}  // namespace tapeloom::inline v0_1
