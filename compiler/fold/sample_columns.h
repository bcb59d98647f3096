// Which nodes of a recording belong to which of its samples: the terms of sums that compute alike, and what they need.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <span>
#include <vector>

#include "tapeloom/compiler/fold/sample_sums.h"
#include "tapeloom/compiler/request/request.h"
#include "tapeloom/core/base/memory.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// What samples are taken to be.
struct Way {
  bool outer = false;  ///< terms of the last sum that has several alike, rather than of the longest
  bool join = false;   ///< of alike terms, all that have something in common are one sample's
  bool picks = false;  ///< samples may read different ones of values that compute alike, as a label picks one of a list
};

/// A column is a sample: the nodes that its terms of the folded sums depend on and that depend on constants, and the
/// guards on what is computed from those. All columns compute alike: the k-th nodes of all have the same op of the same
/// operands, constants and picks apart, and the same nodes are guarded, whatever is expected of them.
class SampleColumns {
 public:
  static constexpr std::uint32_t none = UINT32_MAX;
  /// Who reads: operand j of the k-th node of every column, or (j = of_group) the term of group k.
  using Reader = std::array<std::uint32_t, 2>;
  static constexpr std::uint32_t of_group = UINT32_MAX;

  explicit SampleColumns(SampleSums& sums) : sums_(sums) {}

  /// False if there are none. May be called again for another way; what takes memory is kept.
  bool find(const Way& way);
  /// False if there may be more samples than that: if a folded sum has other terms of constants, or its terms are of
  /// several kinds that have nothing in common.
  bool complete() const { return joined_ && sums_.complete(); }

  std::uint32_t samples() const { return samples_; }
  /// How many nodes a column has.
  std::size_t size() const { return size_; }
  bool has(NodeId node) const { return of_[node.index] < samples_; }
  std::uint32_t column(NodeId node) const { return of_[node.index]; }
  /// Which one it is there, of a node of a column.
  std::uint32_t position(NodeId node) const { return position_[node.index]; }
  /// The k-th node of a column, in recorded order.
  NodeId member(std::uint32_t sample, std::size_t k) const { return members_[sample * size_ + k]; }
  /// What a reader reads in a column.
  NodeId read(const Reader& reader, std::uint32_t sample) const;
  /// A position that is guarded.
  struct Guarded {
    std::uint32_t position;
    std::vector<std::uint32_t> guards;  ///< of the tape's, one a sample
  };
  /// In recorded order.
  std::span<const Guarded> guards() const { return guards_; }
  /// The readers that read nodes of different positions.
  const std::set<Reader>& picks() const { return picks_; }

  /// Whether the node is a folded sum, or a +, - or negation that is part of one.
  bool is_folded(NodeId node) const { return folded_[node.index]; }

 private:
  using Group = SampleSums::Group;

  bool assign_columns();
  bool join_terms();
  bool split_groups();
  void claim_conditions();
  void begin_visit() { seen_.resize(of_.size(), 0), found_.resize(of_.size(), outside), ++visit_; }
  std::uint32_t known_column(NodeId term);
  std::uint32_t column_of_condition(NodeId condition);
  void claim(NodeId term, std::uint32_t column);
  void find_folded();
  bool stand_alone();
  bool are_alike();
  bool guard_alike();
  bool alike(NodeId a, NodeId b);
  bool may_read(const Reader& reader, NodeId a, NodeId b);

  SampleSums& sums_;
  Way way_;
  bool joined_ = true;  // later groups have parts that the first one's columns have
  std::uint32_t samples_ = 0;
  std::size_t size_ = 0;
  LargeVector<NodeId> members_;          // column by column
  LargeVector<std::uint32_t> of_;        // of each node: its column, or one of the two below
  LargeVector<std::uint32_t> position_;  // of each node of a column
  LargeVector<std::uint8_t> folded_;
  std::vector<Guarded> guards_;
  std::set<Reader> picks_;
  LargeVector<std::uint32_t> seen_;  // by node: the last visit that looked at it
  std::uint32_t visit_ = 0;
  LargeVector<std::uint32_t> found_;  // the column that known_column() found for it on that visit
  struct Step {
    NodeId node;
    bool left;  ///< all of its operands have been looked at
  };
  std::vector<Step> steps_;                               // of known_column()
  std::vector<std::pair<NodeId, std::uint32_t>> claims_;  // of claim()
  static constexpr std::uint32_t outside = none, shared = none - 1;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
