#include "tapeloom/core/record/derivative_recorder.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <type_traits>

#include "tapeloom/core/base/check.h"
#include "tapeloom/core/ops/ops.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::inline TAPELOOM_ABI {

// As the formulas call them.
#define TAPELOOM_OPERATOR(name, Struct, sign) \
  inline Formula operator sign(Formula a, Formula b) { return DerivativeRecorder::compute(Op::name, a, b); }
#define TAPELOOM_COMPARISON(name, Struct, sign) TAPELOOM_OPERATOR(name, Struct, sign)
#define TAPELOOM_UNARY(name, Struct) \
  inline Formula name(Formula x) { return DerivativeRecorder::compute(Op::name, x); }
#define TAPELOOM_BINARY(name, Struct) \
  inline Formula name(Formula a, Formula b) { return DerivativeRecorder::compute(Op::name, a, b); }
#define TAPELOOM_TERNARY(name, Struct) \
  inline Formula name(Formula a, Formula b, Formula c) { return DerivativeRecorder::compute(Op::name, a, b, c); }
#include "tapeloom/core/ops/ops.def"

inline Formula operator-(Formula x) { return neg(x); }
inline Formula select(Formula condition, Formula a, Formula b) { return where(condition, a, b); }

inline Formula scaled(Formula factor, Formula adjoint) {
  return DerivativeRecorder::compute(adjoint.skips_zeros() ? Op::mul_adjoint : Op::mul, factor, adjoint);
}
inline Formula scaled_part(Formula factor, Formula part) { return scaled(factor, part); }
inline Formula scaled_adjoints(Formula a, Formula b) {
  return DerivativeRecorder::compute(b.skips_zeros() ? Op::mul_adjoints : Op::mul, a, b);
}

/// Those that are but `scaled` skip zeros in some kernels only, and are written out where all should.
template <class Struct>
Formula apply_adjoint(Op op, Formula x, Formula adjoint) {
  if constexpr (std::is_same_v<Struct, ops::TanhAdjoint> || std::is_same_v<Struct, ops::SigmoidAdjoint>) {
    if (adjoint.skips_zeros()) return Struct::forward(x, adjoint);
  }
  return DerivativeRecorder::compute(op, x, adjoint);
}
#define TAPELOOM_ADJOINT(name, Struct) \
  inline Formula name(Formula x, Formula adjoint) { return apply_adjoint<ops::Struct>(Op::name, x, adjoint); }
#include "tapeloom/core/ops/ops.def"

DerivativeRecorder::DerivativeRecorder(Tape& tape) : tape_(tape), begin_(tape.mark()) { tape.make_room_for_rewind(); }

DerivativeRecorder::~DerivativeRecorder() {
  if (!kept_) tape_.rewind(begin_);
}

IndexSet& DerivativeRecorder::nodes_ahead() { return tape_.gradients_->nodes_ahead(tape_); }

NodeId DerivativeRecorder::record(Op op, std::span<const NodeId> operands) {
  bool varying = false;
  for (const NodeId operand : operands) varying = varying || tape_.varying(operand);
  const double data = ops::visit(
      op,
      [&]<class F>() {
        return [&]<std::size_t... k>(std::index_sequence<k...>) { return F::forward(tape_.data(operands[k])...); }
        (std::make_index_sequence<F::arity>());
      },
      [&] { return tape_.data(operands[0]); });  // of a reduction, over one sample
  const std::uint8_t tag = Tape::tag(op, varying && op_kind(op) != OpKind::reduction);
  const std::uint32_t a = operands[0].index, b = operands.size() > 1 ? operands[1].index : 0;
  return NodeId(std::size_t{operands.size() == 3 ? tape_.append_wide(tag, a, b, operands[2].index, data)
                                                 : tape_.append(tag, a, b, data)});
}

NodeId DerivativeRecorder::constant(double number) {
  const auto bits = std::bit_cast<std::uint64_t>(number);
  const auto found = std::ranges::find(constants_, bits, &std::pair<std::uint64_t, NodeId>::first);
  if (found != constants_.end()) return found->second;
  constants_.emplace_back(bits, tape_.constant(number).id());
  return constants_.back().second;
}

/// Whether a comparison equals itself is 1 whatever the number is, NaN as well.
NodeId DerivativeRecorder::samples(NodeId varying) {
  if (samples_ != none) return samples_;
  const NodeId truth = record(Op::equal, {varying, varying});
  return samples_ = record(Op::batch_sum, {record(Op::equal, {truth, truth})});
}

std::array<Formula, 3> DerivativeRecorder::reverse(NodeId node, NodeId adjoint) {
  step_count_ = 0;
  const Operands operands = tape_.operands(node);
  const auto formula = [&](NodeId at) { return Formula(*this, at); };
  return ops::visit(
      tape_.op(node),
      [&]<class F>() {
        return [&]<std::size_t... k>(std::index_sequence<k...>) {
          const auto each = F::reverse(formula(operands.node[k])..., formula(node), formula(adjoint));
          return std::array<Formula, 3>{each[k]...};
        }
        (std::make_index_sequence<F::arity>());
      },
      []() -> std::array<Formula, 3> { fail_check("a scalar op", __FILE__, __LINE__); });
}

NodeId DerivativeRecorder::recorded(Formula formula) {
  if (formula.recorder_ == nullptr) return constant(formula.literal_);
  if ((formula.at_ & computed) == 0) return NodeId(std::size_t{formula.at_});
  return record_step(formula.at_ & ~computed);
}

/// What the step takes, and no other, is recorded in the order in which it was computed.
NodeId DerivativeRecorder::record_step(std::size_t last) {
  std::uint64_t wanted = std::uint64_t{1} << last;
  std::size_t first = last;
  for (std::size_t i = last + 1; i-- > first;) {
    const Step& step = steps_[i];
    if ((wanted >> i & 1) == 0 || step.node != none) continue;
    for (std::size_t k = 0; k < step.count; ++k) {
      const std::uint32_t at = step.operands[k];
      if ((at & computed) == 0) continue;
      wanted |= std::uint64_t{1} << (at & ~computed);
      first = std::min<std::size_t>(first, at & ~computed);
    }
  }
  for (std::size_t i = first; i <= last; ++i) {
    Step& step = steps_[i];
    if ((wanted >> i & 1) == 0 || step.node != none) continue;
    std::array<NodeId, 3> operands;
    for (std::size_t k = 0; k < step.count; ++k) {
      const std::uint32_t at = step.operands[k];
      operands[k] = (at & computed) != 0 ? steps_[at & ~computed].node : NodeId(std::size_t{at});
    }
    step.node = step.op == Op::constant ? constant(step.literal)
                                        : record(step.op, std::span<const NodeId>(operands.data(), step.count));
  }
  return steps_[last].node;
}

}  // namespace tapeloom::inline TAPELOOM_ABI
