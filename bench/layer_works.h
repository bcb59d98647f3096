// What layers_bench times: a net with the rows of a step, and its training by Tapeloom.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bench/cases.h"
#include "bench/eigen_layers.h"
#include "bench/eigen_nets.h"
#include "bench/nets.h"
#include "tapeloom/tapeloom.h"

namespace tapeloom::bench {

struct LayerWork {
  ByHand by_hand;
  std::string net;  ///< as the step by hand calls it
  std::string title;
  std::size_t samples, inputs, targets;
  double flops_a_sample;
  std::optional<Net> dense = {};  ///< if it is one of the five
  std::vector<double> x = {}, y = {};

  std::string name() const { return title + " / " + std::to_string(samples); }
  double flops() const { return flops_a_sample * static_cast<double>(samples); }
  bool is_adam() const { return net == "adam"; }
  /// Adam's first step is of about the learning rate, whatever the gradient.
  double checked_rate(double of_descent) const { return is_adam() ? 0.125 : of_descent; }
  template <class T>
  double tolerance() const {
    // Roundings along the longest way, as of tolerance() in nets.h. Adam divides by gradients, which may be small.
    const double roundings = 8.0 * (static_cast<double>(samples + inputs) + 2.0 * sequence_steps * sequence_hidden);
    return (is_adam() ? 64.0 : 1.0) * roundings * static_cast<double>(std::numeric_limits<T>::epsilon());
  }
  /// Rounded to float, so that all start at the same numbers.
  std::vector<double> start() const;
};

/// The loss of the work on a tape.
inline Value record_work(Tape& tape, const LayerWork& work, std::span<const double> start);

inline std::size_t outputs_of_convolutions(std::size_t padding) {
  const std::size_t side = image_side + 4 * padding - 4;
  return image_channels * side * side;
}

template <class Cell>
Value record_sequence(Tape& tape, const Initializer& initializer) {
  const Cell cell(tape, sequence_inputs, sequence_hidden, initializer);
  const std::vector<Value> x = tape.inputs("x", sequence_steps * sequence_inputs);
  std::vector<std::vector<Value>> sequence;
  for (int t = 0; t < sequence_steps; ++t) {
    sequence.emplace_back(x.begin() + t * sequence_inputs, x.begin() + (t + 1) * sequence_inputs);
  }
  const auto states = unroll(cell, std::span<const std::vector<Value>>(sequence));
  Value loss = 0.0;
  if constexpr (std::is_same_v<Cell, LSTMCell>) {
    for (const Value h : states.back().h) loss += square(h);
  } else {
    for (const Value h : states.back()) loss += square(h);
  }
  return batch_mean(loss);
}

inline Value record_attention(Tape& tape, const Initializer& initializer) {
  const MultiheadAttention attention(tape, attention_width, attention_heads, initializer);
  const std::vector<Value> x = tape.inputs("x", attention_tokens * attention_width);
  std::vector<std::vector<Value>> tokens;
  for (int t = 0; t < attention_tokens; ++t) {
    tokens.emplace_back(x.begin() + t * attention_width, x.begin() + (t + 1) * attention_width);
  }
  const std::vector<std::vector<Value>> mixed = attention(tokens, {.causal = true});
  Value loss = 0.0;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    for (std::size_t i = 0; i < attention_width; ++i) loss += square(mixed[t][i] + tokens[t][i]);
  }
  return batch_mean(loss);
}

inline Value record_convolutions(Tape& tape, std::size_t padding, const Initializer& initializer) {
  const Conv2dOptions options{.kernel = 3, .padding = padding, .activation = relu};
  const Conv2d first(tape, 1, image_channels, options, initializer);
  const Conv2d second(tape, image_channels, image_channels, options, initializer);
  Image image{1, image_side, image_side, tape.inputs("x", image_side * image_side)};
  image = second(first(image));
  // Weights before biases, as the tensors of torch.nn.Linear lie.
  std::vector<std::vector<Value>> weights(image_classes);
  const Fan fan{image.values.size(), image_classes, false};
  for (std::vector<Value>& row : weights) {
    for (std::size_t i = 0; i < image.values.size(); ++i) row.push_back(tape.parameter(initializer(fan)));
  }
  std::vector<Value> logits;
  for (const std::vector<Value>& row : weights)
    logits.push_back(dot(row, image.values, tape.parameter(initializer(fan))));
  return batch_mean(softmax_cross_entropy(logits, tape.inputs("y", 1)[0]));
}

inline Value record_lists(Tape& tape, const Initializer& initializer) {
  Signal list{list_channels, list_length, tape.inputs("x", list_channels * list_length)};
  for (int layer = 0; layer < 3; ++layer) {
    list = Conv1d(tape, list_channels, list_channels, {.kernel = list_kernel, .activation = relu}, initializer)(list);
  }
  Value loss = 0.0;
  for (const Value v : list.values) loss += square(v);
  return batch_mean(loss);
}

inline Value record_small(Tape& tape, const Initializer& initializer) {
  std::vector<Value> h = tape.inputs("x", 4);
  for (const std::size_t width : {32, 16, 4}) {
    std::vector<std::vector<Value>> weights(width);
    const Fan fan{h.size(), width, false};
    for (std::vector<Value>& row : weights) {
      for (std::size_t i = 0; i < h.size(); ++i) row.push_back(tape.parameter(initializer(fan)));
    }
    std::vector<Value> next;
    for (const std::vector<Value>& row : weights) next.push_back(dot(row, h, tape.parameter(initializer(fan))));
    if (width > 4) {
      for (Value& v : next) v = tanh(v);
    }
    h = std::move(next);
  }
  return batch_mean(squared_error_sum(h, tape.inputs("y", 4)));
}

inline Value record_work(Tape& tape, const LayerWork& work, std::span<const double> start) {
  if (work.dense) return record_loss(tape, *work.dense, start);
  // Without numbers to start from: what PyTorch's layers begin with, about.
  std::mt19937_64 generator(1);
  const Initializer initializer = [&, next = std::size_t{0}](const Fan& fan) mutable {
    if (!start.empty()) return start[next++];
    const double number = (2.0 * random_unit(generator) - 1.0) / std::sqrt(static_cast<double>(fan.inputs));
    return static_cast<double>(static_cast<float>(number));
  };
  if (work.net == "rnn") return record_sequence<RNNCell>(tape, initializer);
  if (work.net == "lstm") return record_sequence<LSTMCell>(tape, initializer);
  if (work.net == "attention") return record_attention(tape, initializer);
  if (work.net == "conv") return record_convolutions(tape, 0, initializer);
  if (work.net == "conv padded") return record_convolutions(tape, 1, initializer);
  if (work.net == "conv list") return record_lists(tape, initializer);
  return record_small(tape, initializer);
}

inline std::vector<double> LayerWork::start() const {
  std::vector<double> numbers;
  if (dense) {
    numbers = initial_parameters(*dense, 1);
    for (double& number : numbers) number = static_cast<double>(static_cast<float>(number));
    return numbers;
  }
  Tape tape;
  static_cast<void>(record_work(tape, *this, {}));
  for (const ParameterRecord& parameter : tape.parameters()) numbers.push_back(tape.data(parameter.node));
  return numbers;
}

/// Trains it in one thread.
template <class T>
class LayerTrainer {
 public:
  explicit LayerTrainer(const LayerWork& work)
      : executor_(compiled(work), one_thread(work.samples)),
        x_(work.x.begin(), work.x.end()),
        y_(work.y.begin(), work.y.end()),
        adam_(work.is_adam()) {
    executor_.bind("x", x_);
    if (!y_.empty()) executor_.bind("y", y_);
  }
  T step(double rate) {
    const T loss = executor_.step();
    if (adam_) {
      by_adam_.set_learning_rate(rate);
      by_adam_.update(executor_);
    } else {
      by_sgd_.set_learning_rate(rate);
      by_sgd_.update(executor_);
    }
    return loss;
  }
  std::vector<double> parameters() const { return {executor_.parameters().begin(), executor_.parameters().end()}; }

 private:
  static Program compiled(const LayerWork& work) {
    Tape tape;
    return compile(record_work(tape, work, work.start()));
  }

  Executor<T> executor_;
  std::vector<T> x_, y_;
  bool adam_;
  Sgd<T> by_sgd_;
  Adam<T> by_adam_;
};

inline double flops_of_sequence(int gates) {
  // Weights and states, forward, for gradients, and back to the state before, but for the first step's.
  const double w = 2.0 * gates * sequence_hidden * sequence_inputs, u = 2.0 * gates * sequence_hidden * sequence_hidden;
  return sequence_steps * 2.0 * w + (sequence_steps - 1) * 3.0 * u;
}

inline double flops_of_attention() {
  const double tokens = attention_tokens, width = attention_width, seen = tokens * (tokens + 1) / 2;
  const double in = 2.0 * tokens * 3 * width * width, out = 2.0 * tokens * width * width;
  return 2.0 * in + 3.0 * out + 3.0 * 2 * 2.0 * seen * width;  // queries with keys, and shares with values
}

inline double flops_of_convolutions(std::size_t padding) {
  const double side = image_side + 2.0 * static_cast<double>(padding) - 2.0;
  const double next = side + 2.0 * static_cast<double>(padding) - 2.0;
  const double first = 2.0 * 9 * image_channels * side * side;
  const double second = 2.0 * 9 * image_channels * image_channels * next * next;
  const double dense = 2.0 * static_cast<double>(outputs_of_convolutions(padding)) * image_classes;
  return 2.0 * first + 3.0 * (second + dense);
}

inline double flops_of_lists() {
  double flops = 0.0;
  for (int layer = 0; layer < 3; ++layer) {
    const double places = list_length - (layer + 1) * (list_kernel - 1);
    flops += (layer == 0 ? 2.0 : 3.0) * 2.0 * places * list_channels * list_channels * list_kernel;
  }
  return flops;
}

inline LayerWork with_data(LayerWork work) {
  std::mt19937_64 generator(2);
  work.x.resize(work.samples * work.inputs), work.y.resize(work.samples * work.targets);
  const auto number = [&] { return static_cast<double>(static_cast<float>(2.0 * random_unit(generator) - 1.0)); };
  for (double& x : work.x) x = number();
  const bool classes = work.net == "conv" || work.net == "conv padded";
  for (double& y : work.y) y = classes ? std::floor(random_unit(generator) * image_classes) : number();
  return work;
}

/// Those of a check have few samples.
inline std::vector<LayerWork> all_layer_works(bool for_check) {
  std::vector<LayerWork> works;
  const std::vector<std::size_t> few =
      for_check ? std::vector<std::size_t>{1, 3} : std::vector<std::size_t>{1, 2, 4, 8};
  for (const Case& c : all_cases()) {
    for (const std::size_t samples : few) {
      const Case with{c.net, samples, samples};
      LayerWork work{ByHand::tuned,
                     c.net.name,
                     c.net.name,
                     samples,
                     c.net.inputs,
                     c.net.targets(),
                     with.flops() / static_cast<double>(samples),
                     c.net};
      Data data = make_random_data(c.net, samples, 2);
      work.x = std::move(data.x), work.y = std::move(data.y);
      works.push_back(std::move(work));
    }
  }
  const auto add = [&](const char* net, const char* title, std::size_t inputs, std::size_t targets, double flops,
                       std::vector<std::size_t> batches) {
    if (for_check) batches = {2};
    for (const std::size_t samples : batches) {
      works.push_back(with_data({ByHand::layers, net, title, samples, inputs, targets, flops}));
    }
  };
  const std::size_t in_sequence = sequence_steps * sequence_inputs, pixels = image_side * image_side;
  add("rnn", "RNN 32 x 64", in_sequence, 0, flops_of_sequence(1), {1, 2, 4, 8, 32});
  add("lstm", "LSTM 32 x 64", in_sequence, 0, flops_of_sequence(4), {1, 2, 4, 8, 32});
  add("attention", "attention 16 x 64, 4 heads", attention_tokens * attention_width, 0, flops_of_attention(),
      {1, 2, 4, 8, 32});
  add("conv", "conv 8 x 8, unpadded", pixels, 1, flops_of_convolutions(0), {1, 8, 64});
  add("conv padded", "conv 8 x 8, padded", pixels, 1, flops_of_convolutions(1), {1, 8, 64});
  add("conv list", "conv 16 x 64, kernel 5", list_channels * list_length, 0, flops_of_lists(), {1, 8, 64});
  add("adam", "4-32-16-4 tanh, Adam", 4, 4, 4.0 * 4 * 32 + 6.0 * (32 * 16 + 16 * 4), {10000});
  return works;
}

}  // namespace tapeloom::bench
