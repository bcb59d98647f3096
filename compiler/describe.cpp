#include "tapeloom/compiler/describe.h"

#include <algorithm>
#include <vector>

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

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

/// Of the request's tape, where random inputs come last.
void describe_inputs(const Request& request, const Graph& graph, Program& program) {
  const Tape& tape = request.tape();
  std::vector<bool> used(tape.input_nodes().size(), false);
  for (std::size_t i = 0; i < graph.size(); ++i) {
    const BlockKind kind = graph.kind(BlockId(i));
    if (kind != BlockKind::input && kind != BlockKind::row) continue;
    const Block block = graph[BlockId(i)];
    std::fill_n(used.begin() + block.payload, block.rows, true);
  }
  for (const InputGroup& group : tape.input_groups()) {
    if (group.random) {
      program.random_count += group.count;
      continue;
    }
    bool any = false;
    for (std::uint32_t i = 0; i < group.count; ++i) any = any || used[group.first.index + i];
    program.input_groups.push_back({group.name, group.first, group.count, any});
    program.input_count += group.count;
  }
  for (const UniformInputRecord& input : tape.uniform_inputs()) {
    program.uniform_inputs.push_back({input.name, tape.data(input.node)});
  }
}

/// `tape` is the one that was recorded.
void describe_guards(const Tape& tape, const GuardNumbers& guards, Program& program) {
  program.guards.reserve(guards.all().size());
  for (const std::uint32_t guard : guards.all()) {
    program.guards.push_back({tape.describe_guard(guard), guard, tape.guards()[guard].expected});
  }
}

}  // namespace

void describe(const Source& source, const CompileOptions& options, const Graph& graph, const GuardNumbers& guards,
              Program& program) {
  const Request &recorded = source.recorded, &request = source.request();
  const std::optional<FoldedSamples>& folded = source.folded;
  describe_parameters(recorded.tape(), program);
  describe_inputs(request, graph, program);
  describe_guards(recorded.tape(), guards, program);
  for (std::size_t i = 0; i < recorded.outputs().size(); ++i) {
    const std::uint32_t sample = folded ? folded->samples_of_outputs[i] : 0;
    program.outputs.push_back({recorded.tape().label(recorded.outputs()[i]), false, Program::no_slot, sample});
  }
  if (folded) {
    program.recorded_samples = folded->samples;
    program.recorded_rows = folded->rows;
  }
  program.recording = recorded.tape().recording();
  const Tape::Mark now = recorded.tape().mark();
  program.tape = now.tape;
  program.generation = now.generation;
  program.exact = options.exact;
  program.is_of_training = source.training && depends_on_training(recorded);
  program.has_gradients = request.loss() && options.gradients;
  program.has_input_gradients = program.has_gradients && options.input_gradients;
  program.recorded_nodes = recorded.tape().size();
  program.live_nodes = request.live_nodes().all;
  program.leaf_nodes = request.live_nodes().leaves;
}

void separate_assignments(const Source& source, Program& program) {
  const std::size_t outputs = program.outputs.size() - source.assigned.size();
  for (std::size_t i = 0; i < source.assigned.size(); ++i) {
    program.assignments.push_back({source.assigned[i], program.outputs[outputs + i].slot});
  }
  program.outputs.resize(outputs);
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
