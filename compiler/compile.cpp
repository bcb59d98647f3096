#include "tapeloom/compiler/compile.h"

#include <algorithm>
#include <optional>

#include "tapeloom/compiler/emit/emit.h"
#include "tapeloom/compiler/fold/fold_samples.h"
#include "tapeloom/compiler/graph/verify.h"
#include "tapeloom/compiler/passes/passes.h"
#include "tapeloom/compiler/request/guards.h"
#include "tapeloom/compiler/roll/import.h"
#include "tapeloom/compiler/roll/roll.h"
#include "tapeloom/core/base/check.h"
#include "tapeloom/core/base/error.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace compiler {
namespace {

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

/// What to compile, as nodes of one tape.
struct Request {
  const Tape* tape = nullptr;
  std::optional<NodeId> loss;
  std::vector<NodeId> outputs;
  std::vector<std::size_t> guards;  ///< of the tape, in recorded order
  CompileOptions options;

  const NodeId* loss_node() const { return loss ? &*loss : nullptr; }
  std::vector<NodeId> conditions() const {
    std::vector<NodeId> nodes;
    for (std::size_t g : guards) nodes.push_back(tape->guards()[g].condition);
    return nodes;
  }
};

/// Whether a choice is made sample by sample, so that the branch not taken gets adjoints of zero.
bool has_where(const Graph& graph) {
  for (std::size_t i = 0; i < graph.size(); ++i) {
    if (graph.is_op(graph.all(BlockId(i)), Op::where)) return true;
  }
  return false;
}

/// Runs the passes in order; reads as the table of contents of compiler/.
class Pipeline {
 public:
  Pipeline(const Request& request, std::string* report) : request_(request), report_(report) {
    const Tape& tape = *request.tape;
    leaves_ = {tape.parameters().size(), tape.input_nodes().size(), tape.uniform_inputs().size()};
  }

  Graph run() {
    const CompileOptions& options = request_.options;
    const bool may_round = !options.exact;
    if (options.roll && may_round) {
      Rolled rolled = roll(*request_.tape, request_.loss_node(), request_.outputs, request_.conditions());
      graph_ = std::move(rolled.graph);
      live_nodes_ = rolled.live;
      finished("roll");
    } else {
      graph_ = import(*request_.tape, request_.loss_node(), request_.outputs, request_.conditions(), live_nodes_);
      finished("import");
    }
    // clang-format off
    bool before = request_.loss && options.gradients;  // differentiation
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
    if (request_.loss && options.gradients) {
      pass("differentiate", true,
           [&](Graph graph) { return differentiate(std::move(graph), differentiation(chooses || options.exact)); });
      repeats_for_nan_ = chooses && may_round;
      before = false;
      clean_up();
    }
    pass("remove_dead", true, remove_dead);
    pass("fuse", options.fuse && may_round, fuse);
    return std::move(graph_);
  }

  LiveNodes live_nodes() const { return live_nodes_; }
  /// See Program::repeats_for_nan.
  bool repeats_for_nan() const { return repeats_for_nan_; }

 private:
  template <class F>
  void pass(const char* name, bool enabled, F&& transform) {
    if (!enabled) return;
    graph_ = transform(std::move(graph_));
    finished(name);
  }

  void finished(const char* name) {
    if (request_.options.verify) verify(graph_, leaves_, name);
    if (report_ == nullptr) return;
    std::string text = to_string(graph_);
    *report_ += "== " + std::string(name) + "\n" + (text == shown_ ? "unchanged\n" : text) + "\n";
    shown_ = std::move(text);
  }

  DifferentiateOptions differentiation(bool skip_zeros) {
    frozen_.clear();
    for (const ParameterRecord& parameter : request_.tape->parameters()) frozen_.push_back(parameter.frozen);
    return {frozen_, leaves_.inputs, request_.options.input_gradients, skip_zeros};
  }

  const Request& request_;
  std::string* report_;
  std::string shown_;  ///< the graph before
  LeafCounts leaves_;
  Graph graph_;
  LiveNodes live_nodes_;
  std::vector<std::uint8_t> frozen_;
  bool repeats_for_nan_ = false;
};

Request make_request(const Value* loss, std::span<const Value> outputs, const CompileOptions& options) {
  check_options(loss, options);
  Request request;
  request.options = options;
  Tape* tape = nullptr;
  if (loss != nullptr) {
    request.loss = loss->id();
    tape = loss->tape();
    if (tape->varying(*request.loss)) {
      throw CompileError("the loss " + tape->describe(*request.loss) +
                         " differs from sample to sample; reduce it first, as in batch_mean(loss) or batch_sum(loss)");
    }
  }
  for (const Value& output : outputs) {
    if (tape == nullptr) tape = output.tape();
    if (tape != nullptr && output.tape() == tape) request.outputs.push_back(output.id());
  }
  if (tape == nullptr) {
    throw CompileError("there is nothing to compile: no loss, and no output that is recorded on a tape");
  }
  request.outputs.clear();
  for (const Value& output : outputs) request.outputs.push_back(output.on(*tape).id());
  request.tape = tape;
  request.guards = held_guards(*tape, options.branches_from);
  return request;
}

/// The request for one sample, if the recording is a loop over samples and may be rolled.
std::optional<FoldedSamples> fold(const Request& request) {
  const CompileOptions& options = request.options;
  if (!options.roll || !options.fold_samples || options.exact || !request.loss) return std::nullopt;
  // Inputs can be bound even where nothing uses them, so they decide how many samples there are.
  if (!request.tape->input_nodes().empty()) return std::nullopt;
  if (!request.guards.empty()) return std::nullopt;
  return fold_samples(*request.tape, *request.loss, request.outputs);
}

Request request_for_one_sample(const Request& request, const FoldedSamples& folded) {
  Request one{folded.tape.get(), folded.loss, {}, {}, request.options};
  one.options.input_gradients = false;  // the inputs are constants of the recording
  for (const FoldedSamples::Output& output : folded.outputs) one.outputs.push_back(output.node);
  return one;
}

void describe_parameters(const Tape& tape, Program& program) {
  for (const ParameterRecord& parameter : tape.parameters()) {
    program.parameters.push_back(
        {tape.label(parameter.node), tape.data(parameter.node), parameter.frozen, parameter.node});
    const auto index = static_cast<std::uint32_t>(program.parameters.size() - 1);
    if (parameter.frozen) continue;
    if (program.trained.empty() || program.trained.back().end != index) program.trained.push_back({index, index});
    ++program.trained.back().end;
  }
}

void describe_inputs(const Request& request, const Graph& graph, Program& program) {
  const Tape& tape = *request.tape;
  std::vector<bool> used(tape.input_nodes().size(), false);
  for (std::size_t i = 0; i < graph.size(); ++i) {
    const Block block = graph[BlockId(i)];
    if (block.kind == BlockKind::input) std::fill_n(used.begin() + block.payload, block.rows, true);
  }
  for (const InputGroup& group : tape.input_groups()) {
    bool any = false;
    for (std::uint32_t i = 0; i < group.count; ++i) any = any || used[group.first.index + i];
    program.input_groups.push_back({group.name, group.first, group.count, any});
  }
  program.input_count = static_cast<std::uint32_t>(tape.input_nodes().size());
  for (const UniformInputRecord& input : tape.uniform_inputs()) {
    program.uniform_inputs.push_back({input.name, tape.data(input.node)});
  }
  for (std::size_t g : request.guards) {
    program.guards.push_back({tape.describe_guard(g), static_cast<std::uint32_t>(g), tape.guards()[g].expected});
  }
}

Program build(const Request& recorded) {
  const std::optional<FoldedSamples> folded = fold(recorded);
  const Request request = folded ? request_for_one_sample(recorded, *folded) : recorded;
  Pipeline pipeline(request, nullptr);
  const Graph graph = pipeline.run();
  Program program;
  describe_parameters(*recorded.tape, program);
  describe_inputs(request, graph, program);
  for (std::size_t i = 0; i < recorded.outputs.size(); ++i) {
    const std::uint32_t sample = folded ? folded->outputs[i].sample : 0;
    program.outputs.push_back({recorded.tape->label(recorded.outputs[i]), false, Program::no_slot, sample});
  }
  if (folded) {
    program.recorded_samples = folded->samples;
    program.recorded_rows = folded->rows;
  }
  program.recording = recorded.tape->recording();
  program.exact = request.options.exact;
  program.has_gradients = request.loss && request.options.gradients;
  program.repeats_for_nan = pipeline.repeats_for_nan();
  program.has_input_gradients = program.has_gradients && recorded.options.input_gradients;
  program.recorded_nodes = recorded.tape->size();
  program.live_nodes = pipeline.live_nodes().all;
  program.leaf_nodes = pipeline.live_nodes().leaves;
  emit(graph, schedule(graph), request.options.reuse_slots, program);
  // Lists have bits of their own beside the slots.
  const bool listed = !program.indices.empty();
  if (listed && std::max(program.uniform_slots, program.tile_slots) > Program::empty_list) throw_too_large();
  if (request.options.verify) verify(program);
  return program;
}

}  // namespace
}  // namespace compiler

bool detail::verifies_by_default() { return development_checks(); }

Program compile(Value loss, const CompileOptions& options) {
  return compiler::build(compiler::make_request(&loss, options.outputs, options));
}

Program compile_inference(std::span<const Value> outputs, CompileOptions options) {
  if (!options.outputs.empty()) throw CompileError("compile_inference takes its outputs as an argument, not an option");
  return compiler::build(compiler::make_request(nullptr, outputs, options));
}

std::string explain_passes(Value loss, const CompileOptions& options) {
  const compiler::Request recorded = compiler::make_request(&loss, options.outputs, options);
  const std::optional<compiler::FoldedSamples> folded = compiler::fold(recorded);
  const compiler::Request request = folded ? compiler::request_for_one_sample(recorded, *folded) : recorded;
  std::string report;
  compiler::Pipeline(request, &report).run();
  return report;
}

}  // namespace tapeloom::inline TAPELOOM_ABI
