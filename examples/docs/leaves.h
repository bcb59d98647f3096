// A classifier of leaves by their length and width, for train.cpp and predict.cpp.
#pragma once

#include <random>

#include <tapeloom/tapeloom.h>

struct LeafNet {
  tapeloom::Tape tape;
  std::mt19937_64 random{1};
  std::vector<tapeloom::Value> x = tape.inputs("x", 2);  // length and width
  tapeloom::Value kind = tape.input(0.0, "kind");        // the number of its class
  tapeloom::MLP network{tape, 2, {{8, tapeloom::tanh}, {3}}, tapeloom::glorot(random)};
  std::vector<tapeloom::Value> scores = network(x);  // one a class
  tapeloom::Value loss = batch_mean(softmax_cross_entropy(scores, kind));
};
