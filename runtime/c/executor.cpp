// Executors of the C interface.
#include <vector>

#include "tapeloom/runtime/c/handles.h"
#include "tapeloom/runtime/files/program_file.h"
#include "tapeloom/runtime/files/safetensors.h"
#include "tapeloom/runtime/train/weights.h"

using namespace tapeloom;
using namespace tapeloom::runtime;

namespace {

// Taking the options of C++ apart makes a new one a compiler's error here.
constexpr tapeloom_executor_options executor_defaults() {
  const auto [max_samples, threads, check_finite, profile] = ExecutorOptions{};
  static_cast<void>(profile);  // nothing here reads one
  return {sizeof(tapeloom_executor_options), max_samples, threads, check_finite, 0};
}

ExecutorOptions executor_options(const tapeloom_executor_options* given) {
  const tapeloom_executor_options options = options_at(given, executor_defaults());
  check_reserved(options.reserved);
  return {.max_samples = options.max_samples, .threads = options.threads, .check_finite = options.check_finite != 0};
}

/// Calls with the Executor<float> or Executor<double> of the handle, which is const or not.
template <class Handle, class F>
tapeloom_status with_executor(Handle* executor, F call) {
  return status_of([&] { std::visit(call, at(executor, "executor").either); });
}

template <class T>
tapeloom_status bind(tapeloom_executor* executor, const char* group, const T* numbers, size_t count,
                     size_t row_stride) {
  return with_executor(executor, [&](auto& own) {
    const std::span rows(array_at(numbers, count, "numbers"), count);
    if (group == nullptr) {
      own.bind(rows, row_stride);
    } else {
      own.bind(group, rows, row_stride);
    }
  });
}

/// `run` is one of Executor's steps.
template <class F>
tapeloom_status step(tapeloom_executor* executor, double* loss, F run) {
  return with_executor(executor, [&](auto& own) {
    const auto result = run(own);
    if (loss != nullptr) *loss = result;
  });
}

/// `get` gives a span of Executor's.
template <class Handle, class Numbers, class F>
tapeloom_status give_numbers(Handle* executor, Numbers* numbers, const char* argument, F get) {
  return with_executor(executor, [&](auto& own) {
    Numbers& result = at(numbers, argument);
    result = numbers_of<Numbers>(get(own));
  });
}

}  // namespace

tapeloom_status tapeloom_executor_options_init(tapeloom_executor_options* options, size_t size) {
  return status_of([&] { init(options, size, executor_defaults()); });
}

tapeloom_status tapeloom_executor_create(const tapeloom_program* program, tapeloom_number_type type,
                                         const tapeloom_executor_options* options, tapeloom_executor** executor) {
  return status_of([&] {
    tapeloom_executor*& result = result_at(executor, "executor");
    const auto& own = at(program, "program").program;
    with_type(type, [&]<class T>(T) { result = new tapeloom_executor(Executor<T>(own, executor_options(options))); });
  });
}

tapeloom_status tapeloom_executor_create_sharing(const tapeloom_program* program,
                                                 const tapeloom_executor* parameters_of,
                                                 const tapeloom_executor_options* options,
                                                 tapeloom_executor** executor) {
  return status_of([&] {
    tapeloom_executor*& result = result_at(executor, "executor");
    const auto& own = at(program, "program").program;
    std::visit(
        [&]<class T>(const Executor<T>& other) {
          result = new tapeloom_executor(Executor<T>(own, other.shared_parameters(), executor_options(options)));
        },
        at(parameters_of, "parameters_of").either);
  });
}

void tapeloom_executor_free(tapeloom_executor* executor) { delete executor; }

tapeloom_status tapeloom_executor_type(const tapeloom_executor* executor, tapeloom_number_type* type) {
  return with_executor(executor, [&]<class T>(const Executor<T>&) {
    at(type, "type") = std::is_same_v<T, float> ? TAPELOOM_FLOAT : TAPELOOM_DOUBLE;
  });
}

tapeloom_status tapeloom_executor_bind_float(tapeloom_executor* executor, const char* group, const float* numbers,
                                             size_t count, size_t row_stride) {
  return bind(executor, group, numbers, count, row_stride);
}
tapeloom_status tapeloom_executor_bind_double(tapeloom_executor* executor, const char* group, const double* numbers,
                                              size_t count, size_t row_stride) {
  return bind(executor, group, numbers, count, row_stride);
}

tapeloom_status tapeloom_executor_bound_rows(const tapeloom_executor* executor, size_t* rows) {
  return with_executor(executor, [&](const auto& own) { at(rows, "rows") = own.bound_rows(); });
}

tapeloom_status tapeloom_executor_set_uniform_input(tapeloom_executor* executor, const char* name, double number) {
  return with_executor(executor, [&](auto& own) { own.set_uniform_input(&at(name, "name"), number); });
}

tapeloom_status tapeloom_executor_step(tapeloom_executor* executor, double* loss) {
  return step(executor, loss, [](auto& own) { return own.step(); });
}
tapeloom_status tapeloom_executor_step_range(tapeloom_executor* executor, size_t first, size_t count, double* loss) {
  return step(executor, loss, [&](auto& own) { return own.step(first, count); });
}
tapeloom_status tapeloom_executor_step_rows(tapeloom_executor* executor, const uint32_t* rows, size_t count,
                                            double* loss) {
  return step(executor, loss, [&](auto& own) { return own.step({array_at(rows, count, "rows"), count}); });
}

tapeloom_status tapeloom_executor_loss(const tapeloom_executor* executor, double* loss) {
  return with_executor(executor, [&](const auto& own) { at(loss, "loss") = own.loss(); });
}
tapeloom_status tapeloom_executor_outputs(const tapeloom_executor* executor, tapeloom_numbers* outputs) {
  return give_numbers(executor, outputs, "outputs", [](const auto& own) { return own.outputs(); });
}
tapeloom_status tapeloom_executor_gradients(const tapeloom_executor* executor, tapeloom_numbers* gradients) {
  return give_numbers(executor, gradients, "gradients", [](const auto& own) { return own.gradients(); });
}
tapeloom_status tapeloom_executor_input_gradients(const tapeloom_executor* executor, tapeloom_numbers* gradients) {
  return give_numbers(executor, gradients, "gradients", [](const auto& own) { return own.input_gradients(); });
}
tapeloom_status tapeloom_executor_parameters(const tapeloom_executor* executor, tapeloom_numbers* parameters) {
  return give_numbers(executor, parameters, "parameters", [](const auto& own) { return own.parameters(); });
}
tapeloom_status tapeloom_executor_writable_parameters(tapeloom_executor* executor,
                                                      tapeloom_writable_numbers* parameters) {
  return give_numbers(executor, parameters, "parameters", [](auto& own) { return own.parameters(); });
}

tapeloom_status tapeloom_executor_set_frozen(tapeloom_executor* executor, const uint32_t* parameters, size_t count,
                                             int32_t frozen) {
  return with_executor(executor, [&](auto& own) {
    array_at(parameters, count, "parameters");
    const std::vector<ParameterId> which(parameters, parameters + count);
    own.set_frozen(which, frozen != 0);
  });
}

tapeloom_status tapeloom_executor_save_program(const tapeloom_executor* executor, const char* path) {
  return with_executor(executor, [&](const auto& own) { save_program(&at(path, "path"), own); });
}
tapeloom_status tapeloom_executor_load_weights(tapeloom_executor* executor, const char* path) {
  return with_executor(executor, [&](auto& own) { import_weights(own, read_safetensors(&at(path, "path"))); });
}
tapeloom_status tapeloom_executor_save_weights(const tapeloom_executor* executor, const char* path) {
  return with_executor(executor, [&](const auto& own) {
    write_safetensors(&at(path, "path"), {export_weights(own), {}});
  });
}
