// Nothing is allocated after an executor is made: 10,000 steps of every kind while each allocation is counted.
#include "against_evaluate.h"
#include "attention_net.h"
#include "bench/allocation_counter.h"
#include "instruction_sets.h"
#include "ring_and_net.h"
#include "tapeloom/runtime/execute/one_by_one.h"
#include "tapeloom/runtime/train/optimizer.h"
#include "tapeloom/runtime/train/trainer.h"

using namespace tapeloom;
using namespace tapeloom::test;

TEST_CASE("allocations: the counter counts") {
  // Calls of operator new by name, which a compiler may not leave out as it may a new-expression's.
  const std::size_t before = allocations;
  void* block = ::operator new(100);
  const std::size_t after = allocations;
  ::operator delete(block);
  CHECK(after == before + 1);
  SmallNet net;
  const Program program = compile(net.loss);
  const std::size_t compiled = allocations;
  const Executor<float> executor(program);
  CHECK(allocations > compiled);
}

TEMPLATE_TEST_CASE("allocations: none in 10,000 steps", "", float, double) {
  SmallNet net;
  const Value mean = batch_mean(net.prediction), u = net.tape.uniform_input(1.0, "u");
  Value loss = batch_mean(square((net.prediction - mean) * u - net.y)) + log(batch_mean(exp(net.prediction)));
  if (net.x[0] < 100.0) loss = loss + square(mean);
  const CompileOptions options{.outputs = {net.prediction, mean}, .input_gradients = true};
  Executor<TestType> executor(compile(loss, options), {.max_samples = 2000});
  const std::vector<double> rows = some_numbers(4 * 2000);
  const std::vector<float> floats(rows.begin(), rows.end());
  const std::uint32_t listed[] = {5, 3, 1999, 3, 0};
  Sgd<TestType> sgd({.learning_rate = 1e-3, .momentum = 0.9, .weight_decay = 1e-4});
  Adam<TestType> adam({.learning_rate = 1e-3});
  executor.bind(std::span<const double>(rows));
  executor.step();
  sgd.update(executor);  // allocates its state
  adam.update(executor);

  double sum = 0.0;
  const std::size_t before = allocations;
  for (std::size_t i = 0; i < 10000; ++i) {
    if (i % 3 == 0) {
      executor.bind(std::span<const double>(rows));
    } else {
      executor.bind(std::span<const float>(floats));
    }
    executor.set_uniform_input("u", 1.0 + 1e-6 * static_cast<double>(i));
    sum += static_cast<double>(i % 100 == 0 ? executor.step() : executor.step(i % 1000, 1 + i % 70));
    sum += static_cast<double>(executor.step(listed));
    sum += static_cast<double>(executor.outputs()[0] + executor.gradients()[0] + executor.input_gradients()[0]);
    if (i % 2 == 0) {
      sgd.update(executor);
    } else {
      adam.update(executor);
    }
  }
  const std::size_t after = allocations;
  CHECK(after == before);
  CHECK(std::isfinite(sum));
}

TEMPLATE_TEST_CASE("allocations: none in steps of other sizes", "", float, double) {
  void (*const recorders[])(Recorded&) = {record_ring, record_net};
  for (const auto record : recorders) {
    Recorded recorded;
    record(recorded);
    Executor<TestType> executor(compile(recorded.loss), {.threads = 2});
    const std::vector<double> rows = some_numbers(2 * 1000);
    executor.bind(std::span<const double>(rows));
    executor.step();
    const std::size_t before = allocations;
    for (std::size_t i = 0; i < 2000; ++i) executor.step(i % 300, 1 + i * 37 % 700);
    const std::size_t after = allocations;
    CHECK(after == before);
  }
}

TEMPLATE_TEST_CASE("allocations: none where samples are computed one by one", "", float, double) {
  Tape tape;
  const std::vector<Value> outputs = record_attention(tape, 12, 16, 2, true);
  const Value scale = tape.uniform_input(1.5, "scale");
  const Program program = compile(scale * batch_mean(square(sum(outputs))), {.input_gradients = true});
  REQUIRE(runtime::samples_one_by_one(program, 8, sizeof(TestType)).test(2));
  Executor<TestType> executor(program, {.max_samples = 8});
  const std::vector<double> rows = some_numbers(8 * 12 * 16);
  executor.bind(rows);
  executor.step();
  const std::size_t before = allocations;
  for (std::size_t i = 0; i < 100; ++i) {
    executor.bind(rows);
    executor.set_uniform_input("scale", 1.0 + static_cast<double>(i));
    executor.step(i % 3, 1 + i % 5);
  }
  const std::size_t after = allocations;
  CHECK(after == before);
}

TEMPLATE_TEST_CASE("allocations: none where fewer samples are cut into more blocks", "", float, double) {
  // 33 vectors of columns are 11 panels of three, 28 are eight of three and two of two, whose rows are cut otherwise.
  with_each_instruction_set([] {
    const std::size_t most = 33 * runtime::kernels<TestType>().vector_lanes;
    for (const std::size_t width : {9, 16, 20, 28}) {
      Tape tape;
      std::mt19937_64 random(1);
      const MLP net(tape, 6, {{width, tanh}, {1}}, glorot(random));
      const std::vector<Value> x = tape.inputs("x", 6);
      Executor<TestType> executor(compile(batch_mean(square(net(x)[0]))), {.max_samples = most, .threads = 1});
      const std::vector<double> rows = some_numbers(6 * most);
      executor.bind(rows);
      executor.step();
      const std::size_t before = allocations;
      for (std::size_t samples = 1; samples < most; ++samples) executor.step(0, samples);
      const std::size_t after = allocations;
      CHECK(after == before);
    }
  });
}

TEMPLATE_TEST_CASE("allocations: none in a trainer's steps", "", float, double) {
  SmallNet net;
  Executor<TestType> executor(compile(net.loss, {.outputs = {net.prediction}}), {.max_samples = 8});
  const std::vector<double> rows = some_numbers(4 * 8003);
  double sum = 0.0;
  FitOptions options{.epochs = 2, .batch = 8, .validation_fraction = 0.1, .patience = 2};
  options.clip_norm = 0.1;
  options.clip_value = 0.1;
  options.schedule = [](std::uint64_t step) { return linear_warmup(0.01, 100, step); };
  options.on_step = [&](const StepReport& report) { sum += report.loss + report.gradient_norm; };
  Trainer<TestType> trainer(executor, DataView(rows), options);
  trainer.step();  // the optimizer allocates its state
  const std::size_t before = allocations;
  for (int i = 0; i < 890; ++i) trainer.step();
  const std::size_t after = allocations;
  CHECK(after == before);
  CHECK(trainer.history().epochs.empty());
  CHECK(std::isfinite(sum));
}

TEST_CASE("allocations: none by sweeps on a tape that does not grow") {
  SmallNet net;
  net.loss.backward();
  const Tape::Mark mark = net.tape.mark();
  square(net.loss).backward();
  net.tape.rewind(mark);
  const std::size_t before = allocations;
  for (int step = 0; step < 1000; ++step) {
    net.tape.zero_grad();
    square(net.loss).backward();
    net.tape.rewind(mark);
  }
  const std::size_t after = allocations;
  CHECK(after == before);
}
