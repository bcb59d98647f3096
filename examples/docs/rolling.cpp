// Which nets roll: those whose number of instructions does not grow with their width.
#include <cstdio>
#include <functional>
#include <random>

#include <tapeloom/tapeloom.h>

using namespace tapeloom;

namespace {

using Network = std::function<std::vector<Value>(Tape&, const std::vector<Value>&)>;

struct Size {
  std::size_t nodes, instructions;
};

Size compiled(std::size_t width, const Network& network) {
  Tape tape;
  const std::vector<Value> y = network(tape, tape.inputs("x", width));
  Value loss = 0.0;
  for (const Value& output : y) loss += square(output);
  return {tape.size(), compile(batch_mean(loss)).instructions.size()};
}

void report(const char* name, const Network& network) {
  const Size narrow = compiled(16, network), wide = compiled(48, network);
  std::printf("%-20s %5zu and %5zu nodes, %s instructions\n", name, narrow.nodes, wide.nodes,
              narrow.instructions == wide.instructions ? "as many" : "more");
}

std::mt19937_64 generator(1);

Value weight(Tape& tape) { return tape.parameter(2.0 * random_unit(generator) - 1.0); }

std::vector<Value> perceptron(Tape& tape, const std::vector<Value>& x) {
  return MLP(tape, x.size(), {{x.size(), relu}, {x.size(), relu}, {1}}, he(generator))(x);
}

/// x + tanh(W x)
std::vector<Value> residual(Tape& tape, const std::vector<Value>& x) {
  std::vector<Value> y = Layer(tape, x.size(), {x.size(), tanh}, glorot(generator))(x);
  for (std::size_t i = 0; i < x.size(); ++i) y[i] += x[i];
  return y;
}

/// The same three weights at every place.
std::vector<Value> convolution(Tape& tape, const std::vector<Value>& x) {
  const Value w[] = {weight(tape), weight(tape), weight(tape)};
  std::vector<Value> y;
  for (std::size_t i = 0; i + 3 <= x.size(); ++i) y.push_back(tanh(w[0] * x[i] + w[1] * x[i + 1] + w[2] * x[i + 2]));
  return y;
}

/// The same square matrix, one step after another.
std::vector<Value> recurrent(Tape& tape, const std::vector<Value>& x) {
  const Layer layer(tape, x.size(), {x.size(), tanh}, glorot(generator));
  std::vector<Value> h = x;
  for (int step = 0; step < 4; ++step) h = layer(h);
  return h;
}

/// Numbers that are all computed alike, and one that is not.
std::vector<Value> elementwise(Tape& tape, const std::vector<Value>& x) {
  std::vector<Value> y;
  for (const Value& value : x) y.push_back(exp(weight(tape) * value));
  y[0] = sin(y[0]);
  return y;
}

/// Each row has another length.
std::vector<Value> triangle(Tape& tape, const std::vector<Value>& x) {
  std::vector<Value> y;
  for (std::size_t i = 0; i < x.size(); ++i) {
    Value sum = 0.0;
    for (std::size_t j = 0; j <= i; ++j) sum += weight(tape) * x[j];
    y.push_back(sum);
  }
  return y;
}

/// Nothing is computed like anything else.
std::vector<Value> chain(Tape&, const std::vector<Value>& x) {
  Value y = x[0];
  for (std::size_t i = 1; i < x.size(); ++i) y = i % 2 == 0 ? sin(y) * x[i] : cos(y) + x[i];
  return {y};
}

/// Heat in a rod: each place takes from its neighbours what it lacks; the ends stay as they are.
std::size_t instructions_of_rod(std::size_t places) {
  Tape tape;
  std::vector<Value> u;
  for (std::size_t i = 0; i < places; ++i) u.push_back(tape.parameter(i % 7 == 0 ? 1.0 : 0.0));
  for (int step = 0; step < 20; ++step) {
    std::vector<Value> next = u;
    for (std::size_t i = 1; i + 1 < places; ++i) next[i] = u[i] + 0.2 * (u[i - 1] - 2.0 * u[i] + u[i + 1]);
    u = next;
  }
  Value loss = 0.0;
  for (const Value& each : u) loss += square(each);
  return compile(loss).instructions.size();
}

}  // namespace

int main() {
  report("perceptron", perceptron);
  report("residual layer", residual);
  report("recurrent layer", recurrent);
  report("exp(w x), one sin", elementwise);
  report("convolution", convolution);
  report("triangular matrix", triangle);
  report("chain", chain);
  std::printf("rod of 128 and of 512 places, 20 steps: %zu and %zu instructions\n", instructions_of_rod(128),
              instructions_of_rod(512));
}
