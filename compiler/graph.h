// The compiler's IR. A block is rows x columns of numbers: a column is a sample, or the one column of a uniform block.
// Block ids are topologically ordered. Private to compiler/.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tapeloom/core/ids.h"
#include "tapeloom/core/op.h"

namespace tapeloom::compiler {

using BlockId = Id<struct BlockTag>;

enum class BlockKind : std::uint8_t {
  constant,       ///< payload: index into Graph::constants
  parameter,      ///< payload: ParameterId of the first row
  input,          ///< payload: InputId of the first row
  uniform_input,  ///< payload: UniformInputId of the first row
  samples,        ///< the number of samples of the batch, as a number
  elementwise,    ///< op, row by row and column by column; a uniform operand meets every column
  batch_sum,      ///< sum over the columns; of a uniform operand, the number of samples times it
};

struct Block {
  BlockKind kind;
  Op op = Op::constant;  ///< of an elementwise block
  bool varying = false;
  std::uint8_t operand_count = 0;
  std::uint32_t rows = 1;
  std::uint32_t payload = 0;
  std::uint32_t first_operand = 0;
};

/// What must be computed; everything else is dead.
struct Roots {
  static constexpr BlockId none{std::size_t{UINT32_MAX}};

  BlockId loss = none;
  std::vector<BlockId> outputs;
  std::vector<BlockId> guards;
  std::vector<BlockId> gradients;        ///< one a parameter; none: zero
  std::vector<BlockId> input_gradients;  ///< one an input; none: zero

  /// Calls f(BlockId&) for each root there is.
  template <class F>
  void each(F&& f) {
    if (loss != none) f(loss);
    for (auto* list : {&outputs, &guards, &gradients, &input_gradients}) {
      for (BlockId& root : *list) {
        if (root != none) f(root);
      }
    }
  }
};

class Graph {
 public:
  std::size_t size() const { return blocks_.size(); }
  const Block& operator[](BlockId id) const { return blocks_[id.index]; }
  std::span<const BlockId> operands(BlockId id) const {
    const Block& block = blocks_[id.index];
    return {operands_.data() + block.first_operand, block.operand_count};
  }
  BlockId operand(BlockId id, std::size_t k) const { return operands(id)[k]; }
  double constant(BlockId id) const { return constants_[blocks_[id.index].payload]; }
  bool is_constant(BlockId id) const { return blocks_[id.index].kind == BlockKind::constant; }
  bool is_constant(BlockId id, double number) const { return is_constant(id) && constant(id) == number; }
  bool is_op(BlockId id, Op op) const {
    return blocks_[id.index].kind == BlockKind::elementwise && blocks_[id.index].op == op;
  }

  BlockId add_constant(double number);
  BlockId add_leaf(BlockKind kind, std::uint32_t payload);
  BlockId add_elementwise(Op op, std::span<const BlockId> operands);
  BlockId add_batch_sum(BlockId operand);
  /// A block like `block` of `from`, with other operands.
  BlockId add_copy(const Graph& from, BlockId block, std::span<const BlockId> operands);
  void reserve(std::size_t blocks, std::size_t operands);

  Roots roots;

 private:
  BlockId append(Block block, std::span<const BlockId> operands);

  std::vector<Block> blocks_;
  std::vector<BlockId> operands_;
  std::vector<double> constants_;
};

/// A new graph from an old one, block by block: emit(new graph, old id, operands in the new graph) gives the block that
/// stands for the old one. Blocks with keep(old id) false are left out.
template <class Keep, class Emit>
Graph rebuild(const Graph& old, Keep&& keep, Emit&& emit) {
  Graph graph;
  graph.reserve(old.size(), old.size());
  std::vector<BlockId> moved(old.size(), Roots::none);
  std::vector<BlockId> operands;
  for (std::uint32_t i = 0; i < old.size(); ++i) {
    const BlockId id{std::size_t{i}};
    if (!keep(id)) continue;
    operands.clear();
    for (BlockId operand : old.operands(id)) operands.push_back(moved[operand.index]);
    moved[i] = emit(graph, id, std::span<const BlockId>(operands));
  }
  graph.roots = old.roots;
  graph.roots.each([&](BlockId& root) { root = moved[root.index]; });
  return graph;
}

/// One line a block.
std::string to_string(const Graph& graph);

}  // namespace tapeloom::compiler
