// A training run of C++ with callbacks of Python's. It runs without the interpreter's lock, takes it for each callback,
// and looks for signals every few milliseconds.
#include "trainer.h"

#include <pybind11/stl.h>

#include <utility>

#include "arguments.h"

namespace tapeloom::python {

namespace {

std::vector<std::uint32_t> row_list(py::handle rows, const char* what) {
  const RowNumbers given(rows, what);
  return {given.numbers().begin(), given.numbers().end()};
}

Split split_of(py::handle given) {
  if (given.is_none()) return {};
  if (PySequence_Check(given.ptr()) == 0 || py::len(given) != 2) {
    throw py::type_error("split is two lists of row numbers: to train with and to validate with");
  }
  const auto parts = py::reinterpret_borrow<py::sequence>(given);
  return {row_list(py::object(parts[0]), "split: the rows to train with"),
          row_list(py::object(parts[1]), "split: the rows to validate with")};
}

}  // namespace

CompiledTrainer::CompiledTrainer(py::object executor, py::handle data, const py::dict& options)
    : executor_(std::move(executor)),
      predictor_(options["predictor"]),
      optimizer_(options["optimizer"]),
      native_(&executor_of(executor_, "executor")) {
  native_->check_may_bind();
  if (!predictor_.is_none()) {
    native_predictor_ = &executor_of(predictor_, "predictor");
    native_predictor_->check_may_bind();
    if (native_predictor_->is_double() != native_->is_double()) {
      throw BindError("the predictor must share the parameters of the executor that is trained");
    }
    if (native_predictor_ == native_) native_predictor_ = nullptr;  // as if none was given
  }
  if (optimizer_.is_none()) optimizer_ = py::module_::import("tapeloom._native").attr("Adam")();
  FitOptions read = read_options(options);
  data_ = arrays_for(native_->program(), data);
  native_->keep(data_);
  CompiledExecutor& validating = native_predictor_ != nullptr ? *native_predictor_ : *native_;
  validation_ = arrays_for(validating.program(), options["validation_data"]);
  validating.keep(data_);
  validating.keep(validation_);
  read.validation_data = validation_.view;
  native_->is_double() ? make<double>(read) : make<float>(read);
  bindings_ = native_->bindings();
  if (native_predictor_ != nullptr) predictor_bindings_ = native_predictor_->bindings();
}

template <class T>
void CompiledTrainer::make(const FitOptions& options) {
  Executor<T>* predictor = native_predictor_ == nullptr ? nullptr : native_predictor_->as<T>();
  trainer_ = std::make_unique<Trainer<T>>(*native_->as<T>(), data_.view, options,
                                          borrowed_optimizer<T>(optimizer_, executor_), predictor);
}

FitOptions CompiledTrainer::read_options(const py::dict& given) {
  FitOptions o;
  o.epochs = counter_argument(given["epochs"], "epochs");
  o.batch = counter_argument(given["batch"], "batch");
  o.seed = counter_argument(given["seed"], "seed");
  o.shuffle = truth_argument(given["shuffle"], "shuffle");
  o.validation_fraction = real_argument(given["validation_fraction"], "validation_fraction");
  o.split = split_of(given["split"]);
  o.patience = counter_argument(given["patience"], "patience");
  o.min_delta = real_argument(given["min_delta"], "min_delta");
  o.restore_best = truth_argument(given["restore_best"], "restore_best");
  if (!given["monitor"].is_none()) o.monitor = text_argument(given["monitor"], "monitor");
  o.more_is_better = truth_argument(given["more_is_better"], "more_is_better");
  o.clip_norm = real_argument(given["clip_norm"], "clip_norm");
  o.clip_value = real_argument(given["clip_value"], "clip_value");
  on_step_ = callable_or_none(given["on_step"], "on_step");
  on_epoch_ = callable_or_none(given["on_epoch"], "on_epoch");
  schedule_ = callable_or_none(given["schedule"], "schedule");
  progress_ = given["progress"];
  if (py::isinstance<py::bool_>(progress_)) {
    progress_ = py::cast<bool>(progress_) ? py::module_::import("tapeloom.progress").attr("ProgressBar")(o.epochs)
                                          : py::object(py::none());
  }
  read_callbacks(o);
  read_metrics(o, given["metrics"]);
  return o;
}

void CompiledTrainer::read_callbacks(FitOptions& options) {
  if (!schedule_.is_none()) {
    options.schedule = [this](std::uint64_t step) {
      const py::gil_scoped_acquire lock;
      return real_argument(schedule_(step), "the result of schedule");
    };
  }
  options.on_step = [this](const StepReport& report) { return after_step(report); };
  options.on_epoch = [this](const EpochReport& report) { return after_epoch(report); };
}

void CompiledTrainer::read_metrics(FitOptions& options, py::handle metrics) {
  auto names = std::make_shared<std::vector<std::string>>();
  if (!metrics.is_none()) {
    if (!py::isinstance<py::dict>(metrics)) refuse_argument(metrics, "metrics", "a dict of functions by name");
    for (const auto& [name, function] : py::reinterpret_borrow<py::dict>(metrics)) {
      if (PyCallable_Check(function.ptr()) == 0) throw py::type_error("metrics: a dict of functions by name");
      names->push_back(text_argument(name, "the name of a metric"));
      metrics_.push_back(py::reinterpret_borrow<py::object>(function));
    }
  }
  for (std::size_t i = 0; i < metrics_.size(); ++i) {
    options.metrics.push_back(
        {(*names)[i], [this, i](std::span<const double> outputs, std::span<const std::uint32_t> rows) {
           const py::gil_scoped_acquire lock;
           // Copies, which may be kept.
           const auto count = static_cast<py::ssize_t>(rows.size());
           const py::ssize_t columns = count == 0 ? 0 : static_cast<py::ssize_t>(outputs.size()) / count;
           return real_argument(metrics_[i](copy_of(std::vector(outputs.begin(), outputs.end()), {count, columns}),
                                            copy_of(std::vector(rows.begin(), rows.end()))),
                                "the result of metric \"" + (*names_)[i] + '"');
         }});
  }
  names_ = std::move(names);
}

template <class F>
decltype(auto) CompiledTrainer::with(F&& f) const {
  native_->usage().check_idle();
  return std::visit([&](const auto& trainer) -> decltype(auto) { return f(*trainer); }, trainer_);
}

/// Somebody may have bound the executors to other rows between two steps.
void CompiledTrainer::bind_again() {
  if (native_->bindings() != bindings_) {
    native_->keep(data_);
    if (native_predictor_ == nullptr) native_->keep(validation_);
    native_->with([&](auto& executor) { data_.view.bind(executor); });
    bindings_ = native_->bindings();
  }
  if (native_predictor_ != nullptr && native_predictor_->bindings() != predictor_bindings_) {
    native_predictor_->keep(data_);
    native_predictor_->keep(validation_);
    const std::size_t rows = native_->with([](auto& executor) { return executor.bound_rows(); });
    native_predictor_->with([&](auto& executor) {
      validation_.empty() ? data_.view.bind(executor, rows) : validation_.view.bind(executor);
    });
    predictor_bindings_ = native_predictor_->bindings();
  }
}

template <class F>
void CompiledTrainer::work(F&& f) {
  native_->usage().check_idle();
  if (native_->trainers > 0) throw std::runtime_error("a training run cannot go on in a callback of one");
  CompiledExecutor& predictor = native_predictor_ != nullptr ? *native_predictor_ : *native_;
  const Usage::Scope use(native_->usage()), predictor_use(predictor.usage());
  std::optional<Usage::Scope> optimizer_use;
  if (py::isinstance<CompiledOptimizer>(optimizer_)) {
    optimizer_use.emplace(py::cast<CompiledOptimizer&>(optimizer_).usage());
  }
  bind_again();
  const CountedTrainer executor_count(*native_), predictor_count(predictor);
  std::visit(
      [&](auto& trainer) {
        const py::gil_scoped_release others;
        f(*trainer);
      },
      trainer_);
}

bool CompiledTrainer::step() {
  bool more = false;
  work([&](auto& trainer) { more = trainer.step(); });
  return more;
}

void CompiledTrainer::run() {
  const auto close = [this] {
    if (!progress_.is_none()) progress_.attr("close")();
  };
  try {
    work([](auto& trainer) { trainer.run(); });
  } catch (...) {
    close();
    throw;
  }
  close();
}

bool CompiledTrainer::after_step(const StepReport& report) {
  const bool looks = signals_.due();
  if (!looks && on_step_.is_none()) return true;
  const py::gil_scoped_acquire lock;
  if (looks) {
    signals_.check();
    if (!progress_.is_none()) progress_.attr("on_step")(report);
  }
  return on_step_.is_none() || goes_on(on_step_(report));
}

bool CompiledTrainer::after_epoch(const EpochReport& report) {
  if (!save_path_.empty()) {
    std::visit([&](auto& trainer) { save_checkpoint(save_path_, *trainer, save_layout_); }, trainer_);
  }
  const py::gil_scoped_acquire lock;
  signals_.check();
  const py::object named = py::cast(NamedReport{report, names_});
  if (!progress_.is_none()) progress_.attr("on_epoch")(named);
  return on_epoch_.is_none() || goes_on(on_epoch_(named));
}

NamedHistory CompiledTrainer::history() const {
  return with([&](auto& trainer) { return NamedHistory{trainer.history(), names_}; });
}

std::vector<std::uint32_t> CompiledTrainer::rows(bool validation) const {
  return with([&](auto& trainer) {
    const auto rows = validation ? trainer.validation_rows() : trainer.training_rows();
    return std::vector<std::uint32_t>(rows.begin(), rows.end());
  });
}

AnyTrainerState CompiledTrainer::state() const {
  const_cast<CompiledTrainer*>(this)->bind_again();  // its fingerprints are of what is bound
  return with([](auto& trainer) { return AnyTrainerState{trainer.state()}; });
}

void CompiledTrainer::restore(const AnyTrainerState& state) {
  bind_again();
  with([&]<class T>(Trainer<T>& trainer) {
    const auto* same = std::get_if<TrainerState<T>>(&state.state);
    if (same == nullptr) throw BindError("restore: the state is of a run with parameters of another type");
    trainer.restore(*same);
  });
}

void CompiledTrainer::save(const std::string& path, py::handle layout) const {
  const_cast<CompiledTrainer*>(this)->bind_again();
  with([&](auto& trainer) { save_checkpoint(path, trainer, layout_of(layout)); });
}

void CompiledTrainer::load(const std::string& path, py::handle layout) {
  bind_again();
  with([&](auto& trainer) { load_checkpoint(path, trainer, layout_of(layout)); });
}

void CompiledTrainer::save_epochs(const std::string& path, py::handle layout) {
  save_path_ = path;
  save_layout_ = layout_of(layout);
}

int CompiledTrainer::traverse(visitproc visit, void* arg) const {
  for (const py::object* object :
       {&executor_, &predictor_, &optimizer_, &on_step_, &on_epoch_, &schedule_, &progress_}) {
    Py_VISIT(object->ptr());
  }
  for (const py::object& metric : metrics_) Py_VISIT(metric.ptr());
  return 0;
}

/// The callbacks alone, by which there are cycles: the others are still needed for the end.
void CompiledTrainer::clear() {
  on_step_ = on_epoch_ = schedule_ = progress_ = py::none();
  for (py::object& metric : metrics_) metric = py::none();
}

}  // namespace tapeloom::python
