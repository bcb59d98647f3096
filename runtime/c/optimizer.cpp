// Optimizers of the C interface.
#include <span>
#include <string>
#include <variant>

#include "tapeloom/core/base/error.h"
#include "tapeloom/runtime/c/handles.h"

using namespace tapeloom;
using namespace tapeloom::runtime;

namespace {

// Taking the options of C++ apart makes a new one a compiler's error here.

constexpr tapeloom_sgd_options sgd_defaults() {
  const auto [learning_rate, momentum, nesterov, weight_decay] = SgdOptions{};
  return {sizeof(tapeloom_sgd_options), learning_rate, momentum, weight_decay, nesterov, 0};
}

constexpr tapeloom_adam_options adam_defaults() {
  const auto [learning_rate, beta1, beta2, epsilon, weight_decay, l2] = AdamOptions{};
  return {sizeof(tapeloom_adam_options), learning_rate, beta1, beta2, epsilon, weight_decay, l2, 0};
}

SgdOptions sgd_options(const tapeloom_sgd_options* given) {
  const tapeloom_sgd_options options = options_at(given, sgd_defaults());
  check_reserved(options.reserved);
  return {.learning_rate = options.learning_rate,
          .momentum = options.momentum,
          .nesterov = options.nesterov != 0,
          .weight_decay = options.weight_decay};
}

AdamOptions adam_options(const tapeloom_adam_options* given) {
  const tapeloom_adam_options options = options_at(given, adam_defaults());
  check_reserved(options.reserved);
  return {.learning_rate = options.learning_rate,
          .beta1 = options.beta1,
          .beta2 = options.beta2,
          .epsilon = options.epsilon,
          .weight_decay = options.weight_decay,
          .l2 = options.l2 != 0};
}

tapeloom_optimizer* make(tapeloom_number_type type, const OptimizerOptions& options) {
  tapeloom_optimizer* made = nullptr;
  with_type(type,
            [&]<class T>(T) { made = new tapeloom_optimizer{tapeloom_optimizer::Of<T>{make_optimizer<T>(options)}}; });
  return made;
}

template <class Handle, class F>
tapeloom_status with_optimizer(Handle* optimizer, F call) {
  return status_of([&] { std::visit(call, at(optimizer, "optimizer").either); });
}

/// Those of the type. Throws MisuseError if the numbers are of the other one.
template <class T>
std::span<const T> span_of(const tapeloom_numbers& numbers, const char* what) {
  const T* own = nullptr;
  if constexpr (std::is_same_v<T, float>) {
    own = numbers.as_float;
  } else {
    own = numbers.as_double;
  }
  if (own == nullptr && numbers.count > 0) {
    throw MisuseError("there are no " + std::string(what) + " for an optimizer in " + type_name<T> +
                      ": the pointer is NULL");
  }
  return {own, numbers.count};
}

}  // namespace

tapeloom_status tapeloom_sgd_options_init(tapeloom_sgd_options* options, size_t size) {
  return status_of([&] { init(options, size, sgd_defaults()); });
}
tapeloom_status tapeloom_adam_options_init(tapeloom_adam_options* options, size_t size) {
  return status_of([&] { init(options, size, adam_defaults()); });
}

tapeloom_status tapeloom_sgd_create(tapeloom_number_type type, const tapeloom_sgd_options* options,
                                    tapeloom_optimizer** optimizer) {
  return status_of([&] {
    tapeloom_optimizer*& result = result_at(optimizer, "optimizer");
    result = make(type, sgd_options(options));
  });
}
tapeloom_status tapeloom_adam_create(tapeloom_number_type type, const tapeloom_adam_options* options,
                                     tapeloom_optimizer** optimizer) {
  return status_of([&] {
    tapeloom_optimizer*& result = result_at(optimizer, "optimizer");
    result = make(type, adam_options(options));
  });
}

void tapeloom_optimizer_free(tapeloom_optimizer* optimizer) { delete optimizer; }

tapeloom_status tapeloom_optimizer_update(tapeloom_optimizer* optimizer, tapeloom_executor* executor,
                                          const tapeloom_numbers* gradients) {
  return with_optimizer(optimizer, [&]<class T>(OptimizerOf<T>& own) {
    auto* trained = std::get_if<Executor<T>>(&at(executor, "executor").either);
    if (trained == nullptr) {
      throw MisuseError("an optimizer in " + std::string(type_name<T>) + " cannot update an executor of another type");
    }
    if (gradients == nullptr) {
      own.optimizer->update(*trained);
    } else {
      own.optimizer->update(*trained, span_of<T>(*gradients, "gradients"));
    }
    own.shown.reset();
  });
}

tapeloom_status tapeloom_optimizer_set_learning_rate(tapeloom_optimizer* optimizer, double rate) {
  return with_optimizer(optimizer, [&](auto& own) { own.optimizer->set_learning_rate(rate); });
}
tapeloom_status tapeloom_optimizer_learning_rate(const tapeloom_optimizer* optimizer, double* rate) {
  return with_optimizer(optimizer, [&](const auto& own) { at(rate, "rate") = own.optimizer->learning_rate(); });
}
tapeloom_status tapeloom_optimizer_steps(const tapeloom_optimizer* optimizer, uint64_t* steps) {
  return with_optimizer(optimizer, [&](const auto& own) { at(steps, "steps") = own.optimizer->steps(); });
}

tapeloom_status tapeloom_optimizer_moment(tapeloom_optimizer* optimizer, size_t index, const char** name,
                                          tapeloom_numbers* numbers) {
  return with_optimizer(optimizer, [&]<class T>(OptimizerOf<T>& own) {
    if (!own.shown) own.shown = own.optimizer->state();
    const auto& [moment, all] = one_of(own.shown->moments, index, "moment", "an optimizer");
    give(name, moment.c_str());
    give(numbers, numbers_of<tapeloom_numbers>(std::span(all)));
  });
}

tapeloom_status tapeloom_optimizer_restore(tapeloom_optimizer* optimizer, uint64_t steps, double learning_rate,
                                           const tapeloom_numbers* moments, size_t count) {
  return with_optimizer(optimizer, [&]<class T>(OptimizerOf<T>& own) {
    array_at(moments, count, "moments");
    OptimizerState<T> state = own.optimizer->state();
    if (state.moments.size() != count) {
      throw BindError(std::to_string(count) + " moments for an optimizer \"" + state.kind + "\", which has " +
                      std::to_string(state.moments.size()));
    }
    state.steps = steps;
    state.learning_rate = learning_rate;
    for (size_t i = 0; i < count; ++i) {
      const std::span<const T> all = span_of<T>(moments[i], "moments");
      state.moments[i].second.assign(all.begin(), all.end());
    }
    own.optimizer->restore(state);
    own.shown.reset();
  });
}
