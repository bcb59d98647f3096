// Equal blocks become one.
#include <algorithm>
#include <bit>

#include "tapeloom/compiler/graph/tables.h"
#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Finds, for each block of a graph, the first one that computes the same.
class Merger {
 public:
  explicit Merger(const Graph& graph) : g_(graph), first_(graph.size()), table_(graph.size()) {
    for (std::uint32_t i = 0; i < g_.size(); ++i) {
      first_[i] = i;  // entered, it stands for itself
      const Hashed hashed = hash(i);
      first_[i] = table_.find_or_enter(
          i, hashed.latest_operand, [&](std::uint32_t other) { return equal(other, i); },
          [&](std::uint32_t block) { return block == i ? hashed.hash : hash(block).hash; });
      any_ = any_ || first_[i] != i;
    }
  }

  bool any() const { return any_; }
  BlockId first(BlockId block) const { return BlockId(std::size_t{first_[block.index]}); }

 private:
  OperandList operands(std::uint32_t block) const { return g_.operands(BlockId(std::size_t{block})); }

  /// An operand, with the first block that computes the same.
  View merged(View x) const {
    x.block = first(x.block);
    return x;
  }

  struct Hashed {
    std::uint64_t hash;
    std::uint32_t latest_operand = UniqueTable::no_parts;
  };
  Hashed hash(std::uint32_t i) const {
    const BlockId id(std::size_t{i});
    const BlockKind kind = g_.kind(id);
    Hashed result{mix(static_cast<std::uint64_t>(kind) << 8 | static_cast<std::uint64_t>(g_.op(id)), g_.rows(id))};
    std::uint64_t& h = result.hash;
    const OperandBlocks all = g_.operand_blocks(id);
    if (kind == BlockKind::constant) {
      for (double number : g_.numbers(id)) h = mix(h, std::bit_cast<std::uint64_t>(number));
    } else if (all.empty()) {
      h = mix(h, g_[id].payload);
    }
    for (std::size_t k = 0; k < all.size(); ++k) {
      const std::uint32_t x = first_[all[k].index], latest = result.latest_operand;
      h = mix(h, std::uint64_t{x} << 32 | all.first_row(k));
      result.latest_operand = latest == UniqueTable::no_parts ? x : std::max(latest, x);
    }
    h ^= h >> 32;
    return result;
  }

  bool equal(std::uint32_t a, std::uint32_t b) const {
    const BlockId p(std::size_t{a}), q(std::size_t{b});
    if (g_.kind(p) != g_.kind(q)) return false;
    const Block left = g_[p], right = g_[q];
    if (left.op != right.op || left.rows != right.rows) return false;
    const auto same = [&](const View& x, const View& y) { return merged(x) == merged(y); };
    if (!std::ranges::equal(operands(a), operands(b), same)) return false;
    if (left.kind == BlockKind::constant) {
      const auto bits = [](double number) { return std::bit_cast<std::uint64_t>(number); };
      return std::ranges::equal(g_.numbers(p), g_.numbers(q), {}, bits, bits);
    }
    if (left.kind == BlockKind::assemble) {
      for (std::size_t k = 0; k < operands(a).size(); ++k) {
        if (!(g_.destination(p, k) == g_.destination(q, k))) return false;
      }
      return true;
    }
    if (is_product(left.kind) || left.kind == BlockKind::outer) return g_.weights(p) == g_.weights(q);
    return !operands(a).empty() || left.payload == right.payload;
  }

  const Graph& g_;
  LargeVector<std::uint32_t> first_;  // of each block
  UniqueTable table_;
  bool any_ = false;  // is not the first
};

}  // namespace

Graph merge_common_subexpressions(Graph graph) {
  const Merger merger(graph);
  if (!merger.any()) return graph;
  graph.contract([&](BlockId id) { return merger.first(id); });
  return graph;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
