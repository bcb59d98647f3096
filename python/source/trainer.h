// tapeloom.Trainer and fit.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "callbacks.h"
#include "optimizer.h"

namespace tapeloom::python {

using Names = std::shared_ptr<const std::vector<std::string>>;

/// An EpochReport whose metrics have names.
struct NamedReport {
  EpochReport report;
  Names metrics;
};
struct NamedHistory {
  History history;
  Names metrics;
};
struct AnyTrainerState {
  std::variant<TrainerState<float>, TrainerState<double>> state;
};

/// A training run, and the Python objects that it calls. Its executor, its optimizer and the arrays live as long as it
/// does.
class CompiledTrainer {
 public:
  /// What FitOptions has, by its names.
  CompiledTrainer(py::object executor, py::handle data, const py::dict& options);
  CompiledTrainer(const CompiledTrainer&) = delete;
  CompiledTrainer& operator=(const CompiledTrainer&) = delete;

  bool step();
  /// To the end, or until a callback stops it.
  void run();
  NamedHistory history() const;
  const py::object& executor() const { return executor_; }
  const py::object& optimizer() const { return optimizer_; }
  std::vector<std::uint32_t> rows(bool validation) const;
  AnyTrainerState state() const;
  void restore(const AnyTrainerState& state);
  void save(const std::string& path, py::handle layout) const;
  void load(const std::string& path, py::handle layout);
  /// Saves the run there after each epoch.
  void save_epochs(const std::string& path, py::handle layout);

  int traverse(visitproc visit, void* arg) const;
  void clear();

 private:
  template <class T>
  void make(const FitOptions& options);
  FitOptions read_options(const py::dict& given);
  void read_callbacks(FitOptions& options);
  void read_metrics(FitOptions& options, py::handle metrics);
  CompiledExecutor& native() const { return *native_; }

  template <class F>
  decltype(auto) with(F&& f) const;
  /// Calls f at work: with everybody else kept from the executors, and without the interpreter's lock.
  template <class F>
  void work(F&& f);
  void bind_again();
  bool after_step(const StepReport& report);
  bool after_epoch(const EpochReport& report);

  py::object executor_, predictor_, optimizer_;
  CompiledExecutor* native_;
  CompiledExecutor* native_predictor_ = nullptr;
  py::object on_step_ = py::none(), on_epoch_ = py::none(), schedule_ = py::none(), progress_ = py::none();
  std::vector<py::object> metrics_;
  Names names_;
  BoundArrays data_, validation_;
  std::uint64_t bindings_ = 0, predictor_bindings_ = 0;  // of the executors, when this run was last at work
  std::string save_path_;
  TensorLayout save_layout_;

  SignalChecks signals_;
  std::variant<std::unique_ptr<Trainer<float>>, std::unique_ptr<Trainer<double>>> trainer_;
};

}  // namespace tapeloom::python
