// The nodes that the derivatives of some Values by others go through.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <span>

#include "tapeloom/core/base/memory.h"
#include "tapeloom/core/record/evaluate.h"
#include "tapeloom/core/record/gradients.h"
#include "tapeloom/core/record/tape.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// The nodes through which some y depend on some x, in recorded order. Costs what y are computed from since the oldest
/// x was recorded.
class DerivativePath {
 public:
  DerivativePath(const Tape& tape, IndexSet& ahead, std::span<const NodeId> y, std::span<const NodeId> x)
      : tape_(tape) {
    std::uint32_t last = 0;
    for (NodeId node : y) last = std::max(last, node.index);
    oldest_ = std::ranges::min(x).index;
    if (oldest_ > last) return;
    positions_.reset(static_cast<std::uint32_t*>(std::calloc(std::size_t{last} - oldest_ + 1, sizeof(std::uint32_t))));
    if (positions_ == nullptr) throw std::bad_alloc();
    last_ = last;
    for (NodeId node : x) {
      if (node.index <= last) positions_[node.index - oldest_] = is_x;
    }
    find_nodes(find_reached(ahead, y));
  }

  std::size_t size() const { return nodes_.size(); }
  NodeId operator[](std::size_t position) const { return nodes_[position]; }
  bool has(NodeId node) const { return word(node) >= first_position; }
  /// Of a node that is on the path.
  std::size_t position(NodeId node) const { return word(node) - first_position; }
  /// The operands through which it leads, a mask of bits.
  unsigned operands_on(std::size_t position) const { return operands_on_[position]; }
  /// Whether something that y are computed from was chosen by `where`, so that adjoints of zero meet what was not.
  bool has_choices() const { return has_choices_; }
  /// The first reduction over the samples on it, if there is one.
  const std::optional<NodeId>& reduction() const { return reduction_; }

 private:
  // What is in a word: zero for a node that is not on the path, or nobody has asked for.
  static constexpr std::uint32_t is_x = 1, first_position = 2;

  std::uint32_t word(NodeId node) const {
    return node.index < oldest_ || node.index > last_ || positions_ == nullptr ? 0 : positions_[node.index - oldest_];
  }

  /// What y are computed from, falling.
  GrowingVector<std::uint32_t> find_reached(IndexSet& ahead, std::span<const NodeId> y) {
    GrowingVector<std::uint32_t> reached;
    for (NodeId node : y) {
      if (node.index >= oldest_) ahead.add(node.index);
    }
    ahead.take_all(
        [&](std::uint32_t node, auto&& add_ahead) {
          reached.push_back(node);
          const Op op = tape_.op(NodeId(std::size_t{node}));
          has_choices_ = has_choices_ || op == Op::where;
          const Operands operands = tape_.operands(NodeId(std::size_t{node}));
          const unsigned differentiable = differentiable_operands(op);
          for (unsigned k = 0; k < operands.count; ++k) {
            const std::uint32_t operand = operands.node[k].index;
            if ((differentiable >> k & 1) != 0 && operand >= oldest_) add_ahead(operand);
          }
        },
        [](std::uint32_t, std::uint64_t) {});
    return reached;
  }

  unsigned find_operands_on(NodeId node) const {
    const Operands operands = tape_.operands(node);
    unsigned mask = 0;
    for (unsigned k = 0; k < operands.count; ++k) mask |= has(operands.node[k]) ? 1u << k : 0u;
    return mask & differentiable_operands(tape_.op(node));
  }

  void find_nodes(const GrowingVector<std::uint32_t>& reached) {
    nodes_.reserve(reached.size());
    operands_on_.reserve(reached.size());
    for (std::size_t i = reached.size(); i-- > 0;) {
      const NodeId node{std::size_t{reached[i]}};
      std::uint32_t& at = positions_[node.index - oldest_];
      const unsigned leads = find_operands_on(node);
      if (at != is_x && leads == 0) continue;
      at = static_cast<std::uint32_t>(nodes_.size()) + first_position;
      nodes_.push_back(node);
      operands_on_.push_back(static_cast<std::uint8_t>(leads));
      if (leads != 0 && op_kind(tape_.op(node)) == OpKind::reduction && !reduction_) reduction_ = node;
    }
  }

  struct Free {
    void operator()(std::uint32_t* words) const { std::free(words); }
  };

  const Tape& tape_;
  std::uint32_t oldest_ = 0, last_ = 0;
  std::unique_ptr<std::uint32_t[], Free> positions_;  // of nodes from the oldest on; pages nobody needs stay untouched
  GrowingVector<NodeId> nodes_;
  GrowingVector<std::uint8_t> operands_on_;  // of each of them
  bool has_choices_ = false;
  std::optional<NodeId> reduction_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI
