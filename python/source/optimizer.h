// tapeloom.Optimizer and its kinds.
#pragma once

#include <memory>

#include "executor.h"

namespace tapeloom::python {

/// An optimizer of C++, in float or double: of whichever the first executor is that it updates.
class CompiledOptimizer {
  // First, since what it returns is deduced.
  template <class F>
  auto with(F&& f) const {
    usage_.check_idle();
    return floats_->steps() > 0 ? f(*floats_) : f(*doubles_);
  }

 public:
  explicit CompiledOptimizer(const OptimizerOptions& options)
      : options_(options), floats_(make_optimizer<float>(options)), doubles_(make_optimizer<double>(options)) {}

  /// By the executor's gradients, or those of an array if that is not None.
  void update(CompiledExecutor& executor, py::handle gradients);
  double learning_rate() const {
    return with([](const auto& optimizer) { return optimizer.learning_rate(); });
  }
  void set_learning_rate(double rate);
  std::uint64_t steps() const {
    return with([](const auto& optimizer) { return optimizer.steps(); });
  }
  /// {"kind", "steps", "learning_rate", "moments": {name: array}}
  py::dict state() const;
  void restore(const py::dict& state);

  const OptimizerOptions& options() const { return options_; }
  Usage& usage() { return usage_; }

  /// The one for numbers of that type. Throws BindError if the other has begun.
  template <class T>
  Optimizer<T>& as();

 private:
  OptimizerOptions options_;
  // The one that was asked for an update is the optimizer; before there is any, both have its learning rate.
  std::unique_ptr<Optimizer<float>> floats_;
  std::unique_ptr<Optimizer<double>> doubles_;
  Usage usage_{"optimizer", "make one for each thread"};
};

template <class T>
py::dict dict_of(const OptimizerState<T>& state);
template <class T>
OptimizerState<T> state_of(const py::dict& state);

/// What a Trainer needs for an optimizer of Python's: one of the module's, or any object with update(executor,
/// gradients), learning_rate, steps, state() and restore(state). `executor` and `optimizer` must outlive it.
template <class T>
std::unique_ptr<Optimizer<T>> borrowed_optimizer(py::handle optimizer, py::handle executor);

}  // namespace tapeloom::python
