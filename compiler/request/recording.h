#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tapeloom/core/base/memory.h"
#include "tapeloom/core/record/tape.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// One term of a sum: a value, or the product of two that nothing else uses; or one operand of a chain of max or min.
struct Term {
  NodeId a;
  NodeId b;
  bool product;
  bool negative;
};

/// How many recorded nodes the roots depend on, and how many of them are leaves.
struct LiveNodes {
  std::size_t all = 0, leaves = 0;
};

/// A recording as rolling sees it: the nodes that the roots depend on, chains of +, - and negation that nobody else
/// uses collapsed into n-ary sums of terms, and chains max(max(a, b), c) ... likewise.
class Recording {
 public:
  /// `loss` may be null.
  Recording(const Tape& tape, const NodeId* loss, std::span<const NodeId> roots);

  const Tape& tape() const { return tape_; }
  std::size_t size() const { return role_.size(); }
  LiveNodes live() const { return live_; }

  /// What a node is: dead, part of somebody's sum or extreme, a sum, a max or min of at least three, or a plain node.
  enum class Role : std::uint8_t { dead, absorbed, sum, extreme, plain };
  Role role(NodeId node) const { return static_cast<Role>(role_[node.index]); }
  /// True where the loss has a derivative by the node.
  bool differentiated(NodeId node) const { return differentiated_[node.index]; }
  /// True for a sum or extreme, which has terms.
  bool has_terms(NodeId node) const { return role(node) == Role::sum || role(node) == Role::extreme; }
  /// Of a sum or extreme, in recorded order.
  std::span<const Term> terms(NodeId sum) const;
  /// Sums or extremes that are to be filled up to the longest of a list: one list, or, if most of the terms were to be
  /// filled in, lists of those of about the same length.
  std::vector<std::vector<NodeId>> of_about_one_length(std::span<const NodeId> members) const;
  /// How many recorded nodes became that sum or extreme, itself included.
  std::size_t nodes(NodeId sum) const { return sum_sizes_[sum_index(sum)]; }
  bool is(NodeId node, Op op) const { return tape_.op(node) == op; }

 private:
  void count_uses(const NodeId* loss, std::span<const NodeId> roots);
  void collect_sums();
  void collect_terms(NodeId sum);
  bool begins_extreme(NodeId node) const;
  void collect_operands(NodeId extreme);
  bool absorbable(NodeId node) const;
  bool is_sum_op(NodeId node) const;
  bool is_negation(NodeId node, NodeId& of) const;
  std::size_t sum_index(NodeId sum) const;

  const Tape& tape_;
  LiveNodes live_;
  LargeVector<std::uint8_t> role_;
  LargeVector<bool> differentiated_;
  LargeVector<std::uint8_t> uses_;           // 0, 1, or 2 for more
  GrowingVector<std::uint32_t> sum_nodes_;   // in order
  GrowingVector<std::uint32_t> first_term_;  // of each sum, and one more
  GrowingVector<std::uint32_t> sum_sizes_;   // in nodes
  GrowingVector<Term> terms_;
  LargeVector<std::pair<NodeId, bool>> stack_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
