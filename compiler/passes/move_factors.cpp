// Signs, doublings and places of what is added up over the samples become those of the total.
#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Which blocks are read by one other block alone.
LargeVector<bool> find_read_once(const Graph& graph) {
  constexpr std::uint32_t nobody = UINT32_MAX, several = UINT32_MAX - 1;
  LargeVector<std::uint32_t> reader(graph.size(), nobody);
  for (std::uint32_t i = 0; i < graph.size(); ++i) {
    for (const View& x : graph.operands(BlockId(std::size_t{i}))) {
      std::uint32_t& of = reader[x.block.index];
      of = of == nobody || of == i ? i : several;
    }
  }
  graph.roots.each([&](const View& root) { reader[root.block.index] = several; });
  LargeVector<bool> once(graph.size(), false);
  for (std::size_t i = 0; i < graph.size(); ++i) once[i] = reader[i] < several;
  return once;
}

/// Takes factors off what is added up, block by block of the new graph.
class FactorMover {
 public:
  explicit FactorMover(LargeVector<bool> read_once) : read_once_(std::move(read_once)) {}

  /// Remembers that a block of the new graph is a copy of one of the old.
  View copied(BlockId old, const View& made) {
    const bool is_new = made.block.index >= copy_of_.size();
    if (is_new) copy_of_.resize(std::size_t{made.block.index} + 1, none);
    copy_of_[made.block.index] = is_new ? old.index : none;
    return made;
  }

  /// The total of some rows; nothing if it is one like others.
  View total(Graph& g, const View& rows) const {
    Factor factor;
    const View bare = without_factors(g, rows, factor);
    View total = read_once(g, bare) ? total_of_parts(g, bare) : nothing;
    if (total == nothing && bare != rows) total = g.add_batch_sum(bare);
    return total == nothing ? nothing : with(g, total, factor);
  }

 private:
  static constexpr std::uint32_t none = UINT32_MAX;
  struct Factor {
    bool negative = false;
    int doublings = 0;
    bool any() const { return negative || doublings > 0; }
  };

  bool read_once(const Graph& g, const View& x) const {
    if (!g.varying(x) || x != g.all(x.block) || x.block.index >= copy_of_.size()) return false;
    const std::uint32_t old = copy_of_[x.block.index];
    return old != none && read_once_[old];
  }

  static View with(Graph& g, View total, Factor factor) {
    for (; factor.doublings > 0; --factor.doublings) total = g.add_elementwise(Op::add, {total, total});
    return factor.negative ? g.add_elementwise(Op::neg, {total}) : total;
  }

  /// Rows that are put somewhere else can be added up before.
  View total_of_parts(Graph& g, const View& rows) const {
    const BlockKind kind = g[rows.block].kind;
    if (kind != BlockKind::assemble && kind != BlockKind::concat) return nothing;
    std::vector<View> parts(g.operands(rows.block).begin(), g.operands(rows.block).end());
    std::vector<std::pair<BlockId, std::uint32_t>> blocks;  // and how many of their rows are read
    for (const View& part : parts) {
      auto block = std::ranges::find(blocks, part.block, &std::pair<BlockId, std::uint32_t>::first);
      if (block == blocks.end()) block = blocks.insert(block, {part.block, 0});
      if (!g.varying(part) || blocks.size() > choices::few_batch_sums) return nothing;
      block->second += part.rows;
    }
    for (const auto& [block, read] : blocks) {
      if (!read_once(g, g.all(block)) || read != g[block].rows) return nothing;
    }
    std::vector<Destination> destinations;
    if (kind == BlockKind::assemble) {
      for (std::size_t k = 0; k < parts.size(); ++k) destinations.push_back(g.destination(rows.block, k));
      if (!are_apart(destinations, rows.rows)) return nothing;
    }
    for (const auto& [block, read] : blocks) {
      Factor factor;
      const View bare = without_factors(g, g.all(block), factor), total = with(g, g.add_batch_sum(bare), factor);
      for (View& part : parts) part = part.block == block ? total.through(part) : part;
    }
    return destinations.empty() ? g.add_concat(parts) : g.add_assemble(rows.rows, parts, destinations);
  }

  /// Whether nothing is added to the same row.
  static bool are_apart(std::span<const Destination> destinations, std::uint32_t rows) {
    std::vector<bool> taken(rows, false);
    for (const Destination& to : destinations) {
      for (std::uint32_t r = 0; r < to.shape.rows * to.shape.terms; ++r) {
        if (taken[to.of_row(r)]) return false;
        taken[to.of_row(r)] = true;
      }
    }
    return true;
  }

  /// Of -x and x + x, where nothing else reads them, x.
  View without_signs(const Graph& g, View x, Factor& factor) const {
    while (read_once(g, x)) {
      if (g.is_op(x, Op::neg)) {
        factor.negative = !factor.negative;
      } else if (g.is_op(x, Op::add) && g.behind(x, 0) == g.behind(x, 1)) {
        ++factor.doublings;
      } else {
        break;
      }
      x = g.behind(x, 0);
    }
    return x;
  }

  View without_factors(Graph& g, const View& rows, Factor& factor) const {
    const View x = without_signs(g, rows, factor);
    const Op op = g[x.block].op;
    if (!read_once(g, x) || !(g.is_op(x, Op::mul) || g.is_op(x, Op::mul_adjoint))) return x;
    Factor of_product;
    const View a = without_signs(g, g.behind(x, 0), of_product), b = without_signs(g, g.behind(x, 1), of_product);
    if (!of_product.any()) return x;
    factor.negative = factor.negative != of_product.negative;
    factor.doublings += of_product.doublings;
    return g.add_elementwise(op, {a, b});
  }

  LargeVector<bool> read_once_;         // by block of the old graph
  std::vector<std::uint32_t> copy_of_;  // of each block of the new graph: the old one, or none
};

/// Whether a total's operand is of a kind that a mover does something about.
bool may_move(const Block& block) {
  if (block.kind == BlockKind::concat || block.kind == BlockKind::assemble) return true;
  if (block.kind != BlockKind::elementwise) return false;
  return block.op == Op::neg || block.op == Op::add || block.op == Op::mul || block.op == Op::mul_adjoint;
}

}  // namespace

Graph move_factors(Graph graph) {
  const auto is_sum = [&](BlockId id) { return graph.kind(id) == BlockKind::batch_sum; };
  if (!any_block(graph, is_sum)) return graph;
  LargeVector<bool> read_once = find_read_once(graph);
  const auto may_be_moved = [&](BlockId id) {
    if (!is_sum(id)) return false;
    const BlockId x = graph.operand(id, 0).block;
    return read_once[x.index] && may_move(graph[x]);
  };
  if (!any_block(graph, may_be_moved)) return graph;
  FactorMover mover(std::move(read_once));
  return rebuild(graph, [&](Graph& out, BlockId id, std::span<const View> operands) {
    const View total = graph[id].kind == BlockKind::batch_sum ? mover.total(out, operands[0]) : nothing;
    return total != nothing ? total : mover.copied(id, out.add_copy(graph, id, operands));
  });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
