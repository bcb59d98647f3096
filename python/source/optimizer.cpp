#include "optimizer.h"

#include <pybind11/stl.h>

#include "arguments.h"

namespace tapeloom::python {

namespace {

void check_keys(const py::dict& state) {
  for (const char* key : {"kind", "steps", "learning_rate", "moments"}) {
    if (!state.contains(key)) throw BindError(std::string("an optimizer's state has no \"") + key + "\"");
  }
}

py::dict moments_of(const py::dict& state) {
  const py::object moments = state["moments"];
  if (!py::isinstance<py::dict>(moments)) {
    refuse_argument(moments, "an optimizer's \"moments\"", "a dict of arrays by name");
  }
  return moments;
}

}  // namespace

template <class T>
Optimizer<T>& CompiledOptimizer::as() {
  constexpr bool is_double = std::is_same_v<T, double>;
  if (is_double ? floats_->steps() > 0 : doubles_->steps() > 0) {
    throw BindError(std::string("the optimizer has begun with parameters of ") + (is_double ? "float32" : "float64") +
                    ", and the executor's are of " + (is_double ? "float64" : "float32") + "; make another one for it");
  }
  if constexpr (is_double) {
    return *doubles_;
  } else {
    return *floats_;
  }
}
template Optimizer<float>& CompiledOptimizer::as();
template Optimizer<double>& CompiledOptimizer::as();

void CompiledOptimizer::update(CompiledExecutor& executor, py::handle gradients) {
  executor.with([&]<class T>(Executor<T>& native) {
    const Usage::Scope use(usage_), executor_use(executor.usage());
    Optimizer<T>& optimizer = as<T>();
    if (gradients.is_none()) {
      optimizer.update(native);
    } else {
      const ArrayMemory memory(gradients, "gradients");
      std::visit(
          [&](auto numbers) {
            if constexpr (std::is_same_v<decltype(numbers), std::span<const T>>) {
              optimizer.update(native, numbers);
            } else {
              optimizer.update(native, std::vector<T>(numbers.begin(), numbers.end()));
            }
          },
          numbers_of(memory, "gradients"));
    }
  });
}

void CompiledOptimizer::set_learning_rate(double rate) {
  usage_.check_idle();
  doubles_->set_learning_rate(rate);
  floats_->set_learning_rate(rate);
}

py::dict CompiledOptimizer::state() const {
  return with([](const auto& optimizer) { return dict_of(optimizer.state()); });
}

namespace {

/// Restores one, and makes the other, of another type of numbers, one that has not begun.
template <class T, class Other>
void restore_one(const py::dict& state, const OptimizerOptions& options, std::unique_ptr<Optimizer<T>>& one,
                 std::unique_ptr<Optimizer<Other>>& other) {
  auto fresh = make_optimizer<Other>(options);
  one->restore(state_of<T>(state));
  fresh->set_learning_rate(one->learning_rate());
  other = std::move(fresh);
}

}  // namespace

void CompiledOptimizer::restore(const py::dict& state) {
  usage_.check_idle();
  check_keys(state);
  const py::dict moments = moments_of(state);
  const bool is_float = !moments.empty() && ArrayMemory((*moments.begin()).second, "moments").type() == 'f';
  is_float ? restore_one(state, options_, floats_, doubles_) : restore_one(state, options_, doubles_, floats_);
}

template <class T>
py::dict dict_of(const OptimizerState<T>& state) {
  py::dict moments;
  for (const auto& [name, numbers] : state.moments) moments[py::str(name)] = copy_of(numbers);
  py::dict result;
  result["kind"] = state.kind;
  result["steps"] = state.steps;
  result["learning_rate"] = state.learning_rate;
  result["moments"] = moments;
  return result;
}
template py::dict dict_of(const OptimizerState<float>&);
template py::dict dict_of(const OptimizerState<double>&);

template <class T>
OptimizerState<T> state_of(const py::dict& state) {
  check_keys(state);
  OptimizerState<T> result{.kind = text_argument(state["kind"], "an optimizer's \"kind\""),
                           .steps = counter_argument(state["steps"], "an optimizer's \"steps\""),
                           .learning_rate = real_argument(state["learning_rate"], "an optimizer's \"learning_rate\""),
                           .moments = {}};
  for (const auto& [name, array] : moments_of(state)) {
    const std::string text = text_argument(name, "the name of an optimizer's moment");
    const ArrayMemory memory(array, text);
    std::vector<T> numbers;
    std::visit([&](auto given) { numbers.assign(given.begin(), given.end()); }, numbers_of(memory, text));
    result.moments.emplace_back(text, std::move(numbers));
  }
  return result;
}
template OptimizerState<float> state_of(const py::dict&);
template OptimizerState<double> state_of(const py::dict&);

namespace {

/// One of C++ that goes on being Python's.
template <class T>
class Borrowed final : public Optimizer<T> {
 public:
  explicit Borrowed(Optimizer<T>& optimizer) : optimizer_(optimizer) {}
  void set_learning_rate(double rate) override { optimizer_.set_learning_rate(rate); }
  double learning_rate() const override { return optimizer_.learning_rate(); }
  std::uint64_t steps() const override { return optimizer_.steps(); }
  OptimizerState<T> state() const override { return optimizer_.state(); }
  void restore(const OptimizerState<T>& state) override { optimizer_.restore(state); }

 private:
  void apply(Executor<T>& executor, std::span<const T> gradients) override { optimizer_.update(executor, gradients); }

  Optimizer<T>& optimizer_;
};

/// One that is written in Python.
template <class T>
class Written final : public Optimizer<T> {
 public:
  Written(py::handle optimizer, py::handle executor) : optimizer_(optimizer), executor_(executor) {
    if (PyType_Check(optimizer.ptr()) != 0) {
      const auto name = py::cast<std::string>(optimizer.attr("__name__"));
      throw py::type_error("optimizer: the class " + name + " is given in place of one that it makes, " + name + "()");
    }
    for (const char* name : {"update", "learning_rate", "steps", "state", "restore"}) {
      if (py::hasattr(optimizer, name)) continue;
      throw py::type_error(std::string("optimizer: '") + Py_TYPE(optimizer.ptr())->tp_name +
                           "' is no optimizer, since it has no attribute '" + name + "'");
    }
  }
  void set_learning_rate(double rate) override {
    const py::gil_scoped_acquire lock;
    optimizer_.attr("learning_rate") = rate;
  }
  double learning_rate() const override {
    const py::gil_scoped_acquire lock;
    return real_argument(optimizer_.attr("learning_rate"), "optimizer.learning_rate");
  }
  std::uint64_t steps() const override {
    const py::gil_scoped_acquire lock;
    return counter_argument(optimizer_.attr("steps"), "optimizer.steps");
  }
  OptimizerState<T> state() const override {
    const py::gil_scoped_acquire lock;
    return state_of<T>(py::cast<py::dict>(optimizer_.attr("state")()));
  }
  void restore(const OptimizerState<T>& state) override {
    const py::gil_scoped_acquire lock;
    optimizer_.attr("restore")(dict_of(state));
  }

 private:
  void apply(Executor<T>&, std::span<const T> gradients) override {
    const py::gil_scoped_acquire lock;
    // A copy, which may be kept: the run's own numbers are gone with it.
    optimizer_.attr("update")(executor_, copy_of(std::vector<T>(gradients.begin(), gradients.end())));
  }

  py::handle optimizer_, executor_;
};

}  // namespace

template <class T>
std::unique_ptr<Optimizer<T>> borrowed_optimizer(py::handle optimizer, py::handle executor) {
  if (!py::isinstance<CompiledOptimizer>(optimizer)) return std::make_unique<Written<T>>(optimizer, executor);
  return std::make_unique<Borrowed<T>>(py::cast<CompiledOptimizer&>(optimizer).as<T>());
}
template std::unique_ptr<Optimizer<float>> borrowed_optimizer(py::handle, py::handle);
template std::unique_ptr<Optimizer<double>> borrowed_optimizer(py::handle, py::handle);

}  // namespace tapeloom::python
