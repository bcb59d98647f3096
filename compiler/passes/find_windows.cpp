#include "tapeloom/compiler/passes/find_windows.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

constexpr std::uint32_t zero = Windows::zero;

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

}  // namespace

std::optional<Windows> find_windows(const Graph& graph, BlockId copies, std::uint32_t places, std::uint32_t terms) {
  return WindowFinder(graph, copies, places, terms).find();
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
