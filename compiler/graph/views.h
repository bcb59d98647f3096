// What blocks are made of: rows of other blocks, matrices of rows, and lists of these. Included by graph.h alone, which
// has what needs a whole Graph.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tapeloom/compiler/graph/block_list.h"
#include "tapeloom/core/base/memory.h"
#include "tapeloom/core/program/window_steps.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Rows of a block, as an operand reads them: row r of the reader is row `row + r * step` of the block. A step of 0
/// reads one row for all, a step of 1 neighbours.
struct View {
  BlockId block;
  std::uint32_t row = 0;
  std::uint32_t rows = 1;
  std::uint32_t step = 1;

  friend bool operator==(const View&, const View&) = default;

  /// Rows [first, first + count) of this view.
  View part(std::uint32_t first, std::uint32_t count) const {
    return {block, row + first * step, count, count == 1 ? 1u : step};
  }
  /// The first row, read for `count` rows.
  View repeated(std::uint32_t count) const { return {block, row, count, count == 1 ? 1u : 0u}; }
  /// What a reader with `inner` (a view of this view's rows) sees.
  View through(const View& inner) const {
    return {block, row + inner.row * step, inner.rows, inner.rows == 1 ? 1u : inner.step * step};
  }
};

/// No block.
inline constexpr View nothing{BlockId(std::size_t{UINT32_MAX}), 0, 0, 0};

/// A matrix laid out in rows of a block: entry (i, j) is `i * row_step + j * term_step` rows after the first.
struct Matrix {
  std::uint32_t rows = 1;
  std::uint32_t terms = 1;
  std::uint32_t row_step = 0;
  std::uint32_t term_step = 1;

  friend bool operator==(const Matrix&, const Matrix&) = default;
};

/// Products at several places side by side: place p multiplies the p-th rows of X, as many as a matrix has terms. Their
/// matrices are the same, or one after another as the rows of one.
struct Weights {
  Matrix matrix;  ///< of the first place
  std::uint32_t places = 1;
  bool own = false;          ///< each place has its own
  WindowSteps windows = {};  ///< of the rows of X of a dense or outer block
  /// Whether place p lacks term j, at p * terms + j, if any does: there X has a 0 that is not to be multiplied.
  std::shared_ptr<const std::vector<bool>> gaps = nullptr;

  friend bool operator==(const Weights&, const Weights&) = default;

  /// All there are.
  Matrix all() const {
    return {own ? places * matrix.rows : matrix.rows, matrix.terms, matrix.row_step, matrix.term_step};
  }
  /// The rows of X.
  std::uint32_t x_rows() const { return static_cast<std::uint32_t>(windows.rows(places, matrix.terms)); }
  /// How far apart those of neighbouring places are.
  std::uint32_t place_step() const { return own ? matrix.rows * matrix.row_step : 0; }
};

/// Where an operand of an assemble block is added: its row i * terms + j to row `row` + entry (i, j).
struct Destination {
  std::uint32_t row = 0;
  Matrix shape;

  std::uint32_t of_row(std::uint32_t r) const {
    return row + r / shape.terms * shape.row_step + r % shape.terms * shape.term_step;
  }
  friend bool operator==(const Destination&, const Destination&) = default;
};

class Graph;

/// A list of views of a graph's blocks, in four bytes each where they are all rows of a block, as most are. The others
/// are kept in full, apart.
class ViewList {
 public:
  std::size_t size() const { return words_.size(); }
  void reserve(std::size_t count) { words_.reserve(count); }
  void reserve_like(const ViewList& other) { words_.reserve(other.words_.size()), apart_.reserve(other.apart_.size()); }
  void push_back(const Graph& graph, const View& view);
  /// All rows of a block.
  void push_back(BlockId block) { words_.push_back(block.index); }
  /// Operand i of another graph as it is in this one, where `moved` stand for the blocks of that; gives its block.
  BlockId push_moved(const Graph& graph, const Graph& from, std::size_t i, const ViewList& moved);
  /// View i of another list, whose blocks have moved.
  void push_copy(const ViewList& from, std::size_t i, std::span<const BlockId> moved) {
    const std::uint32_t word = from.words_[i];
    if ((word & apart) == 0) return words_.push_back(moved[word].index);
    View view = from.apart_[word & ~apart];
    view.block = moved[view.block.index];
    push_apart(view);
  }
  View at(const Graph& graph, std::size_t i) const;
  std::uint32_t first_row(std::size_t i) const {
    const std::uint32_t word = words_[i];
    return (word & apart) != 0 ? apart_[word & ~apart].row : 0;
  }
  BlockId block(std::size_t i) const {
    const std::uint32_t word = words_[i];
    return (word & apart) != 0 ? apart_[word & ~apart].block : BlockId(std::size_t{word});
  }

  /// Leaves out some views, and the blocks of the others move: keep(i) for each that stays, in order, then shrink().
  class Contraction {
   public:
    Contraction(ViewList& list, std::span<const BlockId> moved) : list_(list), moved_(moved) {}
    std::size_t kept() const { return kept_; }
    void keep(std::size_t i) {
      std::uint32_t word = list_.words_[i];
      if ((word & apart) == 0) {
        word = moved_[word].index;
      } else {
        View view = list_.apart_[word & ~apart];
        view.block = moved_[view.block.index];
        word = apart | static_cast<std::uint32_t>(kept_apart_);
        list_.apart_[kept_apart_++] = view;
      }
      list_.words_[kept_++] = word;
    }
    /// Gives the memory back.
    void shrink() { list_.words_.shrink(kept_), list_.apart_.shrink(kept_apart_); }

   private:
    ViewList& list_;
    std::span<const BlockId> moved_;
    std::size_t kept_ = 0, kept_apart_ = 0;
  };

 private:
  void push_apart(const View& view);

  static constexpr std::uint32_t apart = 1u << 31;  // the other bits are an index into apart_, else a block
  GrowingVector<std::uint32_t> words_;
  GrowingVector<View> apart_;
};

/// The blocks of a block's operands: to read these alone takes no look at how many rows they have.
class OperandBlocks {
 public:
  OperandBlocks(const ViewList& list, std::size_t begin, std::size_t end) : list_(&list), begin_(begin), end_(end) {}

  class Iterator {
   public:
    using value_type = BlockId;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    Iterator(const ViewList* list, std::size_t at) : list_(list), at_(at) {}
    BlockId operator*() const { return list_->block(at_); }
    Iterator& operator++() { return ++at_, *this; }
    Iterator operator++(int) { return {list_, at_++}; }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }  // of one list

   private:
    const ViewList* list_ = nullptr;
    std::size_t at_ = 0;
  };

  Iterator begin() const { return {list_, begin_}; }
  Iterator end() const { return {list_, end_}; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  BlockId operator[](std::size_t k) const { return list_->block(begin_ + k); }
  /// The first row that is read of operand k.
  std::uint32_t first_row(std::size_t k) const { return list_->first_row(begin_ + k); }

 private:
  const ViewList* list_;
  std::size_t begin_, end_;
};

/// The operands of a block, read one by one.
class OperandList {
 public:
  OperandList(const Graph& graph, std::size_t begin, std::size_t end) : graph_(&graph), begin_(begin), end_(end) {}

  class Iterator {
   public:
    using value_type = View;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    Iterator(const Graph* graph, std::size_t at) : graph_(graph), at_(at) {}
    View operator*() const;
    Iterator& operator++() { return ++at_, *this; }
    Iterator operator++(int) { return {graph_, at_++}; }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }  // of one graph

   private:
    const Graph* graph_ = nullptr;
    std::size_t at_ = 0;
  };

  Iterator begin() const { return {graph_, begin_}; }
  Iterator end() const { return {graph_, end_}; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  View operator[](std::size_t k) const { return *Iterator(graph_, begin_ + k); }

 private:
  const Graph* graph_;
  std::size_t begin_, end_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
