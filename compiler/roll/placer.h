#pragma once

#include <span>
#include <utility>

#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/request/recording.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Where a recorded node stands: a row of a block. Constants stand nowhere; they are their number.
struct Coordinate {
  std::uint32_t block;
  std::uint32_t row;

  friend auto operator<=>(const Coordinate&, const Coordinate&) = default;
};

/// Keeps the coordinate of every node that has been placed, and reads lists of nodes as views.
class Placer {
 public:
  Placer(Graph& graph, const Recording& recording);

  static constexpr std::uint32_t nowhere = UINT32_MAX;
  /// Of more runs of rows, it is better to gather the rows.
  static constexpr std::size_t few_runs = 3;

  /// Stands for the constant 0, which need not have been recorded.
  NodeId zero() const { return NodeId(r_.size()); }
  bool is_constant(NodeId node) const { return node == zero() || r_.is(node, Op::constant); }
  bool is_parameter(NodeId node) const { return node != zero() && r_.is(node, Op::parameter); }
  /// Of a constant.
  double number(NodeId node) const { return node == zero() ? 0.0 : r_.tape().data(node); }
  /// Constants come before everything that has a place.
  Coordinate at(NodeId node) const { return {at_[node.index].block + 1, at_[node.index].row}; }
  /// Puts the nodes at the rows of a view.
  void place(std::span<const NodeId> nodes, const View& rows);
  /// Puts a node that computes what another one does where that one is; it stands for so many recorded nodes.
  void place_like(NodeId node, NodeId other, std::size_t nodes);
  /// One node as a row.
  View view(NodeId node);
  /// The nodes as rows, in their order: in place where they are evenly spaced rows of one block, else gathered.
  View view(std::span<const NodeId> nodes);
  /// True if view() would gather nothing: the nodes are constants, or evenly spaced rows of one block.
  bool in_place(std::span<const NodeId> nodes) const;
  /// Whether the parameters of a matrix, row by row, lie evenly where they are, and how.
  bool is_matrix(std::span<const NodeId> parameters, std::uint32_t rows, Matrix& shape) const;
  /// The parameters of a matrix, row by row: the first weight and how the others lie.
  View weights(std::span<const NodeId> parameters, std::uint32_t rows, Matrix& shape);
  /// The coordinates of all nodes, once everything is placed.
  LargeVector<Coordinate> take_places() {
    at_.pop_back();
    return std::move(at_);
  }

 private:
  bool evenly_spaced(std::span<const NodeId> nodes, std::uint32_t& step) const;
  View constants(std::span<const NodeId> nodes);

  Graph& g_;
  const Recording& r_;
  LargeVector<Coordinate> at_;  // of each node, and of zero(); nowhere is one block before the first
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
