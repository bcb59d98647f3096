// Layers beyond perceptrons: a transformer's block, a recurrent net, a convolution net, what is another thing in
// training, and what a compiled program computes anew in each step.
#include <cmath>
#include <cstdio>
#include <random>
#include <utility>

#include <tapeloom/tapeloom.h>

using namespace tapeloom;

namespace {

using Sequence = std::vector<std::vector<Value>>;

std::mt19937_64 generator(1);

/// x + attention(norm(x)) of all vectors, then y + mlp(norm(y)) of each.
class Block {
 public:
  Block(Tape& tape, std::size_t size, std::size_t heads)
      : before_(tape, size),
        attention_(tape, size, heads, glorot(generator)),
        between_(tape, size),
        mlp_(tape, size, {{4 * size, gelu}, {size}}, fan_in_uniform(generator)) {}

  Sequence operator()(const Sequence& x) const {
    Sequence normal;
    for (const std::vector<Value>& each : x) normal.push_back(before_(each));
    Sequence y = attention_(normal, {.causal = true});
    for (std::size_t t = 0; t < x.size(); ++t) {
      add(y[t], x[t]);
      add(y[t], mlp_(between_(y[t])));
    }
    return y;
  }

 private:
  static void add(std::vector<Value>& to, const std::vector<Value>& what) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += what[i];
  }

  LayerNorm before_;
  MultiheadAttention attention_;
  LayerNorm between_;
  MLP mlp_;
};

std::size_t instructions_of_block(std::size_t size) {
  Tape tape;
  Sequence x;
  for (int t = 0; t < 6; ++t) x.push_back(tape.inputs("token " + std::to_string(t), size));
  std::vector<Value> squares;
  for (const std::vector<Value>& each : Block(tape, size, 2)(x)) {
    for (const Value& y : each) squares.push_back(square(y));
  }
  return compile(batch_mean(sum(squares))).instructions.size();
}

/// Was the first of six numbers positive?
void remember() {
  constexpr std::size_t steps = 6, hidden = 8, samples = 128;
  Tape tape;
  Sequence sequence;
  for (const Value& x : tape.inputs("x", steps)) sequence.push_back({x});
  const Value positive = tape.input(0.0, "positive");
  const double radius = 0.3535533905932738;  // 1 / sqrt(hidden), with which PyTorch's cells begin
  const LSTMCell cell(tape, 1, hidden, uniform_initializer(generator, -radius, radius));
  const Neuron score(tape, hidden, fan_in_uniform(generator));
  const Value logit = score(unroll(cell, sequence).back().h);
  Executor<float> executor(compile(batch_mean(binary_cross_entropy(logit, positive)), {.outputs = {logit}}));

  std::vector<float> rows;
  for (std::size_t s = 0; s < samples; ++s) {
    for (std::size_t t = 0; t < steps; ++t) rows.push_back(static_cast<float>(2.0 * random_unit(generator) - 1.0));
    rows.push_back(rows[rows.size() - steps] > 0.0f ? 1.0f : 0.0f);
  }
  executor.bind(rows);
  Adam<float> adam({.learning_rate = 0.05});
  for (int step = 0; step < 200; ++step) executor.step(), adam.update(executor);
  std::size_t right = 0;
  for (std::size_t s = 0; s < samples; ++s) right += (executor.outputs()[s] > 0.0f) == (rows[7 * s + 6] > 0.5f);
  std::printf("the first of six numbers: %s\n", right >= 120 ? "remembered" : "forgotten");
}

/// Whether a row is predicted alone as it was validated among others.
bool normalise() {
  constexpr std::size_t samples = 400;
  Tape tape;
  const std::vector<Value> x = tape.inputs("x", 4);
  const Value target = tape.input(0.0, "target");
  const Layer first(tape, 4, {16}, fan_in_uniform(generator)), last(tape, 16, {1}, fan_in_uniform(generator));
  const BatchNorm1d norm(tape, 16);
  std::vector<Value> hidden = norm(first(x));
  for (Value& each : hidden) each = relu(each);
  const Value y = last(dropout(hidden, 0.1))[0], loss = batch_mean(squared_error(y, target));

  std::vector<float> rows;
  for (std::size_t s = 0; s < samples; ++s) {
    for (int k = 0; k < 4; ++k) rows.push_back(static_cast<float>(2.0 * random_unit(generator) - 1.0));
    const float* row = &rows[5 * s];
    rows.push_back(row[0] * row[1] + row[2]);
  }
  DataView data;
  data.add("x", rows, 5).add("target", std::span(rows).subspan(4), 5);
  Executor<float> training(compile(loss));
  Executor<float> validating(compile(loss, {.gradients = false}), training);
  fit(training, data, {.epochs = 40, .optimizer = AdamOptions{.learning_rate = 0.01}, .validation_fraction = 0.25},
      &validating);
  Executor<float> predicting(compile_inference(y), training, {.max_samples = 1});

  data.bind(validating);
  const double together = static_cast<double>(validating.step());
  double alone = 0.0;
  predicting.bind("x", rows, 5);
  for (std::size_t s = 0; s < samples; ++s) {
    predicting.step(s, 1);
    alone += std::pow(static_cast<double>(predicting.outputs()[0] - rows[5 * s + 4]), 2.0) / samples;
  }
  return together < 0.05 && std::abs(alone - together) < 1e-6;
}

/// A scale that is kept from step to step, after a batch whose largest numbers are 3 in the mean.
float kept_scale() {
  Tape tape;
  const std::vector<Value> x = tape.inputs("x", 1);
  const Value scale = tape.parameter(1.0, "scale");
  tape.set_frozen(scale);
  const Value largest = batch_mean(abs(x[0]));  // of this batch
  tape.assign(scale, 0.9 * scale + 0.1 * largest, largest);
  const Value scaled = x[0] / where(tape.training(), largest, scale);
  Executor<float> executor(compile(batch_mean(square(scaled) * tape.parameter(1.0))));
  const float rows[] = {2.0f, -4.0f};
  executor.bind(rows);
  executor.step();
  executor.apply_assignments();
  return std::as_const(executor).parameters()[0];
}

void names() {
  Tape tape;
  const Image pixels{1, 8, 8, tape.inputs("pixels", 64)};
  const Value kind = tape.input(0.0, "kind");
  const Conv2d first(tape, 1, 4, {.kernel = 3, .padding = 1, .activation = relu}, fan_in_uniform(generator));
  const Conv2d second(tape, 4, 8, {.kernel = 3, .activation = relu}, fan_in_uniform(generator));
  Image image = max_pool2d(first(pixels), {.kernel = 2});
  image = max_pool2d(second(image), {.kernel = 2});
  const Layer head(tape, image.values.size(), {3}, fan_in_uniform(generator));
  const Value loss = batch_mean(softmax_cross_entropy(head(image.values), kind, 1.0, 0.1));

  first.set_labels("first.");
  second.set_labels("second.");
  head.set_labels("head.");
  for (const ParameterTensor& tensor : tensor_layout(compile(loss))) {
    std::printf("%-14s", tensor.name.c_str());
    for (const std::size_t size : tensor.shape) std::printf(" %zu", size);
    std::printf("\n");
  }
}

float softmax_of_thousand(bool from_data) {
  Tape tape;
  const std::vector<Value> z = tape.inputs("z", 2);
  const Value largest = max(z[0], z[1]);
  const Value shift = from_data ? Value(largest.data()) : stop_gradient(largest);
  const Value a = exp(z[0] - shift), b = exp(z[1] - shift);
  Executor<float> executor(compile_inference(a / (a + b)));
  const float row[] = {1000.0f, 1000.0f};
  executor.bind(row);
  executor.step();
  return executor.outputs()[0];
}

}  // namespace

int main() {
  std::printf("a block of 8, and of 32: %zu and %zu instructions\n", instructions_of_block(8),
              instructions_of_block(32));
  remember();
  std::printf("a row alone is predicted as among others: %s\n", normalise() ? "yes" : "no");
  std::printf("a scale of 1 after a batch of 3: %g\n", static_cast<double>(kept_scale()));
  names();
  std::printf("shift by data(): %s\n", softmax_of_thousand(true) == 0.5f ? "0.5" : "not a number");
  std::printf("shift by stop_gradient: %g\n", static_cast<double>(softmax_of_thousand(false)));
}
