// tapeloom.Program and tapeloom.Executor.
#pragma once

#include <pybind11/pybind11.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compiled.h"
#include "usage.h"

namespace tapeloom::python {

/// A program, and which Values its parameters are.
struct CompiledProgram {
  std::shared_ptr<const Program> program;
  /// The Values of the parameters, in order. None of a program from a file.
  std::vector<py::object> values;

  int traverse(visitproc visit, void* arg) const;
  void clear() { values.clear(); }
};

/// What Executor.profile gives.
struct ProgramProfile {
  std::shared_ptr<const Program> program;
  Profile profile;
};

/// The parameters that a Python object stands for: a Value, a number, a ParameterTensor, or a list of such.
std::vector<ParameterId> parameter_ids(const CompiledProgram& program, py::handle parameters, const std::string& what);
/// The layout, or an empty one for None.
TensorLayout layout_of(py::handle layout);

/// The executor of a program, in float or double; the arrays it is bound to; and who is at work on it. A step may run
/// without the interpreter's lock, so everything else asks first whether another thread has one under way.
class CompiledExecutor {
 public:
  CompiledExecutor(py::object program, bool is_double, const ExecutorOptions& options, CompiledExecutor* shared);

  /// What a thread at work holds; others are refused meanwhile.
  Usage& usage() { return usage_; }

  template <class F>
  decltype(auto) with(F&& f) {
    usage_.check_idle();
    return std::visit(std::forward<F>(f), executor_);
  }
  template <class F>
  decltype(auto) with(F&& f) const {
    usage_.check_idle();
    return std::visit(std::forward<F>(f), executor_);
  }
  /// Null if the numbers are of another type.
  template <class T>
  Executor<T>* as() {
    return std::get_if<Executor<T>>(&executor_);
  }

  bool is_double() const { return executor_.index() == 1; }
  const Program& program() const { return *compiled().program; }
  const CompiledProgram& compiled() const;
  const py::object& program_object() const { return program_; }
  const ExecutorOptions& options() const { return options_; }

  /// Binds the arrays and keeps them.
  void bind(const BoundArrays& data);
  /// Keeps arrays that somebody is going to bind, besides what is bound.
  void keep(const BoundArrays& data);
  /// Changes whenever something is bound.
  std::uint64_t bindings() const { return bindings_; }
  /// Throws while a Trainer is at work, whose rows are bound.
  void check_may_bind() const;

  void set_uniform_input(const std::string& name, double number);
  const std::map<std::string, double>& uniform_inputs() const { return uniform_inputs_; }

  double step();
  double step(std::size_t first, std::size_t count);
  double step(std::span<const std::uint32_t> rows);

  /// Whether a step of so many samples is worth giving the interpreter's lock to others.
  bool is_long(std::size_t samples) const { return fixed_work_ + work_ * samples > short_work; }
  /// How many trainers are at work, counted by them.
  int trainers = 0;

  int traverse(visitproc visit, void* arg) const;
  void clear();

 private:
  std::size_t rows_of_step();
  template <class F>
  double run(std::size_t samples, F&& f);

  /// Numbers read, written and operations, of steps of about 5 microseconds: handing the lock over takes some 0.1, and
  /// as long as another thread has it where one wants it, usually 5,000.
  static constexpr std::uint64_t short_work = 50'000;

  py::object program_;
  const CompiledProgram* compiled_;  // of program_
  ExecutorOptions options_;
  std::variant<Executor<float>, Executor<double>> executor_;
  std::uint64_t fixed_work_ = 0, work_ = 0;  // of a step, and of each of its samples

  std::uint64_t bindings_ = 0;
  std::map<std::string, std::vector<SharedMemory>> bound_;  // by group; several where one of them is bound
  std::map<std::string, double> uniform_inputs_;            // those that were set

  Usage usage_{"executor",
               "make one for each thread: Executor(executor.program, parameters_of=executor) shares the parameters"};
};

/// Checks that a Python object is an executor. Throws a TypeError that names `what`.
CompiledExecutor& executor_of(py::handle object, const std::string& what);

/// Adds Executor.step, which is not pybind11's: its calls cost more than many steps do.
void add_step(py::handle executor_class);

}  // namespace tapeloom::python
