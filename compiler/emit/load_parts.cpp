#include "tapeloom/compiler/emit/load_parts.h"

#include <algorithm>

#include "tapeloom/core/program/cost.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Rows of an input block that something reads: a product of so many results, the outer product that its matrix's
/// adjoint is, or anything else.
struct Read {
  enum class By : std::uint8_t { product, outer, other };
  std::uint32_t begin, end;
  By by;
  std::uint32_t results;

  bool meets(const Read& other) const { return begin < other.end && other.begin < end; }
};

Read::By reader_of(const Graph& graph, BlockId id, std::size_t k, const View& x) {
  const BlockKind kind = graph.kind(id);
  if ((kind != BlockKind::dense && kind != BlockKind::outer) || k != 1 || x.step != 1) return Read::By::other;
  const Weights& w = graph.weights(id);
  if (w.places != 1 || w.matrix.term_step != 1) return Read::By::other;
  return kind == BlockKind::dense ? Read::By::product : Read::By::outer;
}

/// As LoadsInPlace estimates it, with the widest vectors. One more load takes a little: a step of one sigmoid of 16
/// inputs took 1.15 times as long with it, of 30 inputs 0.85 times.
bool better_in_place(const Read& part, std::span<const Read> reads) {
  constexpr std::size_t samples = 64, lanes = 16, another_load = 250;
  const std::size_t terms = part.end - part.begin;
  std::size_t in_place = another_load, in_tile = cost::transposing_rows(samples, terms, lanes);
  for (const Read& read : reads) {
    if (read.by != Read::By::product || !read.meets(part)) continue;
    in_place += cost::dots_of_rows(samples, read.results, terms, lanes);
    in_tile += terms * read.results * cost::vectors_of(samples, lanes);
  }
  return in_place < in_tile;
}

/// Whether the rows of a product are read by such alone, and all of them at once.
bool is_apart(const Read& part, std::span<const Read> reads) {
  return std::ranges::all_of(reads, [&](const Read& read) {
    const bool same = read.begin == part.begin && read.end == part.end && read.by != Read::By::other;
    return same || !read.meets(part);
  });
}

}  // namespace

LoadParts::LoadParts(const Graph& graph) {
  std::map<std::uint32_t, std::vector<Read>> reads;
  const auto add = [&](const View& x, Read::By by, std::uint32_t results) {
    if (graph.kind(x.block) != BlockKind::input) return;
    reads[x.block.index].push_back({x.row, x.row + (x.rows - 1) * x.step + 1, by, results});
  };
  const auto is_product = [&](BlockId id) {
    const BlockKind kind = graph.kind(id);
    if (kind != BlockKind::dense) return false;
    const View x = graph.operand(id, 1);
    return graph.kind(x.block) == BlockKind::input && !graph.is_whole(x);
  };
  if (!any_block(graph, is_product)) return;
  for (std::size_t i = 0; i < graph.size(); ++i) {
    std::size_t k = 0;
    for (const View& x : graph.operands(BlockId(i))) {
      add(x, reader_of(graph, BlockId(i), k++, x), graph[BlockId(i)].rows);
    }
  }
  graph.roots.each([&](const View& root) { add(root, Read::By::other, 0); });
  for (const auto& [block, of_block] : reads) {
    std::vector<std::uint32_t> begins;
    for (const Read& read : of_block) {
      if (read.by != Read::By::product || !is_apart(read, of_block) || !better_in_place(read, of_block)) continue;
      begins.insert(begins.end(), {read.begin, read.end});
    }
    std::ranges::sort(begins);
    begins.erase(std::unique(begins.begin(), begins.end()), begins.end());
    const std::uint32_t rows = graph[BlockId(std::size_t{block})].rows;
    std::erase_if(begins, [&](std::uint32_t row) { return row == 0 || row == rows; });
    if (!begins.empty()) begins_.emplace(block, std::move(begins));
  }
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
