// What a Graph is made of: blocks, and how they are kept.
#pragma once

#include <cstdint>

#include "tapeloom/core/base/ids.h"
#include "tapeloom/core/base/memory.h"
#include "tapeloom/core/ops/op.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

using BlockId = Id<struct BlockTag>;

enum class BlockKind : std::uint8_t {
  constant,       ///< payload: index of the first row in Graph's numbers
  parameter,      ///< payload: ParameterId of the first row; the others follow
  input,          ///< payload: InputId of the first row; the others follow
  row,            ///< the same of the only sample that a step has: uniform
  uniform_input,  ///< payload: which of the uniform inputs
  samples,        ///< the number of samples of the batch, as a number
  elementwise,    ///< op, row by row and column by column; a uniform operand meets every column
  batch_sum,      ///< sum over the columns; of a uniform operand, the number of samples times it
  row_sum,        ///< row i is the sum over as many rows of x0, the i-th ones
  row_extreme,    ///< row i is op(op(a, b), c) ... of as many rows a, b, c ... of x0, the i-th ones; op: max or min
  row_extreme_reverse,  ///< as many rows as x0: row i of x1 at the row that row i of the row_extreme takes, 0 elsewhere
  concat,               ///< the rows of the operands, one operand after the other
  assemble,             ///< zeros, to which each operand's rows are added at Graph::destination
  dense,          ///< rows x columns = W X, finished; x0 = the first entry of W, laid out as Graph::weights, x1 = X
  dense_reverse,  ///< terms x columns = W^T Y, finished; x0 and W likewise, x1 = Y
  outer,          ///< Graph::weights, row by row, uniform: the sum over the columns of Y X^T; x0 = Y, x1 = X
};

/// Of a concat or assemble block with more operands, rows are copied or added one by one, by one instruction for all.
inline constexpr std::size_t few_parts = 3;

/// Of a matrix and what it meets.
inline bool is_product(BlockKind kind) { return kind == BlockKind::dense || kind == BlockKind::dense_reverse; }

struct Block {
  BlockKind kind;
  /// Of an elementwise block, or max or min of a row_extreme. A product P is finished to then(op(x2, P)), row by row;
  /// no_op leaves either out.
  Op op = no_op, then = no_op;
  bool varying = false;
  std::uint32_t rows = 1;
  std::uint32_t payload = 0;
  std::uint32_t first_operand = 0;  ///< the others follow, up to the next block's
  std::uint32_t nodes = 0;          ///< how many recorded nodes it stands for, for reports
};

/// Throws a CompileError that says so. Ids and slots have 32 bits.
[[noreturn]] void throw_too_large();

/// Blocks in eight bytes each where they are one row of an elementwise op or the like, as all are where nothing rolls.
/// The rest of the others is kept apart.
class BlockList {
 public:
  std::size_t size() const { return words_.size(); }
  Block operator[](std::size_t i) const {
    const Word& word = words_[i];
    Block block{.kind = word.kind, .op = word.op, .varying = word.varying};
    if (word.nodes != apart) {
      block.first_operand = word.first, block.nodes = word.nodes;
    } else {
      const Rest& rest = rest_[word.first];
      block.then = rest.then, block.rows = rest.rows, block.payload = rest.payload;
      block.first_operand = rest.first_operand, block.nodes = rest.nodes;
    }
    return block;
  }
  BlockKind kind(std::size_t i) const { return words_[i].kind; }
  Op op(std::size_t i) const { return words_[i].op; }
  bool varying(std::size_t i) const { return words_[i].varying; }
  std::uint32_t rows(std::size_t i) const { return words_[i].nodes == apart ? rest_[words_[i].first].rows : 1; }
  std::uint32_t nodes(std::size_t i) const {
    return words_[i].nodes == apart ? rest_[words_[i].first].nodes : words_[i].nodes;
  }
  std::uint32_t first_operand(std::size_t i) const {
    return words_[i].nodes == apart ? rest_[words_[i].first].first_operand : words_[i].first;
  }

  void reserve(std::size_t count) { words_.reserve(count); }
  void reserve_like(const BlockList& other) { words_.reserve(other.words_.size()), rest_.reserve(other.rest_.size()); }
  void push_back(const Block& block) {
    if (is_small(block)) {
      words_.push_back(small(block));
    } else {
      words_.push_back(put_apart(block));
    }
  }
  void push_elementwise(Op op, bool varying, std::uint32_t rows, std::uint32_t first_operand, std::uint32_t nodes) {
    if (rows == 1 && nodes < apart) {
      words_.push_back({BlockKind::elementwise, op, varying, static_cast<std::uint8_t>(nodes), first_operand});
    } else {
      push_back({.kind = BlockKind::elementwise,
                 .op = op,
                 .varying = varying,
                 .rows = rows,
                 .first_operand = first_operand,
                 .nodes = nodes});
    }
  }
  void set(std::size_t i, const Block& block);
  void stands_for(std::size_t i, std::size_t nodes) {
    if (words_[i].nodes + nodes < apart) {
      words_[i].nodes = static_cast<std::uint8_t>(words_[i].nodes + nodes);
    } else {
      add_many_nodes(i, nodes);
    }
  }
  /// Block `to` becomes what block `from`, not an earlier one, is.
  void move(std::size_t from, std::size_t to, std::uint32_t first_operand) {
    words_[to] = words_[from];
    (words_[to].nodes == apart ? rest_[words_[to].first].first_operand : words_[to].first) = first_operand;
  }
  /// Drops what is beyond the first `size` and gives the memory back, but for a little.
  void shrink(std::size_t size);

 private:
  void add_many_nodes(std::size_t i, std::size_t nodes);

  static constexpr std::uint8_t apart = UINT8_MAX;  // in place of `nodes`

  struct Word {
    BlockKind kind;
    Op op;
    bool varying;
    std::uint8_t nodes;
    std::uint32_t first;  // operand, or an index into rest_
  };
  static bool is_small(const Block& block) {
    return block.then == no_op && block.rows == 1 && block.payload == 0 && block.nodes < apart;
  }
  /// For a block whose rest is kept apart, as the last one.
  Word put_apart(const Block& block) {
    rest_.push_back({block.rows, block.payload, block.first_operand, block.nodes, block.then});
    return {block.kind, block.op, block.varying, apart, static_cast<std::uint32_t>(rest_.size() - 1)};
  }
  static Word small(const Block& block) {
    return {block.kind, block.op, block.varying, static_cast<std::uint8_t>(block.nodes), block.first_operand};
  }
  struct Rest {
    std::uint32_t rows, payload, first_operand, nodes;
    Op then;
  };

  GrowingVector<Word> words_;
  GrowingVector<Rest> rest_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
