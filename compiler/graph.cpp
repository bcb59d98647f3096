#include "tapeloom/compiler/graph.h"

#include "tapeloom/core/error.h"

namespace tapeloom::compiler {

BlockId Graph::append(Block block, std::span<const BlockId> operands) {
  TAPELOOM_CHECK(blocks_.size() < UINT32_MAX - 1 && operands_.size() + operands.size() < UINT32_MAX);
  block.operand_count = static_cast<std::uint8_t>(operands.size());
  block.first_operand = static_cast<std::uint32_t>(operands_.size());
  for (BlockId operand : operands) {
    block.varying |= blocks_[operand.index].varying;
    block.rows = blocks_[operand.index].rows;
  }
  operands_.insert(operands_.end(), operands.begin(), operands.end());
  blocks_.push_back(block);
  return BlockId(blocks_.size() - 1);
}

BlockId Graph::add_constant(double number) {
  constants_.push_back(number);
  return append({.kind = BlockKind::constant, .payload = static_cast<std::uint32_t>(constants_.size() - 1)}, {});
}

BlockId Graph::add_leaf(BlockKind kind, std::uint32_t payload) {
  return append({.kind = kind, .varying = kind == BlockKind::input, .payload = payload}, {});
}

BlockId Graph::add_elementwise(Op op, std::span<const BlockId> operands) {
  TAPELOOM_CHECK(op_arity(op) == operands.size());
  return append({.kind = BlockKind::elementwise, .op = op}, operands);
}

BlockId Graph::add_batch_sum(BlockId operand) {
  const BlockId sum = append({.kind = BlockKind::batch_sum}, std::span(&operand, 1));
  blocks_.back().varying = false;
  return sum;
}

BlockId Graph::add_copy(const Graph& from, BlockId block, std::span<const BlockId> operands) {
  switch (from[block].kind) {
    case BlockKind::constant:
      return add_constant(from.constant(block));
    case BlockKind::parameter:
    case BlockKind::input:
    case BlockKind::uniform_input:
    case BlockKind::samples:
      return add_leaf(from[block].kind, from[block].payload);
    case BlockKind::elementwise:
      return add_elementwise(from[block].op, operands);
    case BlockKind::batch_sum:
      return add_batch_sum(operands[0]);
  }
  fail_check("a block kind", __FILE__, __LINE__);
}

void Graph::reserve(std::size_t blocks, std::size_t operands) {
  blocks_.reserve(blocks);
  operands_.reserve(operands);
}

}  // namespace tapeloom::compiler
