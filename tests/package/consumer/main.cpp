// Trains a small net with whatever Tapeloom this is linked with. Prints the losses; exits with 1 if it does not learn.
#include <tapeloom/tapeloom.h>

#include <bit>
#include <cstdio>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "second.h"

// Neither our folders nor what is private to the library are on the include path.
#if __has_include("core/record/tape.h") || __has_include("compiler/compile.h") || \
                                                         __has_include("runtime/execute/executor.h")
#error "Tapeloom's folders are on the include path"
#endif
#if __has_include(<tapeloom/compiler/graph/graph.h>) || __has_include(<tapeloom/runtime/kernels/kernels.h>)
#error "headers of the library's inside are on the include path"
#endif
#ifdef EIGEN_WORLD_VERSION
#error "Tapeloom's headers bring Eigen"
#endif
#ifdef CATCH_VERSION_MAJOR
#error "Tapeloom's headers bring Catch2"
#endif

namespace {

bool learns() {
  using namespace tapeloom;
  const float rows[] = {0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0};
  Tape tape;
  std::mt19937_64 random(1);
  const std::vector<Value> x = tape.inputs("x", 2);
  const Value y = tape.input(0.0, "y");
  const MLP network(tape, 2, {{8, relu}, {1}}, glorot(random));
  const Value loss = batch_mean(binary_cross_entropy(network(x)[0], y));
  Executor<float> executor(compile(loss));
  executor.bind(rows);
  Adam<float> adam({.learning_rate = 0.05});
  const float before = executor.step();
  for (int i = 0; i < 300; ++i) executor.step(), adam.update(executor);
  const float after = executor.step();
  std::printf("loss %g before, %g after\n", before, after);
  return before > 0.3f && after < 0.05f;
}

/// The flags that this program is compiled with leave the initial numbers alone, to the last bit.
bool starts_alike() {
  using namespace tapeloom;
  SplitMix64 random(1);
  std::uint64_t sum = 0;
  for (const Initializer& draw : {he(random), glorot(random), uniform_initializer(random, -0.7, 0.3)}) {
    for (int i = 0; i < 1000; ++i) sum = 31 * sum + std::bit_cast<std::uint64_t>(draw({3, 4, false}));
  }
  return sum == 0x0bdb35fd947105f5;
}

/// An exception comes out of the library as what it is.
bool throws() {
  try {
    tapeloom::Tape tape;
    tapeloom::compile(tape.input(1.0) * 2.0);
  } catch (const tapeloom::CompileError&) {
    return true;
  }
  return false;
}

/// The first executors of a process, in several threads at once: no race, nor what -fsanitize=thread takes for one,
/// since it sees all of the program and only a part of the library. (Threads with smaller programs hardly meet.)
bool runs_in_threads() {
  using namespace tapeloom;
  Tape tape;
  SplitMix64 random(1);
  const std::vector<Value> x = tape.inputs("x", 64);
  const MLP network(tape, 64, {{64, tanh}, {64, tanh}, {1}}, glorot(random));
  const auto program = std::make_shared<const Program>(compile(batch_mean(square(network(x)[0]))));
  const std::vector<double> rows(10 * x.size(), 0.5);
  double losses[4] = {};
  std::vector<std::thread> threads;
  for (double& loss : losses) {
    threads.emplace_back([&] {
      Executor<double> executor(program);
      executor.bind(rows);
      loss = executor.step();
    });
  }
  for (std::thread& thread : threads) thread.join();
  return losses[0] > 0.0 && losses[0] == losses[1] && losses[1] == losses[2] && losses[2] == losses[3];
}

}  // namespace

int main() {
  const std::string headers = std::to_string(TAPELOOM_VERSION_MAJOR) + "." + std::to_string(TAPELOOM_VERSION_MINOR) +
                              "." + std::to_string(TAPELOOM_VERSION_PATCH);
  std::printf("headers %s, library %s\n", headers.c_str(), tapeloom::version());
  if (headers != tapeloom::version()) return std::puts("two versions"), 1;
  if (!runs_in_threads()) return std::puts("computes something else in threads"), 1;
  if (!learns()) return std::puts("does not learn"), 1;
  if (!starts_alike()) return std::puts("other initial numbers"), 1;
  if (!throws()) return std::puts("does not throw CompileError"), 1;
  if (slope(3.0) != 6.0) return std::puts("the second source computes something else"), 1;
  std::puts("ok");
}
