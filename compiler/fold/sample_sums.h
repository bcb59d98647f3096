// Sums of terms that compute alike, which may be samples of a recording.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tapeloom/compiler/request/first_recorded.h"
#include "tapeloom/compiler/request/request.h"
#include "tapeloom/core/base/memory.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Groups of such terms, and what tells that they are alike.
class SampleSums {
 public:
  /// Sums whose terms are nodes.
  explicit SampleSums(Sums& sums) : sums_(sums) {}

  /// Terms of one sum that have the same hash.
  struct Group {
    NodeId sum;
    bool negative;
    std::vector<NodeId> terms;
    std::size_t all;  ///< how many terms that depend on constants the sum has
  };
  /// The largest there are (or of the last sum, with `outer`), of one size, which is `samples`; by falling sum.
  std::vector<Group> groups;
  std::uint32_t samples = 0;

  const Sums& sums() const { return sums_; }
  std::span<const Term> terms_of(NodeId sum) { return sums_.find_terms(sum); }
  const Tape& tape() const { return sums_.tape(); }
  /// Whether the loss or an output needs the node, and not guards alone.
  bool is_result(NodeId node) const { return is_result_[node.index]; }
  /// Equal for nodes that compute alike.
  std::uint64_t hash(NodeId node) const { return hash_[node.index]; }
  /// Whether the node is no leaf and depends on a constant.
  bool has_data(NodeId node) const { return has_data_[node.index] && !sums_.is_leaf(node); }

  /// False if there are no such sums. Alike are nodes that compute the same function of any constants and of the same
  /// parameters, or with `any_parameters` of any. With `outer`, or any parameters, sums below terms of others are left
  /// alone, however large they are.
  bool find(bool any_parameters, bool outer);
  /// Takes all groups whose size is a multiple of so many samples, of the sums that were looked at.
  void regroup(std::uint32_t count);
  /// The groups of a sum.
  std::span<const Group> of(NodeId sum) const;
  /// Whether they are the same function of parameters alone, recorded again.
  bool same(NodeId a, NodeId b);
  /// True if the sums with groups have no other terms of constants.
  bool complete() const;

 private:
  void hash_nodes(bool any_parameters);
  void find_results();
  void find_groups();
  void find_outer_groups();
  /// Adds the groups of `least` or more terms that a sum has.
  void find_groups_of(NodeId sum, std::size_t least);

  Sums& sums_;
  struct Asked {
    bool any_parameters, outer;
    bool operator==(const Asked&) const = default;
  };
  std::optional<Asked> found_;       // what the hashes are of, and what was found for it
  std::vector<Group> found_groups_;  // before anything is done with them
  std::uint32_t found_samples_ = 0;
  LargeVector<std::uint64_t> hash_;     // of each node
  LargeVector<std::uint8_t> has_data_;  // depends on a constant, or is one
  LargeVector<std::uint8_t> is_result_;
  std::vector<NodeId> looked_at_;       // sums, falling
  std::optional<FirstRecorded> first_;  // of nodes that no constant is part of, once that is asked for
  LargeVector<Term> terms_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
