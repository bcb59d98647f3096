#include "fuzz/jets.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "fuzz/interpreter.h"
#include "gamma_oracle.h"
#include "op_oracle.h"

namespace tapeloom::test::fuzz {

namespace {

using Real = long double;

constexpr unsigned most_levels = 4, sets = 1u << most_levels;

/// The number is part 0; part s is what it has of the product of the infinitesimals in s, a mask of bits.
struct Jet {
  std::array<Real, sets> part{};

  Jet() = default;
  Jet(Real number) { part[0] = number; }  // NOLINT: numbers are jets
  static Jet unknown() {
    Jet jet;
    jet.part.fill(std::numeric_limits<Real>::quiet_NaN());
    return jet;
  }
  Real number() const { return part[0]; }
  bool plain() const {
    return std::all_of(part.begin() + 1, part.end(), [](Real each) { return each == 0; });
  }
  /// Without an infinitesimal, and what is multiplied by it.
  Jet without(unsigned level) const {
    Jet result;
    for (unsigned s = 0; s < sets; ++s) result.part[s] = (s >> level & 1) != 0 ? 0 : part[s];
    return result;
  }
  Jet by(unsigned level) const {
    Jet result;
    for (unsigned s = 0; s < sets; ++s) result.part[s] = (s >> level & 1) != 0 ? 0 : part[s | 1u << level];
    return result;
  }
  bool zero() const { return part[0] == 0 && plain(); }
};

Jet operator+(const Jet& a, const Jet& b) {
  Jet sum;
  for (unsigned s = 0; s < sets; ++s) sum.part[s] = a.part[s] + b.part[s];
  return sum;
}
Jet operator-(const Jet& a) {
  Jet result;
  for (unsigned s = 0; s < sets; ++s) result.part[s] = -a.part[s];
  return result;
}
Jet operator-(const Jet& a, const Jet& b) { return a + -b; }
Jet operator*(const Jet& a, const Jet& b) {
  Jet product;
  for (unsigned s = 0; s < sets; ++s) {
    for (unsigned t = s;; t = (t - 1) & s) {
      if (t == 0 || a.part[t] != 0) product.part[s] += a.part[t] * b.part[s ^ t];
      if (t == 0) break;
    }
  }
  return product;
}
Jet infinitesimal(unsigned level, const Jet& times) {
  Jet unit;
  unit.part[1u << level] = 1;
  return unit * times;
}

/// Functions of one number, of which Op::div is the reciprocal, and pow and polygamma have a number beside it.
Jet function(Op op, const Jet& x, Real beside = 0, unsigned level = most_levels);
Jet reciprocal(const Jet& x) { return function(Op::div, x); }

Jet slope(Op op, const Jet& x, Real beside) {
  const auto f = [&](Op other) { return function(other, x); };
  constexpr Real two_by_root_pi = 2 * std::numbers::inv_sqrtpi_v<Real>;
  switch (op) {
    case Op::div:
      return -(f(Op::div) * f(Op::div));
    case Op::exp:
    case Op::expm1:
      return f(Op::exp);
    case Op::log:
      return f(Op::div);
    case Op::log1p:
      return reciprocal(Jet(1) + x);
    case Op::sqrt:
      return Jet(0.5L) * reciprocal(f(Op::sqrt));
    case Op::tanh:
      return reciprocal(f(Op::cosh) * f(Op::cosh));
    case Op::sigmoid:
      return f(Op::sigmoid) * function(Op::sigmoid, -x);
    case Op::softplus:
      return f(Op::sigmoid);
    case Op::sin:
      return f(Op::cos);
    case Op::cos:
      return -f(Op::sin);
    case Op::atan:
      return reciprocal(Jet(1) + x * x);
    case Op::tan:
      return reciprocal(f(Op::cos) * f(Op::cos));
    case Op::asin:
      return reciprocal(function(Op::sqrt, (Jet(1) - x) * (Jet(1) + x)));
    case Op::acos:
      return -reciprocal(function(Op::sqrt, (Jet(1) - x) * (Jet(1) + x)));
    case Op::sinh:
      return f(Op::cosh);
    case Op::cosh:
      return f(Op::sinh);
    case Op::asinh:
      return reciprocal(function(Op::sqrt, Jet(1) + x * x));
    case Op::acosh:
      return reciprocal(function(Op::sqrt, (x - Jet(1)) * (x + Jet(1))));
    case Op::atanh:
      return reciprocal((Jet(1) - x) * (Jet(1) + x));
    case Op::exp2:
      return Jet(std::numbers::ln2_v<Real>) * f(Op::exp2);
    case Op::log2:
      return reciprocal(x * Jet(std::numbers::ln2_v<Real>));
    case Op::log10:
      return reciprocal(x * Jet(std::numbers::ln10_v<Real>));
    case Op::cbrt:
      return reciprocal(Jet(3) * f(Op::cbrt) * f(Op::cbrt));
    case Op::erf:
      return Jet(two_by_root_pi) * function(Op::exp, -(x * x));
    case Op::erfc:
      return Jet(-two_by_root_pi) * function(Op::exp, -(x * x));
    case Op::lgamma:
      return f(Op::digamma);
    case Op::digamma:
      return function(Op::polygamma, x, 1);
    case Op::polygamma:
      return function(Op::polygamma, x, beside + 1);
    case Op::pow:
      return beside == 0 ? Jet(0) : Jet(beside) * function(Op::pow, x, beside - 1);
    default:  // NOLINT: steps, whose derivative is 0
      return {};
  }
}

/// f(u + e w) = f(u) + e f'(u) w, for one infinitesimal after another.
Jet function(Op op, const Jet& x, Real beside, unsigned level) {
  while (level > 0 && x.by(level - 1).zero()) --level;
  if (level == 0) {
    if (op == Op::div) return 1 / x.number();
    if (op == Op::pow) return std::pow(x.number(), beside);
    if (op == Op::polygamma) return polygamma_oracle(beside, x.number());
    return op_oracle(op, {x.number()}).value;
  }
  const Jet u = x.without(level - 1), w = x.by(level - 1);
  return function(op, u, beside, level - 1) + infinitesimal(level - 1, slope(op, u, beside) * w);
}

Jet power(const Jet& a, const Jet& b) {
  if (b.plain()) return function(Op::pow, a, b.number());
  if (!(a.number() > 0)) return Jet::unknown();
  return function(Op::exp, b * function(Op::log, a));
}

Jet angle(const Jet& a, const Jet& b, unsigned level = most_levels) {
  if (a.number() == 0 && b.number() == 0) return Jet::unknown();
  if (level == 0) return std::atan2(a.number(), b.number());
  const Jet u = a.without(level - 1), v = b.without(level - 1);
  const Jet turn = (v * a.by(level - 1) - u * b.by(level - 1)) * reciprocal(u * u + v * v);
  return angle(u, v, level - 1) + infinitesimal(level - 1, turn);
}

Jet apply_jet(Op op, const std::array<Jet, 3>& x) {
  const Jet &a = x[0], &b = x[1];
  const Real p = a.number(), q = b.number();
  const bool chooses = op == Op::max || op == Op::min || op == Op::abs || op_kind(op) == OpKind::comparison;
  // At a pole the sign of an infinite number is that of a zero, which sums of jets do not keep.
  if (chooses && !(std::isfinite(p) && std::isfinite(q))) return Jet::unknown();
  switch (op) {
    case Op::add:
      return a + b;
    case Op::sub:
      return a - b;
    case Op::mul:
    case Op::mul_adjoint:
    case Op::mul_adjoints:
      return a * b;
    case Op::div:
      return a * reciprocal(b);
    case Op::div_adjoint:
      return b * reciprocal(a);
    case Op::neg:
      return -a;
    case Op::multiply_add:
      return a * b + x[2];
    case Op::multiply_subtract:
      return a * b - x[2];
    case Op::subtract_product:
      return x[2] - a * b;
    case Op::square:
      return a * a;
    case Op::relu:
      return p <= 0 ? Jet(0) : a;
    case Op::relu_adjoint:
      return p <= 0 ? Jet(0) : b;
    case Op::abs:
      return p > 0 ? a : p < 0 ? -a : Jet(0);
    case Op::leaky_relu:
      return p > 0 ? a : b * a;
    case Op::max:
      return p < q ? b : a;
    case Op::min:
      return p > q ? b : a;
    case Op::where:
      return std::isnan(p) ? Jet::unknown() : p != 0 ? b : x[2];
    case Op::copysign:
      return p == 0 ? Jet::unknown() : std::signbit(p) == std::signbit(q) ? a : -a;
    case Op::fmod:
      return a - b * Jet(std::round((p - std::fmod(p, q)) / q));
    case Op::pow:
      return power(a, b);
    case Op::hypot:
      return function(Op::sqrt, a * a + b * b);
    case Op::atan2:
      return angle(a, b);
    case Op::polygamma:
      return function(Op::polygamma, b, p);
    case Op::unless_zero:
      return a;
    case Op::tanh_adjoint:
      return (Jet(1) - a * a) * b;
    case Op::sigmoid_adjoint:
      return a * (Jet(1) - a) * b;
    case Op::atan_adjoint:
      return b * reciprocal(Jet(1) + a * a);
    default:  // NOLINT: comparisons, and functions of one number
      if (op_kind(op) == OpKind::comparison) return op_oracle(op, {p, q}).value;
      return function(op, a);
  }
}

/// A script's statements for every sample, to be computed again and again: a host of the interpreter.
class Graph {
 public:
  struct Number {
    std::uint32_t node = 0;
    friend bool operator<(Number, Number) { return false; }  // nothing is decided here
  };
  struct Node {
    Op op = Op::constant;
    Real number = 0;
    std::vector<std::uint32_t> x;
    bool differentiates = false;  ///< it is the sum of the derivatives of y by each `by`, times `far` if there are any
    std::uint32_t y = 0;
    std::vector<std::uint32_t> by = {}, far = {};
  };
  struct TooMuch {};

  Graph(const Script& script, const Data& data) : script_(script), data_(data) {}

  void enter(std::size_t, std::size_t) {}
  Number leaf(std::size_t statement, std::size_t sample) {
    const Statement& s = script_.statements[statement];
    const bool moves = s.kind == Kind::parameter || s.kind == Kind::uniform_input;
    const Real number = s.kind == Kind::input  ? data_.rows[sample * script_.columns() + s.k]
                        : moves && data_.later ? s.later
                                               : s.number;
    return push({Op::constant, number, {}});
  }
  Number apply(Op op, std::span<const Number> x) {
    Node node{op, 0, {}};
    for (Number each : x) node.x.push_back(each.node);
    return push(node);
  }
  Number batch(const Statement& s, std::span<const Number> samples) { return apply(s.op, samples); }
  Number list(const Statement&, std::span<const Number>) { return {}; }
  Number derivative(const Statement&, std::span<const Number>) { return {}; }
  Number loss(const Statement&, std::span<const Number>, std::size_t) { return {}; }
  Number halved(Number x) { return x; }
  bool decide(Number) { return true; }
  bool decide(Op, Number, Number) { return true; }

  /// What a number is made of at most, by its magnitude.
  Real take_largest() { return std::exchange(largest_, Real{0}); }
  Node& operator[](Number number) { return nodes_[number.node]; }

  /// Of a node, with an infinitesimal added to each of `moved`, the first to the first.
  Jet compute(std::uint32_t node, std::vector<std::uint32_t> moved) {
    std::vector<bool> wanted(node + 1);
    wanted[node] = true;
    for (std::uint32_t i = node + 1; i-- > 0;) {
      if (!wanted[i]) continue;
      for (std::uint32_t x : nodes_[i].x) wanted[x] = true;
    }
    std::vector<Jet> values(node + 1);
    for (std::uint32_t i = 0; i <= node; ++i) {
      if (!wanted[i]) continue;
      if (++computed_ > most_computed) throw TooMuch();
      values[i] = value(nodes_[i], values, moved);
      for (unsigned level = 0; level < moved.size(); ++level) {
        if (moved[level] == i) values[i].part[1u << level] += 1;
      }
      for (Real part : values[i].part) largest_ = std::isfinite(part) ? std::fmax(largest_, std::fabs(part)) : largest_;
    }
    return values[node];
  }

 private:
  static constexpr std::size_t most_computed = 200'000;  // about a tenth of a second

  Number push(Node node) {
    nodes_.push_back(std::move(node));
    return {static_cast<std::uint32_t>(nodes_.size() - 1)};
  }

  Jet value(const Node& node, const std::vector<Jet>& values, const std::vector<std::uint32_t>& moved) {
    Jet sum;
    if (node.differentiates) {
      if (moved.size() == most_levels) throw TooMuch();
      for (std::size_t i = 0; i < node.by.size(); ++i) {
        std::vector<std::uint32_t> more = moved;
        more.push_back(node.by[i]);
        const Jet derivative = compute(node.y, more).by(static_cast<unsigned>(moved.size()));
        sum = sum + (node.far.empty() ? derivative : derivative * compute(node.far[i], moved));
      }
      return sum;
    }
    if (op_kind(node.op) == OpKind::leaf) return node.number;
    if (op_kind(node.op) == OpKind::reduction) {
      for (std::uint32_t x : node.x) sum = sum + values[x];
      return node.op == Op::batch_sum ? sum : sum * Jet(1 / static_cast<Real>(node.x.size()));
    }
    std::array<Jet, 3> x;
    for (std::size_t i = 0; i < node.x.size(); ++i) x[i] = values[node.x[i]];
    return apply_jet(node.op, x);
  }

  const Script& script_;
  const Data& data_;
  std::vector<Node> nodes_;
  std::size_t computed_ = 0;
  Real largest_ = 0;
};

}  // namespace

std::vector<std::vector<std::optional<JetDerivative>>> derivatives_by_jets(const Script& script, const Data& data,
                                                                           std::span<const DerivativeQuery> queries) {
  Script on_data = script;
  on_data.samples = data.samples;
  Graph graph(on_data, data);
  const Interpreter<Graph::Number, Graph> run(on_data, graph, true);
  const auto of = [&](std::uint32_t statement, std::size_t sample) {
    const std::vector<Graph::Number>& list = run[statement];
    return list[list.size() == 1 ? 0 : sample];
  };
  for (const DerivativeQuery& query : queries) {
    for (std::size_t s = 0; query.own && s < run[query.result].size(); ++s) {
      Graph::Node node{Op::constant, 0, {}, true, of(query.y, s).node};
      for (std::size_t i = 0; i < query.x.size(); ++i) {
        const std::size_t count = run[query.x[i]].size();
        for (std::size_t t = 0; t < count; ++t) {
          // By itself, of its own sample; along a direction all samples move.
          if (query.direction.empty() && t != (count == 1 ? 0 : s)) continue;
          node.by.push_back(of(query.x[i], t).node);
          if (!query.direction.empty()) node.far.push_back(of(query.direction[i], count == 1 ? s : t).node);
        }
      }
      graph[of(query.result, s)] = node;
    }
  }
  std::vector<std::vector<std::optional<JetDerivative>>> all;
  for (const DerivativeQuery& query : queries) {
    std::vector<std::optional<JetDerivative>>& result = all.emplace_back();
    for (std::size_t s = 0; s < run[query.result].size(); ++s) {
      std::optional<JetDerivative>& number = result.emplace_back();
      if (!query.own) continue;
      try {
        graph.take_largest();
        const Real value = graph.compute(of(query.result, s).node, {}).number();
        number = {value, 1e-16L * graph.take_largest()};
      } catch (const Graph::TooMuch&) {
      }
    }
  }
  return all;
}

}  // namespace tapeloom::test::fuzz
