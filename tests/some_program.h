// A program to save, to load and to spoil.
#pragma once

#include <random>
#include <vector>

#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/nets/nn.h"

namespace tapeloom::test {

/// A network with about everything in it: layers, a guard, statistics of the batch, a uniform input, outputs.
inline Program some_program(bool exact = false) {
  Tape tape;
  std::mt19937_64 random(1);
  const std::vector<Value> x = tape.inputs("x", 3);
  const Value y = tape.input(0.0, "y"), u = tape.uniform_input(0.5, "u");
  const MLP network(tape, 3, {{4, tanh}, {2}}, glorot(random));
  network.set_labels("net.");
  tape.set_frozen(network.parameters()[3]);
  const std::vector<Value> scores = network(x);
  const Value mean = batch_mean(scores[0]);
  Value loss = batch_mean(square((scores[0] - mean) * u - y) + scores[1] * scores[1]) + log(batch_mean(exp(scores[1])));
  if (x[0] < 100.0) loss = loss + square(mean);
  return compile(
      loss, {.outputs = {scores[0], scores[1].set_label("second"), mean}, .input_gradients = true, .exact = exact});
}

}  // namespace tapeloom::test
