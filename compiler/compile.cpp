// The door: resolves the request, folds samples, runs the passes in order and has the graph emitted.
#include "tapeloom/compiler/compile.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "tapeloom/compiler/describe.h"
#include "tapeloom/compiler/emit/emit.h"
#include "tapeloom/compiler/emit/instruction_writer.h"
#include "tapeloom/compiler/passes/passes.h"
#include "tapeloom/compiler/roll/choices.h"
#include "tapeloom/compiler/roll/roll.h"
#include "tapeloom/compiler/source.h"
#include "tapeloom/compiler/ways.h"
#include "tapeloom/core/base/check.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/program/cost.h"
#include "tapeloom/core/program/print.h"
#include "tapeloom/core/program/program_check.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace compiler {
namespace {

/// Longer programs are not printed with a fault.
constexpr std::size_t most_instructions_shown = 1000;

/// What has fewer recorded nodes for each block that was rolled is not compiled for one sample, too: most of the time
/// goes into recorded nodes, so that the second graph takes little of it.
constexpr std::size_t least_nodes_a_block = 8;
/// And steps of one sample are computed so where the estimate is at most that part of the other's: of 72 programs in
/// float and in double, those at or below it took 0.20 to 0.95 of the time, and those above it 0.75 and more.
constexpr double better_for_one_sample = 0.95;

/// Refuses options that would have no effect.
void check_options(const Value* loss, const CompileOptions& options) {
  if (!options.input_gradients) return;
  if (loss == nullptr) {
    throw CompileError(
        "compile_inference has no loss, so CompileOptions::input_gradients asks for derivatives of nothing; for those "
        "of an output, compile it as the loss, as in compile(batch_sum(output), {.input_gradients = true})");
  }
  if (!options.gradients) {
    throw CompileError(
        "CompileOptions::input_gradients asks for derivatives of the loss, which CompileOptions::gradients = false "
        "leaves undifferentiated; ask for both or neither");
  }
}

/// Whether a choice is made sample by sample, so that the branch not taken gets adjoints of zero.
bool has_where(const Graph& graph) {
  return any_block(graph, [&](BlockId id) { return graph.is_op(graph.all(id), Op::where); });
}

/// How many inputs are not random, which stand before those that are.
std::uint32_t bound_inputs(const Tape& tape) {
  std::uint32_t count = 0;
  for (const InputGroup& group : tape.input_groups()) count += group.random ? 0 : group.count;
  return count;
}

/// Runs the passes in order; reads as the table of contents of compiler/.
class Pipeline {
 public:
  /// The inputs of `folded` samples are constants of what was recorded, and have no gradients.
  /// With `always_one_sample`, run_of_one_sample() has a graph however long that takes.
  Pipeline(const Source& source, const CompileOptions& options, bool reports, bool always_one_sample)
      : request_(source.request()),
        options_(options),
        folded_(source.folded.has_value()),
        differentiated_inputs_(options.input_gradients && !source.folded ? bound_inputs(request_.tape()) : 0),
        ungrouped_(source.guards()),
        recorded_guards_(source.recorded.tape().guards()),
        reports_(reports),
        always_one_sample_(always_one_sample) {
    const Tape& tape = request_.tape();
    leaves_ = {tape.parameters().size(), tape.input_nodes().size(), tape.uniform_inputs().size()};
  }

  struct Kept {
    Graph graph;
    bool by_level;
    bool is_mean;  ///< see is_mean_over_samples
  };

  bool rolls() const { return options_.roll && !options_.exact; }
  /// The passes after rolling. `name` is that of what the graph comes from.
  Graph run(Graph rolled, const char* name, bool by_level) {
    begin(std::move(rolled), name);
    pass("add_parameters_first", rolls() && options_.simplify, add_parameters_first);
    if (rolls()) keep(graph_, by_level);
    return run_rest(by_level);
  }

  /// What was rolled last, for steps of one sample, if it is little beside what was recorded. After it guards() are
  /// this graph's.
  std::optional<Kept> run_of_one_sample() {
    if (!kept_) return std::nullopt;
    Kept kept = std::move(*kept_);
    kept_.reset();
    begin(std::move(kept.graph), "of_one_sample");
    kept.graph = run_rest(kept.by_level);
    return kept;
  }

  /// See Program::repeats_for_nan.
  bool repeats_for_nan() const { return repeats_for_nan_; }
  /// Which of the recording's guards those of the last graph stand for.
  const GuardNumbers& guards() const { return guards_; }
  const std::string& report() const { return report_; }

 private:
  void keep(const Graph& rolled, bool by_level) {
    const bool has_rows = !folded_ && !request_.tape().input_nodes().empty();
    const bool takes_little = rolled.size() * least_nodes_a_block <= request_.live_nodes().all;
    if (!has_rows || !(takes_little || always_one_sample_)) return;
    kept_.emplace(Kept{of_one_sample(rolled), by_level, is_mean_over_samples(rolled)});
  }

  void begin(Graph graph, const char* name) {
    report_.clear(), shown_.clear();
    graph_ = std::move(graph);
    guards_ = ungrouped_;
    finished(name);
  }

  Graph run_rest(bool by_level) {
    const CompileOptions& options = options_;
    const bool may_round = !options.exact, differentiates = request_.loss() && options.gradients;
    // clang-format off
    bool before = differentiates;
    const auto simplified = [&](Graph graph) { return simplify(graph, before); };
    const auto clean_up = [&] {
      pass("fold_constants",              options.fold_constants,                     fold_constants);
      pass("simplify",                    options.simplify && may_round,              simplified);
      pass("merge_common_subexpressions", options.common_subexpressions && may_round, merge_common_subexpressions);
    };
    // clang-format on
    // Before a choice by a constant goes: what is not chosen may be a row of a block that stays.
    const bool chooses = has_where(graph_);
    clean_up();
    pass("recognise_idioms", options.idioms && may_round, recognise_idioms);
    bool any_missing = false;
    pass("find_matrix_products", options.simplify && may_round,
         [&](Graph graph) { return find_matrix_products(std::move(graph), any_missing); });
    if (differentiates) {
      pass("differentiate", true, [&](Graph graph) {
        return differentiate(std::move(graph), differentiation(chooses || options.exact, by_level));
      });
      repeats_for_nan_ = (chooses || any_missing || has_gaps(graph_)) && may_round;
      before = false;
      clean_up();
    }
    pass("move_factors", options.simplify && may_round, move_factors);
    pass("merge_products", options.simplify && may_round, merge_products);
    pass("find_dots", options.simplify && may_round, find_dots);
    pass("flatten_sums", options.simplify && may_round, flatten_sums);
    pass("sum_in_place", options.simplify && may_round, sum_in_place);
    pass("remove_dead", true, remove_dead);
    pass("group_guards", !graph_.roots.guards.empty(),
         [&](Graph graph) { return group_guards(std::move(graph), guards_, recorded_guards_); });
    pass("fuse", options.fuse && may_round, fuse);
    pass("contract_products", options.fuse && may_round, contract_products);
    pass("slide_windows", options.fuse && may_round && has_places(graph_), slide_windows);
    return std::move(graph_);
  }

  template <class F>
  void pass(const char* name, bool enabled, F&& transform) {
    if (!enabled) return;
    graph_ = transform(std::move(graph_));
    finished(name);
  }

  void finished(const char* name) {
    if (options_.verify) verify(graph_, leaves_, name);
    if (!reports_) return;
    std::string text = to_string(graph_);
    report_ += "== " + std::string(name) + "\n" + (text == shown_ ? "unchanged\n" : text) + "\n";
    shown_ = std::move(text);
  }

  DifferentiateOptions differentiation(bool skip_zeros, bool lists) {
    frozen_.clear();
    for (const ParameterRecord& parameter : request_.tape().parameters()) frozen_.push_back(parameter.frozen);
    return {frozen_, differentiated_inputs_, skip_zeros, lists};
  }

  const Request& request_;
  const CompileOptions& options_;
  bool folded_;
  std::uint32_t differentiated_inputs_;
  std::optional<Kept> kept_;  ///< see run_of_one_sample
  GuardNumbers ungrouped_;    ///< which of the recording's guards those of the request are
  GuardNumbers guards_;       ///< and those of the last graph
  std::span<const Guard> recorded_guards_;
  bool reports_;
  bool always_one_sample_;
  std::string report_;  ///< the text of every graph so far
  std::string shown_;   ///< the graph before
  LeafCounts leaves_;
  Graph graph_;
  std::vector<std::uint8_t> frozen_;
  bool repeats_for_nan_ = false;
};

/// Checks what was made of the last graph: a program that would read or write where nothing is aborts.
void verify(const Program& program) {
  const std::string fault = find_fault(program);
  if (fault.empty()) return;
  std::fprintf(stderr, "tapeloom: the compiled program cannot be run: %s\n", fault.c_str());
  if (program.instructions.size() <= most_instructions_shown)
    std::fputs(to_string(program).c_str(), stderr);  // which may fail, too
  std::abort();
}

/// The program of a graph.
Program make(const Source& source, const CompileOptions& options, const Pipeline& pipeline, const Graph& graph,
             bool by_level) {
  Program program;
  describe(source, options, graph, pipeline.guards(), program);
  program.repeats_for_nan = pipeline.repeats_for_nan();
  Schedule order = schedule(graph);
  if (!options.exact) put_alike_together(graph, order);
  emit(graph, std::move(order), {.reuse_slots = options.reuse_slots, .parts_by_cost = by_level}, program);
  separate_assignments(source, program);
  return program;
}

struct Made {
  Program program;
  std::string report;  ///< the graph after each pass
};

/// Makes what a step of one sample is computed by, if that takes less time than by the program, or `always`.
void add_one_sample(const Source& source, const CompileOptions& options, Pipeline& pipeline, bool always,
                    Program& program) {
  const std::optional<Pipeline::Kept> rolled = pipeline.run_of_one_sample();
  if (!rolled) return;
  Program one = make(source, options, pipeline, rolled->graph, rolled->by_level);
  one.one_row = true;
  one.is_mean_over_samples = rolled->is_mean && one.assignments.empty() && one.random_count == 0;
  one.input_groups = program.input_groups;  // those that the program uses, also where one sample does not need them
  const double least = better_for_one_sample * cost::seconds_of_one_sample(program, sizeof(double));
  if (!always && cost::seconds_of_one_sample(one, sizeof(double)) > least) return;
  if (options.verify) verify(one);
  program.of_one_sample = std::make_shared<const Program>(std::move(one));
}

/// Seconds that a step takes for the values alone, if nothing of the graph is simplified.
double seconds_of_values(const Source& source, const Graph& rolled, bool by_level) {
  Program program;
  describe(source, {.gradients = false}, rolled, {}, program);  // the guards' texts take no time in a step
  emit(rolled, schedule(rolled), {.reuse_slots = false, .parts_by_cost = by_level}, program);
  return cost::seconds_a_step(program);
}

/// The program by history or by level, whichever is estimated to be faster, unless `ways` say it.
Made choose(const Value* loss, std::span<const Value> outputs, const CompileOptions& options, bool reports,
            const Ways& ways) {
  check_options(loss, options);
  const Source source = find_source(loss, outputs, options);
  Pipeline pipeline(source, options, reports, ways.one_sample);
  const auto made = [&](Graph rolled, const char* name, bool by_level) {
    const Graph graph = pipeline.run(std::move(rolled), name, by_level);
    return Made{make(source, options, pipeline, graph, by_level), pipeline.report()};
  };
  const auto by_history = [&](Graph rolled) { return made(std::move(rolled), "roll", false); };
  const auto by_level = [&](Graph rolled) { return made(std::move(rolled), "roll", true); };
  const auto of_rolled = [&] {
    if (!pipeline.rolls()) return made(import(source.request()), "import", false);
    auto [levels, history, shares] = roll(source.request(), ways.by_level);
    if (levels && history) {  // all the passes twice are to be spared, and memory
      const double share = seconds_of_values(source, *levels, true) / seconds_of_values(source, *history, false);
      if (share <= shares.sure) history.reset();
      if (share >= shares.sure_by_history) levels.reset();
    }
    if (!levels) return by_history(std::move(*history));
    Made of_levels = by_level(std::move(*levels));
    if (!history) return of_levels;
    Made of_history = by_history(std::move(*history));
    const double least = shares.better * cost::seconds_a_step(of_history.program);
    return std::move(cost::seconds_a_step(of_levels.program) <= least ? of_levels : of_history);
  };
  Made result = of_rolled();
  add_one_sample(source, options, pipeline, ways.one_sample, result.program);
  return result;
}

Program build(const Value* loss, std::span<const Value> outputs, const CompileOptions& options, const Ways& ways = {}) {
  Program program = choose(loss, outputs, options, false, ways).program;
  // Lists have bits of their own beside the slots.
  const bool listed = !program.indices.empty();
  if (listed && std::max(program.uniform_slots, program.tile_slots) > Program::empty_list) throw_too_large();
  if (options.verify) verify(program);
  return program;
}

}  // namespace
}  // namespace compiler

bool detail::verifies_by_default() { return development_checks(); }

Program compiler::compile_in_way(Value loss, const CompileOptions& options, const Ways& ways) {
  return build(&loss, options.outputs, options, ways);
}
Program compiler::compile_inference_in_way(std::span<const Value> outputs, const CompileOptions& options,
                                           const Ways& ways) {
  return build(nullptr, outputs, options, ways);
}

Program compile(Value loss, const CompileOptions& options) { return compiler::build(&loss, options.outputs, options); }

Program compile_inference(ValueSpan outputs, CompileOptions options) {
  if (!options.outputs.empty()) throw CompileError("compile_inference takes its outputs as an argument, not an option");
  return compiler::build(nullptr, outputs, options);
}

std::string explain_passes(Value loss, const CompileOptions& options) {
  return compiler::choose(&loss, options.outputs, options, true, {}).report;
}

}  // namespace tapeloom::inline TAPELOOM_ABI
