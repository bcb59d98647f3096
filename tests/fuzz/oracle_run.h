// The oracle's own recording: a host of the interpreter that computes in long double with error bounds, and its reverse
// sweep.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "fuzz/oracle.h"

namespace tapeloom::test::fuzz {

inline constexpr long double unknown_error = std::numeric_limits<long double>::infinity();

class Oracle;

/// A number of the oracle's recording.
struct OracleNumber {
  Oracle* oracle = nullptr;
  std::uint32_t node = 0;
};

class Oracle {
 public:
  using Number = OracleNumber;

  Oracle(const Script& script, const Data& data, const Decisions& recorded, const Arithmetic& arithmetic,
         Expected& expected)
      : script_(script), data_(data), recorded_(recorded), arithmetic_(arithmetic), expected_(expected) {
    expected_.may_contradict.assign(data.samples, false);
  }

  // --- a host of the interpreter ----------------------------------------------------------------------------------

  void enter(std::size_t statement, std::size_t sample) {
    statement_ = statement, sample_ = sample;
    decided_ = nullptr, next_ = 0;
  }

  Number leaf(std::size_t statement, std::size_t sample) {
    const Statement& s = script_.statements[statement];
    switch (s.kind) {
      case Kind::parameter:
      case Kind::uniform_input:
        return add_leaf(data_.later ? s.later : s.number, true);
      case Kind::input:
        return script_.recorded ? constant(data_.rows[sample * script_.columns() + s.k], !script_.data_on_tape)
                                : add_leaf(data_.rows[sample * script_.columns() + s.k], true);
      case Kind::constant:
        return constant(s.number, false);
      default:  // NOLINT: plain numbers
        return constant(s.number);
    }
  }

  Number apply(Op op, std::span<const Number> x) {
    Node node;
    node.op = op;
    node.plain = node.untaped = true;
    std::array<Bounded, 3> at{};
    for (std::size_t i = 0; i < x.size(); ++i) {
      node.x[i] = x[i].node, at[i] = nodes_[x[i].node].value;
      node.plain = node.plain && nodes_[x[i].node].plain;
      node.untaped = node.untaped && nodes_[x[i].node].untaped;
    }
    if (op == Op::add || op == Op::sub) {
      node.value = fuzz::add(at[0], at[1], op == Op::add ? 1.0L : -1.0L, arithmetic_);
      node.partial = {{{1.0L, 0.0L, true, false}, {op == Op::add ? 1.0L : -1.0L, 0.0L, true, false}, {}}};
      if (arithmetic_.idioms && !(std::isfinite(at[0].value) && std::isfinite(at[1].value))) {
        node.value = Bounded::unknown();
      }
    } else if (op == Op::neg) {
      node.value = fuzz::add({}, at[0], -1.0L, arithmetic_);
      node.partial[0] = {-1.0L, 0.0L, true, false};
    } else {
      const Applied applied = apply_bounded(op, at, arithmetic_);
      node.value = applied.value, node.partial = applied.partial;
    }
    return push(node);
  }

  Number list(const Statement& s, std::span<const Number> x) {
    if (s.kind == Kind::dot) {
      const std::size_t n = x.size() / 2;
      std::vector<Number> products;
      for (std::size_t i = 0; i < n; ++i) products.push_back(apply(Op::mul, x[i], x[n + i]));
      return sum(products);
    }
    if (s.kind == Kind::sum) return sum(x);
    return apply(Op::div, sum(x), constant(static_cast<double>(x.size())));
  }

  Number batch(const Statement& s, std::span<const Number> samples) {
    Node node;
    node.op = s.op;
    node.first = static_cast<std::uint32_t>(many_.size()), node.count = static_cast<std::uint32_t>(samples.size());
    for (const Number& x : samples) {
      many_.push_back(x.node);
      node.value = fuzz::add(node.value, nodes_[x.node].value, 1.0L, arithmetic_);
    }
    const bool by_factor = script_.recorded && s.k % 3 == 2;
    if (s.op == Op::batch_mean && !by_factor) {
      const Bounded n = Bounded::of(static_cast<long double>(samples.size()), 0.0L, arithmetic_);
      const Applied applied = apply_bounded(Op::div, {node.value, n, {}}, arithmetic_);
      node.value = applied.value, node.partial[0] = applied.partial[0];
    } else {
      node.partial[0] = {1.0L, 0.0L, true, false};
      if (arithmetic_.idioms && !std::isfinite(node.value.value)) node.value = Bounded::unknown();
    }
    const Number total = push(node);
    if (s.op == Op::batch_sum || !by_factor) return total;
    return apply(Op::mul, total, constant(1.0 / static_cast<double>(samples.size())));
  }

  /// The losses of core/nets/loss.h by their formulas. A sample of weight 0 contributes nothing.
  Number loss(const Statement& s, std::span<const Number> x, std::size_t sample) {
    const Number weight = x.back(), zero = constant(0.0);
    const bool plain = nodes_[weight.node].untaped;
    if (plain && value(weight).value == 0.0L && value(weight).exact(arithmetic_)) return zero;
    const Number off = apply(Op::equal, weight, zero);
    const auto masked = [&](Number number) { return plain ? number : apply(Op::where, off, zero, number); };
    const auto weighed = [&](Number number) {
      const Number product = apply(Op::mul, weight, number);
      // What the derivative by a weight of 0 is, nobody says.
      const Bounded w = value(weight);
      if (w.value == 0.0L && w.exact(arithmetic_)) nodes_[product.node].partial[0].error = unknown_error;
      return product;
    };
    if (s.kind == Kind::squared_error) {
      return weighed(apply(Op::square, apply(Op::sub, masked(x[0]), masked(x[1]))));
    }
    if (s.kind == Kind::hinge) {
      const Number margin = apply(Op::mul, masked(x[1]), masked(x[0]));
      return weighed(apply(Op::relu, apply(Op::sub, constant(1.0), margin)));
    }
    if (s.kind == Kind::binary_cross_entropy) {
      const Number z = masked(x[0]);
      return weighed(apply(Op::sub, apply(Op::softplus, z), apply(Op::mul, z, masked(x[1]))));
    }
    const std::size_t classes = s.kind == Kind::softmax_targets ? x.size() / 2
                                : s.kind == Kind::softmax_class ? x.size() - 2
                                                                : x.size() - 1;
    std::vector<Number> logits;
    for (std::size_t i = 0; i < classes; ++i) logits.push_back(masked(x[i]));
    Number largest = logits[0];
    for (std::size_t i = 1; i < classes; ++i) largest = apply(Op::max, largest, logits[i]);
    largest = apply(Op::stop_gradient, largest);  // any shift gives the same; infinite ones must not meet
    std::vector<Number> shifted, exponentials;
    for (const Number& z : logits) {
      shifted.push_back(apply(Op::sub, z, largest));
      exponentials.push_back(apply(Op::exp, shifted.back()));
    }
    const Number log_sum = apply(Op::log, sum(exponentials));
    if (s.kind == Kind::softmax_label) {
      return weighed(apply(Op::sub, log_sum, shifted[label(script_, s, data_.rows, sample, classes)]));
    }
    std::vector<Number> terms;
    if (s.kind == Kind::softmax_targets) {
      for (std::size_t i = 0; i < classes; ++i) {
        terms.push_back(apply(Op::mul, masked(x[classes + i]), apply(Op::sub, log_sum, shifted[i])));
      }
      return weighed(sum(terms));
    }
    const Number target = masked(x[classes]);
    std::vector<Number> one_hot;
    for (std::size_t i = 0; i < classes; ++i) {
      one_hot.push_back(apply(Op::equal, target, constant(static_cast<double>(i))));
      terms.push_back(apply(Op::where, one_hot[i], shifted[i], zero));
    }
    const Number known = apply(Op::sub, log_sum, sum(terms));
    return weighed(apply(Op::where, sum(one_hot), known, constant(std::numeric_limits<double>::quiet_NaN())));
  }

  Number derivative(const Statement&, std::span<const Number>) {
    throw std::logic_error("fuzz: derivatives are written out before the oracle runs them");
  }

  Number halved(Number x) { return apply(Op::mul, x, constant(0.5)); }

  bool decide(Number condition) { return decide(condition, constant(0.0), Op::not_equal); }
  bool decide(Op op, Number a, Number b) { return decide(a, b, op); }

  /// As it was recorded; the data may say otherwise.
  bool decide(Number a, Number b, Op op) {
    const Bounded truth = apply_bounded(op, {value(a), value(b), {}}, arithmetic_).value;
    if (decided_ == nullptr) {
      const auto found = recorded_.find({statement_, script_.recorded ? sample_ : 0});
      if (found == recorded_.end()) throw std::logic_error("fuzz: a decision that was never recorded");
      decided_ = &found->second;
    }
    const bool recorded = decided_->at(next_++);
    const bool fixed = nodes_[a.node].plain && nodes_[b.node].plain;
    if (fixed) return recorded;
    if (!truth.exact(arithmetic_)) {
      expected_.doubtful = true;
      expected_.may_contradict[sample_] = true;
    } else if ((truth.value != 0.0L) != recorded) {
      expected_.contradicted = true;
      expected_.may_contradict[sample_] = true;
    }
    return recorded;
  }

  // --- the reverse sweep ------------------------------------------------------------------------------------------

  /// As formulas are recorded: also by constants.
  void reverse(Number root, bool recorded = false) {
    for (Node& node : nodes_) node.adjoint = {};
    nodes_[root.node].adjoint = Bounded::of(1.0L, 0.0L, arithmetic_);
    for (std::size_t i = nodes_.size(); i-- > 0;) {
      const Node& node = nodes_[i];
      if (node.adjoint.terms == 0 || op_kind(node.op) == OpKind::leaf) continue;
      if (op_kind(node.op) == OpKind::reduction) {
        const Bounded each = contribution(node.partial[0], node.adjoint, arithmetic_);
        for (std::uint32_t k = 0; k < node.count; ++k) contribute(many_[node.first + k], each);
        continue;
      }
      for (std::size_t k = 0; k < op_arity(node.op); ++k) {
        if (op_kind(node.op) == OpKind::comparison || (node.op == Op::where && k == 0)) continue;
        if (nodes_[node.x[k]].plain && !recorded) continue;
        const Applied::Partial& p = node.partial[k];
        if (node.adjoint.value == 0.0L && !p.chosen_away && !(std::isfinite(p.value) && std::isfinite(p.error))) {
          expected_.masked = true;
        }
        // adjoint / inf is a zero, of which formulas cannot tell whether it is the adjoint's.
        const bool divisor = (recorded && node.op == Op::div && k == 1) ||
                             ((node.op == Op::div_adjoint || node.op == Op::atan_adjoint) && k == 0);
        const bool lost = divisor && std::isinf(nodes_[node.x[k]].value.value);
        contribute(node.x[k], lost ? Bounded::unknown() : contribution(p, node.adjoint, arithmetic_));
      }
    }
  }

  void set_zero_contributes_nothing(bool nothing) { arithmetic_.zero_contributes_nothing = nothing; }

  /// Whether no number is near what a float can hold.
  bool all_finite() const {
    constexpr long double most = 1e30L;
    return std::ranges::all_of(nodes_, [&](const Node& node) {
      const bool small = std::fabs(node.value.value) < most && std::fabs(node.adjoint.value) < most;
      return small && node.value.known() && node.adjoint.known();
    });
  }

  const Bounded& value(Number number) const { return nodes_[number.node].value; }
  const Bounded& adjoint(Number number) const { return nodes_[number.node].adjoint; }

 private:
  struct Node {
    Op op = Op::constant;
    bool plain = false;    ///< of constants alone, so that nobody asks for its adjoint
    bool untaped = false;  ///< a Value that is a plain number
    std::array<std::uint32_t, 3> x = {};
    std::uint32_t first = 0, count = 0;  ///< operands of a reduction
    Bounded value, adjoint;
    std::array<Applied::Partial, 3> partial = {};
  };

  Number push(const Node& node) {
    nodes_.push_back(node);
    return {this, static_cast<std::uint32_t>(nodes_.size() - 1)};
  }
  Number apply(Op op, Number a) { return apply(op, std::span<const Number>(&a, 1)); }
  Number apply(Op op, Number a, Number b) { return apply(op, std::array{a, b}); }
  Number apply(Op op, Number a, Number b, Number c) { return apply(op, std::array{a, b, c}); }

  Number sum(std::span<const Number> x) {
    if (x.empty()) return constant(0.0);
    Number total = x[0];
    for (const Number& each : x.subspan(1)) total = apply(Op::add, total, each);
    return total;
  }

  /// Bound numbers are rounded to float first; constants may be computed with in double before.
  Number add_leaf(double number, bool bound) {
    const long double rounded = arithmetic_.in_float ? static_cast<float>(number) : number;
    Node node;
    node.op = bound ? Op::parameter : Op::constant;
    node.plain = !bound;
    if (bound || rounded == number || std::isnan(number)) {
      node.value = Bounded::exactly(rounded, arithmetic_);
    } else {
      node.value = Bounded::of(number, std::fabs(rounded - number), arithmetic_);
    }
    return push(node);
  }
  Number constant(double number, bool untaped = true) {
    const Number made = add_leaf(number, false);
    nodes_[made.node].untaped = untaped;
    return made;
  }

  void contribute(std::uint32_t node, const Bounded& amount) {
    nodes_[node].adjoint = fuzz::add(nodes_[node].adjoint, amount, 1.0L, arithmetic_);
  }

  const Script& script_;
  const Data& data_;
  const Decisions& recorded_;
  Arithmetic arithmetic_;
  Expected& expected_;
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> many_;
  std::size_t statement_ = 0, sample_ = 0, next_ = 0;
  const std::vector<bool>* decided_ = nullptr;

 public:
  static std::size_t label(const Script& script, const Statement& s, std::span<const double> rows, std::size_t sample,
                           std::size_t classes) {
    const double number = std::fabs(rows[sample * script.columns() + s.k]);
    return number < 1e9 ? static_cast<std::size_t>(number) % classes : 0;
  }
};

inline bool operator<(const OracleNumber& a, const OracleNumber& b) { return a.oracle->decide(a, b, Op::less); }

}  // namespace tapeloom::test::fuzz
