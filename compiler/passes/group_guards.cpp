// Guards on rows of one block become one guard over rows, and equal ones one.
#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Puts the guards of a graph together.
class GuardGrouper {
 public:
  GuardGrouper(Graph& graph, const GuardNumbers& recorded, std::span<const Guard> of_tape)
      : g_(graph), recorded_(recorded), of_tape_(of_tape) {}

  GuardNumbers run() {
    for (std::size_t i = 0; i < g_.roots.guards.size(); ++i) add_row(g_.roots.guards[i], recorded_[i]);
    merge_equal();
    for (std::size_t begin = 0; begin < rows_.size();) {
      std::size_t end = begin + 1;
      while (end < rows_.size() && same_block(rows_[begin], rows_[end])) ++end;
      group(begin, end);
      begin = end;
    }
    return write();
  }

 private:
  /// A row of a block that is guarded.
  struct Row {
    BlockId block;
    std::uint32_t row;
    std::uint32_t numbers;       // index into numbers_
    std::uint32_t expected = 0;  // which of the row's guards, by what they expect
  };
  /// What becomes one guard over rows: rows_[begin, end).
  struct Group {
    View view;
    std::size_t begin, end;
    std::uint32_t first;  // of the tape's guards
  };

  bool expected(std::uint32_t guard) const { return of_tape_[guard].expected; }
  std::uint32_t first_of(const Row& row) const { return std::ranges::min(numbers_[row.numbers]); }

  void add(const View& view, std::vector<std::uint32_t> numbers) {
    rows_.push_back({view.block, view.row, static_cast<std::uint32_t>(numbers_.size())});
    numbers_.push_back(std::move(numbers));
  }

  /// What is the same for all samples has one guard, or two where they contradict each other.
  void add_row(const View& view, std::span<const std::uint32_t> numbers) {
    if (g_.varying(view) || numbers.size() == 1) return add(view, {numbers.begin(), numbers.end()});
    for (const bool which : {false, true}) {
      std::uint32_t first = UINT32_MAX;
      for (std::uint32_t guard : numbers) first = expected(guard) == which ? std::min(first, guard) : first;
      if (first != UINT32_MAX) add(view, {first});
    }
  }

  /// Of equal guards the first one, sample by sample, is the one to be reported.
  void merge_equal() {
    const auto expects = [&](std::uint32_t guard) { return expected(guard); };
    std::ranges::sort(rows_, [&](const Row& a, const Row& b) {
      if (a.block != b.block || a.row != b.row) return std::tie(a.block.index, a.row) < std::tie(b.block.index, b.row);
      return std::ranges::lexicographical_compare(numbers_[a.numbers], numbers_[b.numbers], {}, expects, expects);
    });
    std::size_t kept = 0;
    for (const Row& row : rows_) {
      Row& last = rows_[kept == 0 ? 0 : kept - 1];
      const bool same_row = kept > 0 && last.block == row.block && last.row == row.row;
      if (same_row && std::ranges::equal(numbers_[last.numbers], numbers_[row.numbers], {}, expects, expects)) {
        std::ranges::transform(numbers_[last.numbers], numbers_[row.numbers], numbers_[last.numbers].begin(),
                               [](std::uint32_t a, std::uint32_t b) { return std::min(a, b); });
        continue;
      }
      const std::uint32_t which = same_row ? last.expected + 1 : 0;
      rows_[kept] = row;
      rows_[kept++].expected = which;
    }
    rows_.resize(kept);
    std::ranges::sort(rows_, {}, [](const Row& row) { return std::tuple(row.expected, row.block.index, row.row); });
  }

  static bool same_block(const Row& a, const Row& b) { return a.block == b.block && a.expected == b.expected; }

  /// Rows that lie evenly are read where they are. Those of many runs are gathered.
  void group(std::size_t begin, std::size_t end) {
    std::vector<View> runs;
    const std::size_t known = groups_.size();
    for (std::size_t i = begin; i < end;) {
      const std::uint32_t step = i + 1 < end ? rows_[i + 1].row - rows_[i].row : 1;
      std::size_t last = i;
      while (last + 1 < end && rows_[last + 1].row - rows_[last].row == step) ++last;
      runs.push_back({rows_[i].block, rows_[i].row, static_cast<std::uint32_t>(last + 1 - i), step});
      if (last == i) runs.back().step = 1;
      add_group(runs.back(), i, last + 1);
      i = last + 1;
    }
    if (runs.size() <= choices::few_guard_runs) return;
    groups_.resize(known);
    add_group(g_.add_concat(runs), begin, end);
  }

  void add_group(const View& view, std::size_t begin, std::size_t end) {
    std::uint32_t first = UINT32_MAX;
    for (std::size_t i = begin; i < end; ++i) first = std::min(first, first_of(rows_[i]));
    groups_.push_back({view, begin, end, first});
  }

  GuardNumbers write() {
    std::ranges::sort(groups_, {}, &Group::first);
    GuardNumbers numbers;
    g_.roots.guards.clear();
    for (const Group& group : groups_) {
      g_.roots.guards.push_back(group.view);
      for (std::size_t i = group.begin; i < group.end; ++i) numbers.add(numbers_[rows_[i].numbers]);
    }
    return numbers;
  }

  Graph& g_;
  const GuardNumbers& recorded_;
  std::span<const Guard> of_tape_;
  std::vector<Row> rows_;
  std::vector<std::vector<std::uint32_t>> numbers_;
  std::vector<Group> groups_;
};

}  // namespace

Graph group_guards(Graph graph, GuardNumbers& numbers, std::span<const Guard> of_tape) {
  numbers = GuardGrouper(graph, numbers, of_tape).run();
  return graph;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
