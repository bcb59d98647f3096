#include "tapeloom/runtime/execute/executor.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <thread>

#include "tapeloom/core/base/check.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/nets/tensor_layout.h"
#include "tapeloom/core/program/program_check.h"
#include "tapeloom/runtime/execute/binding.h"
#include "tapeloom/runtime/execute/interpreter.h"
#include "tapeloom/runtime/execute/parameter_buffer.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

const Program& checked(const std::shared_ptr<const Program>& program) {
  if (program == nullptr) throw BindError("an executor was given no program: the pointer is null");
  if (!development_checks()) return *program;
  const std::string fault = find_fault(*program);
  if (!fault.empty()) throw BindError("an executor was given a program that cannot be run: " + fault);
  return *program;
}

}  // namespace

template <class T>
struct Executor<T>::State {
  State(std::shared_ptr<const Program> of, std::shared_ptr<ParameterBuffer<T>> shared, const ExecutorOptions& with)
      : program(std::move(of)),
        options(with),
        parameters(std::move(shared)),
        running(options.max_samples == 1 && program->of_one_sample ? *program->of_one_sample : *program),
        binding(running),
        interpreter(running, parameters->numbers.first(program->parameters.size()), checked_max_samples(),
                    options.threads > 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency()),
                    options.profile),
        trained(program->trained),
        watch(*program, *parameters),
        has_no_inputs(program->recorded_samples > 0 || program->input_groups.size() + program->random_count == 0) {
    if (!program->recorded_rows.empty()) binding.bind_all(recorded_rows(), 0, std::nullopt);
  }

  /// In numbers of the executor's, which every step reads.
  std::span<const T> recorded_rows() {
    const std::vector<double>& rows = program->recorded_rows;
    if constexpr (std::is_same_v<T, double>) {
      return rows;
    } else {
      rounded_rows.reserve(rows.size());
      for (const double number : rows) rounded_rows.push_back(static_cast<T>(number));
      return rounded_rows;
    }
  }

  /// The most samples that a step is run with: of recorded ones, which are all in every step, as many as they are.
  std::size_t checked_max_samples() const {
    if (options.max_samples == 0) {
      throw BindError("ExecutorOptions::max_samples is 0; a step needs at least one sample");
    }
    if (options.max_samples > UINT32_MAX) throw BindError("ExecutorOptions::max_samples is above 2^32");
    if (program->one_row && options.max_samples > 1) {
      throw BindError("a program of one sample (Program::one_row) has steps of one; ExecutorOptions::max_samples is " +
                      std::to_string(options.max_samples) + ": set it to 1, or run the program that it is part of");
    }
    if (std::is_same_v<T, float> && program->exact) {
      throw BindError("CompileOptions::exact promises the bits of double precision; run it in an Executor<double>");
    }
    return program->recorded_samples > 0 ? program->recorded_samples : options.max_samples;
  }

  T step(const runtime::BatchRows& batch) {
    samples = 0;
    watch.check_step();
    check_rows(batch);
    if (batch.count > options.max_samples) refuse_samples(batch.count);
    const std::size_t recorded = program->recorded_samples;
    const runtime::GuardFailure failure =
        recorded == 0 ? interpreter.run(binding, batch) : interpreter.run(binding, {0, recorded, nullptr});
    binding.take_next_random_step();
    if (failure.any()) {
      const ProgramGuard& guard = running.guards[failure.guard];
      throw GuardError(guard.description, guard.number, failure.sample);
    }
    samples = batch.count;
    return interpreter.loss();
  }

  /// Without inputs there are no rows to choose among: a step of some would be one of all that was recorded.
  void check_rows(const runtime::BatchRows& batch) const {
    if (!has_no_inputs || batch.count == 0) [[likely]] {
      binding.check(batch);
    } else if (batch.count != 1 || batch.row(0) != 0) {
      refuse_chosen_rows();
    }
  }
  [[noreturn]] void refuse_chosen_rows() const {
    throw BindError("a step of chosen rows needs inputs: " + without_inputs() + "; step() computes it as a whole");
  }
  [[noreturn]] void refuse_samples(std::size_t count) const {
    throw BindError("the batch has " + std::to_string(count) +
                    " samples, more than ExecutorOptions::max_samples = " + std::to_string(options.max_samples));
  }

  // --- what is frozen --------------------------------------------------------------------------------------------

  void set_frozen(std::span<const ParameterId> which, bool freeze) {
    if (!program->has_gradients) refuse_gradients("set_frozen");
    const auto& own = program->parameters;
    for (const ParameterId id : which) {
      if (id.index >= own.size()) {
        throw BindError("set_frozen: parameter " + std::to_string(id.index) + " of a program that has " +
                        std::to_string(own.size()));
      }
      if (!freeze && own[id.index].frozen) {
        throw BindError("set_frozen: parameter " + std::to_string(id.index) + ", \"" + own[id.index].label +
                        "\", was frozen when the program was compiled, so there are no derivatives by it; thaw it by "
                        "Tape::set_frozen and compile again");
      }
    }
    std::vector<bool> frozen(own.size(), true);
    for (const Range range : trained) std::fill(frozen.begin() + range.begin, frozen.begin() + range.end, false);
    for (const ParameterId id : which) frozen[id.index] = freeze || own[id.index].frozen;
    trained.clear();
    for (std::uint32_t i = 0; i < own.size(); ++i) {
      if (!frozen[i]) add_index(trained, i);
    }
    interpreter.set_trained(trained);
  }

  void check_binds() const {
    if (program->recorded_samples > 0) throw BindError("there is nothing to bind: " + without_inputs());
  }

  std::string without_inputs() const {
    const std::string text = "the program has no inputs";
    if (program->recorded_samples == 0) return text;
    return text + "; its " + std::to_string(program->recorded_samples) + " samples are constants of the recording";
  }

  template <class Number>
  void check_bind(std::string_view group, std::span<const Number> rows, std::size_t row_stride) const {
    check_binds();
    group.empty() ? binding.fit_all(rows, row_stride, largest()) : binding.fit(group, rows, row_stride, largest());
  }

  /// The largest number that may be bound, if that is checked.
  std::optional<double> largest() const {
    if (!options.check_finite) return std::nullopt;
    return static_cast<double>(std::numeric_limits<T>::max());
  }

  void check_results(const char* what) const {
    if (samples == 0) refuse_results(what);
  }
  [[noreturn]] static void refuse_results(const char* what) {
    throw BindError(std::string(what) + ": there are no results before a step has succeeded");
  }
  [[noreturn]] static void refuse_outputs() {
    throw BindError(
        "outputs: the program was compiled without any; name the Values to be read in CompileOptions::outputs");
  }
  [[noreturn]] static void refuse_gradients(const char* what) {
    throw BindError(std::string(what) +
                    ": the program was compiled for inference or without CompileOptions::gradients");
  }

  std::shared_ptr<const Program> program;
  ExecutorOptions options;
  std::shared_ptr<ParameterBuffer<T>> parameters;
  const Program& running;       ///< the program, or what a step of one sample is computed by
  std::vector<T> rounded_rows;  ///< those that were recorded, unless they are in the program
  runtime::Binding binding;
  runtime::Interpreter<T> interpreter;
  std::vector<Range> trained;
  std::size_t samples = 0;  // of the last good step
  runtime::ParameterWatch<T> watch;
  bool has_no_inputs;
};

template <class T>
Executor<T>::Executor(std::shared_ptr<const Program> program, const ExecutorOptions& options) {
  auto parameters = std::make_shared<ParameterBuffer<T>>(checked(program));
  state_ = std::make_unique<State>(std::move(program), std::move(parameters), options);
  state_->watch.watch_forgotten();
}

template <class T>
Executor<T>::Executor(Program program, const ExecutorOptions& options)
    : Executor(std::make_shared<const Program>(std::move(program)), options) {}

template <class T>
Executor<T>::Executor(std::shared_ptr<const Program> program, std::shared_ptr<ParameterBuffer<T>> parameters,
                      const ExecutorOptions& options) {
  if (parameters == nullptr) throw BindError("an executor was given no parameters to share: the pointer is null");
  runtime::check_same_parameters(checked(program), *parameters);
  parameters->chosen = true;  // whose numbers are meant has been said, trained or not
  state_ = std::make_unique<State>(std::move(program), std::move(parameters), options);
}

template <class T>
Executor<T>::Executor(Executor&&) noexcept = default;
template <class T>
Executor<T>& Executor<T>::operator=(Executor&&) noexcept = default;
template <class T>
Executor<T>::~Executor() = default;

template <class T>
void Executor<T>::bind(std::string_view group, std::span<const float> rows, std::size_t row_stride) {
  state_->check_binds();
  state_->binding.bind(group, rows, row_stride, state_->largest());
}
template <class T>
void Executor<T>::bind(std::string_view group, std::span<const double> rows, std::size_t row_stride) {
  state_->check_binds();
  state_->binding.bind(group, rows, row_stride, state_->largest());
}
template <class T>
void Executor<T>::bind(std::span<const float> rows, std::size_t row_stride) {
  state_->check_binds();
  state_->binding.bind_all(rows, row_stride, state_->largest());
}
template <class T>
void Executor<T>::bind(std::span<const double> rows, std::size_t row_stride) {
  state_->check_binds();
  state_->binding.bind_all(rows, row_stride, state_->largest());
}

template <class T>
void Executor<T>::check_bind(std::string_view group, std::span<const float> rows, std::size_t row_stride) const {
  state_->check_bind(group, rows, row_stride);
}
template <class T>
void Executor<T>::check_bind(std::string_view group, std::span<const double> rows, std::size_t row_stride) const {
  state_->check_bind(group, rows, row_stride);
}

template <class T>
std::size_t Executor<T>::bound_rows() const {
  return state_->program->recorded_samples > 0 ? 1 : state_->binding.rows();
}

template <class T>
std::vector<double> Executor<T>::bound_row(std::size_t row) const {
  state_->check_binds();
  return state_->binding.row(row);
}

template <class T>
void Executor<T>::set_uniform_input(std::string_view name, double number) {
  const auto& inputs = state_->program->uniform_inputs;
  const auto found = std::find_if(inputs.begin(), inputs.end(), [&](const auto& input) { return input.name == name; });
  if (found == inputs.end()) {
    std::string known = inputs.empty() ? "; the program has none" : "; the program has";
    for (const auto& input : inputs) known += " \"" + input.name + "\"";
    throw BindError("there is no uniform input \"" + std::string(name) + "\"" + known);
  }
  if (state_->options.check_finite && !std::isfinite(static_cast<T>(number))) {
    throw BindError("the number for uniform input \"" + std::string(name) + "\" is not finite");
  }
  state_->interpreter.set_uniform_input(static_cast<std::size_t>(found - inputs.begin()), number);
}

template <class T>
void Executor<T>::seed_random(std::uint64_t seed, std::uint64_t step) {
  state_->binding.set_random_step({seed, step});
}

template <class T>
T Executor<T>::step() {
  state_->samples = 0;  // rows() may throw
  return state_->step({0, bound_rows(), nullptr});
}
template <class T>
T Executor<T>::step(std::size_t first, std::size_t count) {
  return state_->step({first, count, nullptr});
}
template <class T>
T Executor<T>::step(std::span<const std::uint32_t> rows) {
  return state_->step({0, rows.size(), rows.data()});
}

template <class T>
T Executor<T>::loss() const {
  state_->check_results("loss");
  if (state_->program->loss_slot == Program::no_slot) {
    throw BindError("loss: the program was compiled for inference, without one");
  }
  return state_->interpreter.loss();
}
template <class T>
std::span<const T> Executor<T>::outputs() const {
  if (state_->program->outputs.empty()) State::refuse_outputs();
  state_->check_results("outputs");
  return state_->interpreter.outputs(state_->samples);
}
template <class T>
std::span<const T> Executor<T>::gradients() const {
  state_->check_results("gradients");
  if (!state_->program->has_gradients) State::refuse_gradients("gradients");
  return state_->interpreter.gradients();
}
template <class T>
void Executor<T>::descend(T rate) {
  state_->check_results("descend");
  if (!state_->program->has_gradients) State::refuse_gradients("descend");
  state_->interpreter.descend(rate, parameters().data());
}
template <class T>
std::span<const T> Executor<T>::input_gradients() const {
  state_->check_results("input_gradients");
  if (!state_->program->has_input_gradients) {
    throw BindError("input_gradients: the program was compiled without CompileOptions::input_gradients");
  }
  if (state_->program->recorded_samples > 0) return {};
  return state_->interpreter.input_gradients(state_->samples);
}

template <class T>
std::span<const T> Executor<T>::parameters() const {
  return state_->parameters->numbers.first(state_->program->parameters.size());
}
template <class T>
std::span<T> Executor<T>::parameters() {
  state_->watch.given();
  return state_->parameters->numbers.first(state_->program->parameters.size());
}
template <class T>
void Executor<T>::set_parameters(std::span<const T> numbers) {
  const std::span<T> own = parameters();
  if (numbers.size() != own.size()) {
    throw BindError("set_parameters: " + std::to_string(numbers.size()) + " numbers for " + std::to_string(own.size()) +
                    " parameters");
  }
  std::copy(numbers.begin(), numbers.end(), own.begin());
  state_->watch.chosen();
}
template <class T>
const std::shared_ptr<ParameterBuffer<T>>& Executor<T>::shared_parameters() const {
  return state_->parameters;
}
template <class T>
void Executor<T>::set_frozen(std::span<const ParameterId> parameters, bool frozen) {
  state_->set_frozen(parameters, frozen);
}
template <class T>
void Executor<T>::set_frozen(const std::vector<ParameterTensor>& layout, bool frozen) {
  std::vector<ParameterId> all;
  for (const ParameterTensor& tensor : layout) {
    all.insert(all.end(), tensor.parameters.begin(), tensor.parameters.end());
  }
  state_->set_frozen(all, frozen);
}
template <class T>
std::span<const Range> Executor<T>::trained() const {
  return state_->trained;
}
template <class T>
void Executor<T>::apply_assignments() {
  const std::vector<ProgramAssignment>& assignments = state_->running.assignments;
  if (assignments.empty()) return;
  state_->check_results("apply_assignments");
  const std::span<T> numbers = parameters();
  for (const ProgramAssignment& each : assignments) numbers[each.parameter.index] = state_->interpreter.assigned(each);
}
template <class T>
void Executor<T>::copy_parameters_to(Tape& tape) const {
  runtime::copy_parameters(*state_->program, *state_->parameters, tape);
}

template <class T>
const Program& Executor<T>::program() const {
  return *state_->program;
}
template <class T>
std::size_t Executor<T>::max_samples() const {
  return state_->options.max_samples;
}
template <class T>
std::size_t Executor<T>::arena_bytes() const {
  return state_->interpreter.arena_bytes();
}
template <class T>
std::size_t Executor<T>::tile_samples() const {
  return state_->interpreter.tile_samples();
}
template <class T>
Profile Executor<T>::profile() const {
  if (!state_->options.profile) throw BindError("profile: the executor was made without ExecutorOptions::profile");
  return state_->interpreter.profile();
}

template class Executor<float>;
template class Executor<double>;

}  // namespace tapeloom::inline TAPELOOM_ABI
