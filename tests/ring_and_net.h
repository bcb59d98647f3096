// A program of rows that are read by index, and a net with a stage more.
#pragma once

#include <random>
#include <vector>

#include "against_evaluate.h"
#include "tapeloom/core/nets/activation.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/record/functions.h"
#include "tapeloom/core/record/tape.h"

namespace tapeloom::test {

/// Two inputs.
struct Recorded {
  Tape tape;
  std::vector<Value> x = tape.inputs("x", 2), outputs;
  Value loss;
};

/// Neighbours in a ring, again and again: rows are read by index, and there is no product.
inline void record_ring(Recorded& to) {
  std::vector<Value> u;
  for (const double number : some_numbers(12, 3)) u.push_back(to.tape.parameter(number));
  for (int step = 0; step < 3; ++step) {
    std::vector<Value> next;
    for (std::size_t i = 0; i < u.size(); ++i) {
      next.push_back(u[i] + 0.1 * (to.x[i % 2] * u[(i + 5) % 12] - tanh(u[(i + 11) % 12])));
    }
    u = next;
  }
  to.outputs = {u[0], u[7]};
  Value sum = 0.0;
  for (const Value& each : u) sum += each * each;
  if (to.x[0] < 100.0) sum += to.x[1];
  to.loss = batch_mean(sum);
}

/// A net, whose mean over the batch another stage takes off.
inline void record_net(Recorded& to) {
  std::mt19937_64 random(2);
  const MLP net(to.tape, 2, {{20, tanh}, {20, sigmoid}, {3}}, glorot(random));
  to.outputs = net(to.x);
  Value sum = 0.0;
  for (const Value& y : to.outputs) sum += square(y - batch_mean(y)) + exp(y * to.x[0]);
  to.loss = batch_mean(sum);
}

}  // namespace tapeloom::test
