#include "tapeloom/core/record/value.h"

#include <algorithm>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/number_text.h"
#include "tapeloom/core/ops/ops.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// Turns one application of an op to Values into a node. Compiled here and not in the user's code, so that the eager
/// values do not depend on the user's floating-point flags.
class Recorder {
 public:
  template <class F>
  static Value binary(Op op, Value a, Value b) {
    Tape* tape = a.tape_;
    if (tape != nullptr && tape == b.tape_ && fresh(a) && fresh(b)) [[likely]] {
      const std::uint32_t i = a.node_.index, j = b.node_.index;
      return append(*tape, op, varying(a) | varying(b), i, j, F::forward(tape->data_[i], tape->data_[j]));
    }
    tape = common_tape(a, b);
    if (tape == nullptr) return Value(F::forward(a.number_, b.number_));
    put_on(*tape, false, a, b);
    return binary<F>(op, a, b);
  }

  template <class F>
  static Value unary(Op op, Value x) {
    if (x.tape_ == nullptr) return Value(F::forward(x.number_));
    check_fresh(x);
    return append(*x.tape_, op, varying(x), x.node_.index, 0, F::forward(x.tape_->data_[x.node_.index]));
  }

  template <class F>
  static Value ternary(Op op, Value a, Value b, Value c) {
    Tape* tape = common_tape(a, b);
    if (tape == nullptr) tape = c.tape_;
    if (tape == nullptr) return Value(F::forward(a.number_, b.number_, c.number_));
    put_on(*tape, true, a, b, c);
    const std::uint32_t i = a.node_.index, j = b.node_.index, k = c.node_.index;
    const double data = F::forward(tape->data_[i], tape->data_[j], tape->data_[k]);
    const auto tag = static_cast<std::uint8_t>(static_cast<std::uint8_t>(op) | varying(a) | varying(b) | varying(c));
    return {tape, tape->append_wide(tag, i, j, k, data), tape->generation_};
  }

  /// Eagerly a batch of one, so sum and mean are the value itself.
  static Value reduction(Op op, Value x) {
    if (x.tape_ == nullptr || !x.varying()) {
      throw RecordingError(std::string(op_name(op)) + ": " +
                           (x.tape_ == nullptr ? "a plain number" : x.tape_->describe(x.id())) +
                           " is the same for every sample, so there is nothing to reduce over the batch (sum() and "
                           "mean() add up lists of Values)");
    }
    return append(*x.tape_, op, 0, x.node_.index, 0, x.tape_->data_[x.node_.index]);
  }

  /// first + a0 b0 + a1 b1 + ..., two nodes a term.
  static Value dot(std::span<const Value> a, std::span<const Value> b, Value total) {
    Tape* tape = total.tape_;
    const auto simple = [&](Value v) { return v.tape_ == tape && fresh(v); };
    if (tape == nullptr || !simple(total) || !std::ranges::all_of(a, simple) || !std::ranges::all_of(b, simple)) {
      for (std::size_t i = 0; i < a.size(); ++i) total += a[i] * b[i];
      return total;
    }
    // By pointers and with room for all, each node takes half the time that it takes alone.
    tape->make_room(2 * a.size());
    std::uint8_t* const tags = tape->tags_.data();
    std::uint32_t *const first = tape->first_.data(), *const second = tape->second_.data();
    double* const data = tape->data_.data();
    std::uint32_t sum = total.node_.index, node = tape->size_;
    unsigned sum_varies = tags[sum];
    for (std::size_t i = 0; i < a.size(); ++i, node += 2) {
      const std::uint32_t x = a[i].node_.index, y = b[i].node_.index;
      const unsigned varies = tags[x] | tags[y];
      sum_varies |= varies;
      const auto put = [&](std::uint32_t at, Op op, unsigned of, std::uint32_t left, std::uint32_t right,
                           double number) {
        tags[at] = tag(op, of & Tape::varying_bit);
        first[at] = left;
        second[at] = right;
        data[at] = number;
      };
      put(node, Op::mul, varies, x, y, ops::Mul::forward(data[x], data[y]));
      put(node + 1, Op::add, sum_varies, sum, node, ops::Add::forward(data[sum], data[node]));
      sum = node + 1;
    }
    tape->size_ = node;
    return {tape, sum, tape->generation_};
  }

  static bool fresh(Value v) { return v.tape_->fresh(v.node_.index, v.node_.generation); }
  static void check_fresh(Value v) {
    if (!fresh(v)) [[unlikely]]
      throw_stale(v);
  }
  [[noreturn]] static void throw_stale(Value v) {
    throw StaleValueError("this Value was node " + std::to_string(v.node_.index) +
                          " of its tape and was dropped by a rewind; record it again, or mark() after it");
  }

 private:
  static std::uint8_t varying(Value v) { return v.tape_->tags_[v.node_.index] & Tape::varying_bit; }

  static std::uint8_t tag(Op op, unsigned varying) {
    return static_cast<std::uint8_t>(static_cast<std::uint8_t>(op) | varying);
  }
  static Value append(Tape& tape, Op op, unsigned varying, std::uint32_t a, std::uint32_t b, double data) {
    return {&tape, tape.append(tag(op, varying), a, b, data), tape.generation_};
  }

  /// The operands of one more node, with room for it. Plain numbers are recorded once nothing can throw any more.
  static void put_on(Tape& tape, bool wide, std::same_as<Value> auto&... operands) {
    const auto check = [&](Value x) { return x.is_plain() ? 1u : (static_cast<void>(x.on(tape)), 0u); };
    std::size_t nodes = 1;
    ((nodes += check(operands)), ...);
    tape.make_room(nodes, wide);
    ((operands = operands.on(tape)), ...);
  }

  static Tape* common_tape(Value a, Value b) { return a.tape_ != nullptr ? a.tape_ : b.tape_; }
};

double Value::data() const { return tape_ == nullptr ? number_ : tape_->data(id()); }

Tape* Value::tape() const {
  if (tape_ != nullptr) Recorder::check_fresh(*this);
  return tape_;
}

NodeId Value::missing_id() const {
  if (tape_ == nullptr) {
    throw RecordingError("the plain number " + number_text(number_) +
                         " is on no tape; make a leaf with Tape::parameter, input or constant");
  }
  Recorder::throw_stale(*this);
}

Value Value::on(Tape& tape) const {
  if (tape_ == nullptr) return tape.constant(number_);
  if (tape_ != &tape) {
    throw RecordingError("Values of two tapes are mixed: " + tape_->describe(id()) + " belongs to another tape (" +
                         std::to_string(tape_->size()) + " nodes) than the other operand (" +
                         std::to_string(tape.size()) + " nodes)");
  }
  Recorder::check_fresh(*this);
  return *this;
}

double Value::grad() const {
  const NodeId node = id();
  return tape_->grad(node);
}
std::string Value::label() const { return tape_ == nullptr ? std::string() : tape_->label(id()); }
Value Value::set_label(std::string_view label) const {
  const NodeId node = id();
  tape_->set_label(node, label);
  return *this;
}
void Value::set_data(double data) const {
  const NodeId node = id();
  tape_->set_data(node, data);
}
void Value::set_grad(double grad) const {
  const NodeId node = id();
  tape_->set_grad(node, grad);
}

Value& Value::operator+=(Value other) { return *this = *this + other; }
Value& Value::operator-=(Value other) { return *this = *this - other; }
Value& Value::operator*=(Value other) { return *this = *this * other; }
Value& Value::operator/=(Value other) { return *this = *this / other; }

#define TAPELOOM_OPERATOR(name, Struct, sign) \
  Value operator sign(Value a, Value b) { return Recorder::binary<ops::Struct>(Op::name, a, b); }
#define TAPELOOM_COMPARISON(name, Struct, sign) \
  Condition operator sign(Value a, Value b) { return Condition(Recorder::binary<ops::Struct>(Op::name, a, b)); }
#define TAPELOOM_UNARY(name, Struct)                                        \
  Value name(Value x) { return Recorder::unary<ops::Struct>(Op::name, x); } \
  Value Value::name() const { return Recorder::unary<ops::Struct>(Op::name, *this); }
#define TAPELOOM_BINARY(name, Struct) \
  Value name(Value a, Value b) { return Recorder::binary<ops::Struct>(Op::name, a, b); }
#define TAPELOOM_TERNARY(name, Struct) \
  Value name(Value a, Value b, Value c) { return Recorder::ternary<ops::Struct>(Op::name, a, b, c); }
#define TAPELOOM_REDUCTION(name) \
  Value name(Value x) { return Recorder::reduction(Op::name, x); }
#include "tapeloom/core/ops/ops.def"

Value apply(Op op, ValueSpan x) {
  if (x.size() != op_arity(op)) {
    throw RecordingError(std::string(op_name(op)) + " takes " + std::to_string(op_arity(op)) + " operands, not " +
                         std::to_string(x.size()));
  }
  switch (op) {
#define TAPELOOM_LEAF(name) case Op::name:
#include "tapeloom/core/ops/ops.def"
    break;
#define TAPELOOM_ADJOINT(name, Struct) \
  case Op::name:                       \
    return Recorder::binary<ops::Struct>(Op::name, x[0], x[1]);
#define TAPELOOM_FUSED(name, Struct, formula) \
  case Op::name:                              \
    return Recorder::ternary<ops::Struct>(Op::name, x[0], x[1], x[2]);
#define TAPELOOM_REDUCTION(name) \
  case Op::name:                 \
    return name(x[0]);
#define TAPELOOM_OPERATOR(name, Struct, sign) \
  case Op::name:                              \
    return x[0] sign x[1];
#define TAPELOOM_COMPARISON(name, Struct, sign) TAPELOOM_OPERATOR(name, Struct, sign)
#define TAPELOOM_UNARY(name, Struct) \
  case Op::name:                     \
    return name(x[0]);
#define TAPELOOM_BINARY(name, Struct) \
  case Op::name:                      \
    return name(x[0], x[1]);
#define TAPELOOM_TERNARY(name, Struct) \
  case Op::name:                       \
    return name(x[0], x[1], x[2]);
#include "tapeloom/core/ops/ops.def"
  }
  throw RecordingError(std::string(op_name(op)) + " is not recorded by applying it");
}

Value Value::pow(Value exponent) const { return tapeloom::pow(*this, exponent); }
Value operator-(Value x) { return neg(x); }
Value select(Condition condition, Value a, Value b) { return where(condition, a, b); }

bool Condition::decide() const {
  if (is_plain()) return data() != 0.0;
  return tape()->guard(id());
}

// On numbers that are 1 or 0 (never NaN), min is `and`, max is `or`.
Condition operator&(Condition a, Condition b) { return Condition(min(a, b)); }
Condition operator|(Condition a, Condition b) { return Condition(max(a, b)); }
Condition operator!(Condition a) { return Value(a) == Value(0.0); }

Value sum(ValueSpan values) {
  if (values.empty()) return Value(0.0);
  Value total = values[0];
  for (const Value& value : values.subspan(1)) total += value;
  return total;
}

Value mean(ValueSpan values) {
  if (values.empty()) throw RecordingError("mean of an empty list");
  return sum(values) / static_cast<double>(values.size());
}

namespace {

template <class T>
void check_one_length(std::span<const T> a, std::span<const Value> b) {
  if (a.size() == b.size()) return;
  throw RecordingError("dot: the lists have " + std::to_string(a.size()) + " and " + std::to_string(b.size()) +
                       " values");
}

}  // namespace

Value dot(ValueSpan a, ValueSpan b) {
  check_one_length(a, b);
  return a.empty() ? Value(0.0) : Recorder::dot(a.subspan(1), b.subspan(1), a[0] * b[0]);
}
Value dot(std::span<const double> a, ValueSpan b) {
  check_one_length(a, b);
  if (a.empty()) return Value(0.0);
  Value total = a[0] * b[0];
  for (std::size_t i = 1; i < a.size(); ++i) total += a[i] * b[i];
  return total;
}
Value dot(ValueSpan a, ValueSpan b, Value first) {
  check_one_length(a, b);
  return Recorder::dot(a, b, first);
}

}  // namespace tapeloom::inline TAPELOOM_ABI
