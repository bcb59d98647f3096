// Gradient descent on the tape itself: recorded anew in each step, as micrograd does it.
#include <cstdio>
#include <random>

#include <tapeloom/tapeloom.h>

using namespace tapeloom;

int main() {
  const double rows[4][3] = {{0, 0, 0}, {0, 1, 1}, {1, 0, 1}, {1, 1, 0}};
  Tape tape;
  std::mt19937_64 random(1);
  const MLP network(tape, 2, {4, 1}, glorot(random), tanh);
  const Tape::Mark leaves = tape.mark();
  for (int step = 1; step <= 500; ++step) {
    Value loss = 0.0;
    for (const auto& [x0, x1, y] : rows) {
      const std::vector<Value> x = {x0, x1};
      loss += square(network(x)[0] - y);
    }
    tape.zero_grad();
    loss.backward();
    for (const Value& p : network.parameters()) p.set_data(p.data() - 0.1 * p.grad());
    if (step % 250 == 0) std::printf("step %d: loss %.4f, %zu nodes\n", step, loss.data(), tape.size());
    tape.rewind(leaves);
  }
}
