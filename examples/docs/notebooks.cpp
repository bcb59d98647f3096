// The right-hand side of docs/notebooks.md: what notebooks.py does, in Tapeloom.
#include <cstdio>
#include <vector>

#include <tapeloom/tapeloom.h>
#include "examples/notebooks/python_random.h"

using namespace tapeloom;

namespace {

void neuron() {
  Tape tape;
  const Value x1 = tape.parameter(2.0), x2 = tape.parameter(0.0);
  const Value w1 = tape.parameter(-3.0), w2 = tape.parameter(1.0);
  const Value b = tape.parameter(6.8813735870195432);
  const Value o = tanh(x1 * w1 + x2 * w2 + b);
  o.backward();
  std::printf("%.4f %.4f %.4f\n", o.data(), x1.grad(), w1.grad());
}

const std::vector<std::vector<double>> xs = {{2.0, 3.0, -1.0}, {3.0, -1.0, 0.5}, {0.5, 1.0, 1.0}, {1.0, 1.0, -1.0}};
const std::vector<double> ys = {1.0, -1.0, -1.0, 1.0};

/// The notebooks' loop, line by line: every sample is recorded.
void recorded_samples() {
  Tape tape;
  examples::PythonRandom random(1);  // as random.seed(1) in Python
  const auto uniform = [&](const Fan&) { return random.uniform(-1.0, 1.0); };
  const MLP net(tape, 3, {4, 1}, uniform, tanh);
  Value loss = 0.0;
  for (std::size_t i = 0; i < xs.size(); ++i) loss += pow(net(xs[i])[0] - ys[i], 2.0);

  Executor<double> executor(compile(loss));
  for (int step = 0; step < 50; ++step) {
    executor.step();
    for (std::size_t p = 0; p < executor.parameters().size(); ++p) {
      executor.parameters()[p] -= 0.05 * executor.gradients()[p];
    }
  }
  std::printf("loss %.4f, %u samples found\n", executor.loss(), executor.program().recorded_samples);
}

/// Our way: one sample is recorded, with inputs; rows are bound.
void bound_samples() {
  Tape tape;
  examples::PythonRandom random(1);
  const auto uniform = [&](const Fan&) { return random.uniform(-1.0, 1.0); };
  const std::vector<Value> x = tape.inputs("x", 3);
  const Value y = tape.input(0.0, "y");
  const MLP net(tape, 3, {4, 1}, uniform, tanh);
  const Value loss = batch_sum(square(net(x)[0] - y));

  std::vector<double> x_rows;
  for (const std::vector<double>& row : xs) x_rows.insert(x_rows.end(), row.begin(), row.end());
  Executor<double> executor(compile(loss));
  executor.bind("x", x_rows);
  executor.bind("y", ys);
  Sgd<double> sgd({.learning_rate = 0.05});
  for (int step = 0; step < 50; ++step) executor.step(), sgd.update(executor);
  std::printf("loss %.4f\n", executor.loss());
}

}  // namespace

int main() {
  neuron();
  recorded_samples();
  bound_samples();
}
