#include "tapeloom/compiler/emit/placed_parts.h"

#include <vector>

#include "tapeloom/compiler/graph/tables.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// More rows than these that are written by others than products are better added as lists.
constexpr std::size_t most_others = 8;

class PartPlacer {
 public:
  PartPlacer(const Graph& graph, const Schedule& schedule, const Totals& totals)
      : g_(graph), s_(schedule), totals_(totals), uses_(count_uses(graph)) {}

  PlacedParts run() {
    for (const BlockId id : s_.order) {
      const bool once = g_[id].kind == BlockKind::assemble && !g_[id].varying;
      if (once && !totals_.first_of.contains(id.index)) place(id);
    }
    return std::move(placed_);
  }

 private:
  /// Calls f(row) for each row that operand k is added to.
  template <class F>
  void each_row(BlockId assemble, std::size_t k, F&& f) const {
    const auto& [row, shape] = g_.destination(assemble, k);
    for (std::uint32_t i = 0; i < shape.rows; ++i) {
      for (std::uint32_t j = 0; j < shape.terms; ++j) f(row + i * shape.row_step + j * shape.term_step);
    }
  }

  bool can_be_written_there(BlockId assemble, std::size_t k) const {
    const View x = g_.operand(assemble, k);
    const Block block = g_[x.block];
    if (block.kind != BlockKind::outer || is_total(g_, x.block) || x != g_.all(x.block) || uses_[x.block.index] != 1) {
      return false;
    }
    const Weights& w = g_.weights(x.block);
    const Matrix& to = g_.destination(assemble, k).shape;
    return !w.own && to.rows == w.matrix.rows && to.terms == w.matrix.terms;
  }

  void place(BlockId id) {
    const std::size_t count = g_.operands(id).size();
    bool any = count <= most_others;
    for (std::size_t k = 0; k < count && !any; ++k) any = can_be_written_there(id, k);
    if (!any) return;
    std::vector<std::uint32_t> added(g_[id].rows, 0);
    std::size_t written = 0;
    for (std::size_t k = 0; k < count; ++k) each_row(id, k, [&](std::uint32_t row) { written += added[row]++ == 0; });
    const auto is_alone = [&](std::size_t k) {
      bool alone = true;
      each_row(id, k, [&](std::uint32_t row) { alone = alone && added[row] == 1; });
      return alone;
    };
    std::size_t alone = 0, parts = 0;
    for (std::size_t k = 0; k < count; ++k) {
      if (!is_alone(k)) continue;
      ++alone;
      if (!can_be_written_there(id, k)) continue;
      placed_.parts[g_.operand(id, k).block.index] = {id, g_.destination(id, k)};
      ++parts;
    }
    const bool whole = written == added.size() && alone == count && count - parts <= most_others;
    if (parts > 0 || whole) placed_.assembled[id.index] = {whole, parts > 0};
  }

  const Graph& g_;
  const Schedule& s_;
  const Totals& totals_;
  LargeVector<std::uint32_t> uses_;
  PlacedParts placed_;
};

}  // namespace

PlacedParts place_parts(const Graph& graph, const Schedule& schedule, const Totals& totals) {
  return PartPlacer(graph, schedule, totals).run();
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
