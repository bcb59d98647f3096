#include "tapeloom/compiler/totals.h"

namespace tapeloom::inline v0_1::compiler {

namespace {

// Rows of several numbers start a vector register's length apart and end in room for a whole one.
constexpr std::uint32_t unit = 16;

std::uint32_t padded(std::uint32_t rows) { return rows == 1 ? 1 : (rows + unit - 1) / unit * unit; }

/// Which operands of an assemble block are totals of its own phase that nothing else uses.
class InPlace {
 public:
  InPlace(const Graph& graph, const Schedule& schedule) : g_(graph), s_(schedule), users_(graph.size(), 0) {
    for (std::size_t i = 0; i < graph.size(); ++i) {
      for (const View& x : graph.operands(BlockId(i))) ++users_[x.block.index];
    }
    graph.roots.each([&](const View& root) { ++users_[root.block.index]; });
  }

  bool fits(BlockId assemble, std::size_t k) const {
    const View x = g_.operand(assemble, k);
    return is_total(g_, x.block) && users_[x.block.index] == 1 && x == g_.all(x.block) &&
           s_.phase[x.block.index] == s_.phase[assemble.index];
  }

  /// True if the assembled rows may lie on the totals: no total meets another, and if something else is added, every
  /// row is a total's, which starts it anew in each step.
  bool possible(BlockId assemble) const {
    std::vector<bool> covered(g_[assemble].rows, false);
    std::size_t others = 0, rows = 0;
    for (std::size_t k = 0; k < g_.operands(assemble).size(); ++k) {
      if (!fits(assemble, k)) {
        ++others;
        continue;
      }
      const auto& [row, shape] = g_.destination(assemble, k);
      for (std::uint32_t i = 0; i < shape.rows; ++i) {
        for (std::uint32_t j = 0; j < shape.terms; ++j, ++rows) {
          const std::uint32_t at = row + i * shape.row_step + j * shape.term_step;
          if (covered[at]) return false;
          covered[at] = true;
        }
      }
    }
    return rows > 0 && (others == 0 || rows == covered.size());
  }

 private:
  const Graph& g_;
  const Schedule& s_;
  std::vector<std::uint32_t> users_;
};

}  // namespace

Totals place_totals(const Graph& graph, const Schedule& schedule) {
  Totals totals;
  std::vector<bool> placed(graph.size(), false);
  const InPlace in_place(graph, schedule);
  // The totals of phase 2k + 2 are added up in stage k.
  for (std::size_t p = 2; p < schedule.phases.size() + 2; p += 2) {
    const std::uint32_t first = totals.count;
    const Range phase = p < schedule.phases.size() ? schedule.phases[p] : Range{};
    for (std::uint32_t i = phase.begin; i < phase.end; ++i) {
      const BlockId id = schedule.order[i];
      if (graph[id].kind != BlockKind::assemble || graph[id].varying || !in_place.possible(id)) continue;
      totals.in_place[id.index] = totals.count;
      for (std::size_t k = 0; k < graph.operands(id).size(); ++k) {
        if (!in_place.fits(id, k)) continue;
        const auto& [row, shape] = graph.destination(id, k);
        totals.of_block[graph.operand(id, k).block.index] = {totals.count + row, shape};
        placed[graph.operand(id, k).block.index] = true;
      }
      totals.count += padded(graph[id].rows);
    }
    for (std::uint32_t i = phase.begin; i < phase.end; ++i) {
      const BlockId id = schedule.order[i];
      if (!is_total(graph, id) || placed[id.index]) continue;
      const std::uint32_t terms = graph[id].kind == BlockKind::outer ? graph.operand(id, 1).rows : 1;
      totals.of_block[id.index] = {totals.count, {graph[id].rows / terms, terms, terms, 1}};
      totals.count += padded(graph[id].rows);
    }
    totals.stages.push_back({first, totals.count});
  }
  return totals;
}

}  // namespace tapeloom::inline v0_1::compiler
