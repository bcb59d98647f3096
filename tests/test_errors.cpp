// Whatever is asked for that cannot be, what is thrown is a kind of Error and names it: negative numbers converted to
// sizes, sizes beyond any memory, places that are not there, functions that are none.
#include <cstdint>
#include <functional>
#include <vector>

#include "against_evaluate.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/nets/tensor_layout.h"
#include "tapeloom/runtime/files/safetensors.h"
#include "tapeloom/runtime/train/metrics.h"
#include "tapeloom/runtime/train/preprocess.h"
#include "tapeloom/runtime/train/shuffle.h"
#include "tapeloom/runtime/train/trainer.h"

using namespace tapeloom;
using namespace tapeloom::test;

TEST_CASE("errors: a group of inputs that no tape holds is refused, and its name stays free") {
  Tape tape;
  CHECK_THROWS_SAYING(RecordingError, "a negative number was converted to a size",
                      tape.inputs("x", static_cast<std::size_t>(-1)));
  CHECK_THROWS_SAYING(RecordingError, "input group \"x\" of 4294967296 inputs does not fit",
                      tape.inputs("x", std::size_t{1} << 32));
  CHECK_THROWS_SAYING(RecordingError, "the tape is full", tape.reserve(static_cast<std::size_t>(-1)));
  CHECK(tape.size() == 0);
  CHECK(tape.inputs("x", 2).size() == 2);
}

TEST_CASE("errors: sizes beyond any memory are refused by name") {
  const Initializer initializer = [](const Fan&) { return 0.1; };
  const std::vector<double> rows = {1.0, 2.0, 3.0};
  const std::span<const double> numbers = rows;
  for (const std::size_t n : {SIZE_MAX, std::size_t{1} << 62, std::size_t{1} << 40}) {
    INFO(n);
    Tape tape;
    CHECK_THROWS_SAYING(RecordingError, "a neuron with " + std::to_string(n), Neuron(tape, n, initializer));
    CHECK_THROWS_SAYING(RecordingError, "a layer with " + std::to_string(n), Layer(tape, n, {2}, initializer));
    CHECK_THROWS_SAYING(RecordingError, "a layer with 2 inputs and " + std::to_string(n),
                        MLP(tape, 2, {n, 3}, initializer, tanh));
    CHECK(tape.size() == 0);
    const std::vector<Value> w = {tape.parameter(1.0)};
    const Value x = tape.input(1.0, "x"), loss = batch_mean(w[0] * x);
    CHECK_THROWS_AS(parameter_tensor("w", w, {n, n}), RecordingError);
    CHECK_THROWS_AS(softmax_cross_entropy(w, n), RecordingError);
    CHECK_THROWS_AS(Executor<double>(compile(loss), {.max_samples = n}), BindError);
    Executor<double> executor(compile(loss));
    CHECK_THROWS_AS(executor.bind(rows, n), BindError);
    executor.bind(rows);
    CHECK_THROWS_AS(executor.step(1, n), BindError);
    CHECK_THROWS_AS(executor.step(n, n), BindError);
    CHECK_THROWS_AS(standardise(numbers, n), BindError);
    CHECK_THROWS_AS(split_rows(n, 0.5, 1), BindError);
    CHECK_THROWS_AS(fit<double>(compile(loss), DataView(numbers), {.batch = n}), BindError);
    CHECK_THROWS_SAYING(BindError, "classes is too large", ConfusionMatrix(n));
  }
}

TEST_CASE("errors: places that are not there are refused") {
  const Tensor tensor{"weights", {2}, std::vector<float>{1.0f, 2.0f}};
  CHECK(tensor.at(1) == 2.0);
  CHECK_THROWS_SAYING(BindError, "tensor \"weights\" has 2 numbers, and no number 2", tensor.at(2));
  ConfusionMatrix matrix(2);
  matrix.add(0, 1);
  CHECK(matrix.count(0, 1) == 1);
  CHECK_THROWS_SAYING(BindError, "2 is not the number", matrix.count(0, 2));
  CHECK_THROWS_AS(matrix.count(static_cast<std::size_t>(-1), 0), BindError);
  CHECK_THROWS_AS(matrix.precision(2), BindError);
  CHECK_THROWS_AS(matrix.recall(2), BindError);
  CHECK_THROWS_AS(matrix.f1(2), BindError);
}

TEST_CASE("errors: a callback without a function is none, and a checkpoint that cannot be looked for is told of") {
  SmallNet net;
  const std::vector<double> rows = some_numbers(40);
  const DataView data{std::span<const double>(rows)};
  FitOptions options{.epochs = 2, .batch = 4};
  options.on_step = std::function<void(const StepReport&)>();
  void (*const nothing)(const EpochReport&) = nullptr;
  options.on_epoch = nothing;
  CHECK(fit<double>(compile(net.loss), data, options).history.epochs.size() == 2);
  options.checkpoint = std::string(300, 'a');  // longer than a name may be
  CHECK_THROWS_SAYING(DataError, options.checkpoint, fit<double>(compile(net.loss), data, options));
}
