// Products at places whose windows overlap read them where they are, in place of copies.
#include <algorithm>
#include <numeric>
#include <optional>

#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

constexpr std::uint32_t zero = UINT32_MAX;  // in place of a row

/// Rows in which the windows of all places lie, one `step` rows after the other.
struct Windows {
  BlockId source;
  /// Of the source, or `zero`; no list of them where they are its rows from `first` on.
  std::vector<std::uint32_t> rows;
  std::uint32_t first = 0, count = 0, step = 0;
  std::vector<std::uint32_t> terms;  ///< in the order in which a window has them; empty where that is their own

  bool are_copied() const { return !rows.empty(); }
};

/// What reads a block as windows.
struct Reader {
  bool outer;
  std::uint32_t rows;  ///< of the matrix
};

/// Finds the windows of a concatenation: what it copies, place after place.
class WindowFinder {
 public:
  WindowFinder(const Graph& graph, BlockId copies, std::uint32_t places, std::uint32_t terms)
      : g_(graph), places_(places), terms_(terms) {
    result_.source = nothing.block;
    list_rows(copies);
  }

  std::optional<Windows> find() {
    if (result_.source == nothing.block || !find_whole_place() || !find_runs() || !find_shift()) return std::nullopt;
    const std::size_t runs = terms_ / run_;
    result_.step = shift_ * static_cast<std::uint32_t>(runs);
    const std::uint64_t count = (std::uint64_t{places_} - 1) * result_.step + terms_;
    if (count >= std::uint64_t{places_} * terms_) return std::nullopt;
    result_.count = static_cast<std::uint32_t>(count);
    return place_rows(runs) ? std::optional(std::move(result_)) : std::nullopt;
  }

 private:
  std::uint32_t row(std::uint32_t place, std::uint32_t term) const { return rows_[place * terms_ + term]; }

  /// No source if there are several, or something else than zeros beside it.
  void list_rows(BlockId copies) {
    for (const View& part : g_.operands(copies)) {
      const bool zeros = g_.is_constant(part, 0.0);
      if (!zeros && result_.source == nothing.block) result_.source = part.block;
      if (!zeros && part.block != result_.source) {
        result_.source = nothing.block;
        return;
      }
      for (std::uint32_t r = 0; r < part.rows; ++r) rows_.push_back(zeros ? zero : part.row + r * part.step);
    }
  }

  /// A place without zeros, at best one with a neighbour after it.
  bool find_whole_place() {
    for (place_ = places_ / 2; place_ < places_; ++place_) {
      const auto begin = rows_.begin() + static_cast<std::ptrdiff_t>(std::size_t{place_} * terms_);
      if (std::find(begin, begin + terms_, zero) == begin + terms_) return true;
    }
    return false;
  }

  /// Terms in the order of their rows, which are runs of neighbours, all of one length.
  bool find_runs() {
    order_.resize(terms_);
    std::iota(order_.begin(), order_.end(), 0u);
    const auto of_place = [&](std::uint32_t term) { return row(place_, term); };
    std::ranges::sort(order_, {}, of_place);
    run_ = 1;
    while (run_ < terms_ && of_place(order_[run_]) == of_place(order_[run_ - 1]) + 1) ++run_;
    if (terms_ % run_ != 0) return false;
    for (std::uint32_t k = 1; k < terms_; ++k) {
      const bool follows = of_place(order_[k]) == of_place(order_[k - 1]) + 1;
      if (k % run_ != 0 ? !follows : of_place(order_[k]) <= of_place(order_[k - 1])) return false;
    }
    return true;
  }

  /// From place to place all rows move by as many.
  bool find_shift() {
    const std::uint32_t other = place_ + 1 < places_ ? place_ + 1 : place_ - 1;
    const bool after = other > place_;
    for (std::uint32_t t = 0; t < terms_ && shift_ == 0; ++t) {
      if (row(other, t) == zero) continue;
      const std::uint32_t from = row(after ? place_ : other, t), to = row(after ? other : place_, t);
      if (to <= from) return false;
      shift_ = to - from;
    }
    if (shift_ == 0) return false;
    for (std::uint32_t p = 0; p < places_; ++p) {
      for (std::uint32_t t = 0; t < terms_; ++t) {
        if (row(p, t) != zero && row(p, t) != moved(p, t)) return false;
      }
    }
    return true;
  }
  std::int64_t moved(std::uint32_t place, std::uint32_t term) const {
    return std::int64_t{row(place_, term)} + (std::int64_t{place} - place_) * shift_;
  }

  /// Windows have a row of each run, then the next one of each. False if one has a zero where another has none.
  bool place_rows(std::size_t runs) {
    std::vector<std::uint32_t> position(terms_);  // in a window, of each term
    result_.terms.resize(terms_);
    for (std::uint32_t k = 0; k < terms_; ++k) {
      position[order_[k]] = static_cast<std::uint32_t>(k % run_ * runs + k / run_);
      result_.terms[position[order_[k]]] = order_[k];
    }
    std::vector<std::uint32_t> placed(result_.count, zero);
    const auto each = [&](auto&& function) {
      for (std::uint32_t p = 0; p < places_; ++p) {
        for (std::uint32_t t = 0; t < terms_; ++t) function(row(p, t), placed[p * result_.step + position[t]]);
      }
    };
    bool has_zeros = false, fits = true;
    each([&](std::uint32_t from, std::uint32_t& to) {
      has_zeros = has_zeros || from == zero;
      if (from != zero) to = from;
    });
    if (has_zeros) each([&](std::uint32_t from, std::uint32_t to) { fits = fits && (from != zero || to == zero); });
    if (!fits) return false;
    if (std::ranges::is_sorted(result_.terms)) result_.terms.clear();
    if (runs == 1 && !has_zeros) {
      result_.first = placed[0];
    } else {
      result_.rows = std::move(placed);
    }
    return true;
  }

  const Graph& g_;
  std::uint32_t places_, terms_;
  std::vector<std::uint32_t> rows_;  // that are copied
  std::uint32_t place_ = 0;          // one without zeros
  std::vector<std::uint32_t> order_;
  std::uint32_t run_ = 1, shift_ = 0;
  Windows result_;
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
      std::optional<Windows> windows = WindowFinder(graph, candidate.copies, candidate.places, candidate.terms).find();
      if (!windows || !pays(candidate, *windows)) continue;
      if (of_block_.empty()) of_block_.assign(graph.size(), none);
      of_block_[candidate.copies.index] = static_cast<std::uint32_t>(windows_.size());
      windows_.push_back(std::move(*windows));
    }
  }

  bool empty() const { return windows_.empty(); }
  /// Null if the block is none, or stays.
  const Windows* of(BlockId id) const { return of_block_[id.index] == none ? nullptr : &windows_[of_block_[id.index]]; }

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
  LargeVector<std::uint32_t> of_block_;  // which windows it has
};

/// Writes the graph anew.
class Slider {
 public:
  Slider(const Graph& from, const WindowTable& table) : from_(from), table_(table), made_(from.size(), nothing) {}

  View emit(Graph& out, BlockId id, std::span<const View> operands) {
    View& made = made_[id.index];
    const BlockKind kind = from_.kind(id);
    if (const Windows* own = table_.of(id)) return made = add_windows(out, *own);
    const bool product = kind == BlockKind::dense || kind == BlockKind::outer;
    const Windows* windows = product ? table_.of(from_.operand(id, 1).block) : nullptr;
    if (windows == nullptr) return made = out.add_copy(from_, id, operands);
    Weights w = from_.weights(id);
    w.window_step = windows->step;
    if (!windows->terms.empty()) put_gaps_in_order(w, windows->terms);
    std::vector<View> read(operands.begin(), operands.end());
    read[1] = made_[from_.operand(id, 1).block.index];
    return made = kind == BlockKind::outer ? add_outer(out, *windows, w, read) : add_dense(out, id, *windows, w, read);
  }

 private:
  View add_windows(Graph& out, const Windows& windows) {
    const View source = made_[windows.source.index];
    if (!windows.are_copied()) return source.part(windows.first, windows.count);
    const View zeros = std::ranges::find(windows.rows, zero) == windows.rows.end() ? nothing : out.add_constant(0.0);
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
    }
    return out.add_dense_like(from_, id, operands, w);
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
      const bool is_zero = rows[begin] == zero;
      const std::uint32_t step = end < rows.size() && !is_zero ? rows[end] - rows[begin] : 0;
      const auto goes_on = [&] {
        if (is_zero || rows[end] == zero) return is_zero && rows[end] == zero;
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
  LargeVector<View> made_;  // what stands for each block
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
