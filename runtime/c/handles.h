// What is behind the handles of the C interface.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <variant>

#include "tapeloom/c.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/program/program.h"
#include "tapeloom/runtime/c/status.h"
#include "tapeloom/runtime/execute/executor.h"
#include "tapeloom/runtime/train/optimizer.h"

/// Executors hold the program, too, so that it may be freed before them.
struct tapeloom_program {
  explicit tapeloom_program(tapeloom::Program loaded)
      : program(std::make_shared<const tapeloom::Program>(std::move(loaded))) {}

  const std::shared_ptr<const tapeloom::Program> program;
  mutable std::mutex explaining;
  mutable std::string explained;  // once that was asked for
};

struct tapeloom_executor {
  template <class T>
  explicit tapeloom_executor(tapeloom::Executor<T>&& made) : either(std::move(made)) {}

  std::variant<tapeloom::Executor<float>, tapeloom::Executor<double>> either;
};

namespace tapeloom::inline TAPELOOM_ABI::runtime {

template <class T>
struct OptimizerOf {
  std::unique_ptr<Optimizer<T>> optimizer;
  std::optional<OptimizerState<T>> shown = {};  // since the last update, once moments were asked for
};

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime

struct tapeloom_optimizer {
  template <class T>
  using Of = tapeloom::runtime::OptimizerOf<T>;
  std::variant<Of<float>, Of<double>> either;
};

namespace tapeloom::inline TAPELOOM_ABI::runtime {

template <class T>
constexpr const char* type_name = std::is_same_v<T, float> ? "TAPELOOM_FLOAT" : "TAPELOOM_DOUBLE";

/// Calls for the type, with a number of it. Throws MisuseError for a type that is none.
template <class F>
void with_type(tapeloom_number_type type, F call) {
  if (type == TAPELOOM_FLOAT) return call(0.0F);
  if (type == TAPELOOM_DOUBLE) return call(0.0);
  throw MisuseError("the number type is " + std::to_string(type) + ", neither TAPELOOM_FLOAT nor TAPELOOM_DOUBLE");
}

/// One of the owner's list. Throws BindError for one that is not there.
template <class List>
auto& one_of(const List& list, std::size_t index, const char* what, const char* owner) {
  if (index < list.size()) return list[index];
  throw BindError(std::string(what) + " " + std::to_string(index) + " of " + owner + " that has " +
                  std::to_string(list.size()));
}

/// To a pointer that may be NULL.
template <class T, class U>
void give(T* result, U value) {
  if (result != nullptr) *result = static_cast<T>(value);
}

/// Numbers, an instance of tapeloom_numbers or tapeloom_writable_numbers, of the span.
template <class Numbers, class T>
Numbers numbers_of(std::span<T> numbers) {
  Numbers shown{nullptr, nullptr, numbers.size()};
  if constexpr (std::is_same_v<std::remove_const_t<T>, float>) {
    shown.as_float = numbers.data();
  } else {
    shown.as_double = numbers.data();
  }
  return shown;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
