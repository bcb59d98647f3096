#include <algorithm>
#include <bit>

#include "tapeloom/compiler/passes.h"

namespace tapeloom::inline v0_1::compiler {

namespace {

/// Mixes a word into a hash. The multiplier is 2^64 divided by the golden ratio.
std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15;
  return hash ^ hash >> 29;
}

/// A hash table of the blocks of a graph that grows with it. Hits are compared in full.
///
/// Equal blocks have the same latest operand, and most operands are recent. So a block goes to a line of slots beside
/// the lines of its latest operand's neighbours, which are in the cache, and only what finds that line full goes to an
/// open-addressing table by its hash, which costs a visit to memory.
class BlockTable {
 public:
  explicit BlockTable(std::size_t blocks) : lines_((blocks / blocks_a_line + 1) * line_slots, none), slots_(16, none) {}

  /// The block equal to the graph's last one: an earlier one, or the last itself, which is then entered.
  BlockId find_or_enter_last(const Graph& graph) {
    const BlockId last(graph.size() - 1);
    const std::span<const View> operands = graph.operands(last);
    if (!operands.empty()) {
      BlockId latest = operands[0].block;
      for (const View& operand : operands) latest = std::max(latest, operand.block);
      BlockId* line = lines_.data() + latest.index / blocks_a_line * line_slots;
      for (BlockId* at = line; at != line + line_slots; ++at) {
        if (*at == none) return *at = last;
        if (equal(graph, *at, last)) return *at;
      }
    }
    BlockId& at = find(graph, last);
    if (at != none) return at;
    at = last;
    if (2 * ++entered_ > slots_.size()) grow(graph);
    return last;
  }

 private:
  static constexpr BlockId none = nothing.block;
  static constexpr std::size_t blocks_a_line = 8;
  static constexpr std::size_t line_slots = 16;

  /// The slot of an equal block, or the free one where it belongs.
  BlockId& find(const Graph& graph, BlockId block) {
    for (std::size_t at = hash(graph, block) & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at] == none || equal(graph, slots_[at], block)) return slots_[at];
    }
  }
  void grow(const Graph& graph) {
    std::vector<BlockId> old(2 * slots_.size(), none);
    old.swap(slots_);
    for (BlockId block : old) {
      if (block != none) find(graph, block) = block;
    }
  }

  static std::uint64_t hash(const Graph& graph, BlockId id) {
    const Block& block = graph[id];
    std::uint64_t h =
        mix(static_cast<std::uint64_t>(block.kind) << 8 | static_cast<std::uint64_t>(block.op), block.rows);
    if (block.kind == BlockKind::constant) {
      for (double number : graph.numbers(id)) h = mix(h, std::bit_cast<std::uint64_t>(number));
    } else if (block.operand_count == 0) {
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
      for (std::size_t k = 0; k < left.operand_count; ++k) {
        if (!(graph.destination(a, k) == graph.destination(b, k))) return false;
      }
      return true;
    }
    if (left.kind == BlockKind::dense || left.kind == BlockKind::dense_reverse)
      return graph.matrix(a) == graph.matrix(b);
    return left.operand_count > 0 || left.payload == right.payload;
  }

  std::vector<BlockId> lines_;
  std::vector<BlockId> slots_;
  std::size_t entered_ = 0;  // so many of slots_ are taken
};

}  // namespace

Graph merge_common_subexpressions(const Graph& graph) {
  BlockTable table(graph.size());
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
