// Which nodes of a recording compute the same as earlier ones.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "tapeloom/compiler/graph/tables.h"
#include "tapeloom/core/base/memory.h"
#include "tapeloom/core/record/tape.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// For each node the first one that computes the same from the same leaves.
class FirstRecorded {
 public:
  /// Of the first `end` nodes; those that are not `wanted` stand for themselves.
  template <class Wanted>
  FirstRecorded(const Tape& tape, std::size_t end, Wanted&& wanted) : tape_(tape), first_(end), table_(end) {
    for (std::uint32_t i = 0; i < end; ++i) {
      first_[i] = i;  // entered, it stands for itself
      if (!wanted(node(i))) continue;
      std::uint32_t latest = UniqueTable::no_parts;
      for (NodeId operand : tape.operands(node(i))) {
        const std::uint32_t part = first_[operand.index];
        latest = latest == UniqueTable::no_parts ? part : std::max(latest, part);
      }
      first_[i] = table_.find_or_enter(
          i, latest, [&](std::uint32_t other) { return equal(other, i); },
          [&](std::uint32_t other) { return hash(other); });
    }
  }

  bool same(NodeId a, NodeId b) const { return first_[a.index] == first_[b.index]; }

 private:
  static NodeId node(std::uint32_t index) { return NodeId(std::size_t{index}); }
  std::uint64_t number(std::uint32_t i) const { return std::bit_cast<std::uint64_t>(tape_.data(node(i))); }

  std::uint64_t hash(std::uint32_t i) const {
    const Op op = tape_.op(node(i));
    std::uint64_t h = mix(0, static_cast<std::uint64_t>(op));
    if (op_kind(op) == OpKind::leaf) return mix(h, op == Op::constant ? number(i) : i);
    for (NodeId operand : tape_.operands(node(i))) h = mix(h, first_[operand.index]);
    return h;
  }

  bool equal(std::uint32_t a, std::uint32_t b) const {
    const Op op = tape_.op(node(a));
    if (op != tape_.op(node(b))) return false;
    if (op_kind(op) == OpKind::leaf) return a == b || (op == Op::constant && number(a) == number(b));
    const Operands left = tape_.operands(node(a)), right = tape_.operands(node(b));
    for (std::size_t k = 0; k < left.count; ++k) {
      if (!same(left.node[k], right.node[k])) return false;
    }
    return true;
  }

  const Tape& tape_;
  LargeVector<std::uint32_t> first_;
  UniqueTable table_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
