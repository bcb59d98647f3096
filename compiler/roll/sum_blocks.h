// Sums to blocks: the table of sums and their terms, the plan of which become one block and how, and its writing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tapeloom/compiler/graph/graph.h"
#include "tapeloom/compiler/request/request.h"
#include "tapeloom/compiler/roll/candidates.h"
#include "tapeloom/compiler/roll/rows.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// What there is to be added up: for each sum, products of a weight and something else (its column), biases, and other
/// terms, each a value or a product. All sums have as many of each, in the same order. Weights are parameters, and of
/// several in a sum, whatever else is the same for all samples, such as tanh(w) or a plain number; biases are bare
/// parameters.
class SumTable {
 public:
  SumTable(const Sums& sums, const Candidates& candidates, const Placer& placer)
      : rows(placer), sums_(sums), c_(candidates), p_(placer) {}

  /// Whether products with weights are told from other terms; or nothing is told from other terms but by sign and
  /// whether it is a product, and all stay in the order in which they were recorded.
  enum class Products : std::uint8_t { apart, as_terms, as_recorded };
  /// Sums with as many terms of each kind.
  void take(std::span<const NodeId> members, Products products);
  /// Sums that have the same kinds of terms, but not as many of each: what they lack is Placer::zero(). Products with
  /// weights are terms like others. False, and nothing is taken, if the kinds are not the same: of classes by level,
  /// products with a plain 0 tell them apart here, and not there.
  bool take_with_gaps(std::span<const NodeId> members, Products products);
  /// Sums of which some have only a part of the weights that others have: what they lack is multiplied with
  /// Placer::zero(), and pairs are in the order of the weights. `others` are those that have nothing in common with
  /// them. False, and nothing is done, if there are no such sums.
  bool take_in_common(std::span<const NodeId> members, std::vector<NodeId>& others);
  /// Whether a sum multiplies a parameter with a plain 0.
  bool any_zero(NodeId sum) const;
  bool as_recorded() const { return as_recorded_; }
  /// What a sum multiplies parameters with, sorted; empty if there are no such products.
  void list_columns(NodeId sum, std::vector<Coordinate>& columns) const;

  /// Terms of one sign and kind, which follow one another.
  struct Kind {
    std::size_t first, count;
    bool product, negative;

    friend bool operator==(const Kind&, const Kind&) = default;
  };

  /// The sums, and for each what it reads: columns, weights, biases, and the two factors of each other term (the same
  /// value twice if it is no product).
  Rows rows;
  std::size_t pairs = 0, biases = 0, terms = 0;  ///< weights with columns, biases and other terms of each sum
  std::size_t added_pairs = 0;                   ///< so many pairs come first, the others are subtracted
  std::vector<Kind> kinds;                       ///< of the other terms

  std::size_t column(std::size_t j) const { return j; }
  std::size_t weight(std::size_t j) const { return pairs + j; }
  std::size_t bias(std::size_t j) const { return 2 * pairs + j; }
  std::size_t factor_a(std::size_t j) const { return 2 * pairs + biases + 2 * j; }
  std::size_t factor_b(std::size_t j) const { return factor_a(j) + 1; }

 private:
  struct Pair {
    NodeId weight, column;
  };
  class CommonWeights;
  /// A term with what it is sorted by; of two factors, a is not the later one.
  struct KeyedTerm {
    struct Factor {
      std::uint32_t kind;  ///< 0 of what is no product, for b
      Coordinate at;
      friend auto operator<=>(const Factor&, const Factor&) = default;
    };
    Term term;
    Factor a, b;
  };
  /// Of a parameter: where it stands in which list of weights in common.
  struct KnownWeight {
    static constexpr std::uint32_t none = UINT32_MAX;
    std::uint32_t list = none, at = 0;
  };

  void take_all(std::span<const NodeId> members, Products products);
  bool weights_rise() const;
  std::size_t count_lists() const;
  bool any_weights(std::span<const Term> of) const;
  bool is_pair(const Term& term, bool any_weights) const;
  bool is_weight(NodeId node, NodeId of, bool any_weights) const;
  void take_apart(std::span<const Term> all, Products products, bool any_weights);
  void sort_terms();
  void sort_products(std::span<Term> products);
  /// Whether terms i and j of terms_ are of one kind.
  bool alike(std::size_t i, std::size_t j) const;
  std::uint32_t kind_of(const Term& term, NodeId factor) const {
    return p_.is_constant(factor) && sums_.is_zero_product(term) ? kind_of_zeros_ : c_.kind_of(factor);
  }
  void find_kinds();
  void agree_on_order();
  void add_row(NodeId sum);

  const Sums& sums_;
  const Candidates& c_;
  const Placer& p_;
  // Of the sum that is being taken apart.
  LargeVector<Pair> pairs_, subtracted_;
  LargeVector<NodeId> biases_;
  LargeVector<Term> terms_;
  LargeVector<KeyedTerm> keyed_;     // the same, but for the order of alike products; not of those as recorded
  std::uint32_t kind_of_zeros_ = 0;  // that weights meet
  bool as_recorded_ = false;
  bool by_weight_ = false;  // how pairs are sorted: see take()
  // By parameter, all of them unknown but in take_in_common(): a family of sums may have a few out of very many.
  LargeVector<KnownWeight> known_;
};

/// Rows of a table of sums that become one block.
struct SumGroup {
  std::size_t begin, end;
  std::size_t places = 1;  ///< rows with the same columns follow one another, as many at each place
  bool own = false;        ///< whether they have weights of their own at each place
  /// Whether the rows, computed one by one before, are put side by side, so that what is computed from them is.
  bool together_again = false;
  std::size_t first_product = 0, last_product = 0;  ///< of SumPlan::products
  std::size_t first_addend = 0, last_addend = 0;    ///< of SumPlan::addends

  std::size_t rows() const { return end - begin; }
  std::size_t rows_a_place() const { return rows() / places; }
  /// How many rows of weights there are.
  std::size_t matrix_rows() const { return own ? rows() : rows_a_place(); }
};

/// W X of some pairs of each sum; of a single pair, row by row. Those that are subtracted are added up before.
struct SumProduct {
  std::size_t first, last;  ///< which pairs: of SumPlan::pairs
  bool negative;
};

/// Biases or other terms of each sum, which are added or subtracted.
struct SumAddend {
  enum class What { bias, term };
  enum class How {
    one,   ///< a single one
    each,  ///< as many for each sum: their row sums
    list,  ///< as many as each sum has
  };
  What what;
  How how;
  std::size_t first, count;  ///< which
  bool product, negative;
};

/// What becomes of the sums of a table, in the order in which it is written. Pairs and addends are of each sum.
struct SumPlan {
  std::vector<SumGroup> groups;
  std::vector<SumProduct> products;
  std::vector<std::uint32_t> pairs;
  std::vector<SumAddend> addends;

  void clear() { groups.clear(), products.clear(), pairs.clear(), addends.clear(); }
  std::span<const std::uint32_t> pairs_of(const SumProduct& product) const {
    return std::span(pairs).subspan(product.first, product.last - product.first);
  }
};

/// Sums that multiply the same values with weights are the rows of a dense block; of sums at several places, those with
/// the same columns are the rows of a place; every other sum goes with those whose operands lie evenly.
class SumGrouper {
 public:
  SumGrouper(const Sums& sums, const Candidates& candidates, const Placer& placer)
      : sums_(sums), p_(placer), matrices_(sums, candidates, placer), terms_(sums, candidates, placer) {}

  /// Whether sums of different lengths are layers of several neurons each, rather than sums of other values each.
  bool are_matrices(std::span<const NodeId> members);
  /// Plans for sums with as many terms of each kind, or of the same kinds but with more or fewer of them; of a mixed
  /// class, or mixed ones.
  void group(std::span<const NodeId> members, bool mixed);
  bool group_with_gaps(std::span<const NodeId> members, bool mixed);
  /// A plan for those that have parts of the same weights, if there are any; else false. Of a family that is not mixed.
  bool group_in_common(std::span<const NodeId> members, std::vector<NodeId>& others);

  /// What has been planned, until the next time.
  const SumTable& table() const { return *table_; }
  const SumPlan& plan() const { return plan_; }

 private:
  bool better_as_recorded(std::span<const NodeId> members);
  void group_as_recorded(std::span<const NodeId> members);
  bool each_has_its_own_columns() const;
  bool better_as_terms() const;
  void sort_rows(std::size_t begin, std::size_t end);
  void group_places();
  void group_at_places();
  void group_runs(std::size_t begin, std::size_t last);
  bool are_several_matrices(std::size_t begin, std::size_t last);
  std::size_t even_weights_end(std::size_t begin, std::size_t last) const;
  bool better_one_by_one(std::size_t begin, std::size_t end) const;

  void add(SumGroup group);
  void plan_products(const SumGroup& group, std::size_t first, std::size_t last, bool negative);
  bool in_place(const SumGroup& group, std::span<const std::uint32_t> pairs);
  bool parts_in_place(const SumGroup& group, std::span<const std::uint32_t> pairs);
  std::size_t even_pairs_end(const SumGroup& group, std::span<const std::uint32_t> pairs, std::size_t begin) const;
  void plan_biases();
  void plan_terms(const SumGroup& group);
  bool better_one_after_another(const SumGroup& group, const SumTable::Kind& kind) const;
  bool cheaper_one_after_another(const SumGroup& group, const SumTable::Kind& kind) const;
  bool has_gaps(const SumGroup& group, const SumTable::Kind& kind) const;
  bool any_lacks(const Rows& rows, std::size_t column) const;

  const Sums& sums_;
  const Placer& p_;
  SumTable matrices_, terms_;  // with products apart, and with products as terms
  SumTable* table_ = &matrices_;
  SumPlan plan_;
  std::vector<std::size_t> ends_, runs_;  // of rows with the same columns, and of runs of rows
  LargeVector<NodeId> weights_;
};

/// Writes groups of sums into the graph: products with weights, biases and other terms, added up.
class SumWriter {
 public:
  SumWriter(Graph& graph, const Sums& sums, Placer& placer) : g_(graph), sums_(sums), p_(placer) {}

  void write(const SumTable& table, const SumPlan& plan);

 private:
  class PartialSum;

  void write(const SumTable& table, const SumPlan& plan, const SumGroup& group);
  View product(const SumTable& table, const SumGroup& group, std::span<const std::uint32_t> pairs);
  std::shared_ptr<const std::vector<bool>> gaps() const;
  View addend(const SumTable& table, const SumGroup& group, const SumAddend& addend, PartialSum& partial);
  View list(const SumTable& table, const SumGroup& group, const SumAddend& addend, PartialSum& partial);

  Graph& g_;
  const Sums& sums_;
  Placer& p_;
  LargeVector<NodeId> nodes_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
