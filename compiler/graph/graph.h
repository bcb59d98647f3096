// The compiler's IR. A block is rows x columns of numbers: a column is a sample, or the one column of a uniform block.
// Block ids are topologically ordered. Private to compiler/.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "tapeloom/compiler/graph/block_list.h"
#include "tapeloom/compiler/graph/views.h"
#include "tapeloom/core/base/ids.h"
#include "tapeloom/core/base/memory.h"
#include "tapeloom/core/ops/op.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// What must be computed; everything else is dead.
struct Roots {
  View loss = nothing;
  std::vector<View> outputs;
  std::vector<View> guards;  ///< of one row each, until they are grouped
  /// The derivatives of the loss by the rows of parameter and input blocks, for each such block that has any.
  struct Gradient {
    std::uint32_t first;  ///< ParameterId or InputId of the first row
    View value;
  };
  std::vector<Gradient> gradients;
  std::vector<Gradient> input_gradients;

  /// Calls f(View&) for each root there is.
  template <class F>
  void each(F&& f) {
    each_of(*this, f);
  }
  /// The same with const View&.
  template <class F>
  void each(F&& f) const {
    each_of(*this, f);
  }

 private:
  static void each_of(auto& roots, auto& f) {
    if (roots.loss != nothing) f(roots.loss);
    for (auto& root : roots.outputs) f(root);
    for (auto& root : roots.guards) f(root);
    for (auto& root : roots.gradients) f(root.value);
    for (auto& root : roots.input_gradients) f(root.value);
  }
};

class Graph {
 public:
  std::size_t size() const { return blocks_.size(); }
  Block operator[](BlockId id) const { return blocks_[id.index]; }
  BlockKind kind(BlockId id) const { return blocks_.kind(id.index); }
  OperandList operands(BlockId id) const { return {*this, blocks_.first_operand(id.index), end_of_operands(id)}; }
  OperandBlocks operand_blocks(BlockId id) const {
    return {operands_, blocks_.first_operand(id.index), end_of_operands(id)};
  }
  /// requires: it has so many.
  View operand(BlockId id, std::size_t k) const { return operands_.at(*this, blocks_.first_operand(id.index) + k); }
  /// Calls f(id, blocks of the operands) for each block, the last one first.
  template <class F>
  void each_backwards(F&& f) const {
    std::size_t end = operands_.size();
    for (std::size_t i = size(); i-- > 0;) {
      const std::size_t begin = blocks_.first_operand(i);
      f(BlockId(i), OperandBlocks(operands_, begin, end));
      end = begin;
    }
  }
  std::uint32_t nodes(BlockId id) const { return blocks_.nodes(id.index); }
  Op op(BlockId id) const { return blocks_.op(id.index); }
  std::uint32_t rows(BlockId id) const { return blocks_.rows(id.index); }
  bool varying(BlockId id) const { return blocks_.varying(id.index); }
  bool varying(const View& view) const { return varying(view.block); }
  /// All rows of a block.
  View all(BlockId id) const { return {id, 0, blocks_.rows(id.index), 1}; }

  bool is_whole(const View& view) const {
    return view.row == 0 && view.step == 1 && view.rows == blocks_.rows(view.block.index);
  }

  /// The numbers of a constant block.
  std::span<const double> numbers(BlockId id) const {
    return {numbers_.data() + blocks_[id.index].payload, blocks_[id.index].rows};
  }
  bool is_constant(const View& view) const { return blocks_.kind(view.block.index) == BlockKind::constant; }
  double constant(const View& view, std::uint32_t row) const { return numbers(view.block)[view.row + row * view.step]; }
  /// True if every row is the constant `number`.
  bool is_constant(const View& view, double number) const;
  /// True if the view is all of an elementwise block of that op.
  bool is_op(const View& view, Op op) const {
    return blocks_.kind(view.block.index) == BlockKind::elementwise && blocks_.op(view.block.index) == op;
  }
  /// Operand k of the elementwise block behind a view, for the rows of the view.
  View behind(const View& view, std::size_t k) const { return operand(view.block, k).through(view); }
  /// Of an assemble block: where operand k is added.
  const Destination& destination(BlockId id, std::size_t k) const {
    return destinations_[blocks_[id.index].payload + k];
  }
  /// Of a dense or dense_reverse block: how W lies in the block of its first operand. Of an outer block: how it lies.
  const Weights& weights(BlockId id) const { return weights_[blocks_[id.index].payload]; }

  View add_constant(double number) { return add_constants(std::span(&number, 1)); }
  View add_constants(std::span<const double> numbers);
  View add_leaf(BlockKind kind, std::uint32_t payload, std::uint32_t rows = 1);
  View add_elementwise(Op op, std::initializer_list<View> operands) {
    return add_elementwise(op, std::span(operands.begin(), operands.size()));
  }
  View add_elementwise(Op op, std::span<const View> operands);
  View add_batch_sum(const View& operand);
  /// Sums of as many rows each, one after another.
  View add_row_sum(const View& operand, std::uint32_t sums = 1);
  /// Extremes of as many rows each, one after another.
  View add_row_extreme(Op op, const View& operand, std::uint32_t extremes = 1);
  /// `adjoint` is that of the row_extreme of x.
  View add_row_extreme_reverse(Op op, const View& x, const View& adjoint);
  /// The views one after another; a single view, or neighbours of one block, are returned as they are.
  View add_concat(std::span<const View> parts);
  View add_assemble(std::uint32_t rows, std::span<const View> parts, std::span<const Destination> destinations);
  View add_dense(const View& first_weight, const Weights& weights, const View& x);
  View add_dense_reverse(const View& first_weight, const Weights& weights, const View& y);
  /// The sum over the columns of Y X^T, at the places of `like`, whose matrix does not matter; where each has its own,
  /// it is not added up over the places.
  View add_outer(const View& y, const View& x, const Weights& like);
  /// The product of that block, finished as Block::op and Block::then say; `operand` is empty without an op.
  View add_finished(BlockId product, Op op, std::span<const View> operand, Op then);
  /// A dense block like `block` of `from`, with other operands and weights.
  View add_dense_like(const Graph& from, BlockId block, std::span<const View> operands, const Weights& weights);
  /// A block like `block` of `from`, with other operands.
  View add_copy(const Graph& from, BlockId block, std::span<const View> operands);
  /// The same of an elementwise block, with the recorded nodes that it stands for; these rows of this graph stand for
  /// its operands' blocks. False, and nothing, of another one.
  bool add_moved(const Graph& from, BlockId id, const ViewList& moved);
  /// The same rows as neighbours in a block. Products name the first entry of a matrix and its layout in that block, so
  /// that a view of rows at another distance cannot stand for it.
  View side_by_side(const View& view);
  void reserve(std::size_t blocks, std::size_t operands);
  /// For blocks like those of another graph.
  void reserve_like(const Graph& other) {
    blocks_.reserve_like(other.blocks_), operands_.reserve_like(other.operands_);
  }
  /// Says that a block stands for so many more recorded nodes.
  void stands_for(BlockId id, std::size_t nodes) { blocks_.stands_for(id.index, nodes); }
  /// Makes a block a constant of these numbers, one a row. Its operands are forgotten with the next contract().
  void make_constant(BlockId id, std::span<const double> numbers) {
    Block block = blocks_[id.index];
    block.kind = BlockKind::constant, block.op = no_op, block.payload = keep(numbers, numbers_);
    blocks_.set(id.index, block);
  }
  /// Leaves out some blocks and lets others stand for them: stand_in(id) is that id, an earlier one with the same rows,
  /// or nothing.block if nobody needs the block. Order is kept; what is stood for adds up.
  template <class StandIn>
  void contract(StandIn&& stand_in);

  /// Blocks that take in what others read, which nobody reads any more then.
  struct Intakes {
    struct Reader {
      BlockId block;
      Op op;  ///< of its new operands; no_op: they are two rows of numbers, whose products are added up
      std::uint8_t operands;
    };
    struct Gone {
      BlockId block, heir;  ///< which stands for its recorded nodes
    };
    GrowingVector<Reader> readers;
    ViewList operands;  ///< of all readers, one after another
    GrowingVector<Gone> gone;

    void add(const Graph& graph, BlockId reader, Op op, std::initializer_list<View> operands);
  };
  /// requires: readers in order.
  void take_in(const Intakes& intakes);

  Roots roots;

 private:
  friend class OperandList::Iterator;
  friend class ViewList;
  /// Throws where one more block, with so many operands, cannot be counted.
  void check_size(std::size_t operands) const {
    if (size() >= INT32_MAX || operands_.size() + operands >= UINT32_MAX) throw_too_large();
  }
  std::size_t end_of_operands(BlockId id) const {
    const std::size_t next = std::size_t{id.index} + 1;
    return next < blocks_.size() ? blocks_.first_operand(next) : operands_.size();
  }
  /// Says whether any of them varies.
  bool push_operands(std::span<const View> operands);
  /// A total is uniform whatever its operands are.
  View append(Block block, std::span<const View> operands, bool total = false);
  /// Appends what belongs to a block, and says where it begins: the block's payload.
  template <class T>
  static std::uint32_t keep(std::span<const T> of_block, LargeVector<T>& list) {
    list.insert(list.end(), of_block.begin(), of_block.end());
    return static_cast<std::uint32_t>(list.size() - of_block.size());
  }
  std::uint32_t keep(const Weights& weights) {
    weights_.push_back(weights);
    return static_cast<std::uint32_t>(weights_.size() - 1);
  }

  BlockList blocks_;
  ViewList operands_;
  LargeVector<double> numbers_;
  LargeVector<Destination> destinations_;
  LargeVector<Weights> weights_;
};

inline void ViewList::push_back(const Graph& graph, const View& view) {
  if (graph.is_whole(view)) {
    words_.push_back(view.block.index);
  } else {
    push_apart(view);
  }
}

inline void ViewList::push_apart(const View& view) {
  if (apart_.size() >= apart) throw_too_large();
  words_.push_back(apart | static_cast<std::uint32_t>(apart_.size()));
  apart_.push_back(view);
}

inline View ViewList::at(const Graph& graph, std::size_t i) const {
  const std::uint32_t word = words_[i];
  return (word & apart) != 0 ? apart_[word & ~apart] : graph.all(BlockId(std::size_t{word}));
}

inline BlockId ViewList::push_moved(const Graph& graph, const Graph& from, std::size_t i, const ViewList& moved) {
  const std::uint32_t word = from.operands_.words_[i];
  const bool whole = (word & apart) == 0;
  const std::uint32_t now = moved.words_[whole ? word : from.operands_.apart_[word & ~apart].block.index];
  if ((now & apart) != 0) {
    const View x = from.operands_.at(from, i), rows = moved.at(graph, x.block.index).through(x);
    push_back(graph, rows);
    return rows.block;
  }
  // All rows of a block stand for all of another one, so that some stay some.
  const BlockId block(std::size_t{now});
  if (whole) {
    words_.push_back(now);
  } else {
    View some = from.operands_.apart_[word & ~apart];
    some.block = block;
    push_apart(some);
  }
  return block;
}

inline View OperandList::Iterator::operator*() const { return graph_->operands_.at(*graph_, at_); }

template <class StandIn>
void Graph::contract(StandIn&& stand_in) {
  LargeVector<BlockId> moved(size(), nothing.block);
  ViewList::Contraction operands(operands_, moved);
  std::size_t kept = 0, operand = 0;
  for (std::size_t i = 0; i < size(); ++i) {
    const std::size_t end = i + 1 < size() ? blocks_.first_operand(i + 1) : operands_.size();
    const BlockId by = stand_in(BlockId(i));
    if (by == BlockId(i)) {
      moved[i] = BlockId(kept);
      const bool constant = blocks_.kind(i) == BlockKind::constant;
      blocks_.move(i, kept++, static_cast<std::uint32_t>(operands.kept()));
      if (!constant) {
        for (; operand < end; ++operand) operands.keep(operand);
      }
    } else if (by != nothing.block) {
      moved[i] = moved[by.index];
      stands_for(moved[i], blocks_[i].nodes);
    }
    operand = end;
  }
  blocks_.shrink(kept);
  operands.shrink();
  roots.each([&](View& root) { root.block = moved[root.block.index]; });
}

/// Whether holds(id) is true of a block.
template <class Holds>
bool any_block(const Graph& graph, Holds&& holds) {
  for (std::size_t i = 0; i < graph.size(); ++i) {
    if (holds(BlockId(i))) return true;
  }
  return false;
}

/// Whether something holds of each block, in bytes: to set a bit takes longer.
using BlockFlags = LargeVector<std::uint8_t>;

/// Which blocks the roots depend on.
BlockFlags find_live(const Graph& graph);

/// Whether a product has gaps.
bool has_gaps(const Graph& graph);

/// Whether there is a product at several places.
bool has_places(const Graph& graph);

/// Leaves out the others.
void drop_dead(Graph& graph, const BlockFlags& live);

/// How often each block is an operand, or a root.
LargeVector<std::uint32_t> count_uses(const Graph& graph);

/// The blocks whose rows products read as matrices; an empty list if there is no product.
BlockFlags find_matrices(const Graph& graph);

/// What has become of the blocks of an old graph in a new one.
struct Rebuilt {
  ViewList rows;              ///< that stand for each block's
  LargeVector<BlockId> made;  ///< the blocks that are no copies: copies stand for the same recorded nodes
};

/// Ends the making of a new graph from an old one. Leaves out what no root depends on, and lets the others stand for
/// the recorded nodes of the old blocks: what is not live any more is stood for by what made it so.
void finish_rebuild(const Graph& old, const Rebuilt& rebuilt, Graph& graph);

/// A new graph from an old one, block by block: emit(new graph, old id, operands in the new graph) gives the rows that
/// stand for the old block's, or nothing for a copy. Where concerns(old id) is false it is not asked, and the block is
/// copied. Blocks that no root depends on any more are left out.
template <class Concerns, class Emit>
Graph rebuild(const Graph& old, Concerns&& concerns, Emit&& emit) {
  Graph graph;
  graph.reserve_like(old);
  const BlockFlags matrices = find_matrices(old);
  Rebuilt rebuilt;
  ViewList& moved = rebuilt.rows;
  moved.reserve(old.size());
  const auto now = [&](const View& x) { return moved.at(graph, x.block.index).through(x); };
  std::vector<View> views;
  const auto copied = [&](BlockId id) {
    const bool is_copied = graph.add_moved(old, id, moved);
    if (is_copied) moved.push_back(BlockId(graph.size() - 1));
    return is_copied;
  };
  for (std::size_t i = 0; i < old.size(); ++i) {
    const BlockId id(i);
    const bool asked = concerns(id);
    if (!asked && copied(id)) continue;
    const OperandList old_operands = old.operands(id);
    if (views.size() < old_operands.size()) views.resize(old_operands.size());
    const std::span operands(views.data(), old_operands.size());
    std::size_t k = 0;
    for (const View& x : old_operands) operands[k++] = now(x);
    View rows = asked ? emit(graph, id, std::span<const View>(operands)) : nothing;
    if (rows == nothing) {
      if (asked && copied(id)) continue;
      rows = graph.add_copy(old, id, operands);
    }
    if (!matrices.empty() && matrices[i]) rows = graph.side_by_side(rows);
    moved.push_back(graph, rows), rebuilt.made.push_back(id);
  }
  graph.roots = old.roots;
  graph.roots.each([&](View& root) { root = now(root); });
  finish_rebuild(old, rebuilt, graph);
  return graph;
}
/// The same, asked of all blocks.
template <class Emit>
Graph rebuild(const Graph& old, Emit&& emit) {
  return rebuild(
      old, [](BlockId) { return true; }, emit);
}

/// One line a block.
std::string to_string(const Graph& graph);

/// How many leaves of each kind there are on the tape.
struct LeafCounts {
  std::size_t parameters, inputs, uniform_inputs;
};
/// Checks a graph from first principles, sharing no code with the passes; aborts with the pass's name on a broken
/// promise.
void verify(const Graph& graph, const LeafCounts& leaves, const char* after_pass);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
