// Recurrent cells, under PyTorch's names, with its gates in its order, and what runs a cell over a sequence.
//
//   LSTMCell cell(tape, 8, 64, uniform_initializer(random, -0.125, 0.125));  // 1 / sqrt(hidden), PyTorch's default
//   std::vector<LSTMState> states = unroll(cell, sequence);
//   Value score = dot(weights, states.back().h);
//
// The tensors of a cell are "weight_ih" [gates x hidden, inputs], "weight_hh" [gates x hidden, hidden], "bias_ih" and
// "bias_hh" [gates x hidden]. Initializers are told the columns of a weight as its inputs, and the hidden size as its
// outputs. An empty state stands for zeros, whose products are not recorded.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/nets/module.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// What the cells have in common.
class TAPELOOM_API RecurrentCell : public Module {
 public:
  std::size_t inputs() const { return inputs_; }
  std::size_t hidden() const { return hidden_; }

 protected:
  RecurrentCell(Tape& tape, std::size_t gates, std::size_t inputs, std::size_t hidden, const Initializer& initializer,
                bool bias);

  /// x and h, checked, their plain numbers recorded on the tape.
  struct Inputs {
    std::vector<Value> x, h;
  };
  Inputs checked(std::span<const Value> x, std::span<const Value> h) const;
  /// bias_ih + weight_ih x in that row.
  Value from_input(std::size_t row, const Inputs& given) const;
  /// first + bias_hh + weight_hh h in that row; without `first` the sum begins with the bias.
  Value add_hidden(Value first, std::size_t row, const Inputs& given) const;
  Value from_hidden(std::size_t row, const Inputs& given) const;

 private:
  std::size_t inputs_, hidden_;
  bool bias_;
};

struct RNNOptions {
  Activation nonlinearity = tanh;
  bool bias = true;
};

/// h' = tanh(W_ih x + b_ih + W_hh h + b_hh). Elman, "Finding Structure in Time", Cognitive Science 14, 1990.
class TAPELOOM_API RNNCell : public RecurrentCell {
 public:
  using State = std::vector<Value>;

  RNNCell(Tape& tape, std::size_t inputs, std::size_t hidden, const Initializer& initializer,
          const RNNOptions& options = {});

  /// Throws RecordingError for other numbers of Values than the cell was made for.
  State operator()(std::span<const Value> x, const State& h = {}) const;

 private:
  Activation nonlinearity_;
};

/// r = sigmoid(W_ir x + b_ir + W_hr h + b_hr), z likewise, n = tanh(W_in x + b_in + r (W_hn h + b_hn)),
/// h' = (1 - z) n + z h; rows of weights are those of r, z and n. Cho et al., "Learning Phrase Representations using
/// RNN Encoder-Decoder", EMNLP 2014, with r where PyTorch has it.
class TAPELOOM_API GRUCell : public RecurrentCell {
 public:
  using State = std::vector<Value>;

  GRUCell(Tape& tape, std::size_t inputs, std::size_t hidden, const Initializer& initializer, bool bias = true);

  State operator()(std::span<const Value> x, const State& h = {}) const;
};

struct LSTMState {
  std::vector<Value> h, c;
};

/// i = sigmoid(W_ii x + b_ii + W_hi h + b_hi), f and o likewise, g by tanh, c' = f c + i g, h' = o tanh(c'); rows of
/// weights are those of i, f, g and o. Hochreiter & Schmidhuber, "Long Short-Term Memory", Neural Computation 9, 1997,
/// with the forget gate of Gers et al., 2000.
class TAPELOOM_API LSTMCell : public RecurrentCell {
 public:
  using State = LSTMState;

  LSTMCell(Tape& tape, std::size_t inputs, std::size_t hidden, const Initializer& initializer, bool bias = true);

  State operator()(std::span<const Value> x, const State& state = {}) const;
};

/// The states after each x of a sequence, the cell being given the one before; the last is states.back().
template <class Cell>
std::vector<typename Cell::State> unroll(const Cell& cell, std::span<const std::vector<Value>> sequence,
                                         typename Cell::State state = {}) {
  std::vector<typename Cell::State> states;
  states.reserve(sequence.size());
  for (const std::vector<Value>& x : sequence) {
    state = cell(x, state);
    states.push_back(state);
  }
  return states;
}

}  // namespace tapeloom::inline TAPELOOM_ABI
