// The gradients of a tape's nodes: what reverse sweeps on the tape have added up. Costs what the sweeps reach, not what
// the tape holds, and allocates nothing while the tape does not grow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/base/growing.h"
#include "tapeloom/core/base/ids.h"
#include "tapeloom/core/record/index_set.h"

namespace tapeloom::inline TAPELOOM_ABI {

class Tape;

class TAPELOOM_API Gradients {
 public:
  /// Zero unless something was added since the last clear().
  double operator[](NodeId node) const { return is_set(node.index) ? sums_[node.index] : 0.0; }
  void set(NodeId node, double gradient, std::size_t capacity);
  void add(NodeId node, double gradient, std::size_t capacity);
  /// Sets all to zero.
  void clear() { drop_from(0); }
  /// Forgets those of the nodes from that one on.
  void drop_from(std::uint32_t first);
  /// Adds `seed` times the derivatives of the root by every node it is reached from; see Value::backward.
  void sweep(const Tape& tape, NodeId root, double seed, std::size_t capacity);

 private:
  bool is_set(std::uint32_t node) const { return node / 64 < set_.size() && (set_[node / 64] >> (node % 64) & 1) != 0; }
  /// Room for as many nodes as the tape has.
  void make_room(std::size_t capacity);
  void add_in_room(std::uint32_t node, double gradient);

  GrowingArray<double> sums_;        // of the nodes that are set
  std::vector<std::uint64_t> set_;   // a bit a node
  std::vector<std::uint32_t> list_;  // the nodes that are set
  // Of one sweep: the nodes to come, and their adjoints so far.
  IndexSet ahead_;
  GrowingArray<double> adjoints_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI
