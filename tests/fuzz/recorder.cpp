#include "fuzz/recorder.h"

#include <cmath>
#include <string>

#include "fuzz/interpreter.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/record/derivatives.h"

namespace tapeloom::test::fuzz {

namespace {

class Recorder;

/// A Value whose comparisons are written down.
struct Recorded {
  Value value;
  Recorder* recorder = nullptr;
};

bool compare(Op op, Value a, Value b) {
  switch (op) {
    case Op::less:
      return bool(a < b);
    case Op::less_equal:
      return bool(a <= b);
    case Op::greater:
      return bool(a > b);
    case Op::greater_equal:
      return bool(a >= b);
    case Op::equal:
      return bool(a == b);
    default:  // NOLINT: scripts have comparisons alone
      return bool(a != b);
  }
}

class Recorder {
 public:
  Recorder(const Script& script, Recording& recording, RecordingFault fault)
      : script_(script), recording_(recording), tape_(*recording.tape), fault_(fault) {
    if (script.recorded) return;
    std::size_t column = 0;
    for (std::size_t g = 0; g < script.groups.size(); ++g) {
      const std::span<const double> numbers = std::span(script.eager).subspan(column, script.groups[g]);
      if (script.random_group && g + 1 == script.groups.size()) {
        recording.columns.push_back(tape_.randoms(numbers.size()));
        for (std::size_t i = 0; i < numbers.size(); ++i) recording.columns.back()[i].set_data(numbers[i]);
      } else {
        recording.columns.push_back(tape_.inputs("g" + std::to_string(g), numbers));
      }
      column += script.groups[g];
    }
  }

  void enter(std::size_t statement, std::size_t sample) { statement_ = statement, sample_ = sample; }

  Recorded leaf(std::size_t statement, std::size_t sample) {
    const Statement& s = script_.statements[statement];
    switch (s.kind) {
      case Kind::parameter: {
        const Value v = tape_.parameter(s.number, "v" + std::to_string(statement));
        if (s.frozen) tape_.set_frozen(v);
        recording_.parameters.push_back(v);
        return {plant(RecordingFault::stale_weight) ? Value(s.number) : v, this};
      }
      case Kind::uniform_input: {
        const Value v = tape_.uniform_input(s.number, "v" + std::to_string(statement));
        recording_.uniform_inputs.push_back(v);
        return {v, this};
      }
      case Kind::input:
        return {script_.recorded ? datum(sample, s.k) : column(s.k), this};
      case Kind::constant:
        return {tape_.constant(s.number), this};
      default:  // NOLINT: leaves alone come here
        return {Value(s.number), this};
    }
  }

  Recorded apply(Op op, std::span<const Recorded> x) {
    std::vector<Value> v = plain(x);
    if ((op == Op::max || op == Op::min) && plant(RecordingFault::tie_to_second)) std::swap(v[0], v[1]);
    if (op == Op::sub && plant(RecordingFault::swapped_operands)) std::swap(v[0], v[1]);
    if (op == Op::leaky_relu && plant(RecordingFault::relu_for_leaky)) return {relu(v[0]), this};
    if (op == Op::square && plant(RecordingFault::lost_factor_two)) return {v[0] * v[0].data(), this};
    const Value result = tapeloom::apply(op, std::span<const Value>(v));
    // As dropout has it: something else in inference.
    if (script_.random_group && op == Op::mul) return {where(tape_.training(), result, v[1]), this};
    return {result, this};
  }

  Recorded list(const Statement& s, std::span<const Recorded> x) {
    std::vector<Value> v = plain(x);
    if (s.kind == Kind::sum && v.size() > 1 && plant(RecordingFault::lost_term)) v.pop_back();
    if (s.kind == Kind::sum) return {sum(v), this};
    if (s.kind == Kind::mean) return {mean(v), this};
    const std::span<const Value> all(v);
    return {dot(all.first(v.size() / 2), all.last(v.size() / 2)), this};
  }

  Recorded batch(const Statement& s, std::span<const Recorded> samples) {
    const bool mean_for_sum = s.op == Op::batch_sum && plant(RecordingFault::mean_for_sum);
    const bool is_mean = s.op == Op::batch_mean || mean_for_sum;
    if (!script_.recorded) {
      return {is_mean ? batch_mean(samples[0].value) : batch_sum(samples[0].value), this};
    }
    std::vector<Value> v = plain(samples);
    const double n = static_cast<double>(v.size());
    if (s.k % 3 == 0) return {is_mean ? mean(v) : sum(v), this};
    Value total = 0.0;
    for (Value each : v) total += each;
    if (!is_mean) return {total, this};
    return {s.k % 3 == 1 ? total / n : total * (1.0 / n), this};
  }

  Recorded loss(const Statement& s, std::span<const Recorded> x, std::size_t sample) {
    const std::vector<Value> v = plain(x);
    Value weight = v.back();
    const bool weighed = !(weight.is_plain() && weight.data() == 1.0);
    if (weighed && plant(RecordingFault::lost_weight)) weight = 1.0;
    const std::span<const Value> all(v);
    switch (s.kind) {
      case Kind::squared_error:
        return {squared_error(v[0], v[1], weight), this};
      case Kind::hinge:
        return {hinge(v[0], v[1], weight), this};
      case Kind::binary_cross_entropy:
        return {binary_cross_entropy(v[0], v[1], weight), this};
      case Kind::softmax_targets: {
        const std::size_t classes = v.size() / 2;
        return {softmax_cross_entropy(all.first(classes), all.subspan(classes, classes), weight), this};
      }
      case Kind::softmax_class:
        return {softmax_cross_entropy(all.first(v.size() - 2), v[v.size() - 2], weight), this};
      default: {  // NOLINT: labels
        const std::size_t classes = v.size() - 1;
        const double number = std::fabs(script_.rows[sample * script_.columns() + s.k]);
        std::size_t label = number < 1e9 ? static_cast<std::size_t>(number) % classes : 0;
        if (plant(RecordingFault::other_label)) label = (label + 1) % classes;
        return {softmax_cross_entropy(all.first(classes), label, weight), this};
      }
    }
  }

  /// Those by plain numbers, as data are that are recorded one by one, are 0.
  Recorded derivative(const Statement& s, std::span<const Recorded> operands) {
    const std::vector<Value> all = plain(operands);
    const std::size_t n = s.kind == Kind::hessian_vector ? all.size() / 2 : 1;
    const std::vector<Value> x(all.begin() + 1, all.begin() + 1 + static_cast<std::ptrdiff_t>(n));
    const std::vector<Value> direction(all.begin() + 1 + static_cast<std::ptrdiff_t>(n), all.end());
    for (Value each : x) {
      if (each.is_plain()) return {Value(0.0), this};
    }
    const Value y = all[0];
    const auto first = static_cast<std::uint32_t>(tape_.size());
    if (s.kind == Kind::gradient) return differentiated(first, y, x, {}, gradient(y, x)[0]);
    if (s.kind == Kind::derivative)
      return differentiated(first, y, x, direction, tapeloom::derivative(y, x, direction));
    const Value product = hessian_vector(y, x, direction)[s.k], slope = gradient(y, {x[s.k]})[0];
    differentiated(first, y, {x[s.k]}, {}, slope);
    return differentiated(first, slope, x, direction, product);
  }

  Recorded halved(Recorded x) { return {x.value * 0.5, this}; }

  bool decide(Recorded condition) {
    if (plant(RecordingFault::dropped_guard)) return written(condition.value.data() != 0.0);
    return written(bool(condition.value.is_plain() ? condition.value != 0.0 : Condition(condition.value)));
  }
  bool decide(Op op, Recorded a, Recorded b) {
    if (plant(RecordingFault::dropped_guard)) return written(compare(op, a.value.data(), b.value.data()));
    return written(compare(op, a.value, b.value));
  }

 private:
  bool written(bool truth) {
    recording_.decisions[{statement_, sample_}].push_back(truth);
    return truth;
  }

  static std::vector<Value> plain(std::span<const Recorded> x) {
    std::vector<Value> result;
    for (const Recorded& each : x) result.push_back(each.value);
    return result;
  }

  Value datum(std::size_t sample, std::size_t column) {
    if (sample == 1 && plant(RecordingFault::kept_sample)) sample = 0;
    const double number = script_.rows[sample * script_.columns() + column];
    return script_.data_on_tape ? tape_.constant(number) : Value(number);
  }

  Value column(std::size_t k) {
    if (plant(RecordingFault::neighbour)) k = (k + 1) % script_.columns();
    for (const std::vector<Value>& group : recording_.columns) {
      if (k < group.size()) return group[k];
      k -= group.size();
    }
    return 0.0;
  }

  Recorded differentiated(std::uint32_t first, Value y, const std::vector<Value>& x, std::vector<Value> direction,
                          Value result) {
    if (plant(RecordingFault::stale_derivative)) result = tape_.constant(result.data());
    if (plant(RecordingFault::other_sign)) result = -result;
    for (Value& each : direction) each = each.on(tape_);
    recording_.derivatives.push_back({y.on(tape_), x, direction, result, first});
    return {result, this};
  }

  bool plant(RecordingFault fault) {
    if (fault != fault_) return false;
    recording_.planted = true;
    return true;
  }

  const Script& script_;
  Recording& recording_;
  Tape& tape_;
  RecordingFault fault_;
  std::size_t statement_ = 0, sample_ = 0;
};

bool operator<(const Recorded& a, const Recorded& b) { return a.recorder->decide(Op::less, a, b); }

}  // namespace

Recording record(const Script& script, RecordingFault fault) {
  Recording recording;
  Recorder recorder(script, recording, fault);
  const Interpreter<Recorded, Recorder> run(script, recorder, script.recorded);
  for (std::size_t i = 0; i < script.statements.size(); ++i) {
    std::vector<Value>& values = recording.values.emplace_back();
    for (const Recorded& each : run[i]) values.push_back(each.value);
  }
  recording.loss = recording.values[script.loss][0].on(*recording.tape);
  for (const Output& o : script.outputs) {
    const std::vector<Value>& values = recording.values[o.statement];
    recording.outputs.push_back(values[o.sample < values.size() ? o.sample : 0].on(*recording.tape));
  }
  for (std::uint32_t i = 0; i < recording.tape->size(); ++i) {
    const Tape& tape = *recording.tape;
    const bool chooses = tape.op(NodeId(i)) == Op::where && !tape.is_training(tape.operands(NodeId(i)).node[0]);
    recording.has_where = recording.has_where || chooses;
  }
  return recording;
}

}  // namespace tapeloom::test::fuzz
