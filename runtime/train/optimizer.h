// What is done with gradients: optimizers over the flat parameter vector, learning-rate schedules as plain functions of
// the step, and clipping.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/runtime/execute/executor.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// What an optimizer remembers from one update to the next, to be saved and restored. Its options are not part of it.
template <class T>
struct OptimizerState {
  std::string kind;  ///< "sgd" or "adam"; of an optimizer of your own, its own name
  std::uint64_t steps = 0;
  double learning_rate = 0.0;
  /// By name; each has one number a parameter, or none before the first update.
  std::vector<std::pair<std::string, std::vector<T>>> moments;
};

/// Base of the optimizers, and of those of your own.
template <class T>
class TAPELOOM_API Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// Updates the executor's parameters by the gradients of its last step. The state is allocated at the first update
  /// and belongs to that many parameters: an executor with another number of them, or without gradients, throws
  /// BindError.
  void update(Executor<T>& executor);
  /// The same by other gradients, such as clipped ones; one number a parameter.
  void update(Executor<T>& executor, std::span<const T> gradients);
  /// From the next update on. Throws BindError for a negative rate.
  virtual void set_learning_rate(double rate) = 0;
  virtual double learning_rate() const = 0;
  /// The number of updates.
  virtual std::uint64_t steps() const = 0;

  virtual OptimizerState<T> state() const = 0;
  /// Goes on where the other one stood, also at its learning rate. Throws BindError for the state of another kind of
  /// optimizer, or one whose moments are not those state() gives. Whatever it throws, nothing is changed: one of your
  /// own has to see to that, too, for Trainer::restore to be whole.
  virtual void restore(const OptimizerState<T>& state) = 0;

 protected:
  Optimizer() = default;
  Optimizer(const Optimizer&) = default;
  Optimizer& operator=(const Optimizer&) = default;

 private:
  /// `gradients` has one number a parameter.
  virtual void apply(Executor<T>& executor, std::span<const T> gradients) = 0;
  /// By the executor's own.
  virtual void apply_own(Executor<T>& executor) { apply(executor, executor.gradients()); }
};

/// What the optimizers here have in common: a learning rate, the number of updates, and moments.
template <class T>
class TAPELOOM_API StandardOptimizer : public Optimizer<T> {
 public:
  void set_learning_rate(double rate) override;
  double learning_rate() const override { return state_.learning_rate; }
  std::uint64_t steps() const override { return state_.steps; }
  OptimizerState<T> state() const override { return state_; }
  void restore(const OptimizerState<T>& state) override;

 protected:
  StandardOptimizer(const char* kind, double learning_rate, std::initializer_list<const char*> moments);
  /// There are as many moments as parameters then.
  void prepare_update(Executor<T>& executor, std::size_t parameters) {
    if (state_.steps == 0 || parameters != parameters_) prepare(executor, parameters);
  }
  /// The same, and counts an update.
  void begin_update(Executor<T>& executor, std::size_t parameters) {
    prepare_update(executor, parameters);
    count_update();
  }
  void count_update() { ++state_.steps; }
  T* moment(std::size_t i) { return state_.moments[i].second.data(); }

 private:
  void prepare(Executor<T>& executor, std::size_t parameters);

  OptimizerState<T> state_;
  std::size_t parameters_ = 0;  // that the moments are known to be of
};

template <class T>
class Sgd;
template <class T>
class Adam;

/// Stochastic gradient descent. With g = gradient + weight_decay * p (L2, as in PyTorch's SGD):
///   v = momentum * v + g;  p -= lr * (nesterov ? g + momentum * v : v)        (momentum 0: p -= lr * g)
/// The first step sets v = g. Frozen parameters are left alone.
struct SgdOptions {
  double learning_rate = 0.01;
  double momentum = 0.0;
  bool nesterov = false;
  double weight_decay = 0.0;

  template <class T>
  using Optimizer = Sgd<T>;
};

template <class T>
class TAPELOOM_API Sgd final : public StandardOptimizer<T> {
 public:
  /// Throws BindError for a negative rate, momentum or decay, and for Nesterov without momentum. Moments: "velocity".
  explicit Sgd(const SgdOptions& options = {});

 private:
  bool is_plain(const Executor<T>& executor) const;
  void apply(Executor<T>& executor, std::span<const T> gradients) override;
  void apply_own(Executor<T>& executor) override;

  SgdOptions options_;
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

  template <class T>
  using Optimizer = Adam<T>;
};

template <class T>
class TAPELOOM_API Adam final : public StandardOptimizer<T> {
 public:
  /// Throws BindError for rates below zero and betas outside [0, 1). Moments: "first_moment" and "second_moment".
  explicit Adam(const AdamOptions& options = {});

 private:
  void apply(Executor<T>& executor, std::span<const T> gradients) override;

  AdamOptions options_;
};

/// Every optimizer that fit knows by its options, the default first: each of them names its class as Optimizer.
using OptimizerOptions = std::variant<AdamOptions, SgdOptions>;

/// Throws BindError as its constructor does.
template <class T>
std::unique_ptr<Optimizer<T>> make_optimizer(const OptimizerOptions& options) {
  return std::visit(
      []<class Options>(const Options& chosen) -> std::unique_ptr<Optimizer<T>> {
        return std::make_unique<typename Options::template Optimizer<T>>(chosen);
      },
      options);
}

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

/// sqrt(g0^2 + g1^2 + ...), added up in double in an order that depends on the length only. Squares that are no doubles
/// any more make no difference.
TAPELOOM_API double gradient_norm(std::span<const float> gradients);
TAPELOOM_API double gradient_norm(std::span<const double> gradients);

/// Multiplies all gradients with max_norm / norm where the norm is above max_norm, which gives them that norm and keeps
/// their direction: Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", ICML 2013,
/// algorithm 1. Returns the norm they had; one that is not finite changes nothing. Throws BindError for a max_norm that
/// is below zero or NaN.
TAPELOOM_API double clip_by_norm(std::span<float> gradients, double max_norm);
TAPELOOM_API double clip_by_norm(std::span<double> gradients, double max_norm);

/// Each gradient to within [-limit, limit]. NaN stays. Throws BindError for a limit that is below zero or NaN.
TAPELOOM_API void clip_by_value(std::span<float> gradients, double limit);
TAPELOOM_API void clip_by_value(std::span<double> gradients, double limit);

extern template class Optimizer<float>;
extern template class Optimizer<double>;
extern template class StandardOptimizer<float>;
extern template class StandardOptimizer<double>;
extern template class Sgd<float>;
extern template class Sgd<double>;
extern template class Adam<float>;
extern template class Adam<double>;

}  // namespace tapeloom::inline TAPELOOM_ABI
