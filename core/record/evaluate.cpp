#include "tapeloom/core/record/evaluate.h"

#include <algorithm>
#include <utility>

#include "tapeloom/core/base/check.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/ops/ops.h"

#ifdef __FAST_MATH__
#error "Tapeloom's numbers need NaN, infinity and signed zeros: compile it without -ffast-math"
#endif

namespace tapeloom::inline TAPELOOM_ABI {

double forward_op(Op op, std::array<double, 3> x) {
  return ops::visit(
      op,
      [&]<class F>() -> double {
        const auto value = [&]<std::size_t... k>(std::index_sequence<k...>) { return F::forward(x[k]...); };
        return value(std::make_index_sequence<F::arity>());
      },
      []() -> double { fail_check("a scalar op", __FILE__, __LINE__); });
}

std::array<double, 3> reverse_op(Op op, std::array<double, 3> x, double y, double adjoint) {
  return ops::visit(
      op,
      [&]<class F>() -> std::array<double, 3> {
        const auto contributions = [&]<std::size_t... k>(std::index_sequence<k...>) {
          const auto each = F::reverse(x[k]..., y, adjoint);
          return std::array<double, 3>{each[k]...};
        };
        return contributions(std::make_index_sequence<F::arity>());
      },
      []() -> std::array<double, 3> { fail_check("a scalar op", __FILE__, __LINE__); });
}

unsigned differentiable_operands(Op op) {
  static constexpr unsigned masks[] = {
#define TAPELOOM_LEAF(name) 1u,
#define TAPELOOM_REDUCTION(name) 1u,
#define TAPELOOM_OP(name, Struct) ops::Struct::differentiable,
#include "tapeloom/core/ops/ops.def"
  };
  return masks[static_cast<std::size_t>(op)];
}

namespace {

constexpr std::uint32_t nowhere = UINT32_MAX;

/// One evaluation: the nodes in phase order, and a column of numbers for each sample.
class Sweep {
 public:
  /// With `training` as Tape::training(), one for each of the nodes that choose by it.
  Sweep(const Tape& tape, NodeId root, std::span<const NodeId> also, bool training) : tape_(tape) {
    find_chosen(training);
    root_ = chosen(root);
    mark_live(also);
    assign_phases();
  }

  void forward(const Batch& batch) {
    samples_ = batch.samples;
    allocate();
    for (std::size_t begin = 0; begin < order_.size();) {
      const std::size_t end = phase_end(begin);
      const std::size_t times = tape_.varying(order_[begin]) ? samples_ : 1;
      for (std::size_t s = 0; s < times; ++s) {
        for (std::size_t i = begin; i < end; ++i) value(order_[i], s) = compute(order_[i], s, batch);
      }
      begin = end;
    }
  }

  void reverse(double seed) {
    adjoints_.assign(values_.size(), 0.0);
    assigned_.assign(values_.size(), 0);
    sample_sum_.assign(tape_.size(), 0.0);
    total_.assign(tape_.size(), 0.0);
    sample_assigned_.assign(tape_.size(), 0);
    const std::size_t root_samples = tape_.varying(root_) ? samples_ : 1;
    for (std::size_t s = 0; s < root_samples; ++s) contribute(root_, s, seed);
    for (std::size_t end = order_.size(); end > 0;) {
      const std::size_t begin = phase_begin(end);
      if (tape_.varying(order_[begin])) {
        reverse_varying(begin, end);
      } else {
        for (std::size_t i = end; i-- > begin;) reverse_node(order_[i], 0);
      }
      end = begin;
    }
  }

  /// What stands for a node: of where(tape.training(), a, b) one branch, as in a program.
  NodeId chosen(NodeId node) const { return chosen_.empty() ? node : chosen_[node.index]; }
  double& value(NodeId node, std::size_t sample) { return values_[place(node, sample)]; }
  double adjoint(NodeId node, std::size_t sample) const { return live(node) ? adjoints_[place(node, sample)] : 0.0; }
  bool live(NodeId node) const { return node.index < place_.size() && place_[node.index] != nowhere; }

 private:
  void find_chosen(bool training) {
    const auto is_training = [](const UniformInputRecord& input) { return input.training; };
    if (std::ranges::none_of(tape_.uniform_inputs(), is_training)) return;
    for (std::uint32_t i = 0; i < tape_.size(); ++i) {
      const NodeId node(i);
      const Operands x = tape_.operands(node);
      const bool chooses = tape_.op(node) == Op::where && tape_.is_training(x.node[0]);
      chosen_.push_back(chooses ? chosen_[x.node[training ? 1 : 2].index] : node);
    }
  }
  Operands operands(NodeId node) const {
    Operands x = tape_.operands(node);
    for (std::size_t k = 0; k < x.count; ++k) x.node[k] = chosen(x.node[k]);
    return x;
  }

  void mark_live(std::span<const NodeId> also) {
    std::uint32_t last = root_.index;
    for (NodeId node : also) last = std::max(last, chosen(node).index);
    place_.assign(last + 1, nowhere);
    place_[root_.index] = 0;
    for (NodeId node : also) place_[chosen(node).index] = 0;
    for (std::uint32_t i = last + 1; i-- > 0;) {
      if (place_[i] == nowhere) continue;
      if (op_kind(tape_.op(NodeId(i))) == OpKind::leaf) continue;
      for (NodeId operand : operands(NodeId(i))) place_[operand.index] = 0;
    }
  }

  /// Sorts the live nodes by phase (2k for Uk, 2k + 1 for Vk), in recorded order within each.
  void assign_phases() {
    phase_.assign(place_.size(), 0);
    std::vector<std::uint32_t> start(2, 0);
    for (std::uint32_t i = 0; i < place_.size(); ++i) {
      const NodeId node(i);
      if (!live(node)) continue;
      std::uint32_t reductions = 0;
      if (op_kind(tape_.op(node)) != OpKind::leaf) {
        for (NodeId operand : operands(node)) reductions = std::max(reductions, phase_[operand.index] / 2);
      }
      if (op_kind(tape_.op(node)) == OpKind::reduction) ++reductions;
      phase_[i] = 2 * reductions + (tape_.varying(node) ? 1 : 0);
      if (start.size() < phase_[i] + 2) start.resize(phase_[i] + 2, 0);
      ++start[phase_[i] + 1];
    }
    for (std::size_t p = 1; p < start.size(); ++p) start[p] += start[p - 1];
    order_.resize(start.back());
    for (std::uint32_t i = 0; i < place_.size(); ++i) {
      if (!live(NodeId(i))) continue;
      order_[start[phase_[i]]++] = NodeId(i);
      place_[i] = tape_.varying(NodeId(i)) ? varying_count_++ : uniform_count_++;
    }
  }

  void allocate() { values_.assign(uniform_count_ + std::size_t{varying_count_} * samples_, 0.0); }

  std::size_t place(NodeId node, std::size_t sample) const {
    if (!tape_.varying(node)) return place_[node.index];
    return uniform_count_ + sample * varying_count_ + place_[node.index];
  }
  std::size_t phase_end(std::size_t begin) const {
    std::size_t end = begin;
    while (end < order_.size() && phase_[order_[end].index] == phase_[order_[begin].index]) ++end;
    return end;
  }
  std::size_t phase_begin(std::size_t end) const {
    std::size_t begin = end;
    while (begin > 0 && phase_[order_[begin - 1].index] == phase_[order_[end - 1].index]) --begin;
    return begin;
  }

  std::array<double, 3> operand_values(NodeId node, std::size_t sample) {
    std::array<double, 3> x{};
    const Operands all = operands(node);
    for (std::size_t k = 0; k < all.count; ++k) x[k] = value(all.node[k], sample);
    return x;
  }

  double compute(NodeId node, std::size_t sample, const Batch& batch) {
    const std::uint32_t index = tape_.leaf_index(node);
    switch (tape_.op(node)) {
      case Op::constant:
        return tape_.data(node);
      case Op::parameter:
        return batch.parameters.empty() ? tape_.data(node) : batch.parameters[index];
      case Op::uniform_input:
        return batch.uniform_inputs.empty() ? tape_.data(node) : batch.uniform_inputs[index];
      case Op::input:
        return batch.rows[sample * tape_.input_nodes().size() + index];
      case Op::batch_sum:
        return batch_sum(operands(node).node[0]);
      case Op::batch_mean:
        return ops::Div::forward(batch_sum(operands(node).node[0]), static_cast<double>(samples_));
#define TAPELOOM_OP(name, Struct) case Op::name:
#include "tapeloom/core/ops/ops.def"
        break;
    }
    return forward_op(tape_.op(node), operand_values(node, sample));
  }

  double batch_sum(NodeId operand) {
    double total = value(operand, 0);
    for (std::size_t s = 1; s < samples_; ++s) total += value(operand, s);
    return total;
  }

  void contribute(NodeId node, std::size_t sample, double amount) {
    const std::size_t at = place(node, sample);
    adjoints_[at] = assigned_[at] ? adjoints_[at] + amount : amount;
    assigned_[at] = 1;
  }

  void reverse_node(NodeId node, std::size_t sample) {
    const Op op = tape_.op(node);
    const std::size_t at = place(node, sample);
    if (op_kind(op) == OpKind::leaf || !assigned_[at]) return;
    const double adjoint = adjoints_[at];
    const Operands x = operands(node);
    if (op_kind(op) == OpKind::reduction) {
      const double n = static_cast<double>(samples_);
      const double each =
          op == Op::batch_sum ? adjoint : ops::Div::reverse(values_[at] * n, n, values_[at], adjoint)[0];
      for (std::size_t s = 0; s < samples_; ++s) contribute(x.node[0], s, each);
      return;
    }
    const auto contributions = reverse_op(op, operand_values(node, sample), values_[at], adjoint);
    const unsigned mask = differentiable_operands(op);
    for (std::size_t k = 0; k < x.count; ++k) {
      const NodeId operand = x.node[k];
      if ((mask >> k & 1) == 0 || tape_.op(operand) == Op::constant) continue;
      if (tape_.varying(node) && !tape_.varying(operand)) {
        contribute_for_sample(operand, contributions[k]);
      } else {
        contribute(operand, sample, contributions[k]);
      }
    }
  }

  void contribute_for_sample(NodeId uniform, double amount) {
    std::uint8_t& assigned = sample_assigned_[uniform.index];
    if (!assigned) touched_.push_back(uniform);
    sample_sum_[uniform.index] = assigned ? sample_sum_[uniform.index] + amount : amount;
    assigned = 1;
  }

  void reverse_varying(std::size_t begin, std::size_t end) {
    std::vector<NodeId> reached;
    for (std::size_t s = 0; s < samples_; ++s) {
      for (std::size_t i = end; i-- > begin;) reverse_node(order_[i], s);
      for (NodeId node : touched_) {
        total_[node.index] = s == 0 ? sample_sum_[node.index] : total_[node.index] + sample_sum_[node.index];
        sample_assigned_[node.index] = 0;
      }
      if (s == 0) reached = touched_;
      touched_.clear();
    }
    for (NodeId node : reached) contribute(node, 0, total_[node.index]);
  }

  const Tape& tape_;
  NodeId root_;
  std::vector<NodeId> chosen_;  // of each node; empty where none chooses
  std::size_t samples_ = 1;
  std::vector<std::uint32_t> place_;  // among the uniform or the varying live nodes
  std::vector<std::uint32_t> phase_;
  std::vector<NodeId> order_;
  std::uint32_t uniform_count_ = 0;
  std::uint32_t varying_count_ = 0;
  std::vector<double> values_;  // the uniform ones, then a column of varying ones for each sample
  std::vector<double> adjoints_;
  std::vector<std::uint8_t> assigned_;
  std::vector<double> sample_sum_, total_;  // of uniform nodes, while their varying users are swept
  std::vector<std::uint8_t> sample_assigned_;
  std::vector<NodeId> touched_;
};

void check_lengths(const Tape& tape, const Batch& batch) {
  const auto expect = [](std::size_t given, std::size_t wanted, const char* what) {
    if (given != wanted) {
      throw BindError(std::string("evaluate: ") + what + " has " + std::to_string(given) + " numbers, not " +
                      std::to_string(wanted));
    }
  };
  if (batch.samples == 0) throw BindError("evaluate: the batch is empty");
  expect(batch.rows.size(), batch.samples * tape.input_nodes().size(), "rows");
  if (!batch.uniform_inputs.empty()) {
    expect(batch.uniform_inputs.size(), tape.uniform_inputs().size(), "uniform_inputs");
  }
  if (!batch.parameters.empty()) expect(batch.parameters.size(), tape.parameters().size(), "parameters");
}

}  // namespace

Evaluation evaluate(Value root, const Batch& batch, std::span<const Value> outputs, double seed) {
  const NodeId root_node = root.id();
  const Tape& tape = *root.tape();
  check_lengths(tape, batch);
  std::vector<NodeId> wanted;
  for (const Value& output : outputs) wanted.push_back(output.on(*root.tape()).id());
  const std::size_t first_guard = tape.first_guard(batch.branches_from);
  for (const Guard& guard : tape.guards().subspan(first_guard)) wanted.push_back(guard.condition);

  bool training = true;
  for (std::size_t i = 0; i < tape.uniform_inputs().size(); ++i) {
    const auto& [node, name, is_training] = tape.uniform_inputs()[i];
    if (is_training) training = (batch.uniform_inputs.empty() ? tape.data(node) : batch.uniform_inputs[i]) != 0.0;
  }
  Sweep sweep(tape, root_node, wanted, training);
  for (NodeId& node : wanted) node = sweep.chosen(node);
  sweep.forward(batch);
  for (std::size_t g = first_guard; g < tape.guards().size(); ++g) {
    const Guard& guard = tape.guards()[g];
    for (std::size_t s = 0; s < batch.samples; ++s) {
      if ((sweep.value(sweep.chosen(guard.condition), s) != 0.0) != guard.expected) {
        throw GuardError(tape.describe_guard(g), g, s);
      }
    }
  }

  Evaluation result;
  for (std::size_t s = 0; s < (tape.varying(root_node) ? batch.samples : 1); ++s) {
    result.root.push_back(sweep.value(sweep.chosen(root_node), s));
  }
  for (std::size_t s = 0; s < batch.samples; ++s) {
    for (std::size_t k = 0; k < outputs.size(); ++k) result.outputs.push_back(sweep.value(wanted[k], s));
  }
  sweep.reverse(seed);
  for (const ParameterRecord& parameter : tape.parameters()) {
    result.gradients.push_back(parameter.frozen ? 0.0 : sweep.adjoint(parameter.node, 0));
  }
  for (std::size_t s = 0; s < batch.samples; ++s) {
    for (NodeId input : tape.input_nodes()) result.input_gradients.push_back(sweep.adjoint(input, s));
  }
  return result;
}

void recompute(Tape& tape, Tape::Mark branches_from) {
  const std::size_t first_guard = tape.first_guard(branches_from);
  std::vector<double> before;  // to be put back if a guard fails
  if (first_guard < tape.guards().size()) before.assign(tape.data_.data(), tape.data_.data() + tape.size());
  for (std::uint32_t i = 0; i < tape.size(); ++i) {
    const NodeId node(i);
    const Op op = tape.op(node);
    if (op_kind(op) == OpKind::leaf) continue;
    std::array<double, 3> x{};
    const Operands operands = tape.operands(node);
    for (std::size_t k = 0; k < operands.count; ++k) x[k] = tape.data(operands.node[k]);
    tape.data_[i] = op_kind(op) == OpKind::reduction ? x[0] : forward_op(op, x);
  }
  for (std::size_t g = first_guard; g < tape.guards().size(); ++g) {
    const Guard& guard = tape.guards()[g];
    if ((tape.data(guard.condition) != 0.0) == guard.expected) continue;
    std::copy(before.begin(), before.end(), tape.data_.data());
    throw GuardError(tape.describe_guard(g), g, 0);
  }
}

}  // namespace tapeloom::inline TAPELOOM_ABI
