#include "tapeloom/compiler/emit/placed_parts.h"

#include <algorithm>

#include "tapeloom/compiler/emit/instruction_writer.h"
#include "tapeloom/compiler/graph/tables.h"
#include "tapeloom/core/program/cost.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// More rows than these that are written by others than parts are better added as lists.
constexpr std::size_t most_others = 8;

/// Products of fewer rows than these are better listed together, where they are read, than computed one by one.
constexpr std::uint32_t least_product_rows = 4;

/// Goes through the rows of an assemble block in the order in which its parts are computed, to find which of these
/// write rows first, which add to what is there, and whether anything has to be there before.
class PartPlacer {
 public:
  PartPlacer(const Graph& graph, const Schedule& schedule, const Totals& totals, std::span<const std::uint32_t> uses)
      : g_(graph), s_(schedule), totals_(totals), uses_(uses) {}

  PlacedParts run() {
    for (const BlockId id : s_.order) {
      const BlockKind kind = g_.kind(id);
      if ((kind != BlockKind::assemble && kind != BlockKind::concat) || totals_.first_of.contains(id.index)) continue;
      if (kind == BlockKind::assemble && !g_[id].varying) {
        place(id);
      } else {
        place_all(id);
      }
    }
    return std::move(placed_);
  }

 private:
  /// Calls f(row) for each row that operand k is added to.
  template <class F>
  void each_row(BlockId assemble, std::size_t k, F&& f) const {
    const Destination& to = g_.destination(assemble, k);
    for (std::uint32_t r = 0; r < g_.operand(assemble, k).rows; ++r) f(to.of_row(r));
  }

  /// Whether operand k is computed for nothing but this, by an instruction that can write it there.
  bool may_be_part(BlockId assemble, std::size_t k) const {
    const View x = g_.operand(assemble, k);
    const Block block = g_[x.block];
    if (is_total(g_, x.block) || x != g_.all(x.block) || uses_[x.block.index] != 1) return false;
    if (block.varying || s_.phase[x.block.index] != s_.phase[assemble.index]) return false;
    const Matrix& to = g_.destination(assemble, k).shape;
    const bool side_by_side = to.rows == 1 && (to.terms == 1 || to.term_step == 1);
    if (block.kind == BlockKind::outer) {
      const Weights& w = g_.weights(x.block);
      return !w.own && to.rows == w.matrix.rows && to.terms == w.matrix.terms;
    }
    if (!side_by_side) return false;
    if (block.kind == BlockKind::elementwise) return !totals_.first_of.contains(x.block.index);
    return block.kind == BlockKind::row_sum || (is_product(block.kind) && block.op == no_op && block.then == no_op);
  }

  /// Whether adding it takes no more than computing it.
  bool may_add(BlockId id) const {
    const View x = g_.all(id);
    return g_.is_op(x, Op::mul) || g_.is_op(x, Op::square) || g_.is_op(x, Op::neg);
  }

  /// Rows that an operand adds several numbers to are not written first by it.
  enum class Rows : std::uint8_t { untouched, touched, others };
  Rows rows_of(BlockId assemble, std::size_t k) const {
    std::size_t touched = 0, all = 0;
    each_row(assemble, k, [&](std::uint32_t row) { touched += touched_[row], ++all; });
    if (touched == all) return Rows::touched;
    return touched == 0 && are_apart(g_.destination(assemble, k).shape) ? Rows::untouched : Rows::others;
  }
  static bool are_apart(const Matrix& m) {
    const bool by_rows = m.terms == 1 || m.term_step > 0, by_terms = m.rows == 1 || m.row_step > 0;
    return by_rows && by_terms &&
           (m.rows == 1 || m.terms == 1 || m.row_step >= m.terms * m.term_step || m.term_step >= m.rows * m.row_step);
  }
  void touch(BlockId assemble, std::size_t k) {
    each_row(assemble, k, [&](std::uint32_t row) { left_ -= !touched_[row], touched_[row] = true; });
  }

  /// Finds the parts, and what becomes of the other operands; false where that needs zeros and there are none.
  bool find_parts(BlockId id, bool zeros) {
    const std::size_t count = g_.operands(id).size();
    touched_.assign(g_[id].rows, false), left_ = g_[id].rows;
    parts_.clear(), is_part_.assign(count, false), is_put_.assign(count, false);
    for (const std::size_t k : candidates_) {
      const Rows rows = rows_of(id, k);
      const bool adds = rows == Rows::touched || (rows == Rows::others && zeros);
      if (rows != Rows::untouched && !(adds && may_add(g_.operand(id, k).block))) continue;
      parts_.push_back({k, adds, is_exact(id, k, zeros)}), is_part_[k] = true;
      touch(id, k);
    }
    may_be_listed_ = zeros || left_ == 0;
    if (!may_be_listed_ && count - parts_.size() > most_others) return false;
    std::size_t added = 0;
    for (std::size_t k = 0; k < count; ++k) {
      if (is_part_[k]) continue;
      const Rows rows = rows_of(id, k);
      if (rows == Rows::others && !zeros) return false;
      is_put_[k] = rows == Rows::untouched;
      added += is_put_[k] ? 0 : 1;
      touch(id, k);
    }
    if (!may_be_listed_ && candidates_.empty() && added > 0 && count > few_parts) return false;
    return zeros || left_ == 0;
  }

  /// Whether there is something right behind the rows that are computed: what is written later may be anything before.
  bool is_exact(BlockId id, std::size_t k, bool zeros) const {
    const View x = g_.operand(id, k);
    if (g_[x.block].kind != BlockKind::elementwise || x.rows == 1) return false;
    const std::size_t end = g_.destination(id, k).row + x.rows, all = touched_.size();
    const auto behind = touched_.begin() + static_cast<std::ptrdiff_t>(end);
    const auto last = touched_.begin() + static_cast<std::ptrdiff_t>(std::min(all, end + uniform_unit));
    return zeros ? behind != last : std::find(behind, last, true) != last;
  }

  /// Where there are others enough to be listed, whether it saves more than the zeros take that parts are not.
  bool pays_zeros(BlockId id, std::size_t count) const {
    if (count - parts_.size() <= few_parts) return !parts_.empty();
    std::size_t rows = 0;
    for (const Found& part : parts_) rows += g_.operand(id, part.operand).rows;
    return cost::listed * static_cast<double>(rows) > cost::start + cost::listed * static_cast<double>(touched_.size());
  }

  // --- in tiles, and lists -------------------------------------------------------------------------------------------

  /// Whether all of a block is computed by an instruction that can write it anywhere, or put together there.
  bool may_be_anywhere(BlockId id) const {
    if (is_total(g_, id) || totals_.first_of.contains(id.index) || g_[id].rows == 1) return false;
    if (may_add(id) && g_[id].rows < least_product_rows) return false;
    const BlockKind kind = g_.kind(id);
    if (is_product(kind)) return g_.varying(id) || g_.op(id) == no_op;
    return kind == BlockKind::elementwise || kind == BlockKind::assemble || kind == BlockKind::concat;
  }

  /// Where operand k lies in a concat block, or is added in an assemble block.
  Destination place_of(BlockId id, std::size_t k, std::uint32_t row) const {
    if (g_[id].kind == BlockKind::assemble) return g_.destination(id, k);
    return {row, {.rows = 1, .terms = g_.operand(id, k).rows}};
  }

  /// If all operands can be parts of this block alone, which write each row once, they are.
  void place_all(BlockId id) {
    if (g_[id].rows == 1) return;
    const std::size_t count = g_.operands(id).size();
    touched_.assign(g_[id].rows, false), left_ = g_[id].rows;
    std::vector<std::pair<BlockId, Destination>> found;
    std::uint32_t row = 0;
    for (std::size_t k = 0; k < count; row += g_.operand(id, k++).rows) {
      const View x = g_.operand(id, k);
      const auto [first, shape] = place_of(id, k, row);
      if (x != g_.all(x.block) || shape.rows != 1 || shape.term_step != 1 || !may_be_anywhere(x.block)) return;
      const bool here = g_[x.block].varying == g_[id].varying && s_.phase[x.block.index] == s_.phase[id.index];
      if (!here || placed_.part(x.block) != nullptr || touched_[first]) return;
      for (std::uint32_t r = 0; r < x.rows; ++r) left_ -= touched_[first + r] ? 0 : 1, touched_[first + r] = true;
      found.emplace_back(x.block, Destination{first, shape});
    }
    // Each row once, and no block twice.
    std::ranges::sort(found, {}, [](const auto& part) { return part.first.index; });
    const auto twice = std::ranges::adjacent_find(found, {}, [](const auto& part) { return part.first; });
    if (left_ > 0 || row != g_[id].rows || twice != found.end()) return;
    for (const auto& [block, to] : found) {
      placed_.parts.set(block.index, {id, to, false, !g_[id].varying && g_[block].rows % uniform_unit != 0});
      make_exact(block);
    }
    placed_.assembled.set(id.index, {.has_parts = true, .zeros = false, .may_be_listed = true, .is_put = {}});
  }

  /// What is there behind a block that becomes a part may be written before its own parts.
  void make_exact(BlockId assembled) {
    if (g_[assembled].varying) return;
    for (const View& x : g_.operands(assembled)) {
      PlacedParts::Part* part = placed_.parts.find(x.block.index);
      if (part != nullptr && part->assembled == assembled) part->exact = x.rows % uniform_unit != 0;
    }
  }

  void place(BlockId id) {
    const std::size_t count = g_.operands(id).size();
    candidates_.clear();
    for (std::size_t k = 0; k < count; ++k) {
      if (may_be_part(id, k)) candidates_.push_back(k);
    }
    if (candidates_.empty() && count > most_others) return;
    std::ranges::sort(candidates_, {}, [&](std::size_t k) { return g_.operand(id, k).block.index; });
    const bool zeros = !find_parts(id, false);
    if (zeros) find_parts(id, true);
    if (zeros && !pays_zeros(id, count)) return;
    for (const auto& [k, adds, exact] : parts_) {
      placed_.parts.set(g_.operand(id, k).block.index, {id, g_.destination(id, k), adds, exact});
    }
    placed_.assembled.set(id.index, {!parts_.empty(), zeros, may_be_listed_, is_put_});
  }

  const Graph& g_;
  const Schedule& s_;
  const Totals& totals_;
  std::span<const std::uint32_t> uses_;
  PlacedParts placed_;
  // Of the assemble block at hand.
  std::vector<std::size_t> candidates_;  // operands, in the order in which they are computed
  struct Found {
    std::size_t operand;
    bool adds, exact;
  };
  std::vector<Found> parts_;
  std::vector<bool> touched_;  // rows
  bool may_be_listed_ = false;
  std::size_t left_ = 0;                // rows that nothing has touched
  std::vector<bool> is_part_, is_put_;  // operands
};

}  // namespace

PlacedParts place_parts(const Graph& graph, const Schedule& schedule, const Totals& totals,
                        std::span<const std::uint32_t> uses) {
  return PartPlacer(graph, schedule, totals, uses).run();
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
