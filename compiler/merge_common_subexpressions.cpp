#include <algorithm>
#include <bit>

#include "tapeloom/compiler/passes.h"
#include "tapeloom/compiler/unique_table.h"

namespace tapeloom::inline v0_1::compiler {

namespace {

/// Finds the earlier block that equals the last one of a growing graph.
class BlockTable {
 public:
  /// The block equal to the graph's last one: an earlier one, or the last itself, which is then entered.
  BlockId find_or_enter_last(const Graph& graph) {
    const BlockId last(graph.size() - 1);
    std::uint32_t latest = UniqueTable::no_parts;
    for (const View& x : graph.operands(last)) {
      latest = latest == UniqueTable::no_parts ? x.block.index : std::max(latest, x.block.index);
    }
    const auto equal_last = [&](std::uint32_t other) { return equal(graph, BlockId(std::size_t{other}), last); };
    const auto hash_of = [&](std::uint32_t block) { return hash(graph, BlockId(std::size_t{block})); };
    return BlockId(std::size_t{table_.find_or_enter(last.index, latest, equal_last, hash_of)});
  }

 private:
  static std::uint64_t hash(const Graph& graph, BlockId id) {
    const Block& block = graph[id];
    std::uint64_t h =
        mix(static_cast<std::uint64_t>(block.kind) << 8 | static_cast<std::uint64_t>(block.op), block.rows);
    if (block.kind == BlockKind::constant) {
      for (double number : graph.numbers(id)) h = mix(h, std::bit_cast<std::uint64_t>(number));
    } else if (graph.operands(id).empty()) {
      h = mix(h, block.payload);
    }
    for (const View& x : graph.operands(id))
      h = mix(mix(h, std::uint64_t{x.block.index} << 32 | x.row), x.rows * 2 + x.step);
    return h ^ h >> 32;
  }
  static bool equal(const Graph& graph, BlockId a, BlockId b) {
    const Block &left = graph[a], &right = graph[b];
    if (left.kind != right.kind || left.op != right.op || left.rows != right.rows) return false;
    if (!std::ranges::equal(graph.operands(a), graph.operands(b))) return false;
    if (left.kind == BlockKind::constant) {
      const auto bits = [](double number) { return std::bit_cast<std::uint64_t>(number); };
      return std::ranges::equal(graph.numbers(a), graph.numbers(b), {}, bits, bits);
    }
    if (left.kind == BlockKind::assemble) {
      for (std::size_t k = 0; k < graph.operands(a).size(); ++k) {
        if (!(graph.destination(a, k) == graph.destination(b, k))) return false;
      }
      return true;
    }
    if (left.kind == BlockKind::dense || left.kind == BlockKind::dense_reverse)
      return graph.matrix(a) == graph.matrix(b);
    return !graph.operands(a).empty() || left.payload == right.payload;
  }

  UniqueTable table_;
};

}  // namespace

Graph merge_common_subexpressions(const Graph& graph) {
  BlockTable table;
  // A merged block stays behind as its own copy without users, so that ids stay ordered; it is dead from here on.
  return remove_dead(rebuild(
      graph, [](BlockId) { return true; },
      [&](Graph& out, BlockId id, std::span<const View> operands) {
        const std::size_t before = out.size();
        const View copy = out.add_copy(graph, id, operands);
        // A concat of neighbours is a view of what is there already.
        return out.size() == before ? copy : out.all(table.find_or_enter_last(out));
      }));
}

}  // namespace tapeloom::inline v0_1::compiler
