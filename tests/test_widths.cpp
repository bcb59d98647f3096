// Pieces of nets beyond perceptrons, each at several widths: the number of instructions stays the same, and loss,
// gradients and outputs are evaluate()'s.
#include "wide_pieces.h"

using namespace tapeloom;
using namespace tapeloom::test;

TEST_CASE("widths: the number of instructions does not depend on them") { expect_no_more_when_wider(wide_pieces); }

TEST_CASE("widths: a layer whose inputs come in another order gathers them by one instruction") {
  const auto instructions = [](std::size_t width) {
    Writer w;
    Values z = w.layer(w.x, width, tanh);
    std::shuffle(z.begin(), z.end(), w.random);
    const Value each = square(w.layer(w.layer(z, width, tanh), 1)[0]), loss = batch_mean(each);
    const std::vector<Value> outputs = {each};
    const std::vector<double> rows = some_numbers(5 * 33);
    Executor<double> executor(compile(loss, {.outputs = outputs, .input_gradients = true}), {.max_samples = 33});
    expect_step_like_evaluate(executor, loss, outputs, rows, 33, 40000);
    return executor.program().instructions.size();
  };
  CHECK(instructions(64) == instructions(16));
}

TEST_CASE("widths: what is computed is what evaluate() computes") {
  expect_pieces_like_evaluate(wide_pieces, std::vector<std::size_t>{1, 2, 3, 16, 21});
}
