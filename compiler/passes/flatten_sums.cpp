// Lists that are added to rows of a list become part of it.
#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tapeloom/compiler/graph/schedule.h"
#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

bool is_varying_sum(const Graph& graph, BlockId id) {
  return graph.varying(id) && graph.kind(id) == BlockKind::assemble;
}

/// Whether it is a sum that adds up more than a few rows, one by one.
bool is_list(const Graph& graph, BlockId id) {
  const OperandList parts = graph.operands(id);
  return is_varying_sum(graph, id) && parts.size() > choices::few_flattened &&
         std::ranges::all_of(parts, [](const View& part) { return part.rows == 1; });
}

/// Knows the lists of which one sum alone reads rows, and those once each.
class ListFlattener {
 public:
  explicit ListFlattener(const Graph& graph) : old_(graph) {
    const auto adds_sums = [&](BlockId id) {
      return is_varying_sum(graph, id) &&
             std::ranges::any_of(graph.operands(id), [&](const View& x) { return is_varying_sum(graph, x.block); });
    };
    if (!any_block(graph, adds_sums)) return;
    find_lists();
    for (std::size_t i = 0; i < graph.size(); ++i) {
      if (is_varying_sum(graph, BlockId(i))) find_rows(BlockId(i));
    }
    drop_others_lists();
  }

  bool any() const { return !lists_.empty(); }
  /// Whether lists become part of that sum.
  bool concerns(BlockId id) const { return sums_[id.index]; }

  View flattened(Graph& out, BlockId sum, std::span<const View> operands) {
    std::vector<View> parts;
    std::vector<Destination> destinations;
    for (std::size_t k = 0; k < operands.size(); ++k) {
      const auto list = lists_.find(old_.operand(sum, k).block.index);
      if (list == lists_.end()) {
        parts.push_back(operands[k]), destinations.push_back(old_.destination(sum, k));
        continue;
      }
      // All of it, where its first rows are read.
      const BlockId block = operands[k].block;
      const std::vector<std::uint32_t> to = std::exchange(list->second.to, {});
      for (std::size_t part = 0; !to.empty() && part < out.operands(block).size(); ++part) {
        const std::uint32_t row = to[out.destination(block, part).row];
        if (row == nobody) continue;
        parts.push_back(out.operand(block, part)), destinations.push_back({row, {}});
      }
    }
    return out.add_assemble(old_.rows(sum), parts, destinations);
  }

 private:
  static constexpr std::uint32_t nobody = UINT32_MAX;
  struct List {
    std::vector<std::uint32_t> to;  // of each row: to which row of the sum it is added, or nobody
    std::uint32_t reader = nobody;
    std::uint32_t views = 0;  // by which the reader reads it
    bool is_shared = false;   // by sums, or a row by several rows of one
  };

  void find_lists() {
    for (std::size_t i = 0; i < old_.size(); ++i) {
      const BlockId id(i);
      if (is_list(old_, id)) lists_[id.index].to.resize(old_.rows(id), nobody);
    }
  }

  /// Of lists that are added to a sum.
  void find_rows(BlockId sum) {
    for (std::size_t k = 0; k < old_.operand_blocks(sum).size(); ++k) {
      const View x = old_.operand(sum, k);
      const auto found = lists_.find(x.block.index);
      if (found == lists_.end()) continue;
      List& list = found->second;
      if (list.views++ == 0) list.reader = sum.index;
      list.is_shared |= list.reader != sum.index;
      for (std::uint32_t r = 0; r < x.rows; ++r) {
        std::uint32_t& to = list.to[x.row + r * x.step];
        list.is_shared |= to != nobody;
        to = old_.destination(sum, k).of_row(r);
      }
    }
  }

  /// What another phase computes is one row for each, and not for all that is added up there.
  void drop_others_lists() {
    const LargeVector<std::uint32_t> phase = find_phases(old_), uses = count_uses(old_);
    std::erase_if(lists_, [&](const auto& entry) {
      const auto& [block, list] = entry;
      return list.is_shared || list.views != uses[block] || phase[block] != phase[list.reader];
    });
    if (lists_.empty()) return;
    sums_.resize(old_.size(), false);
    for (const auto& [block, list] : lists_) sums_[list.reader] = true;
  }

  const Graph& old_;
  std::unordered_map<std::uint32_t, List> lists_;  // by block; what is done for each does not depend on their order
  LargeVector<bool> sums_;
};

}  // namespace

Graph flatten_sums(Graph graph) {
  ListFlattener flattener(graph);
  if (!flattener.any()) return graph;
  return rebuild(
      graph, [&](BlockId id) { return flattener.concerns(id); },
      [&](Graph& out, BlockId id, std::span<const View> operands) { return flattener.flattened(out, id, operands); });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
