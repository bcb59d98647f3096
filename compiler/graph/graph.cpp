// Blocks, how they are kept, added and left out, and the order in which they are computed.
#include "tapeloom/compiler/graph/graph.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "tapeloom/compiler/graph/schedule.h"
#include "tapeloom/core/base/check.h"
#include "tapeloom/core/base/error.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

void BlockList::set(std::size_t i, const Block& block) {
  Word& word = words_[i];
  if (word.nodes != apart) {
    word = is_small(block) ? small(block) : put_apart(block);
    return;
  }
  word = {block.kind, block.op, block.varying, apart, word.first};
  rest_[word.first] = {block.rows, block.payload, block.first_operand, block.nodes, block.then};
}

void BlockList::add_many_nodes(std::size_t i, std::size_t nodes) {
  if (words_[i].nodes != apart) words_[i] = put_apart((*this)[i]);
  rest_[words_[i].first].nodes += static_cast<std::uint32_t>(nodes);
}

void BlockList::shrink(std::size_t size) {
  words_.shrink(size);
  std::size_t used = 0;
  for (const Word& word : words_) used += word.nodes == apart;
  constexpr std::size_t little = 8;  // one of so many
  if (rest_.size() - used <= rest_.size() / little) return;
  const GrowingVector<Rest> all = std::exchange(rest_, {});
  rest_.reserve(used);
  for (std::size_t i = 0; i < size; ++i) {
    if (words_[i].nodes != apart) continue;
    rest_.push_back(all[words_[i].first]);
    words_[i].first = static_cast<std::uint32_t>(rest_.size() - 1);
  }
}

void throw_too_large() {
  throw CompileError(
      "the recording is too large to compile: more numbers are computed one by one than 32 bits can count, derivatives "
      "included. Bind data as inputs instead of recording every sample, or find with explain() what does not roll");
}

bool Graph::push_operands(std::span<const View> operands) {
  bool varying = false;
  for (const View& operand : operands) {
    varying |= blocks_.varying(operand.block.index);
    operands_.push_back(*this, operand);
  }
  return varying;
}

View Graph::append(Block block, std::span<const View> operands, bool total) {
  check_size(operands.size());
  block.first_operand = static_cast<std::uint32_t>(operands_.size());
  const bool varying = push_operands(operands);
  block.varying |= varying && !total;
  blocks_.push_back(block);
  return {BlockId(blocks_.size() - 1), 0, block.rows, 1};
}

bool Graph::is_constant(const View& view, double number) const {
  if (!is_constant(view)) return false;
  for (std::uint32_t r = 0; r < (view.step == 0 ? 1 : view.rows); ++r) {
    if (constant(view, r) != number) return false;
  }
  return true;
}

View Graph::add_constants(std::span<const double> numbers) {
  const auto rows = static_cast<std::uint32_t>(numbers.size());
  return append({.kind = BlockKind::constant, .rows = rows, .payload = keep(numbers, numbers_)}, {});
}

View Graph::add_leaf(BlockKind kind, std::uint32_t payload, std::uint32_t rows) {
  return append({.kind = kind, .varying = kind == BlockKind::input, .rows = rows, .payload = payload}, {});
}

View Graph::add_elementwise(Op op, std::span<const View> operands) {
  TAPELOOM_CHECK(op_arity(op) == operands.size());
  check_size(operands.size());
  const auto first_operand = static_cast<std::uint32_t>(operands_.size());
  const bool varying = push_operands(operands);
  blocks_.push_elementwise(op, varying, operands[0].rows, first_operand, 0);
  return {BlockId(blocks_.size() - 1), 0, operands[0].rows, 1};
}

View Graph::add_batch_sum(const View& operand) {
  return append({.kind = BlockKind::batch_sum, .rows = operand.rows}, std::span(&operand, 1), true);
}

View Graph::add_row_sum(const View& operand, std::uint32_t sums) {
  return append({.kind = BlockKind::row_sum, .rows = sums}, std::span(&operand, 1));
}

View Graph::add_row_extreme(Op op, const View& operand, std::uint32_t extremes) {
  return append({.kind = BlockKind::row_extreme, .op = op, .rows = extremes}, std::span(&operand, 1));
}

View Graph::add_row_extreme_reverse(Op op, const View& x, const View& adjoint) {
  const View operands[] = {x, adjoint};
  return append({.kind = BlockKind::row_extreme_reverse, .op = op, .rows = x.rows}, operands);
}

View Graph::add_concat(std::span<const View> parts) {
  std::vector<View> merged;
  for (const View& part : parts) {
    View* last = merged.empty() ? nullptr : &merged.back();
    const bool continues = last != nullptr && last->block == part.block && last->row + last->rows == part.row &&
                           (last->step == 1 || last->rows == 1) && (part.step == 1 || part.rows == 1);
    if (continues) {
      last->rows += part.rows;
      last->step = 1;
    } else {
      merged.push_back(part);
    }
  }
  if (merged.size() == 1) return merged[0];
  std::uint32_t rows = 0;
  for (const View& part : merged) rows += part.rows;
  return append({.kind = BlockKind::concat, .rows = rows}, merged);
}

View Graph::add_assemble(std::uint32_t rows, std::span<const View> parts, std::span<const Destination> destinations) {
  return append({.kind = BlockKind::assemble, .rows = rows, .payload = keep(destinations, destinations_)}, parts);
}

View Graph::side_by_side(const View& view) {
  if (view.rows == 1 || view.step == 1) return view;
  return append({.kind = BlockKind::concat, .rows = view.rows}, std::span(&view, 1));
}

View Graph::add_dense(const View& first_weight, const Weights& weights, const View& x) {
  const View operands[] = {first_weight, x};
  const std::uint32_t rows = weights.places * weights.matrix.rows;
  return append({.kind = BlockKind::dense, .rows = rows, .payload = keep(weights)}, operands);
}

View Graph::add_dense_reverse(const View& first_weight, const Weights& weights, const View& y) {
  const View operands[] = {first_weight, y};
  const std::uint32_t rows = weights.places * weights.matrix.terms;
  return append({.kind = BlockKind::dense_reverse, .rows = rows, .payload = keep(weights)}, operands);
}

View Graph::add_outer(const View& y, const View& x, const Weights& like) {
  const View operands[] = {y, x};
  Weights weights = like;  // which may be one of those that are about to move
  const std::uint32_t places = weights.places, rows = y.rows / places;
  const std::uint32_t terms = weights.windows.step == 0 ? x.rows / places : weights.matrix.terms;
  const std::uint32_t blocks = weights.own ? places : 1;
  weights.matrix = {rows, terms, terms, 1};
  return append({.kind = BlockKind::outer, .rows = rows * terms * blocks, .payload = keep(weights)}, operands, true);
}

View Graph::add_finished(BlockId id, Op op, std::span<const View> operand, Op then) {
  Block block = blocks_[id.index];
  block.op = op, block.then = then, block.nodes = 0;
  std::vector<View> all = {this->operand(id, 0), this->operand(id, 1)};
  all.insert(all.end(), operand.begin(), operand.end());
  return append(block, all);
}

View Graph::add_dense_like(const Graph& from, BlockId id, std::span<const View> operands, const Weights& weights) {
  Block copy = from[id];
  copy.varying = false, copy.nodes = 0, copy.payload = keep(weights);
  return append(copy, operands);
}

View Graph::add_copy(const Graph& from, BlockId id, std::span<const View> operands) {
  const Block block = from[id];
  switch (block.kind) {
    case BlockKind::constant:
      return add_constants(from.numbers(id));
    case BlockKind::parameter:
    case BlockKind::input:
    case BlockKind::row:
    case BlockKind::uniform_input:
    case BlockKind::samples:
      return add_leaf(block.kind, block.payload, block.rows);
    case BlockKind::elementwise:
      return add_elementwise(block.op, operands);
    case BlockKind::batch_sum:
      return add_batch_sum(operands[0]);
    case BlockKind::row_sum:
      return add_row_sum(operands[0], block.rows);
    case BlockKind::row_extreme:
      return add_row_extreme(block.op, operands[0], block.rows);
    case BlockKind::row_extreme_reverse:
      return add_row_extreme_reverse(block.op, operands[0], operands[1]);
    case BlockKind::concat:
      return add_concat(operands);
    case BlockKind::assemble:
      return add_assemble(block.rows, operands, {from.destinations_.data() + block.payload, operands.size()});
    case BlockKind::dense:
    case BlockKind::dense_reverse:
      return add_dense_like(from, id, operands, from.weights(id));
    case BlockKind::outer:
      return add_outer(operands[0], operands[1], from.weights(id));
  }
  fail_check("a block kind", __FILE__, __LINE__);
}

bool Graph::add_moved(const Graph& from, BlockId id, const ViewList& moved) {
  const BlockList& blocks = from.blocks_;
  if (blocks.kind(id.index) != BlockKind::elementwise) return false;
  const std::size_t first = blocks.first_operand(id.index), end = first + op_arity(blocks.op(id.index));
  check_size(end - first);
  const auto first_operand = static_cast<std::uint32_t>(operands_.size());
  bool varying = false;
  for (std::size_t at = first; at < end; ++at) {
    varying |= blocks_.varying(operands_.push_moved(*this, from, at, moved).index);
  }
  blocks_.push_elementwise(blocks.op(id.index), varying, blocks.rows(id.index), first_operand, blocks.nodes(id.index));
  return true;
}

void Graph::Intakes::add(const Graph& graph, BlockId reader, Op op, std::initializer_list<View> read) {
  readers.push_back({reader, op, static_cast<std::uint8_t>(read.size())});
  for (const View& x : read) operands.push_back(graph, x);
}

void Graph::take_in(const Intakes& intakes) {
  BlockFlags goes(size(), false);
  for (const auto& [block, heir] : intakes.gone) {
    goes[block.index] = true;
    stands_for(heir, nodes(block));
  }
  const ViewList old = std::exchange(operands_, {});
  operands_.reserve_like(old);
  LargeVector<BlockId> moved(size(), nothing.block);
  std::size_t kept = 0, operand = 0, taken = 0;
  const Intakes::Reader* next = intakes.readers.begin();
  for (std::size_t i = 0; i < size(); ++i) {
    const std::size_t end = i + 1 < size() ? blocks_.first_operand(i + 1) : old.size();
    if (goes[i] == 0) {
      moved[i] = BlockId(kept);
      const auto first = static_cast<std::uint32_t>(operands_.size());
      if (next != intakes.readers.end() && next->block.index == i) {
        for (std::size_t k = 0; k < next->operands; ++k) operands_.push_copy(intakes.operands, taken++, moved);
        Block block = blocks_[i];
        block.kind = next->op == no_op ? BlockKind::dense : BlockKind::elementwise, block.op = next->op;
        const View last = operands_.at(*this, operands_.size() - 1);
        if (next->op == no_op) block.payload = keep(Weights{.matrix = {1, last.rows, 0, 1}});
        blocks_.set(i, block);
        ++next;
      } else {
        for (; operand < end; ++operand) operands_.push_copy(old, operand, moved);
      }
      blocks_.move(i, kept++, first);
    }
    operand = end;
  }
  blocks_.shrink(kept);
  roots.each([&](View& root) { root.block = moved[root.block.index]; });
}

BlockFlags find_matrices(const Graph& graph) {
  BlockFlags matrices;
  for (std::size_t i = 0; i < graph.size(); ++i) {
    if (!is_product(graph.kind(BlockId(i)))) continue;
    if (matrices.empty()) matrices.resize(graph.size(), false);
    matrices[graph.operand(BlockId(i), 0).block.index] = true;
  }
  return matrices;
}

bool has_gaps(const Graph& graph) {
  return any_block(graph, [&](BlockId id) { return graph.kind(id) == BlockKind::dense && graph.weights(id).gaps; });
}

bool has_places(const Graph& graph) {
  return any_block(graph,
                   [&](BlockId id) { return graph.kind(id) == BlockKind::dense && graph.weights(id).places > 1; });
}

BlockFlags find_live(const Graph& graph) {
  BlockFlags live(graph.size(), false);
  graph.roots.each([&](const View& root) { live[root.block.index] = true; });
  graph.each_backwards([&](BlockId id, const OperandBlocks& operands) {
    if (!live[id.index]) return;
    for (const BlockId x : operands) live[x.index] = true;
  });
  return live;
}

LargeVector<std::uint32_t> count_uses(const Graph& graph) {
  LargeVector<std::uint32_t> uses(graph.size(), 0);
  graph.each_backwards([&](BlockId, const OperandBlocks& operands) {
    for (const BlockId x : operands) ++uses[x.index];
  });
  graph.roots.each([&](const View& root) { ++uses[root.block.index]; });
  return uses;
}

void drop_dead(Graph& graph, const BlockFlags& live) {
  if (live.empty() || std::memchr(live.data(), 0, live.size()) == nullptr) return;
  graph.contract([&](BlockId id) { return live[id.index] ? id : nothing.block; });
}

void finish_rebuild(const Graph& old, const Rebuilt& rebuilt, Graph& graph) {
  const ViewList& moved = rebuilt.rows;
  const BlockFlags live = find_live(graph);
  BlockFlags gone(old.size());
  bool any_gone = false;
  for (std::size_t i = 0; i < old.size(); ++i) {
    gone[i] = live[moved.block(i).index] == 0;
    any_gone |= gone[i] != 0;
  }
  for (const BlockId id : rebuilt.made) {
    if (gone[id.index] == 0) graph.stands_for(moved.block(id.index), old.nodes(id));
  }
  if (any_gone) {
    // From users to operands, so that a block that has died finds what stands for a user of it.
    LargeVector<BlockId> heir(old.size(), nothing.block);
    old.each_backwards([&](BlockId id, const OperandBlocks& operands) {
      const BlockId by = gone[id.index] != 0 ? heir[id.index] : moved.block(id.index);
      if (by == nothing.block) return;
      if (gone[id.index] != 0) graph.stands_for(by, old.nodes(id));
      for (const BlockId x : operands) {
        if (gone[x.index] != 0) heir[x.index] = by;
      }
    });
  }
  drop_dead(graph, live);
}

void Graph::reserve(std::size_t blocks, std::size_t operands) {
  blocks_.reserve(blocks);
  operands_.reserve(operands);
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
