// Formula: the number type with which the op table's formulas are recorded on a tape, and what records them.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

#include "tapeloom/core/base/check.h"
#include "tapeloom/core/base/ids.h"
#include "tapeloom/core/ops/op.h"
#include "tapeloom/core/record/gradients.h"
#include "tapeloom/core/record/tape.h"

namespace tapeloom::inline TAPELOOM_ABI {

class DerivativeRecorder;

/// A node, a literal, or what a formula computes from such, which is recorded once it is known to be wanted: a formula
/// gives the contributions to all operands, and most often one is.
class Formula {
 public:
  Formula() : Formula(0.0) {}
  explicit Formula(double literal) : literal_(literal) {}
  Formula(DerivativeRecorder& recorder, NodeId node) : Formula(recorder, node.index) {}

  /// See DerivativeRecorder::set_skips_zeros.
  bool skips_zeros() const;

 private:
  friend class DerivativeRecorder;

  Formula(DerivativeRecorder& recorder, std::uint32_t at) : recorder_(&recorder), at_(at) {}

  DerivativeRecorder* recorder_ = nullptr;  // of none but literals it is null
  union {
    std::uint32_t at_;  // a node, or with DerivativeRecorder::computed a step of the formula
    double literal_;
  };
};

/// Appends the nodes of derivatives to a tape, and drops them again if it is left by an exception before they are kept.
class DerivativeRecorder {
 public:
  /// Without an op, without a node.
  static constexpr NodeId none{UINT32_MAX};

  explicit DerivativeRecorder(Tape& tape);
  DerivativeRecorder(const DerivativeRecorder&) = delete;
  DerivativeRecorder& operator=(const DerivativeRecorder&) = delete;
  ~DerivativeRecorder();

  Tape& tape() { return tape_; }
  /// An empty set with room for the nodes there are, until the next sweep.
  IndexSet& nodes_ahead();
  /// Whether an adjoint of zero may meet any factor, so that products skip it: `scaled` is mul_adjoint and not mul.
  void set_skips_zeros(bool skips) { skips_zeros_ = skips; }
  bool skips_zeros() const { return skips_zeros_; }

  NodeId record(Op op, std::initializer_list<NodeId> operands) {
    return record(op, std::span(operands.begin(), operands.size()));
  }
  NodeId record(Op op, std::span<const NodeId> operands);
  NodeId constant(double number);
  /// sum + amount, or the amount if there is no sum yet.
  NodeId add(NodeId sum, NodeId amount) { return sum == none ? amount : record(Op::add, {sum, amount}); }
  /// How many samples a batch has, which no op says; `varying` differs from sample to sample.
  NodeId samples(NodeId varying);
  /// The sum over the samples of what one of them, for which `varying` is computed, contributes.
  NodeId sum_samples(NodeId amount, NodeId varying) {
    return tape_.varying(amount) ? record(Op::batch_sum, {amount}) : record(Op::mul, {samples(varying), amount});
  }

  /// What an op's `reverse` contributes to operand k for each k of `wanted`, a mask of bits, when `adjoint` is that of
  /// the node: f(k, contribution).
  template <class F>
  void each_contribution(NodeId node, NodeId adjoint, unsigned wanted, F&& f) {
    std::array<Formula, 3> amounts = reverse(node, adjoint);
    for (unsigned k = 0; wanted != 0; ++k, wanted >>= 1) {
      if ((wanted & 1) != 0) f(k, recorded(amounts[k]));
    }
  }

  /// An op of a formula, of operands that are not all literals.
  template <std::same_as<Formula>... Operands>
  static Formula compute(Op op, Operands... operands) {
    DerivativeRecorder* recorder = nullptr;
    ((recorder = recorder == nullptr ? operands.recorder_ : recorder), ...);
    const std::array<std::uint32_t, 3> at = {recorder->place(operands)...};
    Step& step = recorder->add_step(op);
    step.count = sizeof...(Operands);
    step.operands = at;
    return recorder->last_step();
  }

  /// Says that what was recorded stays.
  void keep() { kept_ = true; }

 private:
  static constexpr std::uint32_t computed = 1u << 31;
  static_assert(Tape::most_nodes <= computed);

  struct Step {
    Op op;  // constant for a literal
    std::uint8_t count;
    NodeId node;  // or none
    std::array<std::uint32_t, 3> operands;
    double literal;
  };
  static constexpr std::size_t most_steps = 64;

  std::array<Formula, 3> reverse(NodeId node, NodeId adjoint);
  Step& add_step(Op op) {
    TAPELOOM_CHECK(step_count_ < most_steps);
    Step& step = steps_[step_count_++];
    step.op = op;
    step.count = 0;
    step.node = none;
    return step;
  }
  Formula last_step() { return {*this, static_cast<std::uint32_t>(step_count_ - 1) | computed}; }
  std::uint32_t place(Formula operand) {
    if (operand.recorder_ != nullptr) return operand.at_;
    add_step(Op::constant).literal = operand.literal_;
    return last_step().at_;
  }
  NodeId recorded(Formula formula);
  NodeId record_step(std::size_t last);

  Tape& tape_;
  Tape::Mark begin_;
  bool kept_ = false;
  bool skips_zeros_ = false;
  NodeId samples_ = none;
  std::vector<std::pair<std::uint64_t, NodeId>> constants_;  // by the bits of their numbers
  std::size_t step_count_ = 0;
  std::array<Step, most_steps> steps_;  // of the formula at hand
};

inline bool Formula::skips_zeros() const { return recorder_ != nullptr && recorder_->skips_zeros(); }

}  // namespace tapeloom::inline TAPELOOM_ABI
