#include "tapeloom/compiler/source.h"

#include <unordered_set>
#include <utility>

#include "tapeloom/core/base/error.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// The assignments that a training program of what is requested has.
std::vector<Assignment> find_assignments(const Request& request) {
  const Tape& tape = request.tape();
  std::vector<Assignment> found;
  std::unordered_set<std::uint32_t> parameters;  // that are assigned
  for (const Assignment& assignment : tape.assignments()) {
    if (!request.live(assignment.used)) continue;
    const NodeId node = assignment.parameter;
    if (!tape.parameters()[tape.leaf_index(node)].frozen) {
      throw CompileError(tape.describe(node) +
                         " is kept from step to step by an assignment, and trained, too; freeze it by "
                         "Tape::set_frozen, or leave the assignment out");
    }
    if (!parameters.insert(node.index).second) {
      throw CompileError(tape.describe(node) +
                         " is assigned twice in this program: what keeps statistics from step to step, as BatchNorm "
                         "does, can be used once in a loss; make one for each place");
    }
    found.push_back(assignment);
  }
  return found;
}

}  // namespace

GuardNumbers Source::guards() const {
  if (folded) return folded->guards;
  GuardNumbers numbers;
  for (const std::size_t guard : recorded.guards()) numbers.add(static_cast<std::uint32_t>(guard));
  return numbers;
}

Source find_source(const Value* loss, std::span<const Value> outputs, const CompileOptions& options) {
  Request recorded = resolve(loss, outputs, options.branches_from);
  const bool training = options.training.value_or(loss != nullptr && options.gradients);
  Source source{std::move(recorded), {}, training, std::nullopt, std::nullopt};
  if (training && loss != nullptr && options.gradients) {
    const Request& request = source.recorded;
    std::vector<NodeId> wanted(request.outputs().begin(), request.outputs().end());
    for (const Assignment& assignment : find_assignments(request)) {
      source.assigned.push_back(ParameterId(request.tape().leaf_index(assignment.parameter)));
      wanted.push_back(assignment.next);
    }
    if (!source.assigned.empty()) {
      std::vector<std::size_t> guards(request.guards().begin(), request.guards().end());
      source.recorded = Request(request.tape(), request.loss(), std::move(wanted), std::move(guards));
    }
  }
  if (!options.exact && options.roll && options.fold_samples) source.folded = fold_samples(source.recorded);
  source.rewritten = rewrite(source.request(), {training, !options.exact && options.assume_finite});
  return source;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
