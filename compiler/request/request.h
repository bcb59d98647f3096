// What is to be compiled: a loss, outputs and guards of one tape, resolved once; the recorded nodes it depends on; and
// their sums of more than two terms.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "tapeloom/compiler/graph/tables.h"
#include "tapeloom/core/base/memory.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// How many recorded nodes a request depends on, how many of them are leaves, and how many operands they have in all.
struct LiveNodes {
  std::size_t all = 0, leaves = 0, operands = 0;
};

/// Nodes of one tape that are wanted, and what becomes of every node for that. Every stage of the compiler takes this;
/// none asks the tape again which nodes are live.
class Request {
 public:
  /// `guards` are indices of the tape's, in recorded order.
  Request(const Tape& tape, std::optional<NodeId> loss, std::vector<NodeId> outputs,
          std::vector<std::size_t> guards = {});

  const Tape& tape() const { return *tape_; }
  const std::optional<NodeId>& loss() const { return loss_; }
  std::span<const NodeId> outputs() const { return outputs_; }
  std::span<const std::size_t> guards() const { return guards_; }
  /// Of the guards.
  std::span<const NodeId> conditions() const { return conditions_; }

  /// One more than the last node that is wanted.
  std::size_t size() const { return uses_.size(); }
  LiveNodes live_nodes() const { return live_; }
  bool live(NodeId node) const { return node.index < uses_.size() && uses_[node.index] != 0; }
  /// How often live nodes read it: 0, 1, or 2 for more. What is wanted counts as read from outside, too, so that
  /// nothing may swallow it.
  unsigned uses(NodeId node) const { return uses_[node.index]; }
  /// Whether something live is a reduction over the samples.
  bool has_reductions() const { return has_reductions_; }

 private:
  void find_live();

  const Tape* tape_;
  std::optional<NodeId> loss_;
  std::vector<NodeId> outputs_, conditions_;
  std::vector<std::size_t> guards_;
  LiveNodes live_;
  LargeVector<std::uint8_t> uses_;
  bool has_reductions_ = false;
};

/// The request for a loss, which may be null, outputs, and the guards taken since `branches_from`, but for those on
/// constants alone, which no data can change, those that an earlier one equals, and those that found a value not less
/// than the same value recorded again. A guard taken after the last node
/// that a program needs counts as well: what a branch chooses may be older than the branch. Throws CompileError for a
/// loss that differs from sample to sample and if there is nothing to compile, RecordingError for outputs of another
/// tape and for a mark that is not one of this tape any more, GuardError where constants have been set since to numbers
/// for which a branch would go the other way.
Request resolve(const Value* loss, std::span<const Value> outputs, Tape::Mark branches_from);

/// One term of a sum: a value, or the product of two that nothing else uses; or one operand of a chain of max or min.
struct Term {
  NodeId a;
  NodeId b;
  bool product;
  bool negative;
};

/// A chain is swallowed by the sum at its end, so they are found from the last node to the first.
class Sums {
 public:
  /// What else than chains of +, - and negation is part of a sum. `products`: products that nothing else uses, as their
  /// factors, and x * -1, as the notebooks write -x; all sums and chains of max and min are found at once. `nodes`:
  /// nothing, and sums are found when they are asked for, from the last to the first, since whoever looks for samples
  /// need not see most of them.
  enum class Terms : bool { nodes, products };

  Sums(const Request& request, Terms kind);

  const Request& request() const { return request_; }
  const Tape& tape() const { return request_.tape(); }
  /// As many nodes have a role.
  std::size_t size() const { return role_.size(); }

  /// What a node is: dead, part of somebody's sum or extreme, a sum, a max or min of at least three, or a plain node.
  enum class Role : std::uint8_t { dead, absorbed, sum, extreme, plain };
  Role role(NodeId node) const { return static_cast<Role>(role_[node.index]); }
  /// True where the loss has a derivative by the node; known with products.
  bool differentiated(NodeId node) const { return differentiated_[node.index]; }
  bool is(NodeId node, Op op) const { return tape().op(node) == op; }
  bool is_leaf(NodeId node) const { return op_kind(tape().op(node)) == OpKind::leaf; }
  /// True for a sum or extreme, which has terms.
  bool has_terms(NodeId node) const { return role(node) == Role::sum || role(node) == Role::extreme; }
  /// Of a sum or extreme, in recorded order.
  std::span<const Term> terms(NodeId sum) const;
  /// Where terms are nodes: whether a sum ends here that is not part of a later one, and what it adds up, until the
  /// next call.
  bool ends_sum(NodeId node) const { return role(node) != Role::absorbed && begins_sum(node); }
  std::span<const Term> find_terms(NodeId sum);
  /// Whether it is a parameter times a plain 0, as where a convolution's zeros are written down.
  bool is_zero_product(const Term& term) const;
  /// How many recorded nodes became that node, itself included: of a sum or extreme, all of its chain.
  std::size_t nodes(NodeId node) const { return has_terms(node) ? sizes_[index(node)] : 1; }

 private:
  template <class List>
  void collect_terms(NodeId sum, List& terms, std::uint32_t& size);
  void collect_operands(NodeId extreme);
  bool begins_sum(NodeId node) const;
  bool begins_extreme(NodeId node) const;
  /// What is absorbed already has been so by the chain that is looked at again: nothing else uses it.
  bool absorbable(NodeId node) const {
    return request_.uses(node) == 1 && (role(node) == Role::plain || role(node) == Role::absorbed);
  }
  bool is_negation(NodeId node, NodeId& of) const;
  bool is_tanh(NodeId sum) const;
  bool is_sigmoid(NodeId node, double factor, double of_all) const;
  bool is_one_more_than_exp(NodeId node) const;
  bool adds_two_powers(NodeId node) const;
  void find_differentiated();
  std::size_t index(NodeId sum) const { return sizes_.size() - 1 - sums_.below(sum.index); }

  const Request& request_;
  Terms kind_;
  LargeVector<std::uint8_t> role_;
  LargeVector<bool> differentiated_;
  RankedSet sums_;                           // and extremes; what follows has the last one first
  GrowingVector<std::uint32_t> first_term_;  // of each sum, and one more
  GrowingVector<std::uint32_t> sizes_;       // in nodes
  GrowingVector<Term> terms_;
  LargeVector<Term> found_;  // by find_terms()
  LargeVector<std::pair<NodeId, bool>> stack_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
