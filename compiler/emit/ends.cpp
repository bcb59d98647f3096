#include "tapeloom/compiler/emit/ends.h"

#include <bit>
#include <unordered_map>

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

void place_constants(const Graph& graph, LargeVector<std::uint32_t>& slot, Program& program) {
  std::unordered_map<std::uint64_t, std::uint32_t> known;
  for (std::size_t i = 0; i < graph.size(); ++i) {
    if (graph.kind(BlockId(i)) != BlockKind::constant) continue;
    const auto numbers = graph.numbers(BlockId(i));
    const std::uint32_t next = static_cast<std::uint32_t>(program.constants.size());
    std::uint32_t at = next;
    if (numbers.size() == 1) at = known.try_emplace(std::bit_cast<std::uint64_t>(numbers[0]), next).first->second;
    if (at == next) program.constants.insert(program.constants.end(), numbers.begin(), numbers.end());
    slot[i] = program.first_constant() + at;
  }
}

}  // namespace

void place_leaves(const Graph& graph, LargeVector<std::uint32_t>& slot, Program& program) {
  place_constants(graph, slot, program);
  for (std::size_t i = 0; i < graph.size(); ++i) {
    const BlockId id(i);
    if (graph.kind(id) == BlockKind::parameter) slot[i] = graph[id].payload;
    if (graph.kind(id) == BlockKind::uniform_input) slot[i] = program.first_uniform_input() + graph[id].payload;
    if (graph.kind(id) == BlockKind::samples) slot[i] = program.samples_slot();
  }
}

void place_roots(const Graph& graph, const LargeVector<std::uint32_t>& slots, Program& program) {
  const auto slot = [&](const View& root) { return slots[root.block.index] + root.row; };
  const Roots& roots = graph.roots;
  if (roots.loss != nothing) program.loss_slot = slot(roots.loss);
  for (const Roots::Gradient& gradient : roots.gradients) {
    if (gradient.value.step == 1 || gradient.value.rows == 1) {
      program.gradients.push_back({ParameterId(gradient.first), gradient.value.rows, slot(gradient.value)});
      continue;
    }
    for (std::uint32_t r = 0; r < gradient.value.rows; ++r) {
      program.gradients.push_back({ParameterId(gradient.first + r), 1, slot(gradient.value.part(r, 1))});
    }
  }
  for (std::size_t i = 0; i < roots.outputs.size(); ++i) {
    program.outputs[i].varying = graph.varying(roots.outputs[i]);
    program.outputs[i].slot = program.outputs[i].varying ? Program::no_slot : slot(roots.outputs[i]);
  }
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
