#include "tapeloom/compiler/graph/schedule.h"

#include <algorithm>

namespace tapeloom::inline TAPELOOM_ABI::compiler {

Schedule schedule(const Graph& graph) {
  Schedule result;
  result.phase.resize(graph.size());
  std::uint32_t phases = 2;
  for (std::size_t i = 0; i < graph.size(); ++i) {
    const Block block = graph[BlockId(i)];
    std::uint32_t behind = 0;
    for (const View& x : graph.operands(BlockId(i))) behind = std::max(behind, result.phase[x.block.index] / 2);
    if (is_total(graph, BlockId(i))) ++behind;
    result.phase[i] = 2 * behind + (block.varying ? 1 : 0);
    phases = std::max(phases, 2 * behind + 2);
  }

  // A counting sort by phase, batch sums before the others: stable, so ids stay in order.
  const auto key = [&](std::size_t i) { return 2 * result.phase[i] + (is_total(graph, BlockId(i)) ? 0 : 1); };
  std::vector<std::uint32_t> start(2 * phases + 1, 0);
  for (std::size_t i = 0; i < graph.size(); ++i) ++start[key(i) + 1];
  for (std::size_t k = 1; k < start.size(); ++k) start[k] += start[k - 1];
  for (std::uint32_t p = 0; p < phases; ++p) result.phases.push_back({start[2 * p], start[2 * p + 2]});
  result.order.resize(graph.size());
  for (std::size_t i = 0; i < graph.size(); ++i) result.order[start[key(i)]++] = BlockId(i);
  return result;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
