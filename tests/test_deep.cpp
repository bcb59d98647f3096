// Deep and wide recordings: everything is linear in nodes and nothing recurses over the depth of the graph, so it all
// runs in a thread with a stack of 256 KiB. TAPELOOM_TEST_DEEP_NODES sets the length of the long chains and sums; it is
// 1,000,000 unless told otherwise, and less under a sanitizer. Ten million take about 4 GiB.
#include <pthread.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>

#include "against_evaluate.h"

#define TAPELOOM_DEEP_NODES 1'000'000
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#undef TAPELOOM_DEEP_NODES
#define TAPELOOM_DEEP_NODES 100'000
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#undef TAPELOOM_DEEP_NODES
#define TAPELOOM_DEEP_NODES 100'000
#endif
#endif

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

std::size_t deep_nodes() {
  const char* text = std::getenv("TAPELOOM_TEST_DEEP_NODES");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : TAPELOOM_DEEP_NODES;
}

/// Runs `work` in a thread of its own with a small stack, and gives back what it throws.
void with_small_stack(std::function<void()> work) {
  struct Task {
    std::function<void()> work;
    std::exception_ptr thrown;
  } task{std::move(work), nullptr};
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, 256 * 1024) == 0);
  pthread_t thread;
  const auto run = [](void* argument) -> void* {
    Task& own = *static_cast<Task*>(argument);
    try {
      own.work();
    } catch (...) {
      own.thrown = std::current_exception();
    }
    return nullptr;
  };
  // Catch is for one thread at a time: the work checks, so nothing is checked here until it has ended.
  const int created = pthread_create(&thread, &attributes, run, &task);
  const int joined = created == 0 ? pthread_join(thread, nullptr) : 0;
  REQUIRE(created == 0);
  REQUIRE(joined == 0);
  pthread_attr_destroy(&attributes);
  if (task.thrown) std::rethrow_exception(task.thrown);
}

/// Prints how long each part took, and the most memory the process has had so far.
class Stopwatch {
 public:
  explicit Stopwatch(const char* name) : name_(name) {}
  void lap(const char* part) {
    const auto now = std::chrono::steady_clock::now();
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf("deep: %s, %-24s %6.2f s, peak %5ld MiB\n", name_, part,
                std::chrono::duration<double>(now - last_).count(), usage.ru_maxrss / 1024);
    last_ = now;
  }

 private:
  const char* name_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// v = tanh(w * v) again and again, `nodes` nodes in all, and d loss / d w, both in the obvious loop.
struct LongChain {
  Tape tape;
  Value w, x, loss;
  double value, gradient;

  LongChain(std::size_t nodes, bool varying) {
    w = tape.parameter(1.0 + 1e-3, "w");
    x = varying ? tape.input(0.5, "x") : tape.uniform_input(0.5, "x");
    Value v = x;
    value = 0.5;
    gradient = 0.0;
    for (std::size_t i = 0; i + 1 < nodes; i += 2) {
      v = tanh(w * v);
      const double slope = 1.0 - square_of(std::tanh(w.data() * value));
      gradient = slope * (value + w.data() * gradient);
      value = std::tanh(w.data() * value);
    }
    loss = varying ? batch_mean(v) : v;
  }
  static double square_of(double number) { return number * number; }
};

void run_long_chain(const char* name, bool varying, bool gradients) {
  with_small_stack([=] {
    Stopwatch stopwatch(name);
    const std::size_t nodes = deep_nodes();
    LongChain chain(nodes, varying);
    stopwatch.lap("recorded");
    const Program program = compile(chain.loss, {.gradients = gradients});
    stopwatch.lap(gradients ? "compiled with gradients" : "compiled");
    CHECK(program.recorded_nodes > nodes);
    CHECK(program.instructions.size() >= nodes);
    CHECK(program.instructions.size() <= (gradients ? 5 : 1) * nodes + 10);
    Executor<double> executor(std::make_shared<const Program>(std::move(program)), {.max_samples = 1});
    stopwatch.lap("executor made");
    const std::vector<double> row = {0.5};
    if (varying) executor.bind("x", std::span<const double>(row));
    executor.step();
    stopwatch.lap("step");
    CHECK(executor.loss() == Approx(chain.value).epsilon(1e-10));
    if (gradients) CHECK(executor.gradients()[0] == Approx(chain.gradient).epsilon(1e-8));
  });
}

}  // namespace

TEST_CASE("deep: a chain of uniform values forward") { run_long_chain("uniform chain", false, false); }
TEST_CASE("deep: a chain of uniform values with gradients") { run_long_chain("uniform chain", false, true); }
TEST_CASE("deep: a chain of varying values forward") { run_long_chain("varying chain", true, false); }
TEST_CASE("deep: a chain of varying values with gradients") { run_long_chain("varying chain", true, true); }

TEST_CASE("deep: the evaluator's sweeps over a long chain") {
  with_small_stack([] {
    Stopwatch stopwatch("evaluator");
    LongChain chain(deep_nodes(), false);
    chain.loss.backward();
    stopwatch.lap("recorded, backward()");
    CHECK(chain.loss.data() == Approx(chain.value).epsilon(1e-10));
    CHECK(chain.w.grad() == Approx(chain.gradient).epsilon(1e-8));
    const Evaluation e = evaluate(chain.loss, {});
    stopwatch.lap("evaluate()");
    CHECK(e.gradients[0] == chain.w.grad());
  });
}

TEST_CASE("deep: a sum of a million terms each with its own parameter") {
  with_small_stack([] {
    Stopwatch stopwatch("wide sum");
    const std::size_t terms = deep_nodes();
    Tape tape;
    const Value x = tape.input(0.0, "x");
    std::vector<Value> products;
    for (std::size_t i = 0; i < terms; ++i) products.push_back(tape.parameter(1.0 / static_cast<double>(i + 1)) * x);
    const Value loss = batch_mean(square(sum(products)));
    stopwatch.lap("recorded");
    Executor<double> executor(compile(loss), {.max_samples = 3});
    stopwatch.lap("compiled");
    const std::vector<double> rows = {1.0, -2.0, 0.5};
    executor.bind("x", std::span<const double>(rows));
    executor.step();
    stopwatch.lap("step");
    double harmonic = 0.0;
    for (std::size_t i = 0; i < terms; ++i) harmonic += 1.0 / static_cast<double>(i + 1);
    CHECK(executor.loss() == Approx(harmonic * harmonic * 5.25 / 3.0));
    // d loss / d p = mean of 2 (sum p) x^2, the same for every parameter.
    for (std::size_t i : {std::size_t{0}, terms / 2, terms - 1}) {
      CHECK(executor.gradients()[i] == Approx(2.0 * harmonic * 5.25 / 3.0));
    }
  });
}

TEST_CASE("deep: a value used a hundred thousand times") {
  with_small_stack([] {
    Stopwatch stopwatch("shared value");
    Tape tape;
    const Value p = tape.parameter(0.5), x = tape.input(0.0, "x");
    const Value shared = tanh(p * x);
    Value total = 0.0;
    for (int i = 1; i <= 100'000; ++i) total += shared * static_cast<double>(i);
    Executor<double> executor(compile(batch_mean(total)), {.max_samples = 2});
    const std::vector<double> rows = {1.0, 3.0};
    executor.bind("x", std::span<const double>(rows));
    executor.step();
    stopwatch.lap("all");
    const double factor = 100'000.0 * 100'001.0 / 2.0;
    const double t = std::tanh(0.5), u = std::tanh(1.5);
    CHECK(executor.loss() == Approx(factor * (t + u) / 2.0));
    CHECK(executor.gradients()[0] == Approx(factor * ((1.0 - t * t) + 3.0 * (1.0 - u * u)) / 2.0));
  });
}

TEST_CASE("deep: 2^1000 paths through 1000 doublings") {
  Tape tape;
  const Value p = tape.parameter(0x1p-1000);
  Value v = p;
  for (int i = 0; i < 1000; ++i) v = v + v;
  const Program program = compile(v);
  CHECK(program.instructions.size() <= 2000);
  Executor<double> executor(program);
  CHECK(executor.step() == 1.0);
  CHECK(executor.gradients()[0] == 0x1p1000);
  v.backward();
  CHECK(p.grad() == 0x1p1000);
  for (int i = 0; i < 1000; ++i) v = v + v;
  Executor<double> overflowing(compile(v));
  CHECK(overflowing.step() == 0x1p1000);
  CHECK(overflowing.gradients()[0] == inf);
}
