#include "fuzz/check.h"

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "forced_isa.h"
#include "fuzz/comparison.h"
#include "fuzz/derivatives.h"
#include "fuzz/import.h"
#include "tapeloom/compiler/ways.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/random_number.h"
#include "tapeloom/core/program/cost.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/runtime/execute/executor.h"
#include "tapeloom/runtime/execute/held_products.h"
#include "tapeloom/runtime/execute/row_runner.h"
#include "tapeloom/runtime/files/program_file.h"

namespace tapeloom::test::fuzz {

namespace {

template <class Compute>
Outcome outcome_of(Compute&& compute) {
  Outcome outcome;
  try {
    compute(outcome);
  } catch (const GuardError& error) {
    outcome = {};
    outcome.refused = error.sample();
    outcome.refusal = error.what();
  }
  return outcome;
}

template <class T>
std::vector<double> doubles(std::span<const T> list) {
  return {list.begin(), list.end()};
}

Program through_file(const Program& program) {
  static int count = 0;
  const std::filesystem::path path = std::filesystem::temp_directory_path() /
                                     ("fuzz-" + std::to_string(getpid()) + "-" + std::to_string(++count) + ".tapeloom");
  save_program(path.string(), program);
  struct Remove {
    const std::filesystem::path& path;
    ~Remove() { std::filesystem::remove(path); }
  } remove{path};
  return load_program(path.string());
}

class Checker {
 public:
  Checker(const Case& it, Statistics& statistics, Planted* planted)
      : script_(it.script), drawn_(it.drawn), statistics_(statistics), planted_(planted) {
    take_leaves();
    fill_random<double>(script_.rows);
  }

  std::optional<Failure> run() {
    const char* stage = "record";
    try {
      recording_ = record(script_, planted_ != nullptr ? planted_->recording : RecordingFault::none);
      if (planted_ != nullptr && recording_.planted) planted_->there = true;
      if (script_.has(Kind::gradient) || script_.has(Kind::derivative) || script_.has(Kind::hessian_vector)) {
        if (auto failure = by_own_sweeps(stage = "derivatives")) return failure;
      }
      if (auto failure = on_the_tape(stage = "tape", false, 0)) return failure;
      if (auto failure = by_evaluate(stage = "evaluate")) return failure;
      if (auto failure = by_exact(stage = "exact")) return failure;
      if (auto failure = by_program(stage = "default", Configuration{})) return failure;
      if (auto failure = by_program(stage = "drawn", drawn_)) return failure;
      return on_the_tape(stage = "recompute", true, script_.recorded ? 0 : script_.samples - 1);
    } catch (const RecordingError& error) {
      // A branch may have chosen what all samples share.
      const std::string what = error.what();
      if (what.find("nothing to reduce") != std::string::npos || what.find("pair of samples") != std::string::npos) {
        ++statistics_.not_recorded;
        return {};
      }
      return Failure{stage, "threw: " + what};
    } catch (const std::exception& error) {
      return Failure{stage, std::string("threw: ") + error.what()};
    }
  }

 private:
  /// Puts into the last columns of rows that are a batch what a first step's random numbers are.
  template <class T>
  void fill_random(std::vector<double>& rows) const {
    const std::size_t columns = script_.columns(), count = script_.random_columns();
    for (std::size_t i = 0; count > 0 && i < rows.size() / columns; ++i) {
      for (std::size_t k = 0; k < count; ++k) {
        rows[(i + 1) * columns - count + k] = static_cast<double>(random_number<T>(0, 0, k, i));
      }
    }
  }

  /// Those by the columns that are bound.
  template <class Number>
  void leave_random_out(std::vector<Number>& by_inputs) const {
    const std::size_t columns = script_.columns(), bound = columns - script_.random_columns();
    if (bound == columns || by_inputs.empty()) return;
    std::vector<Number> left;
    for (std::size_t i = 0; i < by_inputs.size(); ++i) {
      if (i % columns < bound) left.push_back(by_inputs[i]);
    }
    by_inputs = std::move(left);
  }

  void take_leaves() {
    parameters_.clear(), uniform_inputs_.clear();
    for (const Statement& s : script_.statements) {
      if (s.kind == Kind::parameter) parameters_.push_back(s.later);
      if (s.kind == Kind::uniform_input) uniform_inputs_.push_back(s.later);
    }
  }

  /// Derivatives by sweeps over what they are derivatives of. From then on the script is what was recorded, op by op.
  std::optional<Failure> by_own_sweeps(const char* stage) {
    Comparison comparison(stage, {}, statistics_);
    const Script written = written_out(script_, recording_);
    compare_derivatives(written, recording_, [&](const std::string& name, const Bounded& is, const Bounded& swept) {
      ++statistics_.derivatives;
      comparison.agree(name, is, swept);
    });
    script_ = without_dead(written);
    fill_random<double>(script_.rows);
    recording_ = record(script_);
    take_leaves();
    return comparison.failure();
  }

  /// Eager numbers and backward(), as recorded or computed again for other data.
  std::optional<Failure> on_the_tape(const char* stage, bool again, std::size_t row) {
    const std::size_t columns = script_.columns();
    Data data{script_.rows, script_.samples, again};
    if (!script_.recorded) {
      const auto first = script_.rows.begin() + static_cast<std::ptrdiff_t>(row * columns);
      data.rows = again ? std::vector<double>(first, first + static_cast<std::ptrdiff_t>(columns)) : script_.eager;
      data.samples = 1;
    }
    const Arithmetic arithmetic;
    const Expected expected = expect(script_, data, recording_.decisions, arithmetic);
    Comparison comparison(stage, arithmetic, statistics_);
    if (again) {
      for (std::size_t i = 0; i < parameters_.size(); ++i) recording_.parameters[i].set_data(parameters_[i]);
      for (std::size_t i = 0; i < uniform_inputs_.size(); ++i) {
        recording_.uniform_inputs[i].set_data(uniform_inputs_[i]);
      }
      std::size_t column = 0;
      for (const std::vector<Value>& group : recording_.columns) {
        for (Value x : group) x.set_data(data.rows[column++]);
      }
      try {
        recompute(*recording_.tape);
      } catch (const GuardError&) {
        if (!expected.contradicted && !expected.doubtful) comparison.fail("refused, but the data agree");
        return comparison.failure();
      }
      if (expected.contradicted) comparison.fail("not refused, though the data contradict a branch");
    } else if (expected.contradicted) {
      comparison.fail("a branch was decided otherwise than its numbers say");
    }
    for (std::size_t i = 0; i < script_.statements.size(); ++i) {
      comparison.number("v" + std::to_string(i), recording_.values[i][0].data(), expected.values[i]);
    }
    recording_.tape->zero_grad();
    recording_.loss.backward();
    std::size_t p = 0;
    for (const Statement& s : script_.statements) {
      if (s.kind != Kind::parameter) continue;
      const Value v = recording_.parameters[p];
      if (!s.frozen) comparison.number("gradient " + std::to_string(p), v.grad(), expected.gradients[p]);
      ++p;
    }
    for (std::size_t i = 0; i < uniform_inputs_.size(); ++i) {
      comparison.number("gradient of uniform input " + std::to_string(i), recording_.uniform_inputs[i].grad(),
                        expected.uniform_gradients[i]);
    }
    std::size_t column = 0;
    for (const std::vector<Value>& group : recording_.columns) {
      for (Value x : group) {
        comparison.number("input gradient " + std::to_string(column), x.grad(), expected.input_gradients[column]);
        ++column;
      }
    }
    return comparison.failure();
  }

  /// As evaluate() takes them, Tape::training() among them.
  std::vector<double> all_uniform_inputs() const {
    std::vector<double> all;
    std::size_t next = 0;
    for (const UniformInputRecord& input : recording_.tape->uniform_inputs()) {
      all.push_back(input.training ? 1.0 : uniform_inputs_[next++]);
    }
    return all;
  }

  Batch batch(std::span<const double> uniform_inputs) const {
    return {.rows = script_.recorded ? std::span<const double>() : std::span<const double>(script_.rows),
            .samples = script_.recorded ? 1 : script_.samples,
            .uniform_inputs = uniform_inputs,
            .parameters = parameters_};
  }

  std::optional<Failure> by_evaluate(const char* stage) {
    reference_ = outcome_of([&](Outcome& o) {
      Evaluation e = evaluate(recording_.loss, batch(all_uniform_inputs()), recording_.outputs);
      o = {e.root, e.gradients, e.outputs, e.input_gradients, {}, {}};
    });
    const Arithmetic arithmetic;
    const Expected expected = expect(script_, {script_.rows, script_.samples, true}, recording_.decisions, arithmetic);
    Comparison comparison(stage, arithmetic, statistics_);
    comparison.outcome(reference_, expected, !script_.recorded);
    leave_random_out(reference_.input_gradients);
    return comparison.failure();
  }

  std::optional<Failure> by_exact(const char* stage) {
    Configuration configuration;
    configuration.options.exact = true;
    Comparison comparison(stage, {}, statistics_);
    comparison.same(by_executor<double>(configuration, false), reference_);
    return comparison.failure();
  }

  std::optional<Failure> by_program(const char* stage, const Configuration& c) {
    Data data{script_.rows, script_.samples, true};
    if (!c.rows.empty() && !script_.recorded) {
      const std::size_t columns = script_.columns();
      data.rows.clear();
      for (std::uint32_t row : c.rows) {
        for (std::size_t k = 0; k < columns; ++k) data.rows.push_back(script_.rows[row * columns + k]);
      }
      data.samples = c.rows.size();
    }
    c.in_float ? fill_random<float>(data.rows) : fill_random<double>(data.rows);
    Arithmetic arithmetic;
    arithmetic.in_float = c.in_float;
    arithmetic.reordered = !c.options.exact;
    arithmetic.idioms = c.options.idioms && !c.options.exact;
    arithmetic.zero_contributes_nothing = c.options.exact || recording_.has_where;
    const Outcome outcome = c.in_float ? by_executor<float>(c, true) : by_executor<double>(c, true);
    Expected expected = expect(script_, data, recording_.decisions, arithmetic);
    leave_random_out(expected.input_gradients);
    if (c.options.assume_finite && !expected.finite) return std::nullopt;
    Comparison comparison(stage, arithmetic, statistics_);
    comparison.outcome(outcome, expected, !script_.recorded, c.inference);
    const bool same_data = !c.in_float && (c.rows.empty() || script_.recorded);
    if (same_data && outcome.refused && reference_.refused && !expected.doubtful) {
      comparison.same_refusal(outcome, reference_);
    }
    return comparison.failure();
  }

  template <class T>
  Outcome by_executor(const Configuration& c, bool may_plant) {
    const ForcedIsa isa(c.isa);
    CompileOptions options = c.options;
    options.training = true;  // in inference, too
    Program program = [&] {
      const compiler::Ways ways = {c.by_level, c.one_sample};
      if (c.inference && !recording_.outputs.empty()) {
        return compiler::compile_inference_in_way(recording_.outputs, options, ways);
      }
      options.outputs = recording_.outputs;
      options.input_gradients = !script_.recorded;
      return compiler::compile_in_way(recording_.loss, options, ways);
    }();
    statistics_.guarded_samples += program.recorded_samples > 0 && !program.guards.empty() ? 1 : 0;
    for (const Instruction& i : program.instructions) ++statistics_.instructions[static_cast<std::size_t>(i.kind)];
    statistics_.windows += std::ranges::any_of(program.shapes, [](const Shape& s) { return s.windows.step > 0; });
    if (may_plant && planted_ != nullptr && planted_->program && planted_->program(program)) planted_->there = true;
    if (c.saved) program = through_file(program);
    statistics_.of_one_sample += c.one_sample && program.of_one_sample ? 1 : 0;
    const std::size_t bound = script_.recorded ? 1 : script_.samples;
    const std::size_t count = c.rows.empty() || script_.recorded ? bound : c.rows.size();
    const bool whole = program.has_gradients;
    const std::size_t most = c.one_sample && count == 1 ? 1 : std::max(bound, count) + c.spare;
    std::optional<runtime::HoldAlways> holds;
    if (c.one_sample) holds.emplace();
    if (most == 1 && program.of_one_sample) {
      statistics_.held += runtime::find_held_products(*program.of_one_sample).empty() ? 0 : 1;
    }
    std::optional<runtime::ByRowsAlways> by_rows;
    if (c.by_rows) by_rows.emplace();
    const bool rows_are_lanes = c.by_rows && count <= cost::most_few_samples && cost::may_have_rows_as_lanes(program);
    statistics_.by_rows += rows_are_lanes ? 1 : 0;
    Executor<T> executor(std::move(program), {.max_samples = most, .threads = c.threads});
    if (!script_.recorded && script_.columns() > script_.random_columns()) bind(executor, c.by_group);
    std::vector<T> parameters(parameters_.begin(), parameters_.end());
    executor.set_parameters(parameters);
    for (std::size_t i = 0; i < uniform_inputs_.size(); ++i) {
      executor.set_uniform_input(recording_.uniform_inputs[i].label(), uniform_inputs_[i]);
    }
    const bool reads_rows = executor.program().input_count > 0 && executor.program().recorded_samples == 0;
    if (c.before > 0 && reads_rows) outcome_of([&](auto&) { executor.step(0, std::min({c.before, bound, most})); });
    executor.seed_random(0);
    return outcome_of([&](Outcome& o) {
      if (c.rows.empty() || script_.recorded || script_.columns() == 0) {
        o.loss = {static_cast<double>(script_.recorded ? executor.step() : executor.step(0, bound))};
      } else {
        o.loss = {static_cast<double>(executor.step(c.rows))};
      }
      if (!recording_.outputs.empty()) o.outputs = doubles<T>(executor.outputs());
      if (!whole) return;
      o.gradients = c.descends ? descended(executor) : doubles<T>(executor.gradients());
      if (!script_.recorded) o.input_gradients = doubles<T>(executor.input_gradients());
    });
  }

  template <class T>
  static std::vector<double> descended(Executor<T>& executor) {
    std::ranges::fill(executor.parameters(), T(0));
    executor.descend(T(1));
    std::vector<double> gradients = doubles<T>(std::as_const(executor).parameters());
    for (double& gradient : gradients) gradient = -gradient;
    return gradients;
  }

  template <class T>
  void bind(Executor<T>& executor, bool by_group) {
    if (!by_group) return executor.bind(std::span<const double>(script_.rows), script_.columns());
    const std::span<const double> all(script_.rows);
    std::size_t column = 0;
    for (std::size_t g = 0; g < script_.groups.size() - (script_.random_group ? 1 : 0); ++g) {
      executor.bind("g" + std::to_string(g), all.subspan(column, all.size() - script_.columns() + script_.groups[g]),
                    script_.columns());
      column += script_.groups[g];
    }
  }

  Script script_;  // derivatives are written out, op by op, once they have been compared
  const Configuration& drawn_;
  Statistics& statistics_;
  Planted* planted_;
  Recording recording_;
  Outcome reference_;  // by evaluate
  std::vector<double> parameters_, uniform_inputs_;
};

}  // namespace

std::optional<Failure> check(const Case& it, Statistics& statistics, Planted* planted) {
  ++statistics.programs;
  return Checker(it, statistics, planted).run();
}

std::string describe(const Configuration& c) {
  std::string result = c.in_float ? "Executor<float>" : "Executor<double>";
  const CompileOptions& o = c.options;
  const std::pair<bool, const char*> off[] = {
      {o.fold_samples, "fold_samples"},
      {o.roll, "roll"},
      {o.fold_constants, "fold_constants"},
      {o.common_subexpressions, "common_subexpressions"},
      {o.simplify, "simplify"},
      {o.idioms, "idioms"},
      {o.fuse, "fuse"},
      {o.reuse_slots, "reuse_slots"},
  };
  for (const auto& [on, name] : off) {
    if (!on) result += std::string(", .") + name + " = false";
  }
  if (o.exact) result += ", .exact = true";
  if (o.assume_finite) result += ", .assume_finite = true";
  if (!c.isa.empty()) result += ", TAPELOOM_ISA=" + c.isa;
  if (c.threads != 1) result += ", .threads = " + std::to_string(c.threads);
  if (c.spare > 0) result += ", .max_samples of " + std::to_string(c.spare) + " more";
  if (c.before > 0) result += ", after a step of " + std::to_string(c.before);
  if (c.saved) result += ", saved and loaded";
  if (c.by_group) result += ", bound by group";
  if (c.inference) result += ", compile_inference";
  if (c.by_level) result += ", by level";
  if (c.one_sample) result += ", one sample";
  if (c.descends) result += ", descending";
  if (c.by_rows) result += ", by rows";
  if (!c.rows.empty()) {
    result += ", rows";
    for (std::uint32_t row : c.rows) result += " " + std::to_string(row);
  }
  return result;
}

}  // namespace tapeloom::test::fuzz
