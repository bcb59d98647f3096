// The classes of optimizers, learning-rate schedules and clipping.
#include <pybind11/stl.h>

#include "arguments.h"
#include "optimizer.h"

namespace tapeloom::python {

namespace {

struct AdamOptimizer : CompiledOptimizer {
  using CompiledOptimizer::CompiledOptimizer;
};
struct SgdOptimizer : CompiledOptimizer {
  using CompiledOptimizer::CompiledOptimizer;
};

void add_base(py::module_& module) {
  py::class_<CompiledOptimizer> made(
      module, "Optimizer",
      "Base of Adam and Sgd. An optimizer has the numbers it remembers for the parameters of one executor, or of "
      "several that take turns with as many parameters of the same type. It can be pickled.\n\n"
      "fit and Trainer take any object that has update(executor, gradients), learning_rate, steps, state() and "
      "restore(state) as these have: an optimizer of your own.");
  publish(made);
  made.def(
      "update",
      [](CompiledOptimizer& self, py::handle executor, py::handle gradients) {
        self.update(executor_of(executor, "update"), gradients);
      },
      py::arg("executor"), py::arg("gradients") = py::none(),
      "Updates the executor's parameters by the gradients of its last step, or by others, such as clipped ones: an "
      "array with one number a parameter. Raises BindError for an executor with another number or type of parameters "
      "than at the first update, or without gradients.");
  made.def_property(
      "learning_rate", &CompiledOptimizer::learning_rate,
      [](CompiledOptimizer& self, py::handle rate) { self.set_learning_rate(real_argument(rate, "learning_rate")); },
      "From the next update on. Raises BindError for a negative rate.");
  made.def_property_readonly("steps", &CompiledOptimizer::steps, "The number of updates.");
  made.def(
      "state", &CompiledOptimizer::state,
      "What it remembers, as a dict: `kind`, `steps`, `learning_rate` and `moments`, a dict of arrays. Its options "
      "are not part of it.");
  made.def(
      "restore", &CompiledOptimizer::restore, py::arg("state"),
      "Goes on where the other one stood, also at its learning rate. Raises BindError for the state of another kind "
      "of optimizer; then nothing is changed.");
}

template <class Class>
std::unique_ptr<Class> restored(const OptimizerOptions& options, const py::dict& state) {
  auto made = std::make_unique<Class>(options);
  made->restore(state);
  return made;
}

void add_sgd(py::module_& module) {
  py::class_<SgdOptimizer, CompiledOptimizer> made(
      module, "Sgd",
      "Stochastic gradient descent. With g = gradient + weight_decay * p (L2, as in PyTorch's SGD):\n\n"
      "    v = momentum * v + g;  p -= lr * (nesterov ? g + momentum * v : v)      (momentum 0: p -= lr * g)\n\n"
      "The first step sets v = g. Frozen parameters are left alone. Raises BindError for a negative rate, momentum or "
      "decay, and for Nesterov without momentum. Moments: \"velocity\".");
  publish(made);
  made.def(py::init([](double learning_rate, double momentum, bool nesterov, double weight_decay) {
             return std::make_unique<SgdOptimizer>(SgdOptions{learning_rate, momentum, nesterov, weight_decay});
           }),
           py::arg("learning_rate") = SgdOptions{}.learning_rate, py::kw_only(), py::arg("momentum") = 0.0,
           py::arg("nesterov").noconvert() = false, py::arg("weight_decay") = 0.0);
  made.def(py::pickle(
      [](const SgdOptimizer& self) {
        const auto& o = std::get<SgdOptions>(self.options());
        return py::make_tuple(o.learning_rate, o.momentum, o.nesterov, o.weight_decay, self.state());
      },
      [](const py::tuple& t) {
        const auto [learning_rate, momentum, nesterov, weight_decay, state] =
            py::cast<std::tuple<double, double, bool, double, py::dict>>(t);
        return restored<SgdOptimizer>(SgdOptions{learning_rate, momentum, nesterov, weight_decay}, state);
      }));
}

void add_adam(py::module_& module) {
  py::class_<AdamOptimizer, CompiledOptimizer> made(
      module, "Adam",
      "Adam: Kingma & Ba, \"Adam: A Method for Stochastic Optimization\", ICLR 2015, algorithm 1. weight_decay is "
      "decoupled, p -= lr * weight_decay * p (AdamW: Loshchilov & Hutter, ICLR 2019), or with `l2` added to the "
      "gradient. Raises BindError for rates below zero and betas outside [0, 1). Moments: \"first_moment\" and "
      "\"second_moment\".");
  publish(made);
  made.def(
      py::init([](double learning_rate, double beta1, double beta2, double epsilon, double weight_decay, bool l2) {
        return std::make_unique<AdamOptimizer>(AdamOptions{learning_rate, beta1, beta2, epsilon, weight_decay, l2});
      }),
      py::arg("learning_rate") = AdamOptions{}.learning_rate, py::kw_only(), py::arg("beta1") = AdamOptions{}.beta1,
      py::arg("beta2") = AdamOptions{}.beta2, py::arg("epsilon") = AdamOptions{}.epsilon, py::arg("weight_decay") = 0.0,
      py::arg("l2").noconvert() = false);
  made.def(py::pickle(
      [](const AdamOptimizer& self) {
        const auto& o = std::get<AdamOptions>(self.options());
        return py::make_tuple(o.learning_rate, o.beta1, o.beta2, o.epsilon, o.weight_decay, o.l2, self.state());
      },
      [](const py::tuple& t) {
        const auto [learning_rate, beta1, beta2, epsilon, weight_decay, l2, state] =
            py::cast<std::tuple<double, double, double, double, double, bool, py::dict>>(t);
        return restored<AdamOptimizer>(AdamOptions{learning_rate, beta1, beta2, epsilon, weight_decay, l2}, state);
      }));
}

void add_schedules(py::module_& module) {
  module.def("step_decay", step_decay, py::arg("rate"), py::arg("factor"), py::arg("every"), py::arg("step"),
             "rate * factor ** (step // every). Raises BindError for every = 0.");
  module.def("exponential_decay", exponential_decay, py::arg("rate"), py::arg("factor"), py::arg("step"),
             "rate * factor ** step");
  module.def("cosine_decay", cosine_decay, py::arg("rate"), py::arg("floor"), py::arg("steps"), py::arg("step"),
             "From `rate` at step 0 to `floor` at `steps` and after, along half a cosine.");
  module.def("linear_decay", linear_decay, py::arg("rate"), py::arg("floor"), py::arg("steps"), py::arg("step"),
             "From `rate` at step 0 to `floor` at `steps` and after, along a line (micrograd's demo: 1.0 to 0.1).");
  module.def("linear_warmup", linear_warmup, py::arg("rate"), py::arg("steps"), py::arg("step"),
             "rate * (step + 1) / steps up to `steps`, then `rate`.");
}

/// Calls f with the span of an array that is written to.
template <class F>
auto with_writable(py::handle array, const char* what, F&& f) {
  const ArrayMemory memory(array, what, true);
  return std::visit(
      [&]<class T>(std::span<const T> numbers) { return f(std::span(const_cast<T*>(numbers.data()), numbers.size())); },
      numbers_of(memory, what));
}

void add_clipping(py::module_& module) {
  module.def(
      "gradient_norm",
      [](py::handle gradients) {
        const ArrayMemory memory(gradients, "gradients");
        return std::visit([](auto numbers) { return gradient_norm(numbers); }, numbers_of(memory, "gradients"));
      },
      py::arg("gradients"),
      "sqrt(g0**2 + g1**2 + ...), added up in double in an order that depends on the length only.");
  module.def(
      "clip_by_norm",
      [](py::handle gradients, double max_norm) {
        return with_writable(gradients, "gradients", [&](auto numbers) { return clip_by_norm(numbers, max_norm); });
      },
      py::arg("gradients"), py::arg("max_norm"),
      "Multiplies all numbers of an array, in place, with max_norm / norm where the norm is above max_norm. Returns "
      "the norm they had; one that is not finite changes nothing.\n\n"
      "    gradients = executor.gradients.copy()\n"
      "    tapeloom.clip_by_norm(gradients, 1.0)\n"
      "    adam.update(executor, gradients)");
  module.def(
      "clip_by_value",
      [](py::handle gradients, double limit) {
        with_writable(gradients, "gradients", [&](auto numbers) { clip_by_value(numbers, limit); });
      },
      py::arg("gradients"), py::arg("limit"),
      "Puts each number of an array, in place, within [-limit, limit]. NaN stays.");
}

}  // namespace

void add_optimizers(py::module_& module) {
  add_base(module);
  add_sgd(module);
  add_adam(module);
  add_schedules(module);
  add_clipping(module);
}

}  // namespace tapeloom::python
