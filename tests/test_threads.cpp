// What may be done in several threads at once: everything on tapes of their own, and running executors of one program.
// The thread sanitizer (preset tsan) sees what these tests alone may not.
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <thread>

#include "against_evaluate.h"
#include "tapeloom/core/loss.h"
#include "tapeloom/core/nn.h"
#include "tapeloom/runtime/optimizer.h"
#include "tapeloom/runtime/thread_pool.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

/// Calls work(0), ..., work(count - 1) at the same time, each in a thread.
template <class F>
void in_threads(std::size_t count, F work) {
  std::vector<std::exception_ptr> thrown(count);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      try {
        work(i);
      } catch (...) {
        thrown[i] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& exception : thrown) {
    if (exception) std::rethrow_exception(exception);
  }
}

/// The loss before and after some steps of training a small perceptron, recorded, compiled and run here.
std::pair<float, float> train(std::uint64_t seed) {
  Tape tape;
  std::mt19937_64 random(seed);
  const std::vector<Value> x = tape.inputs("x", 3);
  const Value y = tape.input(0.0, "y");
  const MLP network(tape, 3, {{6, tanh}, {1}}, glorot(random));
  const Value loss = batch_mean(square(network(x)[0] - y));
  loss.backward();
  Executor<float> executor(compile(loss), {.max_samples = 100});
  const std::vector<double> rows = some_numbers(400, seed);
  executor.bind(std::span<const double>(rows));
  const float before = executor.step();
  Adam<float> adam({.learning_rate = 0.01});
  for (int i = 0; i < 50; ++i) {
    adam.update(executor);
    executor.step();
  }
  return {before, executor.loss()};
}

}  // namespace

TEST_CASE("threads: tapes in different threads are independent") {
  std::vector<std::pair<float, float>> together(4), alone;
  in_threads(4, [&](std::size_t i) { together[i] = train(i); });
  for (std::size_t i = 0; i < 4; ++i) alone.push_back(train(i));
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(alone[i].second < 0.9f * alone[i].first);
    CHECK(together[i] == alone[i]);
  }
  CHECK(alone[0] != alone[1]);
}

TEST_CASE("threads: executors of one program run at the same time") {
  SmallNet net;
  const auto program = std::make_shared<const Program>(compile(net.loss));
  const std::vector<double> rows = some_numbers(4 * 300);
  std::vector<std::vector<double>> gradients(4);
  in_threads(4, [&](std::size_t i) {
    Executor<double> executor(program, {.max_samples = 300});
    executor.bind(std::span<const double>(rows));
    for (int step = 0; step < 20; ++step) executor.step(100 - i, 100 + i);  // of other sizes in each
    executor.step();
    gradients[i].assign(executor.gradients().begin(), executor.gradients().end());
  });
  const Evaluation expected = evaluate(net.loss, {.rows = rows, .samples = 300});
  expect_numbers<double>("gradients", gradients[0], expected.gradients, 64);
  for (const std::vector<double>& others : gradients) CHECK(others == gradients[0]);
}

TEST_CASE("threads: a pool does every task once, on several threads, again and again") {
  runtime::ThreadPool pool(3);
  CHECK(pool.threads() == 3);
  for (std::size_t round = 0; round < 300; ++round) {
    std::vector<std::atomic<int>> times(round % 17);
    pool.run(times.size(), [&](std::size_t task, std::size_t thread) {
      ++times[task];
      if (thread >= 3) times[task] += 100;
    });
    for (const std::atomic<int>& count : times) CHECK(count == 1);
  }
  // Tasks that wait for one another end only if each has a thread.
  std::atomic<int> arrived = 0;
  std::atomic<bool> in_time = true;
  pool.run(3, [&](std::size_t, std::size_t) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    for (++arrived; arrived < 3;) {
      std::this_thread::yield();
      if (std::chrono::steady_clock::now() > end) arrived = 3, in_time = false;
    }
  });
  CHECK(in_time);
}

TEMPLATE_TEST_CASE("threads: a step has the same bits for any number of threads", "", float, double) {
  Tape tape;
  std::mt19937_64 random(3);
  const std::vector<Value> x = tape.inputs("x", 48), y = tape.inputs("y", 10);
  const MLP network(tape, 48, {{96, tanh}, {96, relu}, {10}}, glorot(random));
  const std::vector<Value> scores = network(x);
  const Value penalty = log(1.0 + batch_mean(square(scores[0])));  // a second stage
  const auto program = std::make_shared<const Program>(
      compile(batch_mean(squared_error_sum(scores, y)) + penalty, {.outputs = {scores[3]}, .input_gradients = true}));
  for (const std::size_t samples : {std::size_t{1500}, std::size_t{1024}, std::size_t{333}, std::size_t{7}}) {
    const std::vector<double> rows = some_numbers(samples * 58, samples);
    std::vector<TestType> results;
    for (const std::size_t threads : {std::size_t{1}, std::size_t{2}, std::size_t{4}, std::size_t{8}, std::size_t{0}}) {
      Executor<TestType> executor(program, {.max_samples = 1500, .threads = threads});
      executor.bind(std::span<const double>(rows));
      std::vector<TestType> found = {executor.step()};
      for (const auto& numbers : {executor.gradients(), executor.outputs(), executor.input_gradients()}) {
        found.insert(found.end(), numbers.begin(), numbers.end());
      }
      if (threads == 1) results = found;
      CHECK(found == results);
    }
  }
}
