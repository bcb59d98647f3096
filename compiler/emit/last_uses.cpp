#include "tapeloom/compiler/emit/last_uses.h"

#include <algorithm>

namespace tapeloom::inline TAPELOOM_ABI::compiler {

LargeVector<std::uint32_t> find_last_uniform_uses(const Graph& graph, const Schedule& schedule, const Sinks& sinks) {
  LargeVector<std::uint32_t> last(graph.size(), Sinks::none);
  const auto use = [&](BlockId x, std::uint32_t at) {
    if (!graph.varying(x)) last[x.index] = at;
  };
  for (std::uint32_t i = 0; i < schedule.order.size(); ++i) {
    for (const BlockId x : graph.operand_blocks(schedule.order[i])) use(x, i);
  }
  // What gradients of matrices are made of may be read after the step.
  for (std::size_t i = 0; i < graph.size(); ++i) {
    if (graph.kind(BlockId(i)) != BlockKind::outer) continue;
    for (const BlockId x : graph.operand_blocks(BlockId(i))) use(x, to_the_end);
  }
  for (std::size_t i = 0; i < graph.size(); ++i) {
    if (sinks.first[i] != Sinks::none && !graph.varying(BlockId(i))) last[i] = to_the_end;
  }
  const auto keep = [&](const View& root) { use(root.block, to_the_end); };
  if (graph.roots.loss != nothing) keep(graph.roots.loss);
  for (const Roots::Gradient& root : graph.roots.gradients) keep(root.value);
  for (const View& root : graph.roots.outputs) keep(root);
  return last;
}

bool reads_in_order(const Graph& graph, BlockId user, BlockId block) {
  if (graph.rows(block) == 1) return true;
  const OperandList all = graph.operands(user);
  return std::all_of(all.begin(), all.end(), [&](const View& x) { return x.block != block || x == graph.all(block); });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
