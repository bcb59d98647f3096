// Checks what stands around a program's instructions.
#include <set>

#include "tapeloom/core/program/program_fault.h"

namespace tapeloom::inline TAPELOOM_ABI::program_check {

namespace {

void check_leaves(const Program& p) {
  Wide inputs = 0;
  for (const ProgramInputGroup& group : p.input_groups) {
    require(group.count > 0 && group.first.index == inputs, "input groups that are not side by side");
    inputs += group.count;
  }
  require(inputs == p.input_count, "another number of inputs than its groups have");
  require(inputs + p.random_count <= UINT32_MAX, "too many random numbers");
  const Wide first_computed =
      Wide{p.parameters.size()} + p.constants.size() + p.uniform_inputs.size() + 1 + p.total_count;
  require(first_computed <= p.uniform_slots, "fewer uniform slots than leaves");
  std::uint32_t trained = 0;
  for (const Range range : p.trained) {
    require(range.begin >= trained && range.begin < range.end && range.end <= p.parameters.size(),
            "a wrong range of trained parameters");
    trained = range.end;
  }
}

void check_recorded_samples(const Program& p) {
  if (p.recorded_samples == 0) return require(p.recorded_rows.empty(), "rows of no recorded samples");
  require(p.recorded_rows.size() == Wide{p.recorded_samples} * p.input_count,
          "another number of recorded rows than of recorded samples");
  require(p.recorded_samples <= p.recorded_nodes, "more recorded samples than nodes");
}

void check_results(const Program& p) {
  require(!p.exact || !p.repeats_for_nan, "an exact program whose steps are repeated");  // its kernels skip nothing
  require(p.loss_slot == Program::no_slot || p.loss_slot < p.uniform_slots, "a loss outside the slots");
  for (const ProgramOutput& output : p.outputs) {
    require(output.varying || output.slot < p.uniform_slots, "an output outside the slots");
  }
  Wide gradients = 0;  // of a parameter at most one, so that looking at all of them takes no longer than at parameters
  for (const GradientPiece& piece : p.gradients) {
    gradients += piece.count;
    require(Wide{piece.first.index} + piece.count <= p.parameters.size(), "gradients of no parameters");
    require(Wide{piece.slot} + piece.count <= p.uniform_slots, "gradients outside the slots");
  }
  require(gradients <= p.parameters.size(), "several gradients of a parameter");
  std::set<std::uint32_t> assigned;
  for (const auto& [parameter, slot] : p.assignments) {
    require(parameter.index < p.parameters.size() && p.parameters[parameter.index].frozen && p.has_gradients,
            "an assignment to no frozen parameter");
    require(assigned.insert(parameter.index).second, "two assignments to a parameter");
    require(slot < p.uniform_slots, "an assignment from outside the slots");
  }
}

}  // namespace

void check_ends(const Program& program) {
  check_leaves(program);
  check_recorded_samples(program);
  check_results(program);
}

}  // namespace tapeloom::inline TAPELOOM_ABI::program_check
