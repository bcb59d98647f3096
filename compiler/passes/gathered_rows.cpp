#include "tapeloom/compiler/passes/gathered_rows.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// A view of rows that are evenly spaced in one block; or nothing.
View evenly_spaced(const std::vector<GatheredRows::Row>& rows) {
  const auto [block, first] = rows[0];
  if (rows.size() > 1 && rows[1].second < first) return nothing;
  const std::uint32_t step = rows.size() == 1 ? 1 : rows[1].second - first;
  for (std::uint32_t r = 0; r < rows.size(); ++r) {
    if (rows[r] != GatheredRows::Row{block, first + r * step}) return nothing;
  }
  return {BlockId(std::size_t{block}), first, static_cast<std::uint32_t>(rows.size()), step};
}

}  // namespace

void GatheredRows::enter(BlockId concat) {
  const auto [at, is_new] = behind_.try_emplace(concat.index);
  if (!is_new) return;
  std::vector<Row>& rows = at->second;
  rows.reserve(g_[concat].rows);
  for (const View& part : g_.operands(concat)) {
    for (std::uint32_t r = 0; r < part.rows; ++r) rows.push_back(behind(part.block, part.row + r * part.step));
  }
}

GatheredRows::Row GatheredRows::behind(BlockId block, std::uint32_t row) const {
  const auto at = behind_.find(block.index);
  return at == behind_.end() ? Row{block.index, row} : at->second[row];
}

std::vector<GatheredRows::Row> GatheredRows::behind(const View& x) const {
  std::vector<Row> rows;
  for (std::uint32_t r = 0; r < x.rows; ++r) rows.push_back(behind(x.block, x.row + r * x.step));
  return rows;
}

View GatheredRows::source(const View& x) {
  if (!are_gathered(x)) return x;
  const std::vector<Row> rows = behind(x);
  const View view = evenly_spaced(rows);
  return view != nothing ? view : views_.try_emplace(rows, x).first->second;
}

View GatheredRows::view_of(const std::vector<Row>& rows) {
  const View view = evenly_spaced(rows);
  if (view != nothing) return view;
  const auto [at, is_new] = views_.try_emplace(rows, nothing);
  if (is_new) at->second = gather(rows);
  return at->second;
}

View GatheredRows::gather(const std::vector<Row>& rows) {
  std::vector<View> parts;
  for (const auto& [block, row] : rows) {
    const BlockId id(std::size_t{block});
    if (!parts.empty() && parts.back().block == id && parts.back().row + parts.back().rows == row) {
      ++parts.back().rows;
    } else {
      parts.push_back({id, row, 1, 1});
    }
  }
  const View view = g_.add_concat(parts);
  enter(view.block);
  return view;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
