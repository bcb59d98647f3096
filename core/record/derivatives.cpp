// Reverse and forward sweeps that record what they compute.
#include "tapeloom/core/record/derivatives.h"

#include <algorithm>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/memory.h"
#include "tapeloom/core/record/derivative_path.h"
#include "tapeloom/core/record/derivative_recorder.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

constexpr NodeId none = DerivativeRecorder::none;

/// Adjoints from y down to x. What the varying nodes contribute to a uniform one, when y is uniform, too, is collected
/// apart, as numbers a sample; when it is the uniform one's turn, their sum over the batch is one contribution.
class ReverseSweep {
 public:
  ReverseSweep(DerivativeRecorder& recorder, const DerivativePath& path, NodeId y)
      : recorder_(recorder), tape_(recorder.tape()), path_(path), sums_samples_(!tape_.varying(y)) {
    recorder.set_skips_zeros(path.has_choices());
    adjoints_.assign(path.size(), none);
    if (path.reduction()) per_sample_.assign(path.size(), none);
    if (!path.has(y)) return;
    adjoints_[path.position(y)] = recorder.constant(1.0);
    for (std::size_t i = path.position(y) + 1; i-- > 0;) pass_on(i);
  }

  /// Zero if y does not depend on it.
  NodeId derivative(NodeId x) {
    const NodeId adjoint = path_.has(x) ? adjoints_[path_.position(x)] : none;
    return adjoint != none ? adjoint : recorder_.constant(0.0);
  }

 private:
  NodeId take_adjoint(std::size_t position) {
    NodeId& adjoint = adjoints_[position];
    if (per_sample_.empty()) return adjoint;
    const NodeId summed = per_sample_[position];
    if (summed != none) adjoint = recorder_.add(adjoint, recorder_.record(Op::batch_sum, {summed}));
    return adjoint;
  }

  void pass_on(std::size_t position) {
    const NodeId node = path_[position], adjoint = take_adjoint(position);
    const unsigned wanted = path_.operands_on(position);
    if (adjoint == none || wanted == 0) return;
    const Operands operands = tape_.operands(node);
    if (op_kind(tape_.op(node)) == OpKind::reduction) {
      const NodeId x = operands.node[0];
      const bool mean = tape_.op(node) == Op::batch_mean;
      return contribute(x, mean ? recorder_.record(Op::div, {adjoint, recorder_.samples(x)}) : adjoint);
    }
    recorder_.each_contribution(node, adjoint, wanted, [&](unsigned k, NodeId amount) {
      const NodeId to = operands.node[k];
      if (!sums_samples_ || !tape_.varying(node) || tape_.varying(to)) {
        contribute(to, amount);
      } else if (tape_.varying(amount)) {
        NodeId& sum = per_sample_[path_.position(to)];
        sum = recorder_.add(sum, amount);
      } else {
        contribute(to, recorder_.sum_samples(amount, node));
      }
    });
  }

  void contribute(NodeId to, NodeId amount) {
    NodeId& sum = adjoints_[path_.position(to)];
    sum = recorder_.add(sum, amount);
  }

  DerivativeRecorder& recorder_;
  const Tape& tape_;
  const DerivativePath& path_;
  bool sums_samples_;
  LargeVector<NodeId> adjoints_;    // by position
  LargeVector<NodeId> per_sample_;  // likewise; empty where nothing is summed over the samples
};

/// Tangents from x up to y. What an op's `reverse` contributes to an operand is the derivative by it times an adjoint,
/// and so, with the operand's tangent for the adjoint, what the operand contributes to the op's tangent.
class ForwardSweep {
 public:
  ForwardSweep(DerivativeRecorder& recorder, const DerivativePath& path, std::span<const NodeId> x,
               std::span<const NodeId> direction)
      : recorder_(recorder), tape_(recorder.tape()), path_(path) {
    recorder.set_skips_zeros(path.has_choices());
    tangents_.assign(path.size(), none);
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (!path.has(x[i]) || direction[i] == none) continue;
      NodeId& tangent = tangents_[path.position(x[i])];
      tangent = recorder.add(tangent, direction[i]);
    }
    for (std::size_t i = 0; i < path.size(); ++i) compute(i);
  }

  /// Zero if y does not depend on what moves.
  NodeId derivative(NodeId y) {
    const NodeId tangent = path_.has(y) ? tangents_[path_.position(y)] : none;
    return tangent != none ? tangent : recorder_.constant(0.0);
  }

 private:
  void compute(std::size_t position) {
    const NodeId node = path_[position];
    const unsigned on_path = path_.operands_on(position);
    const Operands operands = tape_.operands(node);
    NodeId sum = none;
    for (unsigned k = 0; k < operands.count; ++k) {
      const NodeId tangent = (on_path >> k & 1) != 0 ? tangents_[path_.position(operands.node[k])] : none;
      if (tangent == none) continue;
      if (op_kind(tape_.op(node)) == OpKind::reduction) {
        sum = reduce(node, tangent);
      } else {
        recorder_.each_contribution(node, tangent, 1u << k,
                                    [&](unsigned, NodeId amount) { sum = recorder_.add(sum, amount); });
      }
    }
    NodeId& tangent = tangents_[position];
    if (sum != none) tangent = recorder_.add(tangent, sum);
  }

  NodeId reduce(NodeId node, NodeId tangent) {
    if (tape_.op(node) == Op::batch_sum) return recorder_.sum_samples(tangent, tape_.operands(node).node[0]);
    return tape_.varying(tangent) ? recorder_.record(Op::batch_mean, {tangent}) : tangent;
  }

  DerivativeRecorder& recorder_;
  const Tape& tape_;
  const DerivativePath& path_;
  LargeVector<NodeId> tangents_;  // by position
};

/// The nodes of Values on one tape, and those of what is recorded from them.
using Nodes = std::vector<NodeId>;

void refuse_samples_of_samples(const Tape& tape, const DerivativePath& path, NodeId y) {
  if (!path.reduction() || !tape.varying(y)) return;
  throw RecordingError("gradient: " + tape.describe(y) +
                       " differs from sample to sample and depends on other samples by way of " +
                       tape.describe(*path.reduction()) +
                       ", so its derivatives would be a number for each pair of samples; differentiate batch_sum() of "
                       "it, or take the derivative() along a direction");
}

Nodes gradient_of(DerivativeRecorder& recorder, NodeId y, const Nodes& x) {
  const DerivativePath path(recorder.tape(), recorder.nodes_ahead(), std::span(&y, 1), x);
  refuse_samples_of_samples(recorder.tape(), path, y);
  ReverseSweep sweep(recorder, path, y);
  Nodes derivatives;
  for (NodeId node : x) derivatives.push_back(sweep.derivative(node));
  return derivatives;
}

/// `direction` has none where it is zero.
Nodes derivative_of(DerivativeRecorder& recorder, const Nodes& y, const Nodes& x, const Nodes& direction) {
  const DerivativePath path(recorder.tape(), recorder.nodes_ahead(), y, x);
  ForwardSweep sweep(recorder, path, x, direction);
  Nodes derivatives;
  for (NodeId node : y) derivatives.push_back(sweep.derivative(node));
  return derivatives;
}

Nodes jacobian_of(DerivativeRecorder& recorder, const Nodes& y, const Nodes& x) {
  Nodes matrix(y.size() * x.size(), none);
  const bool forward =
      x.size() < y.size() && !DerivativePath(recorder.tape(), recorder.nodes_ahead(), y, x).reduction();
  for (std::size_t j = 0; forward && j < x.size(); ++j) {
    Nodes direction(x.size(), none);
    direction[j] = recorder.constant(1.0);
    const Nodes column = derivative_of(recorder, y, x, direction);
    for (std::size_t i = 0; i < y.size(); ++i) matrix[i * x.size() + j] = column[i];
  }
  for (std::size_t i = 0; !forward && i < y.size(); ++i) {
    std::ranges::copy(gradient_of(recorder, y[i], x), matrix.begin() + static_cast<std::ptrdiff_t>(i * x.size()));
  }
  return matrix;
}

/// A recorder on the tape of the Values to differentiate by, and what it takes and gives as Values.
class Differentiation {
 public:
  explicit Differentiation(std::span<const Value> x) : recorder_(tape_of(x)), x_(nodes(x)) {}

  DerivativeRecorder& recorder() { return recorder_; }
  const Nodes& x() const { return x_; }

  NodeId node(Value value) { return value.is_plain() ? recorder_.constant(value.data()) : value.on(tape()).id(); }
  Nodes nodes(std::span<const Value> values) {
    Nodes result;
    for (const Value& value : values) result.push_back(node(value));
    return result;
  }
  Nodes direction(const char* function, std::span<const Value> values) {
    if (values.size() != x_.size()) {
      throw RecordingError(std::string(function) + ": " + std::to_string(x_.size()) +
                           " values to differentiate by, and a direction of " + std::to_string(values.size()));
    }
    Nodes result = nodes(values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i].is_plain() && values[i].data() == 0.0) result[i] = none;
    }
    return result;
  }

  std::vector<Value> keep(const Nodes& nodes) {
    std::vector<Value> values;
    for (NodeId node : nodes) values.push_back(tape().value(node));
    recorder_.keep();
    return values;
  }

 private:
  static Tape& tape_of(std::span<const Value> x) {
    for (const Value& value : x) value.id();  // a plain number has none
    return *x[0].tape();
  }
  Tape& tape() { return recorder_.tape(); }

  DerivativeRecorder recorder_;
  Nodes x_;
};

}  // namespace

std::vector<Value> gradient(Value y, ValueSpan x) {
  if (x.empty()) return {};
  Differentiation d(x);
  return d.keep(gradient_of(d.recorder(), d.node(y), d.x()));
}

std::vector<Value> derivative(ValueSpan y, ValueSpan x, ValueSpan direction) {
  if (x.empty()) throw RecordingError("derivative: there is nothing to differentiate by");
  if (y.empty()) return {};
  Differentiation d(x);
  const Nodes along = d.direction("derivative", direction);
  return d.keep(derivative_of(d.recorder(), d.nodes(y), d.x(), along));
}

Value derivative(Value y, ValueSpan x, ValueSpan direction) { return derivative(std::span(&y, 1), x, direction)[0]; }

Value derivative(Value y, Value x, Value direction) {
  return derivative(y, std::span(&x, 1), std::span(&direction, 1));
}

std::vector<Value> jacobian(ValueSpan y, ValueSpan x) {
  if (x.empty() || y.empty()) return {};
  Differentiation d(x);
  return d.keep(jacobian_of(d.recorder(), d.nodes(y), d.x()));
}

std::vector<Value> hessian(Value y, ValueSpan x) {
  if (x.empty()) return {};
  Differentiation d(x);
  Nodes matrix;
  for (NodeId first : gradient_of(d.recorder(), d.node(y), d.x())) {
    const Nodes row = gradient_of(d.recorder(), first, d.x());
    matrix.insert(matrix.end(), row.begin(), row.end());
  }
  return d.keep(matrix);
}

std::vector<Value> hessian_vector(Value y, ValueSpan x, ValueSpan vector) {
  if (x.empty() && vector.empty()) return {};
  if (x.empty()) throw RecordingError("hessian_vector: there is nothing to differentiate by");
  Differentiation d(x);
  const Nodes along = d.direction("hessian_vector", vector);
  // In this order the vector is not differentiated, which may be computed from x.
  const Nodes first = gradient_of(d.recorder(), d.node(y), d.x());
  return d.keep(derivative_of(d.recorder(), first, d.x(), along));
}

Value laplacian(Value y, ValueSpan x) {
  if (x.empty()) throw RecordingError("laplacian: there is nothing to differentiate by");
  Differentiation d(x);
  const Nodes first = gradient_of(d.recorder(), d.node(y), d.x());
  NodeId sum = none;
  for (std::size_t i = 0; i < first.size(); ++i) {
    sum = d.recorder().add(sum, gradient_of(d.recorder(), first[i], {d.x()[i]})[0]);
  }
  return d.keep({sum})[0];
}

}  // namespace tapeloom::inline TAPELOOM_ABI
