// Where recorded nodes stand, as rows of blocks; and rows of blocks to be: here equal rows and even runs are found.
#pragma once

#include <algorithm>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/request/request.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Where a recorded node stands: a row of a block. Constants stand nowhere; they are their number.
struct Coordinate {
  std::uint32_t block;
  std::uint32_t row;

  friend auto operator<=>(const Coordinate&, const Coordinate&) = default;
};

/// Evenly spaced rows of a block, as the first two of them say, which may be the same.
class EvenRows {
 public:
  EvenRows(const Coordinate& first, const Coordinate& second) : first_(first), second_(second) {}

  std::uint32_t step() const { return second_.row - first_.row; }
  /// Whether the row at that distance from the first is one of them.
  bool has(const Coordinate& row, std::uint64_t distance) const {
    return row.block == first_.block && second_.block == first_.block && second_.row >= first_.row &&
           row.row == first_.row + distance * step();
  }

 private:
  Coordinate first_, second_;
};

/// Keeps the coordinate of every node that has been placed, and reads lists of nodes as views.
class Placer {
 public:
  Placer(Graph& graph, const Sums& sums);

  static constexpr std::uint32_t nowhere = UINT32_MAX;

  /// Stands for the constant 0, which need not have been recorded.
  NodeId zero() const { return NodeId(at_.size() - 1); }
  bool is_constant(NodeId node) const { return node == zero() || tape_.op(node) == Op::constant; }
  bool is_parameter(NodeId node) const { return node != zero() && tape_.op(node) == Op::parameter; }
  /// Of a constant; 0 for what is none.
  double number(NodeId node) const { return node != zero() && is_constant(node) ? tape_.data(node) : 0.0; }
  /// Constants come before everything that stands somewhere.
  Coordinate at(NodeId node) const { return {at_[node.index].block + 1, at_[node.index].row}; }
  /// How many rows there are where that one is.
  std::uint32_t rows_beside(const Coordinate& at) const { return g_.all(BlockId(std::size_t{at.block - 1})).rows; }
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
  LargeVector<Coordinate> take_coordinates() {
    at_.pop_back();
    return std::move(at_);
  }

 private:
  bool evenly_spaced(std::span<const NodeId> nodes, std::uint32_t& step) const;
  View constants(std::span<const NodeId> nodes);

  Graph& g_;
  const Tape& tape_;
  LargeVector<Coordinate> at_;  // of each node, and of zero(); nowhere is one block before the first
};

/// A stable sort, which costs a pass where the order is there already, as it mostly is.
template <class List, class Before>
void put_in_order(List&& list, Before&& before) {
  if (!std::ranges::is_sorted(list, before)) std::ranges::stable_sort(list, before);
}

/// Candidates for the rows of one block: nodes with as many operands each, in an order that all share.
class Rows {
  struct Row {
    NodeId node;
    std::uint32_t added;  // its number when it was added
  };

 public:
  /// Which rows there are, one after another.
  using Order = LargeVector<Row>;

  /// Which of several constants come first: by their numbers, or the positive ones by theirs and then the negative
  /// ones, from zero on.
  enum class Constants : bool { rising, positive_first };

  explicit Rows(const Placer& placer, Constants order = Constants::rising) : p_(placer), constants_(order) {}

  void start(std::size_t operands) {
    rows_.clear(), read_.clear(), twins_.clear();
    operands_ = operands;
  }
  /// Adds a row; its operands are to be written to the span.
  std::span<NodeId> add(NodeId node) {
    rows_.push_back({node, static_cast<std::uint32_t>(rows_.size())});
    read_.resize(read_.size() + operands_);
    return std::span(read_).last(operands_);
  }
  std::size_t size() const { return rows_.size(); }
  std::size_t operands() const { return operands_; }
  NodeId node(std::size_t row) const { return rows_[row].node; }
  NodeId operand(std::size_t row, std::size_t k) const { return of(rows_[row])[k]; }
  Coordinate at(std::size_t row, std::size_t k) const { return p_.at(operand(row, k)); }
  /// The nodes of rows [begin, end), and operands k, k + step ... of each row, row by row. Until the next call of
  /// either.
  std::span<const NodeId> nodes(std::size_t begin, std::size_t end) const;
  std::span<const NodeId> list(std::size_t begin, std::size_t end, std::size_t k, std::size_t count = 1,
                               std::size_t step = 1) const;
  bool in_place(std::size_t begin, std::size_t end, std::size_t k, std::size_t count = 1, std::size_t step = 1) const {
    return p_.in_place(list(begin, end, k, count, step));
  }

  /// By the coordinates of all operands. Constants have none and are data, unless the same operands meet different
  /// ones, as in x^2 + x^3 or (e - 1) / (e + 1): then they part the rows, so that each run has a literal of the
  /// program.
  void sort(std::size_t begin, std::size_t end);
  /// By the coordinates of operand k alone.
  void sort_by(std::size_t begin, std::size_t end, std::size_t k);
  /// Rows of one block need not be in the order of their first operand: a weight times an input, or minus one, is in
  /// that of the weights if those are read in place then.
  void sort_for_fewer_gathered(std::size_t begin, std::size_t end);
  /// How many operands are not read in place.
  std::size_t gathered_operands(std::size_t begin, std::size_t end) const;
  /// In the order in which they were added.
  void sort_as_added() { sort_as_added(0, size()); }
  void sort_as_added(std::size_t begin, std::size_t end);
  /// By how far the other operands lie from the first one, then by where that lies: differences of neighbours in a grid
  /// are read in runs then. Returns how many distances there are.
  std::size_t sort_by_distance(std::size_t begin, std::size_t end);
  /// By the coordinates of operands [first, last), or the numbers of those that are constants.
  void sort_by_all(std::size_t first, std::size_t last);
  /// The order of that between rows.
  bool before(std::size_t a, std::size_t b, std::size_t first, std::size_t last) const {
    return before(rows_[a], rows_[b], first, last);
  }
  bool same(std::size_t a, std::size_t b, std::size_t first, std::size_t last) const;
  /// Puts the rows in the order of some ranges of them.
  void arrange(std::span<const std::pair<std::size_t, std::size_t>> ranges);

  const Order& order() const { return rows_; }
  void set_order(const Order& order) { rows_ = order; }

  /// Where the order of operands does not matter, as of factors and addends, rows may read the same in another one:
  /// they read it as the first of them does then, to be twins. `put` brings a row's operands into an order that depends
  /// on nothing but which they are. All stay as they are where twins lie at ever other distances from the first ones:
  /// two halves of a symmetric matrix are read where they are, and one half is not.
  void agree_on_order(const std::function<void(std::span<NodeId>)>& put);
  /// An order of all that can be read, in which the same, recorded again, is neither before nor after.
  bool operand_before(NodeId a, NodeId b) const;

  /// Neighbours that read the same are the same value, recorded again: only the first stays. `ends` are where lists of
  /// rows end, and then where they do without the twins.
  void set_twins_aside(std::span<std::size_t> ends);
  /// All rows, sorted, without the twins: so many are left.
  std::size_t sort_without_twins() {
    sort(0, size());
    std::size_t kept = size();
    set_twins_aside(std::span(&kept, 1));
    return kept;
  }
  /// The twins, each with the node that stays.
  std::span<const std::pair<NodeId, NodeId>> twins() const { return twins_; }

  /// The longest run from `begin` in which every operand moves on by the same number of rows (or not at all).
  std::size_t run_end(std::size_t begin, std::size_t last) const;
  /// Sets `ends` to where the runs of rows [begin, last) end.
  void find_runs(std::size_t begin, std::size_t last, std::vector<std::size_t>& ends) const;
  /// True if operand k of each run is all of a block, and of another one than before.
  bool runs_are_blocks(std::size_t begin, std::span<const std::size_t> ends, std::size_t k) const;

 private:
  const NodeId* of(const Row& row) const { return read_.data() + row.added * operands_; }
  bool before(const Row& a, const Row& b, std::size_t first, std::size_t last) const;
  bool places_before(const Row& a, const Row& b, std::size_t first, std::size_t last) const;
  bool numbers_before(const Row& a, const Row& b) const;
  Coordinate distance(const Row& row, std::size_t k) const;
  std::uint64_t ordered(double number) const;
  std::uint64_t key_in_any_order(const Row& row) const;
  bool same(std::span<const NodeId> a, std::span<const NodeId> b) const;
  template <class Before>
  void sort(std::size_t begin, std::size_t end, Before&& before) {
    put_in_order(std::span(rows_).subspan(begin, end - begin), before);
  }

  const Placer& p_;
  Constants constants_;
  std::size_t operands_ = 0;  // of each row
  Order rows_;
  LargeVector<NodeId> read_;  // the operands of each row, as they were added
  LargeVector<std::pair<NodeId, NodeId>> twins_;
  mutable LargeVector<NodeId> list_;
};

/// Puts twins where the nodes that stay are.
void place_twins(const Rows& rows, const Sums& sums, Placer& placer);

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
