#include "tapeloom/compiler/graph/schedule.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Single rows in another order: of those that come next, one that is computed as the one before goes first, if its
/// operands are there. Other blocks stay where they are among these.
class AlikeTogether {
 public:
  explicit AlikeTogether(const Graph& graph) : g_(graph), waits_(graph.size(), false) {}

  void reorder(std::span<BlockId> order) {
    auto begin = order.begin();
    while (begin != order.end()) {
      const auto end = std::find_if(begin, order.end(), [&](BlockId id) { return !is_single(id); });
      if (static_cast<std::size_t>(end - begin) >= few) reorder_singles({begin, end});
      begin = std::find_if(end, order.end(), [&](BlockId id) { return is_single(id); });
    }
  }

 private:
  /// Of so many a processor remembers what follows what.
  static constexpr std::size_t few = 64;
  /// So far ahead is looked, and so many of a kind are taken at most, so that numbers are not kept for long. Windows of
  /// 16 to 64 took the same time.
  static constexpr std::size_t window = 16;

  bool is_single(BlockId id) const { return g_.kind(id) == BlockKind::elementwise && g_.rows(id) == 1; }

  /// The same for blocks that one function computes.
  std::uint32_t function_of(BlockId id) const {
    std::uint32_t function = static_cast<std::uint32_t>(g_.op(id)) << 3, bit = 1;
    for (const BlockId x : g_.operand_blocks(id)) {
      if (!g_.varying(x)) function |= bit;
      bit *= 2;
    }
    return function;
  }
  bool is_ready(BlockId id) const {
    return std::ranges::none_of(g_.operand_blocks(id), [&](BlockId x) { return waits_[x.index]; });
  }

  void reorder_singles(std::span<BlockId> order) {
    struct Next {
      BlockId id;
      std::uint32_t function;
    };
    std::array<Next, window> next;
    std::size_t waiting = 0, taken = 0, alike = 0;
    std::uint32_t function = 0;
    for (const BlockId id : order) waits_[id.index] = true;
    for (BlockId& to : order) {
      // What is put in order lies before what is still to be looked at.
      for (; waiting < window && taken < order.size(); ++waiting, ++taken) {
        next[waiting] = {order[taken], function_of(order[taken])};
      }
      const auto end = next.begin() + static_cast<std::ptrdiff_t>(waiting);
      auto chosen = next.begin();
      if (alike < window) {
        chosen = std::find_if(chosen, end, [&](const Next& n) { return n.function == function && is_ready(n.id); });
        if (chosen == end) chosen = next.begin();
      }
      alike = chosen->function == function ? alike + 1 : 1;
      to = chosen->id, function = chosen->function;
      waits_[to.index] = false;
      std::copy(chosen + 1, end, chosen);
      --waiting;
    }
  }

  const Graph& g_;
  LargeVector<bool> waits_;  // for an operand that is among those that are put in order
};

}  // namespace

LargeVector<std::uint32_t> find_phases(const Graph& graph) {
  LargeVector<std::uint32_t> phase(graph.size(), 0);
  const auto is_later = [&](BlockId id) { return graph.varying(id) || is_total(graph, id); };
  if (!any_block(graph, is_later)) return phase;
  for (std::size_t i = 0; i < graph.size(); ++i) {
    const BlockId id(i);
    std::uint32_t behind = 0;
    for (const BlockId x : graph.operand_blocks(id)) behind = std::max(behind, phase[x.index] / 2);
    if (is_total(graph, id)) ++behind;
    phase[i] = 2 * behind + (graph.varying(id) ? 1 : 0);
  }
  return phase;
}

Schedule schedule(const Graph& graph) {
  Schedule result;
  result.phase = find_phases(graph);
  std::uint32_t phases = 2;
  for (const std::uint32_t phase : result.phase) phases = std::max(phases, phase / 2 * 2 + 2);

  result.order.resize(graph.size());
  if (std::ranges::all_of(result.phase, [](std::uint32_t phase) { return phase == 0; })) {
    for (std::size_t i = 0; i < graph.size(); ++i) result.order[i] = BlockId(i);
    const auto end = static_cast<std::uint32_t>(graph.size());
    result.phases = {{0, end}, {end, end}};
    return result;
  }
  // A counting sort by phase, batch sums before the others: stable, so ids stay in order.
  const auto key = [&](std::size_t i) { return 2 * result.phase[i] + (is_total(graph, BlockId(i)) ? 0 : 1); };
  std::vector<std::uint32_t> start(2 * phases + 1, 0);
  for (std::size_t i = 0; i < graph.size(); ++i) ++start[key(i) + 1];
  for (std::size_t k = 1; k < start.size(); ++k) start[k] += start[k - 1];
  for (std::uint32_t p = 0; p < phases; ++p) result.phases.push_back({start[2 * p], start[2 * p + 2]});
  for (std::size_t i = 0; i < graph.size(); ++i) result.order[start[key(i)]++] = BlockId(i);
  return result;
}

void put_alike_together(const Graph& graph, Schedule& schedule) {
  AlikeTogether alike(graph);
  for (std::size_t k = 1; k < schedule.phases.size(); k += 2) {
    const Range phase = schedule.phases[k];
    alike.reorder(std::span(schedule.order).subspan(phase.begin, phase.size()));
  }
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
