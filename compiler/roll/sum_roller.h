#pragma once

#include <span>

#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/request/recording.h"
#include "tapeloom/compiler/roll/classes.h"
#include "tapeloom/compiler/roll/placer.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Classes of sums: those that multiply the same values with weights are the rows of a dense block; bare parameters are
/// its bias; every other term is added row by row. Weights are parameters, and of several in a sum, whatever else is
/// the same for all samples, such as tanh(w) or a plain number.
class SumRoller {
 public:
  SumRoller(Graph& graph, const Recording& recording, const Classes& classes, Placer& placer)
      : g_(graph), r_(recording), c_(classes), p_(placer) {}

  void roll(std::span<const NodeId> members);
  /// Sums of a family, with more or fewer terms. Products with weights are no matrix then: each sum has its own list.
  void roll_ragged(std::span<const NodeId> members);
  /// Whether sums of a family are layers of several neurons each, rather than sums of other values each.
  bool are_matrices(std::span<const NodeId> members);

 private:
  /// A weight times something else.
  struct Pair {
    NodeId weight, other;
  };
  /// A sum, taken apart and put in the order that all sums of its class share.
  struct Row {
    NodeId node;
    std::size_t first_pair, first_bias, first_rest;  // in the lists below
    std::size_t added_pairs;                         // so many come first, the others are subtracted
  };

  void start(std::span<const Term> longest);
  void roll_with_gaps(std::span<const NodeId> members);
  void pad_biases();
  void pad_rest();
  void decide_on_weights(std::span<const Term> terms);
  bool is_pair(const Term& term, bool any_weights) const;
  bool is_weight(NodeId node, NodeId of, bool any_weights) const;
  void take_apart(NodeId node, std::span<const Term> terms);
  void take_pairs_for_rest();
  bool each_has_its_own_columns() const;
  void sort_rest(std::size_t first);
  void sort_products(std::span<Term> products);
  bool same_columns(const Row& a, const Row& b) const;
  bool columns_before(const Row& a, const Row& b) const;
  bool rows_before(const Row& a, const Row& b) const;
  bool constants_before(const Row& a, const Row& b) const;
  void sort_rows(std::size_t begin, std::size_t end);
  bool twins(const Row& a, const Row& b) const;
  void set_twins_aside();
  std::size_t run_end(std::size_t begin, std::size_t most) const;
  bool better_together(std::size_t begin, std::size_t last) const;
  bool continues(const Row& first, const Row& second, const Row& here, std::size_t distance) const;

  void emit_runs(std::size_t begin, std::size_t last);
  bool better_one_by_one(std::span<const Row> rows);
  std::size_t alike_terms(const Row& row, std::size_t first) const;

  void emit_at_places();
  bool same_weights(const Row& a, const Row& b) const;
  bool weights_before(const Row& a, const Row& b) const;
  void emit(std::span<const Row> rows);
  void emit_one_by_one(std::span<const Row> rows);
  View emit_products(std::span<const Row> rows);
  View emit_product(std::span<const Row> rows, std::size_t first, std::size_t last);
  bool are_several_matrices(std::size_t begin, std::size_t last);
  std::size_t even_rows_end(std::size_t begin, std::size_t last) const;
  bool are_single_columns(const Row& row) const;
  bool parts_in_place(std::span<const Row> rows);
  View emit_parts(std::span<const Row> rows);
  View emit_columns(std::span<const Row> rows, std::size_t begin, std::size_t end);
  bool columns_in_place(std::span<const Row> rows, std::size_t begin, std::size_t end);
  std::size_t matrix_rows(std::span<const Row> rows) const;
  void list_weights(std::span<const Row> rows, std::size_t begin, std::size_t end);
  View emit_column(std::span<const Row> rows, std::uint32_t column);
  std::size_t even_columns_end(const Row& row, std::size_t begin) const;
  View emit_biases(std::span<const Row> rows, View total);
  View emit_rest(std::span<const Row> rows, View total);
  bool in_place(std::span<const Row> rows, std::size_t first, std::size_t count, NodeId Term::*factor);
  bool better_one_after_another(std::span<const Row> rows, std::size_t first, std::size_t count);
  bool has_gaps(std::span<const Row> rows, std::size_t first, std::size_t count) const;
  View ragged_sums(std::span<const Row> rows, std::size_t first, std::size_t count);
  View rest_view(std::span<const Row> rows, std::size_t first, std::size_t count);
  View add(const View& total, const View& term, bool negative);
  void stands_for(const View& rows, std::size_t nodes);

  Graph& g_;
  const Recording& r_;
  const Classes& c_;
  Placer& p_;
  LargeVector<Row> rows_;
  LargeVector<std::size_t> ends_;                 // of the rows with the same columns
  LargeVector<std::pair<NodeId, NodeId>> twins_;  // and the sum that each is the twin of
  LargeVector<Pair> pairs_, subtracted_;
  LargeVector<NodeId> biases_;
  LargeVector<Term> rest_;
  std::size_t pair_count_ = 0, bias_count_ = 0, rest_count_ = 0;  // of each sum of the class
  std::size_t added_pairs_ = 0;                                   // likewise
  bool with_pairs_ = true;                                        // not taken for terms like others
  bool any_weights_ = false;                                      // not only parameters that are added
  std::size_t places_ = 1;              // of the sums being emitted: rows with the same columns follow one another
  bool own_ = false;                    // whether they have weights of their own at each place
  LargeVector<std::uint32_t> columns_;  // of the products with parameters, in the order they are emitted in
  LargeVector<NodeId> nodes_;
  std::size_t nodes_left_ = 0;  // recorded nodes of the rows being emitted that no block stands for yet
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
