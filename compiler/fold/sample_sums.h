#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "tapeloom/core/base/memory.h"
#include "tapeloom/core/record/tape.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Sums of a recording whose terms compute alike, as a loss summed over recorded samples has them.
struct SampleSums {
  /// No node, sum or sample.
  static constexpr std::uint32_t outside = UINT32_MAX;

  struct Term {
    NodeId node;
    bool negative;
  };
  /// Terms of one sum that have the same hash.
  struct Group {
    NodeId sum;
    bool negative;
    std::vector<NodeId> terms;
    std::size_t all;  ///< how many terms that depend on constants the sum has
  };

  LargeVector<std::uint8_t> uses;       ///< of each node by live ones: 0, 1, or 2 for more; roots are used from outside
  LargeVector<std::uint64_t> hash;      ///< equal for nodes that compute alike
  LargeVector<bool> has_data;           ///< depends on a constant
  LargeVector<std::uint32_t> chain_of;  ///< the sum that a +, - or negation belongs to
  std::vector<Group> groups;            ///< the largest there are (or of the last sum, with `outer`), of one size
  std::uint32_t samples = 0;            ///< that size

  /// False if there are no such sums, or something live varies already. Alike are nodes that compute the same function
  /// of any constants and of the same parameters, or with `any_parameters` of any. With `outer`, or any parameters,
  /// sums below terms of others are left alone, however large they are.
  bool find(const Tape& tape, NodeId loss, std::span<const NodeId> outputs, bool any_parameters, bool outer);
  /// Takes all groups whose size is a multiple of so many samples, of the sums that were looked at.
  void regroup(const Tape& tape, std::uint32_t count);
  /// The terms of a sum in recorded order, until the next call. Marks the +, - and negations that nothing else uses as
  /// part of the sum.
  LargeVector<Term>& terms_of(const Tape& tape, NodeId sum);
  /// Whether they are the same function of parameters alone, recorded again.
  bool same(const Tape& tape, NodeId a, NodeId b);
  /// True if the sums with groups have no other terms of constants.
  bool complete() const;

 private:
  bool find_live(const Tape& tape, NodeId loss, std::span<const NodeId> outputs);
  void hash_nodes(const Tape& tape, bool any_parameters);
  void find_groups(const Tape& tape);
  void find_outer_groups(const Tape& tape);
  /// Adds the groups of `least` or more terms that a sum has.
  void find_groups_of(const Tape& tape, NodeId sum, std::size_t least);
  void find_same(const Tape& tape);

  bool any_parameters_ = false;  // what the hashes are of
  LargeVector<Term> terms_, stack_;
  LargeVector<std::uint32_t> same_;  // of nodes of parameters alone: the first that computes the same
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
