// Optimizers of the C interface.
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "tapeloom/runtime/c/handles.h"

using namespace tapeloom;
using namespace tapeloom::runtime;

namespace {

constexpr tapeloom_sgd_options sgd_defaults() {
  const SgdOptions options;
  return {sizeof(tapeloom_sgd_options), options.learning_rate, options.momentum,
          options.weight_decay,         options.nesterov,      0};
}

constexpr tapeloom_adam_options adam_defaults() {
  const AdamOptions options;
  return {sizeof(tapeloom_adam_options),
          options.learning_rate,
          options.beta1,
          options.beta2,
          options.epsilon,
          options.weight_decay,
          options.l2,
          0};
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
  with_type(type, [&]<class T>(T) { made = new tapeloom_optimizer{make_optimizer<T>(options)}; });
  return made;
}

template <class Handle, class F>
tapeloom_status with_optimizer(Handle* optimizer, F call) {
  return status_of([&] { std::visit([&](const auto& own) { call(*own); }, at(optimizer, "optimizer").either); });
}

/// Those of the type. Throws MisuseError if the numbers are of the other one.
template <class T>
std::span<const T> span_of(const tapeloom_numbers& numbers) {
  const T* own = nullptr;
  if constexpr (std::is_same_v<T, float>) {
    own = numbers.as_float;
  } else {
    own = numbers.as_double;
  }
  if (own == nullptr && numbers.count > 0) {
    throw MisuseError("there are no gradients for an optimizer in " + std::string(type_name<T>) +
                      ": its pointer is NULL");
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
  return with_optimizer(optimizer, [&]<class T>(Optimizer<T>& own) {
    auto* trained = std::get_if<Executor<T>>(&at(executor, "executor").either);
    if (trained == nullptr) {
      throw MisuseError("an optimizer in " + std::string(type_name<T>) + " cannot update an executor of another type");
    }
    if (gradients == nullptr) {
      own.update(*trained);
    } else {
      own.update(*trained, span_of<T>(*gradients));
    }
  });
}

tapeloom_status tapeloom_optimizer_set_learning_rate(tapeloom_optimizer* optimizer, double rate) {
  return with_optimizer(optimizer, [&](auto& own) { own.set_learning_rate(rate); });
}
tapeloom_status tapeloom_optimizer_learning_rate(const tapeloom_optimizer* optimizer, double* rate) {
  return with_optimizer(optimizer, [&](const auto& own) { at(rate, "rate") = own.learning_rate(); });
}
tapeloom_status tapeloom_optimizer_steps(const tapeloom_optimizer* optimizer, uint64_t* steps) {
  return with_optimizer(optimizer, [&](const auto& own) { at(steps, "steps") = own.steps(); });
}
