#include "tapeloom/compiler/emit/totals.h"

#include <unordered_set>
#include <utility>

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Places the totals of a graph. Those that nothing else uses but what adds them together, or assembles them, are added
/// up where that lies.
class TotalPlacer {
 public:
  TotalPlacer(const Graph& graph, const Schedule& schedule, std::span<const std::uint32_t> uses, bool merge)
      : g_(graph), s_(schedule), uses_(uses) {
    merge = merge && schedule.phases.size() > 2;  // else there are none
    for (std::uint32_t i = 0; merge && i < graph.size(); ++i) {
      const BlockId id(std::size_t{i});
      if (!adds_totals(id)) continue;
      sums_.set(i, terms(g_.operand(id, 0).block));
      for (const View& x : g_.operands(id)) inside_.insert(x.block.index);
    }
  }

  Totals run() {
    // The totals of phase 2k + 2 are added up in stage k.
    for (std::size_t p = 2; p < s_.phases.size() + 2; p += 2) {
      const std::uint32_t first = totals_.count;
      const Range phase = p < s_.phases.size() ? s_.phases[p] : Range{};
      for (std::uint32_t i = phase.begin; i < phase.end; ++i) {
        if (g_[s_.order[i]].kind == BlockKind::assemble) place_assembled(s_.order[i]);
      }
      for (std::uint32_t i = phase.begin; i < phase.end; ++i) {
        const BlockId id = s_.order[i];
        if (is_total_or_sum(id) && !placed(id)) place_alone(id);
      }
      totals_.stages.push_back({first, totals_.count});
    }
    return std::move(totals_);
  }

 private:
  bool is_total_or_sum(BlockId id) const { return is_total(g_, id) || sums_.contains(id.index); }
  /// True for what has its slots, or gets it with the sum that it is a part of.
  bool placed(BlockId id) const {
    return totals_.of_block.contains(id.index) || totals_.first_of.contains(id.index) || inside_.contains(id.index);
  }

  /// How many terms the rows of a total, or of a sum of some, have.
  std::uint32_t terms(BlockId id) const {
    if (const std::uint32_t* sum = sums_.find(id.index)) return *sum;
    return g_[id].kind == BlockKind::outer ? g_.weights(id).matrix.terms : 1;
  }

  /// True if a total, or a sum of some, is used as a whole by `user` of the same phase, and by nothing else.
  bool serves(const View& x, BlockId user) const {
    return is_total_or_sum(x.block) && uses_[x.block.index] == 1 && x == g_.all(x.block) &&
           s_.phase[x.block.index] == s_.phase[user.index];
  }

  /// The sum of two totals of derivatives, as of a parameter that is used again and again.
  bool adds_totals(BlockId id) const {
    const Block block = g_[id];
    if (block.kind != BlockKind::elementwise || block.op != Op::add || block.varying || block.nodes > 0) return false;
    const View a = g_.operand(id, 0), b = g_.operand(id, 1);
    return serves(a, id) && serves(b, id) && terms(a.block) == terms(b.block);
  }

  /// True if the assembled rows may lie on the totals: no total meets another, and if something else is added, every
  /// row is a total's, which starts it anew in each step.
  bool may_lie_on_totals(BlockId assemble) const {
    std::vector<bool> covered(g_[assemble].rows, false);
    std::size_t others = 0, rows = 0;
    for (std::size_t k = 0; k < g_.operands(assemble).size(); ++k) {
      const View x = g_.operand(assemble, k);
      if (!serves(x, assemble)) {
        ++others;
        continue;
      }
      const Destination& to = g_.destination(assemble, k);
      for (std::uint32_t r = 0; r < x.rows; ++r, ++rows) {
        if (covered[to.of_row(r)]) return false;
        covered[to.of_row(r)] = true;
      }
    }
    return rows > 0 && (others == 0 || rows == covered.size());
  }

  void place_assembled(BlockId id) {
    if (g_[id].varying || !may_lie_on_totals(id)) return;
    totals_.first_of.set(id.index, totals_.count);
    for (std::size_t k = 0; k < g_.operands(id).size(); ++k) {
      const View x = g_.operand(id, k);
      const auto& [row, shape] = g_.destination(id, k);
      if (serves(x, id)) place(x.block, {totals_.count + row, shape});
    }
    totals_.count += padded(g_[id].rows);
  }

  void place_alone(BlockId id) {
    const std::uint32_t terms = this->terms(id);
    place(id, {totals_.count, {g_[id].rows / terms, terms, terms, 1}});
    totals_.count += padded(g_[id].rows);
  }

  /// Places a total, or all those that a sum adds together.
  void place(BlockId id, const TotalSlots& at) {
    std::vector<BlockId> stack = {id};
    while (!stack.empty()) {
      const BlockId next = stack.back();
      stack.pop_back();
      if (!sums_.contains(next.index)) {
        totals_.of_block.set(next.index, at);
        continue;
      }
      totals_.first_of.set(next.index, at.first);
      for (const View& x : g_.operands(next)) stack.push_back(x.block);
    }
  }

  const Graph& g_;
  const Schedule& s_;
  std::span<const std::uint32_t> uses_;
  PartialTable<std::uint32_t> sums_;          // of totals, that lie on them, and how many terms rows have
  std::unordered_set<std::uint32_t> inside_;  // what such a sum adds
  Totals totals_;
};

}  // namespace

Totals place_totals(const Graph& graph, const Schedule& schedule, std::span<const std::uint32_t> uses, bool merge) {
  return TotalPlacer(graph, schedule, uses, merge).run();
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
