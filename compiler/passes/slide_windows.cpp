// Products at places whose windows overlap read them where they are, in place of copies. Where windows have an order of
// their own, products back to them have it, too, so that what is added up there lies side by side.
#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "tapeloom/compiler/passes/find_windows.h"
#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// What reads a block as windows.
struct Reader {
  bool outer;
  std::uint32_t rows;  ///< of the matrix
};

/// Which concatenations are read as windows, and by products alone.
class WindowTable {
 public:
  explicit WindowTable(const Graph& graph) : g_(graph) {
    LargeVector<std::uint32_t> index(graph.size(), none);
    for (std::size_t i = 0; i < graph.size(); ++i) enter(BlockId(i), index);
    if (candidates_.empty()) return;
    const LargeVector<std::uint32_t> uses = count_uses(graph);
    for (const Candidate& candidate : candidates_) {
      if (!candidate.fits || uses[candidate.copies.index] != candidate.readers.size()) continue;
      std::optional<Windows> windows = find_windows(graph, candidate.copies, candidate.places, candidate.terms);
      if (!windows || !pays(candidate, *windows)) continue;
      if (of_block_.empty()) of_block_.assign(graph.size(), none);
      of_block_[candidate.copies.index] = static_cast<std::uint32_t>(windows_.size());
      windows_.push_back(std::move(*windows));
    }
    if (!windows_.empty()) find_reversed(uses);
  }

  bool empty() const { return windows_.empty(); }
  /// Null if the block is none, or stays.
  const Windows* of(BlockId id) const { return of_block_[id.index] == none ? nullptr : &windows_[of_block_[id.index]]; }
  /// Of a product by the transpose of a matrix that windows have put in their order: that dense block. Rows of the
  /// product are added up one by one, and may have the order, too.
  BlockId turned_by(BlockId reverse) const {
    const auto found = turned_by_.find(reverse.index);
    return found == turned_by_.end() ? nothing.block : found->second;
  }

 private:
  static constexpr std::uint32_t none = UINT32_MAX;
  struct Candidate {
    BlockId copies;
    std::uint32_t places, terms;
    bool fits;  ///< all readers have the same places and terms
    std::vector<Reader> readers;
  };

  void enter(BlockId id, LargeVector<std::uint32_t>& index) {
    const BlockKind kind = g_.kind(id);
    if (kind != BlockKind::dense && kind != BlockKind::outer) return;
    const Weights& w = g_.weights(id);
    const View x = g_.operand(id, 1);
    if (w.places == 1 || w.own || g_.kind(x.block) != BlockKind::concat) return;
    if (index[x.block.index] == none) {
      index[x.block.index] = static_cast<std::uint32_t>(candidates_.size());
      candidates_.push_back({x.block, w.places, w.matrix.terms, true, {}});
    }
    Candidate& candidate = candidates_[index[x.block.index]];
    const bool same = candidate.places == w.places && candidate.terms == w.matrix.terms && x == g_.all(x.block);
    candidate.fits = candidate.fits && same;
    candidate.readers.push_back({kind == BlockKind::outer, w.matrix.rows});
  }

  void find_reversed(const LargeVector<std::uint32_t>& uses) {
    std::map<std::pair<BlockId, std::uint32_t>, BlockId> ordered;  // by where a matrix begins, the block that reads it
    std::map<BlockId, std::uint32_t> added;                        // how many single rows are added to something
    for (std::size_t i = 0; i < g_.size(); ++i) {
      const BlockId id(i);
      const BlockKind kind = g_.kind(id);
      if (kind == BlockKind::dense) {
        const Windows* windows = of(g_.operand(id, 1).block);
        if (windows != nullptr && !windows->terms.empty()) ordered.emplace(begin_of(id), id);
      } else if (kind == BlockKind::dense_reverse) {
        const Weights& w = g_.weights(id);
        const auto found = ordered.find(begin_of(id));
        if (found == ordered.end() || w.own || w.gaps || g_[id].op != no_op || g_[id].then != no_op) continue;
        if (w.places > 1 && w.matrix == g_.weights(found->second).matrix) {
          added[id] = 0, turned_by_.emplace(id.index, found->second);
        }
      } else if (kind == BlockKind::assemble && !added.empty()) {
        for (const View& x : g_.operands(id)) {
          const auto found = x.rows == 1 ? added.find(x.block) : added.end();
          if (found != added.end()) ++found->second;
        }
      }
    }
    for (const auto& [id, count] : added) {
      if (count != uses[id.index]) turned_by_.erase(id.index);
    }
  }
  std::pair<BlockId, std::uint32_t> begin_of(BlockId product) const {
    return {g_.operand(product, 0).block, g_.operand(product, 0).row};
  }

  /// Rows that are not copied any more are to be more than the weights, and their gradients, that are put in another
  /// order once a step.
  static bool pays(const Candidate& candidate, const Windows& windows) {
    const std::uint64_t before = std::uint64_t{candidate.places} * candidate.terms;
    std::uint64_t after = windows.are_copied() ? windows.count : 0;
    for (const Reader& reader : candidate.readers) {
      after += windows.terms.empty() ? 0 : std::uint64_t{reader.rows} * candidate.terms;
    }
    return after < before;
  }

  const Graph& g_;
  std::vector<Candidate> candidates_;
  std::vector<Windows> windows_;
  LargeVector<std::uint32_t> of_block_;                   // which windows it has
  std::unordered_map<std::uint32_t, BlockId> turned_by_;  // looked up, never walked
};

/// Writes the graph anew.
class Slider {
 public:
  Slider(const Graph& from, const WindowTable& table) : from_(from), table_(table), made_(from.size(), nothing) {}

  View emit(Graph& out, BlockId id, std::span<const View> operands) {
    View& made = made_[id.index];
    const BlockKind kind = from_.kind(id);
    if (const Windows* own = table_.of(id)) return made = add_windows(out, *own);
    if (kind == BlockKind::assemble) return made = add_assembled(out, id, operands);
    if (kind == BlockKind::dense_reverse) return made = add_reverse(out, id, operands);
    const bool product = kind == BlockKind::dense || kind == BlockKind::outer;
    const Windows* windows = product ? table_.of(from_.operand(id, 1).block) : nullptr;
    if (windows == nullptr) return made = out.add_copy(from_, id, operands);
    Weights w = from_.weights(id);
    w.windows = windows->steps;
    if (!windows->terms.empty()) put_gaps_in_order(w, windows->terms);
    std::vector<View> read(operands.begin(), operands.end());
    read[1] = made_[from_.operand(id, 1).block.index];
    return made = kind == BlockKind::outer ? add_outer(out, *windows, w, read) : add_dense(out, id, *windows, w, read);
  }

 private:
  View add_windows(Graph& out, const Windows& windows) {
    const View source = made_[windows.source.index];
    if (!windows.are_copied()) return source.part(windows.first, windows.count);
    const View zeros =
        std::ranges::find(windows.rows, Windows::zero) == windows.rows.end() ? nothing : out.add_constant(0.0);
    return add_rows(out, source, zeros, windows.rows);
  }

  /// The weights in the order of the windows' terms.
  View add_dense(Graph& out, BlockId id, const Windows& windows, Weights& w, std::span<View> operands) {
    if (!windows.terms.empty()) {
      const Matrix m = w.matrix;
      std::vector<std::uint32_t> entries;
      for (std::uint32_t r = 0; r < m.rows; ++r) {
        for (const std::uint32_t term : windows.terms) entries.push_back(r * m.row_step + term * m.term_step);
      }
      const View weights = {operands[0].block, operands[0].row, entry_count(m), 1};
      operands[0] = out.side_by_side(add_rows(out, weights, nothing, entries)).part(0, 1);
      w.matrix = {m.rows, m.terms, m.terms, 1};
      ordered_weights_[id.index] = operands[0];
    }
    return out.add_dense_like(from_, id, operands, w);
  }

  /// By the weights that a product from the windows has put in order, if it has.
  View add_reverse(Graph& out, BlockId id, std::span<const View> operands) {
    const BlockId by = table_.turned_by(id);
    if (by == nothing.block) return out.add_copy(from_, id, operands);
    Weights w = from_.weights(id);
    w.matrix = {w.matrix.rows, w.matrix.terms, w.matrix.terms, 1};
    const View reordered[] = {ordered_weights_.at(by.index), operands[1]};
    return out.add_dense_like(from_, id, reordered, w);
  }

  /// Rows of a place that are added side by side are one operand.
  View add_assembled(Graph& out, BlockId id, std::span<const View> operands) {
    std::vector<View> parts;
    std::vector<Destination> to;
    for (std::size_t k = 0, end; k < operands.size(); k = end) {
      end = k + 1;
      const View old = from_.operand(id, k);
      const BlockId by = table_.turned_by(old.block);
      if (by == nothing.block) {
        parts.push_back(operands[k]), to.push_back(from_.destination(id, k));
        continue;
      }
      const std::uint32_t terms = from_.weights(by).matrix.terms, place = old.row / terms;
      const auto is_of_place = [&](const View& x) { return x.block == old.block && x.row / terms == place; };
      while (end < operands.size() && is_of_place(from_.operand(id, end))) ++end;
      add_place(id, k, end, positions_of(by), parts, to);
    }
    return out.add_assemble(from_[id].rows, parts, to);
  }

  /// Of the operands [begin, end), which are rows of one place: each row that is added to gets one of them, so that
  /// their order does not matter.
  void add_place(BlockId id, std::size_t begin, std::size_t end, std::span<const std::uint32_t> positions,
                 std::vector<View>& parts, std::vector<Destination>& to) {
    const auto terms = static_cast<std::uint32_t>(positions.size());
    std::vector<std::pair<std::uint32_t, std::uint32_t>> rows;  // of the product, and to which they are added
    for (std::size_t k = begin; k < end; ++k) {
      const std::uint32_t row = from_.operand(id, k).row;
      rows.emplace_back(row / terms * terms + positions[row % terms], from_.destination(id, k).row);
    }
    std::ranges::sort(rows);
    const BlockId product = made_[from_.operand(id, begin).block.index].block;
    for (std::size_t r = 0, next; r < rows.size(); r = next) {
      for (next = r + 1; next < rows.size(); ++next) {
        const std::uint32_t ahead = static_cast<std::uint32_t>(next - r);
        if (rows[next] != std::pair(rows[r].first + ahead, rows[r].second + ahead)) break;
      }
      const auto count = static_cast<std::uint32_t>(next - r);
      parts.push_back({product, rows[r].first, count, 1}), to.push_back({rows[r].second, {1, count, count, 1}});
    }
  }

  /// Where in a window each term is.
  std::vector<std::uint32_t> positions_of(BlockId dense) const {
    const std::vector<std::uint32_t>& terms = table_.of(from_.operand(dense, 1).block)->terms;
    std::vector<std::uint32_t> positions(terms.size());
    for (std::uint32_t k = 0; k < terms.size(); ++k) positions[terms[k]] = k;
    return positions;
  }

  /// Its rows in the order that the matrix had.
  View add_outer(Graph& out, const Windows& windows, const Weights& w, std::span<const View> operands) {
    const View outer = out.add_outer(operands[0], operands[1], w);
    if (windows.terms.empty()) return outer;
    std::vector<std::uint32_t> entries(std::size_t{w.matrix.rows} * w.matrix.terms);
    for (std::uint32_t r = 0; r < w.matrix.rows; ++r) {
      for (std::uint32_t k = 0; k < w.matrix.terms; ++k) {
        entries[r * w.matrix.terms + windows.terms[k]] = r * w.matrix.terms + k;
      }
    }
    return add_rows(out, outer, nothing, entries);
  }

  static std::uint32_t entry_count(const Matrix& m) {
    return (m.rows - 1) * m.row_step + (m.terms - 1) * m.term_step + 1;
  }

  static void put_gaps_in_order(Weights& w, const std::vector<std::uint32_t>& terms) {
    if (!w.gaps) return;
    std::vector<bool> gaps(w.gaps->size());
    for (std::uint32_t p = 0; p < w.places; ++p) {
      for (std::uint32_t k = 0; k < terms.size(); ++k) {
        gaps[p * terms.size() + k] = (*w.gaps)[p * terms.size() + terms[k]];
      }
    }
    w.gaps = std::make_shared<const std::vector<bool>>(std::move(gaps));
  }

  /// Rows of a view, in as few parts as there are runs of evenly spaced ones.
  static View add_rows(Graph& out, const View& of, const View& zeros, std::span<const std::uint32_t> rows) {
    std::vector<View> parts;
    for (std::size_t begin = 0, end; begin < rows.size(); begin = end) {
      end = begin + 1;
      const bool is_zero = rows[begin] == Windows::zero;
      const std::uint32_t step = end < rows.size() && !is_zero ? rows[end] - rows[begin] : 0;
      const auto goes_on = [&] {
        if (is_zero || rows[end] == Windows::zero) return is_zero && rows[end] == Windows::zero;
        return rows[end] > rows[end - 1] && rows[end] - rows[end - 1] == step;
      };
      while (end < rows.size() && goes_on()) ++end;
      const auto count = static_cast<std::uint32_t>(end - begin);
      parts.push_back(is_zero ? zeros.repeated(count)
                              : of.through({of.block, rows[begin], count, count == 1 ? 1 : step}));
    }
    return out.add_concat(parts);
  }

  const Graph& from_;
  const WindowTable& table_;
  LargeVector<View> made_;                                   // what stands for each block
  std::unordered_map<std::uint32_t, View> ordered_weights_;  // of dense blocks; looked up, never walked
};

}  // namespace

Graph slide_windows(Graph graph) {
  const WindowTable table(graph);
  if (table.empty()) return graph;
  Slider slider(graph, table);
  return rebuild(
      graph, [&](Graph& out, BlockId id, std::span<const View> operands) { return slider.emit(out, id, operands); });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
