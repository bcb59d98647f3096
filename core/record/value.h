// Value: the scalar one writes programs with. Every operator records a node; all overloads come from the op table.
#pragma once

#include <concepts>
#include <initializer_list>
#include <iosfwd>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/export.h"
#include "tapeloom/core/base/ids.h"
#include "tapeloom/core/ops/op.h"
#include "tapeloom/core/record/tape.h"

namespace tapeloom::inline TAPELOOM_ABI {

class Condition;

/// A handle: a tape and a node, or a plain number that has met no tape yet. Cheap to copy, owns nothing. A plain
/// number is recorded as a constant on the tape of the Value it is combined with; two plain numbers give a plain
/// number.
class TAPELOOM_API Value {
 public:
  constexpr Value() : Value(0.0) {}
  constexpr Value(double number) : number_(number) {}  // NOLINT: `2.0 * x` should work

  /// The eager number. What is recorded with it keeps it in every step of a program: see stop_gradient.
  double data() const;
  /// What the reverse sweeps since the last zero_grad have added up; zero before any. Not for plain numbers.
  double grad() const;
  std::string label() const;
  /// A name for messages and drawings. Returns the value itself.
  Value set_label(std::string_view label) const;
  /// The number of a leaf; what was computed from it keeps its eager value until recompute(tape), and programs that
  /// were compiled before keep the number it had then.
  void set_data(double data) const;
  void set_grad(double grad) const;
  /// Reverse sweep from this value over the whole recording, adding `seed` times the derivatives to grad().
  void backward(double seed = 1.0) const;
  /// One step of it by hand: adds this node's contributions, from its grad(), to the grad() of its operands.
  void backward_step() const;

  /// True for a value that is not on a tape yet.
  bool is_plain() const { return tape_ == nullptr; }
  /// The tape, or null for a plain number. Throws StaleValueError if the node was dropped by a rewind.
  Tape* tape() const;
  /// The node. Throws RecordingError for a plain number, StaleValueError if the node was dropped.
  NodeId id() const {
    if (tape_ != nullptr && tape_->fresh(node_.index, node_.generation)) [[likely]]
      return NodeId(node_.index);
    return missing_id();
  }
  /// True where it differs from sample to sample.
  bool varying() const { return tape_ != nullptr && tape_->varying(id()); }
  /// The same value on `tape`: a plain number is recorded there as a constant.
  Value on(Tape& tape) const;

  Value& operator+=(Value other);
  Value& operator-=(Value other);
  Value& operator*=(Value other);
  Value& operator/=(Value other);
  Value& operator++() { return *this += 1.0; }
  Value& operator--() { return *this -= 1.0; }
  Value operator++(int) {
    const Value before = *this;
    *this += 1.0;
    return before;
  }
  Value operator--(int) {
    const Value before = *this;
    *this -= 1.0;
    return before;
  }

#define TAPELOOM_UNARY(name, Struct) Value name() const;
#include "tapeloom/core/ops/ops.def"
  Value pow(Value exponent) const;

 private:
  friend class Tape;
  friend class Recorder;

  [[noreturn]] NodeId missing_id() const;

  Value(Tape* tape, std::uint32_t node, std::uint32_t generation) : tape_(tape), node_{node, generation} {}

  struct Node {
    std::uint32_t index, generation;
  };

  Tape* tape_ = nullptr;
  union {
    double number_;
    Node node_;
  };
};

/// Values one after another, to be read: of a vector, an array, a span, or in braces, as in sum({a, b}). For parameters
/// of functions: what stands in braces is gone after the statement.
class ValueSpan : public std::span<const Value> {
 public:
  using span::span;
  ValueSpan(std::span<const Value> values) : span(values) {}
  ValueSpan(std::initializer_list<Value> list) : span(list.begin(), list.size()) {}
};

inline Value Tape::value(NodeId node) {
  if (node.index >= size_) [[unlikely]]
    throw_no_node(node);
  return {this, node.index, generation_};
}

/// A comparison of Values: as a Value it is 1 or 0; as a C++ truth (in an `if`, or as a bool) it also records a guard
/// on its tape, because the branch taken is then part of the recording. & and | combine two conditions without a guard,
/// as does !. So std::max(a, b), std::sort and whatever else of the standard library compares Values works, and guards.
class TAPELOOM_API Condition : public Value {
 public:
  explicit Condition(Value value) : Value(value) {}
  /// To bool alone, and not from there to a number: in `0.5 * (a < b)` it is a Value.
  template <std::same_as<bool> Truth>
  operator Truth() const {  // NOLINT: `bool less = a < b` should work
    return decide();
  }

  /// It would be a condition no more: `Value count = a < b; count += 1.0;` counts.
  Condition& operator+=(Value) = delete;
  Condition& operator-=(Value) = delete;
  Condition& operator*=(Value) = delete;
  Condition& operator/=(Value) = delete;
  Condition& operator++() = delete;
  Condition& operator--() = delete;
  Condition operator++(int) = delete;
  Condition operator--(int) = delete;

 private:
  bool decide() const;
};

TAPELOOM_API Condition operator&(Condition a, Condition b);
TAPELOOM_API Condition operator|(Condition a, Condition b);
TAPELOOM_API Condition operator!(Condition a);

/// With a C++ truth, one for all samples, which is known while recording and needs neither node nor guard.
template <std::same_as<bool> Truth>
Condition operator&(Condition a, Truth b) {
  return b ? a : Condition(0.0);
}
template <std::same_as<bool> Truth>
Condition operator&(Truth a, Condition b) {
  return b & a;
}
template <std::same_as<bool> Truth>
Condition operator|(Condition a, Truth b) {
  return b ? Condition(1.0) : a;
}
template <std::same_as<bool> Truth>
Condition operator|(Truth a, Condition b) {
  return b | a;
}

inline Condition& operator&=(Condition& a, Condition b) { return a = a & b; }
inline Condition& operator|=(Condition& a, Condition b) { return a = a | b; }
template <std::same_as<bool> Truth>
Condition& operator&=(Condition& a, Truth b) {
  return a = a & b;
}
template <std::same_as<bool> Truth>
Condition& operator|=(Condition& a, Truth b) {
  return a = a | b;
}

/// What C++ counts, and a truth of its own that others are joined with, take a condition as a bool, with its guard:
/// `count += x > 0.0`, `any |= x > 0.0`.
template <std::integral Count>
requires(!std::same_as<Count, bool>) Count& operator+=(Count& count, Condition c) {
  const bool one = c;
  return count = static_cast<Count>(count + (one ? 1 : 0));
}
template <std::integral Count>
requires(!std::same_as<Count, bool>) Count& operator-=(Count& count, Condition c) {
  const bool one = c;
  return count = static_cast<Count>(count - (one ? 1 : 0));
}
template <std::same_as<bool> Truth>
Truth& operator&=(Truth& all, Condition c) {
  const bool one = c;
  return all = all && one;
}
template <std::same_as<bool> Truth>
Truth& operator|=(Truth& any, Condition c) {
  const bool one = c;
  return any = any || one;
}

#define TAPELOOM_OPERATOR(name, Struct, sign) TAPELOOM_API Value operator sign(Value a, Value b);
#define TAPELOOM_COMPARISON(name, Struct, sign) TAPELOOM_API Condition operator sign(Value a, Value b);
#define TAPELOOM_UNARY(name, Struct) TAPELOOM_API Value name(Value x);
#define TAPELOOM_BINARY(name, Struct) TAPELOOM_API Value name(Value a, Value b);
#define TAPELOOM_TERNARY(name, Struct) TAPELOOM_API Value name(Value a, Value b, Value c);
/// Over the samples of a batch: varying in, uniform out. A uniform operand throws RecordingError.
#define TAPELOOM_REDUCTION(name) TAPELOOM_API Value name(Value x);
#include "tapeloom/core/ops/ops.def"

// What does not compile, so that the error has a name.

/// A C++ truth, as && and || make it, is one for all samples: combine conditions by &, | and !, which choose sample by
/// sample, or choose by an `if`.
template <std::same_as<bool> OneTruthForAllSamples>
Value where(OneTruthForAllSamples condition, Value a, Value b) = delete;

/// A Value is a number and no truth: compare it, as in x != 0.0.
template <std::same_as<Value> NumberIsNoTruthCompareIt>
Condition operator!(NumberIsNoTruthCompareIt) = delete;
template <std::same_as<Value> NumberIsNoTruthCompareIt, class Other>
bool operator&&(NumberIsNoTruthCompareIt, const Other&) = delete;
template <std::same_as<Value> NumberIsNoTruthCompareIt, class Other>
requires(!std::same_as<Other, Value>) bool operator&&(const Other&, NumberIsNoTruthCompareIt) = delete;
template <std::same_as<Value> NumberIsNoTruthCompareIt, class Other>
bool operator||(NumberIsNoTruthCompareIt, const Other&) = delete;
template <std::same_as<Value> NumberIsNoTruthCompareIt, class Other>
requires(!std::same_as<Other, Value>) bool operator||(const Other&, NumberIsNoTruthCompareIt) = delete;

/// a < b < c compares 1 or 0 with c: write (a < b) & (b < c). Who means it writes Value(a < b) < c.
template <std::same_as<Condition> ChainOfComparisons>
Condition operator<(ChainOfComparisons, Value) = delete;
template <std::same_as<Condition> ChainOfComparisons>
Condition operator<=(ChainOfComparisons, Value) = delete;
template <std::same_as<Condition> ChainOfComparisons>
Condition operator>(ChainOfComparisons, Value) = delete;
template <std::same_as<Condition> ChainOfComparisons>
Condition operator>=(ChainOfComparisons, Value) = delete;

/// An op of the table by its name, adjoint rows among them. Throws RecordingError for a leaf, or for another number of
/// operands than it takes.
TAPELOOM_API Value apply(Op op, ValueSpan operands);
/// Of a vector or an array, for which an unqualified call finds std::apply, too: this one asks for more.
template <class O, class List>
requires std::same_as<std::remove_cvref_t<O>, Op> && std::convertible_to<List, std::span<const Value>> Value
apply(O&& op, List&& operands) {
  return apply(Op(op), ValueSpan(std::span<const Value>(operands)));
}

TAPELOOM_API Value operator-(Value x);
inline Value operator+(Value x) { return x; }

/// `where`, under the name the formulas of the op table use.
TAPELOOM_API Value select(Condition condition, Value a, Value b);

/// The number, data(), as a double is printed; 1 or 0 of a Condition, without a guard.
template <class Character, class Traits>
std::basic_ostream<Character, Traits>& operator<<(std::basic_ostream<Character, Traits>& out, Value x) {
  return out << x.data();
}

/// Sum of a list, in order from the first. An empty list is the plain number 0.
TAPELOOM_API Value sum(ValueSpan values);
/// Mean of a list. An empty list throws RecordingError.
TAPELOOM_API Value mean(ValueSpan values);
/// Sum of the products of two lists of one length, in order from the first; with a number that the sum begins with.
TAPELOOM_API Value dot(ValueSpan a, ValueSpan b);
TAPELOOM_API Value dot(std::span<const double> a, ValueSpan b);
TAPELOOM_API Value dot(ValueSpan a, ValueSpan b, Value first);

/// Computes every eager value again from the leaves' numbers. Throws GuardError, and changes nothing, where a recorded
/// branch would go the other way; guards older than `branches_from` are not looked at.
TAPELOOM_API void recompute(Tape& tape, Tape::Mark branches_from = {});

}  // namespace tapeloom::inline TAPELOOM_ABI

/// Those of double, as plain numbers. The primary template would say 0 to all of them.
template <>
struct std::numeric_limits<tapeloom::Value> : std::numeric_limits<double> {
  static constexpr tapeloom::Value min() noexcept { return numeric_limits<double>::min(); }
  static constexpr tapeloom::Value max() noexcept { return numeric_limits<double>::max(); }
  static constexpr tapeloom::Value lowest() noexcept { return numeric_limits<double>::lowest(); }
  static constexpr tapeloom::Value epsilon() noexcept { return numeric_limits<double>::epsilon(); }
  static constexpr tapeloom::Value round_error() noexcept { return numeric_limits<double>::round_error(); }
  static constexpr tapeloom::Value infinity() noexcept { return numeric_limits<double>::infinity(); }
  static constexpr tapeloom::Value quiet_NaN() noexcept { return numeric_limits<double>::quiet_NaN(); }
  static constexpr tapeloom::Value signaling_NaN() noexcept { return numeric_limits<double>::signaling_NaN(); }
  static constexpr tapeloom::Value denorm_min() noexcept { return numeric_limits<double>::denorm_min(); }
};
/// Of a Condition there are none: asking for one does not compile.
template <>
struct std::numeric_limits<tapeloom::Condition>;
