// Rows that are put side by side only to be added up are added up where they are.
#include <algorithm>
#include <unordered_map>
#include <vector>

#include "tapeloom/compiler/graph/schedule.h"
#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Whether a block adds up rows in lists, or may as well.
bool adds_lists(const Graph& graph, BlockId id) {
  if (graph.varying(id)) return false;
  if (graph.kind(id) == BlockKind::assemble) return graph.operand_blocks(id).size() > choices::few_summed_lists;
  const std::uint32_t sums = graph.rows(id);
  return graph.kind(id) == BlockKind::row_sum && sums > choices::few_summed_lists &&
         graph.operand(id, 0).rows <= choices::most_listed_terms * sums;
}

bool is_put_together(const Graph& graph, BlockId id) {
  return !graph.varying(id) && graph.kind(id) == BlockKind::concat &&
         graph.operand_blocks(id).size() > choices::few_summed_lists;
}

/// Which blocks nobody but such sums reads.
LargeVector<bool> find_summed(const Graph& graph) {
  LargeVector<std::uint32_t> sums(graph.size(), 0);
  for (std::size_t i = 0; i < graph.size(); ++i) {
    if (!adds_lists(graph, BlockId(i))) continue;
    for (const BlockId x : graph.operand_blocks(BlockId(i))) ++sums[x.index];
  }
  const LargeVector<std::uint32_t> uses = count_uses(graph);
  LargeVector<bool> summed(graph.size(), false);
  for (std::size_t i = 0; i < graph.size(); ++i) {
    summed[i] = is_put_together(graph, BlockId(i)) && sums[i] == uses[i];
  }
  return summed;
}

/// The parts of sums, read where they are.
class SumInPlace {
 public:
  SumInPlace(const Graph& graph, const LargeVector<bool>& summed) : old_(graph), summed_(summed) {}

  bool concerns(BlockId id) const {
    return adds_lists(old_, id) &&
           std::ranges::any_of(old_.operand_blocks(id), [&](BlockId x) { return summed_[x.index]; });
  }

  View sum(Graph& graph, BlockId id, std::span<const View> operands) {
    views_.clear(), destinations_.clear();
    const std::uint32_t sums = old_.rows(id);
    const bool even = old_.kind(id) == BlockKind::row_sum;
    for (std::size_t k = 0; k < operands.size(); ++k) {
      const View x = operands[k];
      const bool behind = summed_[old_.operand(id, k).block.index] && graph.kind(x.block) == BlockKind::concat;
      if (even) {
        const std::uint32_t terms = x.rows / sums;
        for (std::uint32_t i = 0; i < sums; ++i) {
          add(graph, x.part(i * terms, terms), {i, {1, terms, 0, terms == 1 ? 1u : 0u}}, behind);
        }
      } else {
        add(graph, x, old_.destination(id, k), behind);
      }
    }
    return graph.add_assemble(sums, views_, destinations_);
  }

 private:
  void add(const Graph& graph, const View& rows, const Destination& to, bool behind) {
    if (!behind) return put(rows, to);
    const std::vector<std::uint32_t>& begins = begins_of(graph, rows.block);
    const bool is_line = to.shape.rows == 1 && rows.step > 0;
    for (std::uint32_t r = 0, count = 1; r < rows.rows; r += count) {
      const std::uint32_t row = rows.row + r * rows.step;
      const auto next = std::ranges::upper_bound(begins, row);
      const auto part = static_cast<std::size_t>(next - begins.begin()) - 1;
      // As many rows of a part as follow one another here and there.
      count = is_line ? std::min(rows.rows - r, (*next - row + rows.step - 1) / rows.step) : 1;
      const View here{rows.block, row - begins[part], count, count == 1 ? 1 : rows.step};
      put(graph.operand(rows.block, part).through(here),
          {to.of_row(r), {1, count, 0, count == 1 ? 1 : to.shape.term_step}});
    }
  }
  void put(const View& rows, const Destination& to) { views_.push_back(rows), destinations_.push_back(to); }

  /// Where the parts of a block that is put together begin, and the end.
  const std::vector<std::uint32_t>& begins_of(const Graph& graph, BlockId id) {
    std::vector<std::uint32_t>& begins = begins_[id.index];
    if (begins.empty()) {
      begins.push_back(0);
      for (const View& part : graph.operands(id)) begins.push_back(begins.back() + part.rows);
    }
    return begins;
  }

  const Graph& old_;
  const LargeVector<bool>& summed_;
  std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> begins_;  // looked up, never walked
  std::vector<View> views_;
  std::vector<Destination> destinations_;
};

}  // namespace

Graph sum_in_place(Graph graph) {
  if (!any_block(graph, [&](BlockId id) { return is_put_together(graph, id); })) return graph;
  const LargeVector<bool> summed = find_summed(graph);
  SumInPlace sums(graph, summed);
  if (!any_block(graph, [&](BlockId id) { return sums.concerns(id); })) return graph;
  return rebuild(
      graph, [&](BlockId id) { return sums.concerns(id); },
      [&](Graph& out, BlockId id, std::span<const View> operands) { return sums.sum(out, id, operands); });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
