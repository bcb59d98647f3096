// What may be done in several threads at once: everything on tapes of their own, and running executors of one program.
// The thread sanitizer (preset tsan) sees what these tests alone may not.
#include <atomic>
#include <chrono>
#include <deque>
#include <exception>
#include <memory>
#include <thread>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "against_evaluate.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/runtime/execute/parameter_buffer.h"
#include "tapeloom/runtime/execute/thread_pool.h"
#include "tapeloom/runtime/train/optimizer.h"

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

TEST_CASE("threads: a thread that comes late takes no task of a round that is over") {
  // Rounds of few tasks that end before a thread that sleeps can be there, of many after them, and tasks that are
  // longer now and then.
  runtime::ThreadPool pool(4);
  std::atomic<std::size_t> sum = 0;
  std::size_t expected = 0;
  for (std::size_t round = 1; round <= 3000; ++round) {
    if (round % 100 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
    const std::size_t here = round, count = round % 2 == 0 ? 2 : 40;  // gone with the round
    const runtime::Round result = pool.run(count, [&](std::size_t task, std::size_t) {
      for (std::size_t i = 0; round % 7 == 0 && i < 2000; ++i) sum.fetch_add(0);
      sum += here * (task + 1);
    });
    expected += round * count * (count + 1) / 2;
    if (sum != expected) FAIL("round " << round);
    if (result.tasks != count || result.own_tasks > count || result.own_time > result.time) FAIL("round " << round);
  }
  CHECK(sum == expected);
}

TEST_CASE("threads: a round that was lost to waiting is followed by ten times as long without other threads") {
  using std::chrono::microseconds;
  const runtime::ThreadGain::Clock::time_point start{microseconds(1000000)};
  runtime::ThreadGain gain;
  CHECK(gain.expected(start));
  // Four of eight tasks in 400 us: alone, it would have been 800 us.
  gain.add({.tasks = 8, .own_tasks = 4, .own_time = microseconds(400), .time = microseconds(430)}, start);
  CHECK(gain.expected(start));
  // No other thread came: nothing gained, nothing lost.
  gain.add({.tasks = 8, .own_tasks = 8, .own_time = microseconds(800), .time = microseconds(800)}, start);
  CHECK(gain.expected(start));
  // One had begun a task and was waited for.
  gain.add({.tasks = 8, .own_tasks = 7, .own_time = microseconds(700), .time = microseconds(4800)}, start);
  CHECK_FALSE(gain.expected(start));
  CHECK_FALSE(gain.expected(start + microseconds(39999)));
  CHECK(gain.expected(start + microseconds(40000)));
}

namespace {

/// A program whose steps of 1024 samples are worth several threads.
const Program& wide_program() {
  static const Program program = [] {
    Tape tape;
    std::mt19937_64 random(3);
    const std::vector<Value> x = tape.inputs("x", 48), y = tape.inputs("y", 10);
    const MLP network(tape, 48, {{96, tanh}, {96, relu}, {10}}, glorot(random));
    return compile(batch_mean(squared_error_sum(network(x), y)));
  }();
  return program;
}

constexpr std::size_t wide_samples = 1024;
const std::vector<double>& wide_rows() {
  static const std::vector<double> rows = some_numbers(wide_samples * 58);
  return rows;
}

std::vector<double> wide_gradients(Executor<double>& executor) {
  executor.step();
  return {executor.gradients().begin(), executor.gradients().end()};
}

std::vector<double> wide_gradients(std::size_t threads) {
  Executor<double> executor(wide_program(), {.max_samples = wide_samples, .threads = threads});
  executor.bind(std::span<const double>(wide_rows()));
  return wide_gradients(executor);
}

/// Of threads that are started while it lives.
class StackSize {
 public:
  explicit StackSize(std::size_t bytes) {
    pthread_attr_init(&before_);
    pthread_getattr_default_np(&before_);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, bytes);
    set_ = pthread_setattr_default_np(&attributes) == 0;
    pthread_attr_destroy(&attributes);
  }
  ~StackSize() {
    pthread_setattr_default_np(&before_);
    pthread_attr_destroy(&before_);
  }
  bool set() const { return set_; }

 private:
  pthread_attr_t before_;
  bool set_;
};

}  // namespace

TEST_CASE("threads: fewer threads than asked for are enough where the system refuses more") {
  const std::vector<double> expected = wide_gradients(1);
  // There is room in the address space for none of them, or for one.
  for (const std::size_t bytes : {std::size_t{1} << 47, std::size_t{1} << 46}) {
    INFO("stacks of " << bytes << " bytes");
    const StackSize size(bytes);
    REQUIRE(size.set());
    runtime::ThreadPool pool(8);
    CHECK(pool.threads() < 4);
    std::vector<std::atomic<int>> times(20);
    pool.run(times.size(), [&](std::size_t task, std::size_t) { ++times[task]; });
    for (const std::atomic<int>& count : times) CHECK(count == 1);
    CHECK(wide_gradients(8) == expected);
  }
}

TEST_CASE("threads: after a fork the child steps on its own thread, with the same bits") {
  const std::vector<double> expected = wide_gradients(1);
  Executor<double> executor(wide_program(), {.max_samples = wide_samples, .threads = 4});
  executor.bind(std::span<const double>(wide_rows()));
  REQUIRE(wide_gradients(executor) == expected);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(60);  // ends a child that hangs
    bool good = true;
    {  // until its end, which joins no thread: they are the parent's
      Executor<double> inherited = std::move(executor);
      for (int i = 0; i < 3; ++i) good = good && wide_gradients(inherited) == expected;
    }
    good = good && wide_gradients(4) == expected;  // with threads of its own
    _exit(good ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(wide_gradients(executor) == expected);  // the parent's threads are still there
}

TEST_CASE("threads: a fork while another thread makes executors leaves a child that makes some, too") {
  constexpr std::uint64_t recording = 1;
  std::deque<runtime::TrainingRecord> many;  // so that the list of them is locked most of the time
  for (int n = 0; n < 5000; ++n) many.emplace_back(recording);
  std::atomic<bool> ends = false;
  std::thread other([&] {
    while (!ends) {
      const runtime::TrainingRecord made(recording);
    }
  });
  int hung = 0;
  for (int n = 0; n < 50 && hung == 0; ++n) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);  // ends a child that hangs
      { const runtime::TrainingRecord made(recording); }
      _exit(0);
    }
    int status = -1;
    const bool good = child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    hung += good ? 0 : 1;
  }
  ends = true;
  other.join();
  CHECK(hung == 0);
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
