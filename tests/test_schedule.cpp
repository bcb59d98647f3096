// The order in which what varies and does not roll is computed.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "against_evaluate.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/nets/loss.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

/// Random operations on results that are random, too, each of which is read.
Value irregular(Random& random, std::vector<Value> numbers, std::size_t operations) {
  for (std::size_t i = 0; i < operations; ++i) {
    const Value x = numbers[below(random, numbers.size())], y = numbers[numbers.size() - 1 - below(random, 8)];
    switch (below(random, 5)) {
      case 0:
        numbers.push_back(0.5 * (x + y));
        break;
      case 1:
        numbers.push_back(x * y);
        break;
      case 2:
        numbers.push_back(tanh(x - y));
        break;
      case 3:
        numbers.push_back(sin(y));
        break;
      default:
        numbers.push_back(max(x, y));
    }
  }
  Value total = numbers[0];
  for (std::size_t i = 1; i < numbers.size(); ++i) total = total + numbers[i];
  return total;
}

/// Instructions of tiles that are computed by another function than the one before.
std::size_t changes(const Program& program) {
  std::size_t count = 0;
  for (const Stage& stage : program.stages) {
    for (std::uint32_t at = stage.tile.begin + 1; at < stage.tile.end; ++at) {
      const Instruction &i = program.instructions[at], &before = program.instructions[at - 1];
      count += i.kind != before.kind || i.op != before.op || i.uniform_mask != before.uniform_mask;
    }
  }
  return count;
}

}  // namespace

TEST_CASE("schedule: what is computed alike comes together, and the results are the same") {
  Random random(20261129);
  Tape tape;
  std::vector<Value> numbers = tape.inputs("x", 4);
  for (int k = 0; k < 6; ++k) numbers.push_back(tape.parameter(0.3 + 0.1 * k));
  const Value sample = irregular(random, numbers, 600), loss = batch_mean(sample);
  CompileOptions options{.outputs = {sample}, .input_gradients = true};
  const Program program = compile(loss, options);
  options.exact = true;
  const Program in_order = compile(loss, options);
  std::printf("schedule: %zu of %zu instructions are of another kind than the one before; in order, %zu of %zu\n",
              changes(program), program.instructions.size(), changes(in_order), in_order.instructions.size());
  CHECK(3 * changes(program) < 2 * changes(in_order));
  constexpr std::size_t samples = 50;
  const std::vector<double> rows = some_numbers(4 * samples);
  for (const Program& each : {program, in_order}) {
    Executor<double> executor(each);
    expect_step_like_evaluate(executor, loss, std::vector<Value>{sample}, rows, samples, each.exact ? 0.0 : 200.0);
  }
  Executor<float> in_float(program);
  expect_step_like_evaluate(in_float, loss, std::vector<Value>{sample}, rows, samples, 2000.0);
}
