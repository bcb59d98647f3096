#include <algorithm>
#include <bit>

#include "tapeloom/compiler/passes.h"

namespace tapeloom::compiler {

namespace {

/// Mixes a word into a hash. The multiplier is 2^64 divided by the golden ratio.
std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15;
  return hash ^ hash >> 29;
}

/// An open-addressing table of the blocks of a graph that grows with it. Hits are compared in full.
class BlockTable {
 public:
  explicit BlockTable(std::size_t blocks) : slots_(std::bit_ceil(2 * blocks + 16), Roots::none) {}

  /// The block equal to the graph's last one: an earlier one, or the last itself, which is then entered.
  BlockId find_or_enter_last(const Graph& graph) {
    const BlockId last(graph.size() - 1);
    for (std::size_t at = hash(graph, last) & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at] == Roots::none) return slots_[at] = last;
      if (equal(graph, slots_[at], last)) return slots_[at];
    }
  }

 private:
  static std::uint64_t content(const Graph& graph, BlockId id) {
    return graph.is_constant(id) ? std::bit_cast<std::uint64_t>(graph.constant(id)) : graph[id].payload;
  }
  static std::uint64_t hash(const Graph& graph, BlockId id) {
    const Block& block = graph[id];
    std::uint64_t h = mix(static_cast<std::uint64_t>(block.kind) << 8 | static_cast<std::uint64_t>(block.op), block.rows);
    h = mix(h, content(graph, id));
    for (BlockId operand : graph.operands(id)) h = mix(h, operand.index);
    return h ^ h >> 32;
  }
  static bool equal(const Graph& graph, BlockId a, BlockId b) {
    return graph[a].kind == graph[b].kind && graph[a].op == graph[b].op && graph[a].rows == graph[b].rows &&
           content(graph, a) == content(graph, b) && std::ranges::equal(graph.operands(a), graph.operands(b));
  }

  std::vector<BlockId> slots_;
};

}  // namespace

Graph merge_common_subexpressions(const Graph& graph) {
  BlockTable table(graph.size());
  // A merged block stays behind as its own copy without users, so that ids stay ordered; it is dead from here on.
  return remove_dead(rebuild(
      graph, [](BlockId) { return true; },
      [&](Graph& out, BlockId id, std::span<const BlockId> operands) {
        out.add_copy(graph, id, operands);
        return table.find_or_enter_last(out);
      }));
}

}  // namespace tapeloom::compiler
