// Rows that are added to rows, gathered into as few blocks as need be.
#include "tapeloom/compiler/passes/row_scatter.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "tapeloom/compiler/passes/passes.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// The rows of amounts that lie side by side, in the order of the rows that they are added to, as many to each of
/// `count`; or nothing.
View side_by_side(std::span<const RowScatter::Part> parts, std::size_t count) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> rows;  // added to, and of the amount
  const BlockId block = parts[0].amount.block;
  for (const auto& [to, amount] : parts) {
    if (amount.block != block) return nothing;
    for (std::uint32_t r = 0; r < to.rows; ++r) {
      rows.emplace_back(to.row + r * to.step, amount.row + r * amount.step);
    }
  }
  if (rows.size() % count != 0) return nothing;
  std::ranges::stable_sort(rows, {}, [](const auto& row) { return row.first; });
  const std::size_t each = rows.size() / count;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const bool same = rows[i].first == rows[i - 1].first;
    if (same != (i % each != 0) || rows[i].second != rows[0].second + i) return nothing;
  }
  return {block, rows[0].second, static_cast<std::uint32_t>(rows.size()), 1};
}

}  // namespace

void RowScatter::add(const View& to, const View& amount) { parts_.push_back({to, amount}); }

void RowScatter::each(Graph& graph, const std::function<void(const View&, const View&)>& contribute) {
  std::unordered_map<std::uint32_t, std::uint32_t> order;  // of blocks; looked up, never walked
  for (const Part& part : parts_) order.try_emplace(part.to.block.index, static_cast<std::uint32_t>(order.size()));
  std::ranges::stable_sort(parts_, {}, [&](const Part& part) { return order.at(part.to.block.index); });
  for (std::size_t begin = 0, end = 0; begin < parts_.size(); begin = end) {
    while (end < parts_.size() && parts_[end].to.block == parts_[begin].to.block) ++end;
    contribute_block(graph, std::span(parts_).subspan(begin, end - begin), contribute);
  }
}

void RowScatter::contribute_block(Graph& graph, std::span<const Part> parts,
                                  const std::function<void(const View&, const View&)>& contribute) {
  if (parts.size() == 1) return contribute(parts[0].to, parts[0].amount);
  // The rows that are added to, each once.
  std::vector<std::uint32_t> rows;
  for (const auto& [to, amount] : parts) {
    for (std::uint32_t r = 0; r < to.rows; ++r) rows.push_back(to.row + r * to.step);
  }
  const std::size_t added = rows.size();
  std::ranges::sort(rows);
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  const bool once = added == rows.size();
  const std::uint32_t span = rows.back() - rows[0] + 1;
  const bool full = span == rows.size();
  const View summed = once || !full ? nothing : side_by_side(parts, rows.size());
  if (summed != nothing) {
    const View sums = graph.add_row_sum(summed, static_cast<std::uint32_t>(rows.size()));
    return contribute({parts[0].to.block, rows[0], sums.rows, 1}, sums);
  }
  // In one list with the block's other contributions, each row costs what it is. To put those of every reader together
  // first, with zeros between them, takes many times as long where many read a few rows here and there.
  if (listed_ && !(full && once)) {
    for (const auto& [to, amount] : parts) {
      for (std::uint32_t r = 0; r < to.rows; ++r) {
        contribute({to.block, to.row + r * to.step, 1, 1}, amount.part(r, 1));
      }
    }
    return;
  }
  // Rows that lie close together are one contribution, with zeros for those between.
  if (!full && span <= choices::most_zeros_a_row * rows.size() + choices::most_zeros) {
    const std::uint32_t first = rows[0];
    rows.resize(span);
    std::iota(rows.begin(), rows.end(), first);
  }
  const auto count = static_cast<std::uint32_t>(rows.size());
  const auto place = [&](std::uint32_t row) {
    return static_cast<std::uint32_t>(std::ranges::lower_bound(rows, row) - rows.begin());
  };
  View total;
  if (once && added == count) {  // then the amounts only change their order
    std::vector<View> by_row(count, nothing);
    for (const auto& [to, amount] : parts) {
      for (std::uint32_t r = 0; r < to.rows; ++r) by_row[place(to.row + r * to.step)] = amount.part(r, 1);
    }
    total = graph.add_concat(by_row);
  } else {
    std::vector<View> amounts;
    std::vector<Destination> destinations;
    for (const auto& [to, amount] : parts) {
      for (std::uint32_t r = 0; r < to.rows; ++r) {
        amounts.push_back(amount.part(r, 1));
        destinations.push_back({place(to.row + r * to.step), {}});
      }
    }
    total = graph.add_assemble(count, amounts, destinations);
  }
  // As few contributions as there are evenly spaced runs of rows.
  for (std::uint32_t first = 0, last = 0; first < count; first = last) {
    const std::uint32_t step = first + 1 < count ? rows[first + 1] - rows[first] : 1;
    last = first + 1;
    while (last < count && rows[last] - rows[last - 1] == step) ++last;
    contribute({parts[0].to.block, rows[first], last - first, last - first == 1 ? 1 : step},
               total.part(first, last - first));
  }
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
