#include "tapeloom/compiler/passes/find_windows.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

constexpr std::uint32_t zero = Windows::zero, none = zero - 1;
/// Each row of places is a product of its own: with rows of two, 4 to 16 samples took 1.2 times as long as with windows
/// that are copied; with rows of four, 0.9 to 1.05 times, and larger batches 0.7 to 0.85 times.
constexpr std::uint32_t least_places_a_row = 4;

/// Finds the windows of a concatenation: what it copies, place after place.
class WindowFinder {
 public:
  WindowFinder(const Graph& graph, BlockId copies, std::uint32_t places, std::uint32_t terms)
      : g_(graph), places_(places), terms_(terms) {
    result_.source = nothing.block;
    list_rows(copies);
    // What is computed once a step copies single numbers, and has a product for each row of places: a convolution of an
    // image took 1.07 times as long with one sample.
    most_rows_ = graph.varying(copies) ? places - 1 : 1;
  }

  std::optional<Windows> find() {
    if (result_.source == nothing.block || !find_whole_place() || !find_runs()) return std::nullopt;
    // In one row of places, or in as few as do.
    for (std::uint32_t rows = 1; rows <= most_rows_; ++rows) {
      const std::uint32_t in_row = places_ / rows;
      if (rows > 1 && in_row < least_places_a_row) break;
      if (places_ % rows == 0 && fits(in_row)) return std::move(result_);
    }
    return std::nullopt;
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

  /// Whether windows overlap in rows of so many places.
  bool fits(std::uint32_t in_row) {
    if (!find_shift(in_row)) return false;
    const std::uint32_t runs = terms_ / run_, step = shift_ * runs;
    const std::uint64_t length = (std::uint64_t{in_row} - 1) * step + terms_, count = places_ / in_row * length;
    if (count >= std::uint64_t{places_} * terms_) return false;
    result_.steps = {.step = step};
    put_in_order(runs);
    // Another length than the image's fails there already.
    placed_.assign(length, none);
    if (!place_row(place_ / in_row * in_row, in_row, placed_)) return false;
    placed_.assign(count, none);
    for (std::uint32_t first = 0; first < places_; first += in_row) {
      if (!place_row(first, in_row, std::span(placed_).subspan(first / in_row * length, length))) return false;
    }
    if (in_row < places_) result_.steps.run = in_row, result_.steps.run_step = static_cast<std::uint32_t>(length);
    finish();
    return true;
  }

  /// By how much rows move from a place to the next one of a row.
  bool find_shift(std::uint32_t in_row) {
    const std::uint32_t other = (place_ + 1) % in_row != 0 ? place_ + 1 : place_ - 1;
    shift_ = 0;
    for (std::uint32_t t = 0; t < terms_ && shift_ == 0; ++t) {
      if (row(other, t) == zero) continue;
      const std::uint32_t from = row(std::min(place_, other), t), to = row(std::max(place_, other), t);
      if (to <= from) return false;
      shift_ = to - from;
    }
    return shift_ != 0;
  }

  /// Windows have the first rows of each run, then the next ones of each: as few at a time as windows may move by, so
  /// that what an image has at a place, its channels, stays together.
  void put_in_order(std::uint32_t runs) {
    const std::uint32_t together = std::gcd(run_, shift_);
    position_.resize(terms_), result_.terms.resize(terms_);
    for (std::uint32_t k = 0; k < terms_; ++k) {
      const std::uint32_t run = k / run_, at = k % run_;
      position_[order_[k]] = at / together * together * runs + run * together + at % together;
      result_.terms[position_[order_[k]]] = order_[k];
    }
  }

  /// Those of the places of a row. False if two of its windows have different rows at the same place, or one a zero.
  bool place_row(std::uint32_t first, std::uint32_t count, std::span<std::uint32_t> placed) const {
    for (std::uint32_t p = 0; p < count; ++p) {
      const std::span<std::uint32_t> window = placed.subspan(std::size_t{p} * result_.steps.step, terms_);
      for (std::uint32_t t = 0; t < terms_; ++t) {
        std::uint32_t& to = window[position_[t]];
        if (to != none && to != row(first + p, t)) return false;
        to = row(first + p, t);
      }
    }
    return true;
  }

  void finish() {
    if (std::ranges::is_sorted(result_.terms)) result_.terms.clear();
    result_.count = static_cast<std::uint32_t>(placed_.size());
    result_.first = placed_[0];
    const auto breaks = [](std::uint32_t row, std::uint32_t next) { return row == zero || next != row + 1; };
    const bool in_place = result_.steps.run == 0 && std::ranges::adjacent_find(placed_, breaks) == placed_.end();
    if (!in_place) result_.rows = std::move(placed_);
  }

  const Graph& g_;
  std::uint32_t places_, terms_, most_rows_;
  std::vector<std::uint32_t> rows_;  // that are copied
  std::uint32_t place_ = 0;          // one without zeros
  std::vector<std::uint32_t> order_;
  std::uint32_t run_ = 1, shift_ = 0;
  std::vector<std::uint32_t> position_;  // in a window, of each term
  std::vector<std::uint32_t> placed_;    // rows of the windows
  Windows result_;
};

}  // namespace

std::optional<Windows> find_windows(const Graph& graph, BlockId copies, std::uint32_t places, std::uint32_t terms) {
  return WindowFinder(graph, copies, places, terms).find();
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
