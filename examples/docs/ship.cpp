// Writes a program for others to run and to train.
#include <random>

#include <tapeloom/tapeloom.h>

using namespace tapeloom;

int main() {
  Tape tape;
  std::mt19937_64 random(1);
  const std::vector<Value> x = tape.inputs("x", 2);
  const Value y = tape.input(0.0, "y");
  const MLP network(tape, 2, {{8, relu}, {1}}, glorot(random));
  const Value score = network(x)[0];
  const Value probability = (1.0 / (1.0 + exp(-score))).set_label("probability");
  const Value loss = batch_mean(binary_cross_entropy(score, y));
  save_program("xor.tapeloom", compile(loss, {.outputs = {probability}}));
}
