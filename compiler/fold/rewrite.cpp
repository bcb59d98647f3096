#include "tapeloom/compiler/fold/rewrite.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "tapeloom/compiler/fold/copy_leaves.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// Records what is left.
class Rewriter {
 public:
  Rewriter(const Request& request, const RewriteOptions& options)
      : request_(request),
        options_(options),
        from_(request.tape()),
        to_(std::make_unique<Tape>()),
        moved_(request.size()) {}

  Rewritten run() {
    move_leaves();
    for (std::size_t i = 0; i < request_.size(); ++i) {
      const NodeId node(i);
      if (request_.live(node) && op_kind(from_.op(node)) != OpKind::leaf) moved_[i] = move(node);
    }
    std::optional<NodeId> loss;
    if (request_.loss()) loss = id_of(*request_.loss());
    std::vector<NodeId> outputs;
    for (NodeId output : request_.outputs()) outputs.push_back(id_of(output));
    for (NodeId condition : request_.conditions()) to_->guard(id_of(condition));
    std::vector<std::size_t> guards(request_.conditions().size());
    std::iota(guards.begin(), guards.end(), std::size_t{0});
    Request rewritten(*to_, loss, std::move(outputs), std::move(guards));
    return {std::move(to_), std::move(rewritten)};
  }

 private:
  void set_moved(NodeId node, Value value) {
    if (node.index < moved_.size()) moved_[node.index] = value;
  }
  NodeId id_of(NodeId node) { return moved_[node.index].on(*to_).id(); }

  void move_leaves() {
    const auto moved = [&](NodeId node, Value value) { set_moved(node, value); };
    copy_parameters(from_, *to_, moved);
    for (const UniformInputRecord& input : from_.uniform_inputs()) {
      moved(input.node, input.training ? Value(options_.training ? 1.0 : 0.0) : copy_uniform_input(from_, *to_, input));
    }
    for (const bool random : {false, true}) {
      for (const InputGroup& group : from_.input_groups()) {
        if (group.random == random) move_inputs(group);
      }
    }
    for (std::size_t i = 0; i < moved_.size(); ++i) {
      if (request_.live(NodeId(i)) && from_.op(NodeId(i)) == Op::constant) moved_[i] = Value(from_.data(NodeId(i)));
    }
  }

  void move_inputs(const InputGroup& group) {
    const auto& [name, first, count, random] = group;
    const std::vector<Value> inputs = random ? to_->randoms(count) : to_->inputs(name, count);
    for (std::uint32_t k = 0; k < count; ++k) set_moved(from_.input_nodes()[first.index + k], inputs[k]);
    some_input_ = inputs.back();
  }

  bool is_zero(Value x) const { return options_.drop_zero_products && x.is_plain() && x.data() == 0.0; }

  Value move(NodeId node) {
    const Op op = from_.op(node);
    const Operands operands = from_.operands(node);
    if (op == Op::where && from_.is_training(operands.node[0])) {
      return moved_[operands.node[options_.training ? 1 : 2].index];
    }
    std::vector<Value> x;
    for (NodeId operand : operands) x.push_back(moved_[operand.index]);
    if (op == Op::mul && (is_zero(x[0]) || is_zero(x[1]))) return 0.0;
    if (op == Op::div && is_zero(x[0])) return 0.0;
    if (op == Op::neg && is_zero(x[0])) return 0.0;
    if ((op == Op::add || op == Op::sub) && is_zero(x[1])) return x[0];
    if (op == Op::add && is_zero(x[0])) return x[1];
    if (op == Op::sub && is_zero(x[0])) return apply(Op::neg, {on_tape(x[1])});
    if (op_kind(op) == OpKind::reduction && !x[0].varying()) {
      if (op == Op::batch_mean || is_zero(x[0])) return x[0];
      // What is added up over the samples differs from sample to sample, if only by nothing.
      x[0] = x[0] + *some_input_ * 0.0;
    }
    for (Value& each : x) each = on_tape(each);
    return apply(op, std::span<const Value>(x));
  }
  /// Something of constants alone would be a plain number, and stay one.
  Value on_tape(Value x) { return x.is_plain() ? to_->constant(x.data()) : x; }

  const Request& request_;
  RewriteOptions options_;
  const Tape& from_;
  std::unique_ptr<Tape> to_;
  std::vector<Value> moved_;
  std::optional<Value> some_input_;
};

bool has_zero_product(const Request& request) {
  const Tape& tape = request.tape();
  const auto is_zero = [&](NodeId x) { return tape.op(x) == Op::constant && tape.data(x) == 0.0; };
  for (std::size_t i = 0; i < request.size(); ++i) {
    const NodeId node(i);
    if (!request.live(node) || tape.op(node) != Op::mul) continue;
    const Operands x = tape.operands(node);
    if (is_zero(x.node[0]) || is_zero(x.node[1])) return true;
  }
  return false;
}

/// Whether a program's leaves are not those that were recorded.
bool has_other_leaves(const Tape& tape) {
  return std::ranges::any_of(tape.input_groups(), &InputGroup::random) ||
         std::ranges::any_of(tape.uniform_inputs(), &UniformInputRecord::training);
}

}  // namespace

std::optional<Rewritten> rewrite(const Request& request, const RewriteOptions& options) {
  const bool drops = options.drop_zero_products && has_zero_product(request);
  if (!drops && !has_other_leaves(request.tape())) return std::nullopt;
  return Rewriter(request, options).run();
}

bool depends_on_training(const Request& request) {
  return std::ranges::any_of(request.tape().uniform_inputs(), [&](const UniformInputRecord& input) {
    return input.training && request.live(input.node);
  });
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
