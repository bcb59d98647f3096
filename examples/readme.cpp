#include <cstdio>
#include <random>

#include <tapeloom/tapeloom.h>

using namespace tapeloom;

int main() {
  const float rows[] = {0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0};  // x0, x1 and their exclusive or
  Tape tape;
  std::mt19937_64 random(1);
  const std::vector<Value> x = tape.inputs("x", 2);
  const Value y = tape.input(0.0, "y");
  const MLP network(tape, 2, {{8, relu}, {1}}, glorot(random));  // Neuron by Neuron, each a sum of w * x
  const Value score = network(x)[0], probability = 1.0 / (1.0 + exp(-score));
  const Value loss = batch_mean(binary_cross_entropy(score, y));
  Executor<float> executor(compile(loss, {.outputs = {probability}}));
  executor.bind(rows);
  Adam<float> adam({.learning_rate = 0.05});
  for (int i = 0; i < 500; ++i) executor.step(), adam.update(executor);
  for (int i = 0; i < 4; ++i) std::printf("%g xor %g: %.2f\n", rows[3 * i], rows[3 * i + 1], executor.outputs()[i]);
}
