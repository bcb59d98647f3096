// What an executor does for Python: arrays that are kept while they are bound, threads, and steps.
#include "executor.h"

#include <algorithm>
#include <stdexcept>

namespace tapeloom::python {

namespace {

std::variant<Executor<float>, Executor<double>> make(const std::shared_ptr<const Program>& program, bool is_double,
                                                     const ExecutorOptions& options, CompiledExecutor* shared) {
  if (shared == nullptr) {
    if (is_double) return Executor<double>(program, options);
    return Executor<float>(program, options);
  }
  if (is_double) return Executor<double>(program, shared->as<double>()->shared_parameters(), options);
  return Executor<float>(program, shared->as<float>()->shared_parameters(), options);
}

/// Programs of one recording may have the same labels, or none, and yet parameters in another order.
void check_same_values(const CompiledProgram& program, const CompiledProgram& other) {
  if (program.values.empty() || other.values.empty()) return;  // from a file: their labels are compared
  const std::size_t count = program.values.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (i < other.values.size() && program.values[i].is(other.values[i])) continue;
    throw BindError("parameter " + std::to_string(i) +
                    " of the program is another Value than that of the executor to share with; compile both with one "
                    "list of parameters");
  }
}

CompiledExecutor* checked_to_share(const CompiledProgram& program, bool is_double, CompiledExecutor* shared) {
  if (shared == nullptr) return nullptr;
  shared->usage().check_idle();
  if (shared->is_double() != is_double) {
    throw BindError(std::string("the executor to share with has ") + (is_double ? "float32" : "float64") +
                    " parameters, and this one would have " + (is_double ? "float64" : "float32"));
  }
  check_same_values(program, shared->compiled());
  return shared;
}

}  // namespace

int CompiledProgram::traverse(visitproc visit, void* arg) const {
  for (const py::object& value : values) Py_VISIT(value.ptr());
  return 0;
}

CompiledExecutor::CompiledExecutor(py::object program, bool is_double, const ExecutorOptions& options,
                                   CompiledExecutor* shared)
    : program_(std::move(program)),
      compiled_(py::cast<CompiledProgram*>(program_)),
      options_(options),
      executor_(make(compiled_->program, is_double, options, checked_to_share(*compiled_, is_double, shared))) {
  const Program& of = *compiled_->program;
  for (const Stage& stage : of.stages) {
    const auto work = [&](const Instruction& instruction, bool in_tile) {
      const InstructionWork all = work_of(of, instruction, in_tile);
      return all.flops + all.numbers;
    };
    for (std::uint32_t i = stage.uniform.begin; i < stage.uniform.end; ++i) {
      fixed_work_ += work(of.instructions[i], false);
    }
    for (std::uint32_t i = stage.tile.begin; i < stage.tile.end; ++i) work_ += work(of.instructions[i], true);
  }
  work_ = std::max<std::uint64_t>(work_, 1);
  if (of.recorded_samples > 0) {
    fixed_work_ += work_ * of.recorded_samples;
    work_ = 0;
  }
}

const CompiledProgram& CompiledExecutor::compiled() const { return *compiled_; }

void CompiledExecutor::check_may_bind() const {
  usage_.check_idle();
  if (trainers == 0) return;
  throw std::runtime_error(
      "the executor is bound to the rows of a training run, which is under way; bind another one: "
      "Executor(executor.program, parameters_of=executor) shares the parameters");
}

void CompiledExecutor::bind(const BoundArrays& data) {
  check_may_bind();
  keep(data);  // before any is bound, since the memory for it may not suffice
  with([&](auto& executor) { data.view.bind(executor); });
  for (const auto& [group, memory] : data.groups) bound_[group] = {memory};
}

void CompiledExecutor::keep(const BoundArrays& data) {
  ++bindings_;
  for (const auto& [group, memory] : data.groups) {
    std::vector<SharedMemory>& kept = bound_[group];
    if (std::ranges::find(kept, memory) == kept.end()) kept.push_back(memory);
  }
}

void CompiledExecutor::set_uniform_input(const std::string& name, double number) {
  with([&](auto& executor) { executor.set_uniform_input(name, number); });
  uniform_inputs_[name] = number;
}

template <class F>
double CompiledExecutor::run(std::size_t samples, F&& f) {
  const Usage::Scope use(usage_);
  const auto work = [&] {
    return std::visit([&](auto& executor) { return static_cast<double>(f(executor)); }, executor_);
  };
  if (!is_long(samples)) return work();
  const py::gil_scoped_release others;
  return work();
}

/// 0 where the step itself will say what is wrong with those that are bound, and leave no results.
std::size_t CompiledExecutor::rows_of_step() {
  try {
    return with([](auto& executor) { return executor.bound_rows(); });
  } catch (const BindError&) {
    return 0;
  }
}

double CompiledExecutor::step() {
  return run(rows_of_step(), [](auto& executor) { return executor.step(); });
}
double CompiledExecutor::step(std::size_t first, std::size_t count) {
  return run(count, [&](auto& executor) { return executor.step(first, count); });
}
double CompiledExecutor::step(std::span<const std::uint32_t> rows) {
  return run(rows.size(), [&](auto& executor) { return executor.step(rows); });
}

int CompiledExecutor::traverse(visitproc visit, void* arg) const {
  Py_VISIT(program_.ptr());
  return 0;
}

void CompiledExecutor::clear() {}

CompiledExecutor& executor_of(py::handle object, const std::string& what) {
  if (py::isinstance<CompiledExecutor>(object)) {
    if (auto* native = py::cast<CompiledExecutor*>(object)) return *native;
  }
  throw py::type_error(what + ": an Executor is expected, not '" + Py_TYPE(object.ptr())->tp_name + "'");
}

}  // namespace tapeloom::python
