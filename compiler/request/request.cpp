// How a request is resolved, its live nodes and its sums found.
#include "tapeloom/compiler/request/request.h"

#include <algorithm>
#include <array>
#include <utility>

#include "tapeloom/compiler/request/first_recorded.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/record/evaluate.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

namespace {

/// The nodes that are computed from constants alone, and their numbers as the constants are now.
class ConstantNodes {
 public:
  ConstantNodes(const Tape& tape, std::uint32_t end) : constant_(end, false), number_(end, 0.0) {
    for (std::uint32_t i = 0; i < end; ++i) {
      const NodeId node{std::size_t{i}};
      const Op op = tape.op(node);
      if (op == Op::constant) {
        constant_[i] = true;
        number_[i] = tape.data(node);
      } else if (op_kind(op) != OpKind::leaf && op_kind(op) != OpKind::reduction) {
        compute(tape, node);
      }
    }
  }

  bool has(NodeId node) const { return constant_[node.index]; }
  double number(NodeId node) const { return number_[node.index]; }

 private:
  void compute(const Tape& tape, NodeId node) {
    const Operands operands = tape.operands(node);
    if (!std::ranges::all_of(operands, [&](NodeId operand) { return has(operand); })) return;
    std::array<double, 3> x{};
    for (std::size_t k = 0; k < operands.count; ++k) x[k] = number(operands.node[k]);
    constant_[node.index] = true;
    number_[node.index] = forward_op(tape.op(node), x);
  }

  LargeVector<bool> constant_;
  LargeVector<double> number_;
};

/// Whether it asks if one number is less than another that is equal now: what is recorded twice is. NaN is not less
/// than itself either, so for such a pair the answer is always no.
bool may_compare_same(const Tape& tape, NodeId condition) {
  const Op op = tape.op(condition);
  if (op != Op::less && op != Op::greater) return false;
  const Operands operands = tape.operands(condition);
  // One Value with itself is the same in every order.
  const bool twice = operands.node[0] != operands.node[1];
  return twice && tape.data(operands.node[0]) == tape.data(operands.node[1]);
}

std::vector<std::size_t> held_guards(const Tape& tape, Tape::Mark from) {
  const std::size_t first = tape.first_guard(from);
  const std::span<const Guard> guards = tape.guards();
  std::uint32_t end = 0;
  for (const Guard& guard : guards.subspan(first)) end = std::max(end, guard.condition.index + 1);
  const ConstantNodes constants(tape, end);
  // Both of a pair would be computed, in sums added up in other orders, and a last bit could make one of them less.
  std::optional<FirstRecorded> recorded;
  const auto compares_same = [&](NodeId condition) {
    if (!may_compare_same(tape, condition)) return false;
    if (!recorded) recorded.emplace(tape, end, [](NodeId) { return true; });
    const Operands operands = tape.operands(condition);
    return recorded->same(operands.node[0], operands.node[1]);
  };
  std::vector<std::size_t> held;
  std::vector<std::array<bool, 2>> known(end);  // of each condition, by what is expected: whether it is held
  for (std::size_t g = first; g < guards.size(); ++g) {
    const auto& [condition, expected] = guards[g];
    if (!constants.has(condition)) {
      if (std::exchange(known[condition.index][expected ? 1 : 0], true)) continue;
      if (expected || !compares_same(condition)) held.push_back(g);
    } else if ((constants.number(condition) != 0.0) != expected) {
      throw GuardError(tape.describe_guard(g), g, 0);
    }
  }
  return held;
}

}  // namespace

Request::Request(const Tape& tape, std::optional<NodeId> loss, std::vector<NodeId> outputs,
                 std::vector<std::size_t> guards)
    : tape_(&tape), loss_(loss), outputs_(std::move(outputs)), guards_(std::move(guards)) {
  for (std::size_t g : guards_) conditions_.push_back(tape.guards()[g].condition);
  find_live();
}

void Request::find_live() {
  std::vector<NodeId> roots = outputs_;
  if (loss_) roots.push_back(*loss_);
  roots.insert(roots.end(), conditions_.begin(), conditions_.end());
  std::uint32_t end = 0;
  for (NodeId root : roots) end = std::max(end, root.index + 1);
  uses_.assign(end, 0);
  for (NodeId root : roots) uses_[root.index] = 2;
  for (std::uint32_t i = end; i-- > 0;) {
    if (uses_[i] == 0) continue;
    const NodeId node{std::size_t{i}};
    const Op op = tape_->op(node);
    ++live_.all;
    has_reductions_ = has_reductions_ || op_kind(op) == OpKind::reduction;
    if (op_kind(op) == OpKind::leaf) {
      ++live_.leaves;
      continue;
    }
    const Operands x = tape_->operands(node);
    live_.operands += x.count;
    for (NodeId operand : x) {
      std::uint8_t& uses = uses_[operand.index];
      uses = static_cast<std::uint8_t>(std::min(uses + 1, 2));
    }
  }
}

Request resolve(const Value* loss, std::span<const Value> outputs, Tape::Mark branches_from) {
  std::optional<NodeId> loss_node;
  Tape* tape = nullptr;
  if (loss != nullptr) {
    loss_node = loss->id();
    tape = loss->tape();
    if (tape->varying(*loss_node)) {
      throw CompileError("the loss " + tape->describe(*loss_node) +
                         " differs from sample to sample; reduce it first, as in batch_mean(loss) or batch_sum(loss)");
    }
  }
  for (const Value& output : outputs) {
    if (tape == nullptr) tape = output.tape();
  }
  if (tape == nullptr) {
    throw CompileError("there is nothing to compile: no loss, and no output that is recorded on a tape");
  }
  std::vector<NodeId> nodes;
  for (const Value& output : outputs) nodes.push_back(output.on(*tape).id());
  return Request(*tape, loss_node, std::move(nodes), held_guards(*tape, branches_from));
}

Sums::Sums(const Request& request, Terms kind) : request_(request), kind_(kind), role_(request.size()) {
  for (std::size_t i = 0; i < role_.size(); ++i) {
    role_[i] = static_cast<std::uint8_t>(request.uses(NodeId(i)) > 0 ? Role::plain : Role::dead);
  }
  if (kind == Terms::nodes) return;
  sums_ = RankedSet(role_.size());
  find_differentiated();
  for (std::size_t i = role_.size(); i-- > 0;) {
    const NodeId node(i);
    if (role(node) != Role::plain) continue;
    const bool sum = begins_sum(node);
    if (!sum && !begins_extreme(node)) continue;
    role_[i] = static_cast<std::uint8_t>(sum ? Role::sum : Role::extreme);
    sums_.insert(i);
    first_term_.push_back(static_cast<std::uint32_t>(terms_.size()));
    sizes_.push_back(1);
    sum ? collect_terms(node, terms_, sizes_.back()) : collect_operands(node);
  }
  first_term_.push_back(static_cast<std::uint32_t>(terms_.size()));
  sums_.count();
}

void Sums::find_differentiated() {
  differentiated_.assign(role_.size(), false);
  if (!request_.loss()) return;
  differentiated_[request_.loss()->index] = true;
  for (std::size_t i = request_.loss()->index + 1; i-- > 0;) {
    const NodeId node(i);
    if (!differentiated_[i] || is_leaf(node)) continue;
    const Operands x = tape().operands(node);
    const unsigned differentiable = differentiable_operands(tape().op(node));
    for (std::size_t k = 0; k < x.count; ++k) {
      if ((differentiable >> k & 1) != 0) differentiated_[x.node[k].index] = true;
    }
  }
}

/// -x, also as the notebooks write it, x * -1. A leaf times -1 may be a weight that meets data, and stays a product.
bool Sums::is_negation(NodeId node, NodeId& of) const {
  if (is(node, Op::neg)) {
    of = tape().operands(node).node[0];
    return true;
  }
  if (!is(node, Op::mul) || kind_ == Terms::nodes) return false;
  const auto [a, b] = std::pair(tape().operands(node).node[0], tape().operands(node).node[1]);
  const auto minus_one = [&](NodeId x) { return is(x, Op::constant) && tape().data(x) == -1.0; };
  of = minus_one(b) ? a : b;
  return (minus_one(a) || minus_one(b)) && !is_leaf(of);
}

/// c (2 s - 1) with a sigmoid s, however that is written. As terms of a longer sum 2 c s and c would cancel near 0, and
/// nobody would see any more what they are together (see recognise_idioms).
bool Sums::is_tanh(NodeId sum) const {
  if (kind_ == Terms::nodes) return false;
  const Operands x = tape().operands(sum);
  const double signs[] = {1.0, is(sum, Op::sub) ? -1.0 : 1.0};
  for (const std::size_t k : {0, 1}) {
    if (!is(x.node[k], Op::constant)) continue;
    return is_sigmoid(x.node[1 - k], signs[1 - k], -2.0 * signs[k] * tape().data(x.node[k]));
  }
  return false;
}

/// Whether factor * node is a sigmoid, or 1 / (1 + e^x), times `of_all`.
bool Sums::is_sigmoid(NodeId node, double factor, double of_all) const {
  constexpr int most_factors = 4;  // chains of factors may be of any length
  const auto is_number = [&](NodeId x) { return is(x, Op::constant); };
  for (int level = 0; level < most_factors; ++level) {
    const NodeId a = tape().operands(node).node[0], b = tape().operands(node).node[1];
    if (is(node, Op::neg)) {
      factor = -factor, node = a;
    } else if (is(node, Op::mul) && (is_number(a) || is_number(b))) {
      factor *= tape().data(is_number(a) ? a : b), node = is_number(a) ? b : a;
    } else if (is(node, Op::div) && is_number(a)) {
      return factor * tape().data(a) == of_all && is_one_more_than_exp(b);
    } else if (is(node, Op::pow) && is_number(b) && tape().data(b) == -1.0) {
      return factor == of_all && is_one_more_than_exp(a);
    } else {
      break;
    }
  }
  return is(node, Op::sigmoid) && factor == of_all;
}

bool Sums::is_one_more_than_exp(NodeId node) const {
  if (!is(node, Op::add)) return false;
  const NodeId a = tape().operands(node).node[0], b = tape().operands(node).node[1];
  const auto is_one = [&](NodeId x) { return is(x, Op::constant) && tape().data(x) == 1.0; };
  return (is_one(a) && is(b, Op::exp)) || (is_one(b) && is(a, Op::exp));
}

/// e^ax + e^bx, or their difference, as of a tanh written through them: no samples of e^kx, nor a sum of its rows, or
/// nobody would see any more what they are together.
bool Sums::adds_two_powers(NodeId node) const {
  const auto behind_factors = [&](NodeId x) {
    constexpr int most_factors = 4;
    const auto is_number = [&](NodeId k) { return is(k, Op::constant); };
    for (int level = 0; level < most_factors && !is_leaf(x); ++level) {
      const NodeId a = tape().operands(x).node[0], b = tape().operands(x).node[1];
      const bool product = is(x, Op::mul);
      if (product && is_number(a)) {
        x = b;
      } else if (is(x, Op::neg) || ((product || is(x, Op::div)) && is_number(b))) {
        x = a;
      } else {
        break;
      }
    }
    return x;
  };
  const NodeId a = tape().operands(node).node[0], b = tape().operands(node).node[1];
  return is(a, Op::exp) && is(b, Op::exp) &&
         behind_factors(tape().operands(a).node[0]) == behind_factors(tape().operands(b).node[0]);
}

/// A negation is one where terms are nodes, and else, if it is no term, an op like others.
bool Sums::begins_sum(NodeId node) const {
  if (is(node, Op::add) || is(node, Op::sub)) return !adds_two_powers(node);
  return kind_ == Terms::nodes && is(node, Op::neg);
}

std::span<const Term> Sums::find_terms(NodeId sum) {
  std::uint32_t size = 1;
  found_.clear();
  role_[sum.index] = static_cast<std::uint8_t>(Role::sum);
  collect_terms(sum, found_, size);
  return found_;
}

template <class List>
void Sums::collect_terms(NodeId sum, List& terms, std::uint32_t& size) {
  const auto absorb = [&](NodeId node) {
    role_[node.index] = static_cast<std::uint8_t>(Role::absorbed);
    ++size;
  };
  const auto push_operands = [&](NodeId node, bool negative) {
    const Operands x = tape().operands(node);
    stack_.push_back({x.node[1], negative != is(node, Op::sub)});
    stack_.push_back({x.node[0], negative});
  };
  if (NodeId of; is_negation(sum, of)) {
    stack_.push_back({of, true});
  } else {
    push_operands(sum, false);
  }
  while (!stack_.empty()) {
    const auto [node, negative] = stack_.back();
    stack_.pop_back();
    NodeId of;
    if (!absorbable(node)) {
      terms.push_back({node, node, false, negative});
    } else if ((is(node, Op::add) || is(node, Op::sub)) && !is_tanh(node)) {
      absorb(node);
      push_operands(node, negative);
    } else if (is_negation(node, of)) {
      absorb(node);
      stack_.push_back({of, !negative});
    } else if (is(node, Op::mul) && kind_ == Terms::products) {
      absorb(node);
      terms.push_back({tape().operands(node).node[0], tape().operands(node).node[1], true, negative});
    } else {
      terms.push_back({node, node, false, negative});
    }
  }
}

/// max(max(a, b), c), the inner one used by nothing else. Other ways to nest them treat NaN in another way: an adjoint
/// goes to the first operand if either is NaN. Trees, in which c is a max too, are alike level by level.
bool Sums::begins_extreme(NodeId node) const {
  if (kind_ == Terms::nodes || (!is(node, Op::max) && !is(node, Op::min))) return false;
  const auto inner = [&](NodeId x) { return absorbable(x) && tape().op(x) == tape().op(node); };
  return inner(tape().operands(node).node[0]) && !inner(tape().operands(node).node[1]);
}

void Sums::collect_operands(NodeId extreme) {
  const std::size_t begin = terms_.size();
  NodeId node = extreme;
  for (;;) {
    const auto [inner, last] = std::pair(tape().operands(node).node[0], tape().operands(node).node[1]);
    terms_.push_back({last, last, false, false});
    if (!begins_extreme(node)) {
      terms_.push_back({inner, inner, false, false});
      break;
    }
    node = inner;
    role_[node.index] = static_cast<std::uint8_t>(Role::absorbed);
    ++sizes_.back();
  }
  std::ranges::reverse(std::span(&terms_[begin], terms_.size() - begin));
}

bool Sums::is_zero_product(const Term& term) const {
  if (!term.product || term.negative) return false;
  const auto zero = [&](NodeId x) { return is(x, Op::constant) && tape().data(x) == 0.0; };
  return (is(term.a, Op::parameter) && zero(term.b)) || (is(term.b, Op::parameter) && zero(term.a));
}

std::span<const Term> Sums::terms(NodeId sum) const {
  const std::size_t at = index(sum);
  return std::span(terms_).subspan(first_term_[at], first_term_[at + 1] - first_term_[at]);
}

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
