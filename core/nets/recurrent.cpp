#include "tapeloom/core/nets/recurrent.h"

#include "tapeloom/core/nets/inputs.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

constexpr std::size_t weight_ih = 0, weight_hh = 1, bias_ih = 2, bias_hh = 3;

}  // namespace

RecurrentCell::RecurrentCell(Tape& tape, std::size_t gates, std::size_t inputs, std::size_t hidden,
                             const Initializer& initializer, bool bias)
    : inputs_(inputs), hidden_(hidden), bias_(bias) {
  std::size_t rows;
  if (__builtin_mul_overflow(gates, hidden, &rows)) throw RecordingError("a recurrent cell does not fit a tape");
  add(tape, "weight_ih", {rows, inputs}, {inputs, hidden, false}, initializer);
  add(tape, "weight_hh", {rows, hidden}, {hidden, hidden, false}, initializer);
  if (!bias) return;
  add(tape, "bias_ih", {rows}, {inputs, hidden, true}, initializer);
  add(tape, "bias_hh", {rows}, {hidden, hidden, true}, initializer);
}

RecurrentCell::Inputs RecurrentCell::checked(std::span<const Value> x, std::span<const Value> h) const {
  check_inputs("a recurrent cell", x.size(), inputs_);
  if (!h.empty()) check_inputs("the state of a recurrent cell", h.size(), hidden_);
  Tape& tape = *values(weight_ih)[0].tape();
  std::vector<Value> storage_x, storage_h;
  x = recorded(x, tape, storage_x), h = recorded(h, tape, storage_h);
  return {{x.begin(), x.end()}, {h.begin(), h.end()}};
}

Value RecurrentCell::from_input(std::size_t i, const Inputs& given) const {
  return bias_ ? dot(row(weight_ih, i), given.x, values(bias_ih)[i]) : dot(row(weight_ih, i), given.x);
}

Value RecurrentCell::add_hidden(Value first, std::size_t i, const Inputs& given) const {
  const Value sum = bias_ ? first + values(bias_hh)[i] : first;
  return given.h.empty() ? sum : dot(row(weight_hh, i), given.h, sum);
}

Value RecurrentCell::from_hidden(std::size_t i, const Inputs& given) const {
  if (given.h.empty()) return bias_ ? values(bias_hh)[i] : Value(0.0);
  return bias_ ? dot(row(weight_hh, i), given.h, values(bias_hh)[i]) : dot(row(weight_hh, i), given.h);
}

RNNCell::RNNCell(Tape& tape, std::size_t inputs, std::size_t hidden, const Initializer& initializer,
                 const RNNOptions& options)
    : RecurrentCell(tape, 1, inputs, hidden, initializer, options.bias), nonlinearity_(options.nonlinearity) {}

std::vector<Value> RNNCell::operator()(std::span<const Value> x, const State& h) const {
  const Inputs given = checked(x, h);
  State next;
  for (std::size_t i = 0; i < hidden(); ++i) next.push_back(nonlinearity_(add_hidden(from_input(i, given), i, given)));
  return next;
}

GRUCell::GRUCell(Tape& tape, std::size_t inputs, std::size_t hidden, const Initializer& initializer, bool bias)
    : RecurrentCell(tape, 3, inputs, hidden, initializer, bias) {}

std::vector<Value> GRUCell::operator()(std::span<const Value> x, const State& h) const {
  const Inputs given = checked(x, h);
  const std::size_t n = hidden();
  std::vector<Value> gates;  // r, then z
  for (std::size_t i = 0; i < 2 * n; ++i) gates.push_back(sigmoid(add_hidden(from_input(i, given), i, given)));
  State next;
  for (std::size_t i = 0; i < n; ++i) {
    const Value reset = gates[i] * from_hidden(2 * n + i, given);
    const Value fresh = tanh(from_input(2 * n + i, given) + reset);
    const Value kept = 1.0 - gates[n + i], changed = kept * fresh;
    next.push_back(given.h.empty() ? changed : changed + gates[n + i] * given.h[i]);
  }
  return next;
}

LSTMCell::LSTMCell(Tape& tape, std::size_t inputs, std::size_t hidden, const Initializer& initializer, bool bias)
    : RecurrentCell(tape, 4, inputs, hidden, initializer, bias) {}

LSTMState LSTMCell::operator()(std::span<const Value> x, const State& state) const {
  const Inputs given = checked(x, state.h);
  if (!state.c.empty()) check_inputs("the state of an LSTMCell", state.c.size(), hidden());
  const std::size_t n = hidden();
  std::vector<Value> sums;
  for (std::size_t i = 0; i < 4 * n; ++i) sums.push_back(add_hidden(from_input(i, given), i, given));
  State next;
  for (std::size_t k = 0; k < n; ++k) {
    const Value i = sigmoid(sums[k]), g = tanh(sums[2 * n + k]), fresh = i * g;
    if (state.c.empty()) {
      next.c.push_back(fresh);
    } else {
      const Value f = sigmoid(sums[n + k]), kept = f * state.c[k];
      next.c.push_back(kept + fresh);
    }
    const Value o = sigmoid(sums[3 * n + k]), out = tanh(next.c.back());
    next.h.push_back(o * out);
  }
  return next;
}

}  // namespace tapeloom::inline TAPELOOM_ABI
