// Exact mode, threads, guards and branches not taken.
#include <bit>
#include <cstdint>
#include <cstdio>
#include <random>

#include <tapeloom/tapeloom.h>

using namespace tapeloom;

namespace {

struct Net {
  Tape tape;
  std::mt19937_64 random{1};
  std::vector<Value> x = tape.inputs("x", 4);
  MLP network{tape, 4, {{32, tapeloom::tanh}, {1}}, glorot(random)};
  Value loss = batch_mean(square(network(x)[0] - 0.5));
};

std::vector<double> some_rows(std::size_t rows) {
  std::mt19937_64 random(2);
  std::vector<double> numbers(4 * rows);
  for (double& number : numbers) number = 2.0 * random_unit(random) - 1.0;
  return numbers;
}

void exact() {
  Net net;
  const std::vector<double> rows = some_rows(100);
  const Evaluation reference = evaluate(net.loss, {.rows = rows, .samples = 100});
  Executor<double> executor(compile(net.loss, {.exact = true}));
  executor.bind(rows);
  bool same = executor.step() == reference.root[0];
  for (std::size_t p = 0; p < reference.gradients.size(); ++p) {
    const auto ours = std::bit_cast<std::uint64_t>(executor.gradients()[p]);
    same = same && ours == std::bit_cast<std::uint64_t>(reference.gradients[p]);
  }
  std::printf("exact mode gives %s as evaluate()\n", same ? "the same bits" : "OTHER BITS");
}

void guard() {
  Tape tape;
  const Value x = tape.input(1.0, "x"), w = tape.parameter(2.0, "w");
  Value y = w * x;
  if (y < 0.0) y = -y;  // decided here, for x = 1
  Executor<double> executor(compile(batch_sum(y)));
  const std::vector<double> rows = {1.0, 2.0, -3.0};
  executor.bind(rows);
  try {
    executor.step();
  } catch (const GuardError& error) {
    std::printf("refused at sample %zu\n", error.sample());
  }
  const Tape::Mark now = tape.mark();
  const Program unguarded = compile(batch_sum(w * x), {.branches_from = now});  // none of the guards before `now`
  std::printf("%zu guards\n", unguarded.guards.size());
}

void branch_not_taken() {
  Tape tape;
  const Value x = tape.parameter(0.0);
  const Value safe = where(x > 0.0, log(x), 0.0);
  safe.backward();
  std::printf("value %g, derivative %g\n", safe.data(), x.grad());
}

}  // namespace

int main() {
  exact();
  guard();
  branch_not_taken();
}
