#include "tapeloom/compiler/emit/indexed_rows.h"

#include <algorithm>

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Whether a block that reads `x`, all of whose rows vary or some do not, can read it row by row.
bool reads_one_by_one(const Graph& g, BlockId user, bool all_vary) {
  const BlockKind kind = g.kind(user);
  if (kind == BlockKind::elementwise) return all_vary;
  return kind == BlockKind::row_sum || kind == BlockKind::concat || kind == BlockKind::assemble;
}

/// Whether all that happens to rows besides being operands is that they are added up over the samples.
bool is_total_of(const Sink& sink, const View& rows) {
  return sink.kind == InstructionKind::reduce && sink.rows == rows && sink.next == Sinks::none;
}

/// Whether sums may multiply the rows themselves.
bool is_listed_product(const Graph& g, BlockId id) {
  const View x = g.all(id);
  return x.rows > 1 && (g.is_op(x, Op::mul) || g.is_op(x, Op::square));
}

/// Whether all that it is read for is sums, as which the products are added up.
bool reads_products(const Graph& g, BlockId user) {
  return g[user].kind == BlockKind::row_sum || g[user].kind == BlockKind::assemble;
}

}  // namespace

IndexedRows::IndexedRows(const Graph& g, const Sinks& sinks, const PlacedParts& placed) {
  LargeVector<bool> indexed(g.size(), false), all_vary(g.size(), false);
  LargeVector<std::uint64_t> rows_read;  // of products
  bool any = false;
  for (std::size_t i = 0; i < g.size(); ++i) {
    const BlockId id(i);
    if (!g.varying(id)) continue;
    const bool product = is_listed_product(g, id);
    if (g[id].kind != BlockKind::concat && !product) continue;
    if (placed.part(id) != nullptr || placed.has_parts(id)) continue;
    const std::uint32_t sink = sinks.first[i];
    indexed[i] = sink == Sinks::none || (product && is_total_of(sinks.list[sink], g.all(id)));
    any = any || indexed[i];
    all_vary[i] = std::ranges::all_of(g.operands(id), [&](const View& part) {
      return g.varying(part) && (g[part.block].kind != BlockKind::concat || all_vary[part.block.index]);
    });
    if (sink != Sinks::none) indexed[i] = indexed[i] && all_vary[i];
  }
  if (!any) return;
  rows_read.resize(g.size());
  for (std::size_t i = 0; i < g.size(); ++i) {
    const BlockId user(i);
    for (const View& x : g.operands(user)) {
      if (!indexed[x.block.index]) continue;
      const bool product = g[x.block].kind == BlockKind::elementwise;
      if (sinks.first[x.block.index] != Sinks::none) {  // it is added up over the samples, and by nobody else
        indexed[x.block.index] = g[user].kind == BlockKind::batch_sum;
        continue;
      }
      rows_read[x.block.index] += x.rows;
      // In the same stage: what another one reads is spilled, and a total has a sink, too, or is no reader of these.
      indexed[x.block.index] = product ? reads_products(g, user) && rows_read[x.block.index] <= g[x.block].rows
                                       : reads_one_by_one(g, user, all_vary[x.block.index]);
    }
  }
  LargeVector<std::uint32_t> number(g.size(), none);
  for (std::size_t i = 0; i < g.size(); ++i) {
    if (!indexed[i]) continue;
    number[i] = static_cast<std::uint32_t>(sources_.size());
    std::vector<BlockId> list;
    for (const View& part : g.operands(BlockId(i))) {
      if (!g.varying(part) || (!list.empty() && list.back() == part.block)) continue;
      if (const std::uint32_t inner = number[part.block.index]; inner != none) {
        list.insert(list.end(), sources_[inner].begin(), sources_[inner].end());
      } else {
        list.push_back(part.block);
      }
    }
    std::ranges::sort(list, {}, &BlockId::index);
    list.erase(std::unique(list.begin(), list.end()), list.end());
    sources_.push_back(std::move(list));
  }
  number_ = SparseTable(number);
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
