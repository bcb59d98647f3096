// What ordinary programs take that are no nets: instructions, time to compile, and the time of a step with gradients
// over that of the plain function. Gradients are compared with differences of the plain function first; --check does
// nothing else.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <tapeloom/tapeloom.h>
#include "bench/machine.h"
#include "bench/main.h"
#include "bench/plain_programs.h"
#include "bench/program_peers.h"
#include "bench/scalar_programs.h"

namespace tapeloom::bench {
namespace {

constexpr std::size_t rounds = 9;
constexpr double slice_seconds = 0.005;
/// Of the directions along which differences are taken.
constexpr std::size_t directions = 4;

double processor_seconds() {
  std::timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Of the processor, for a call: the least of some rounds, so that what else the machine does counts least.
template <class F>
double seconds_of(F function) {
  std::size_t calls = 1;
  double least = 1e30;
  for (std::size_t round = 0; round < rounds;) {
    const double start = processor_seconds();
    for (std::size_t i = 0; i < calls; ++i) function();
    const double seconds = processor_seconds() - start;
    if (round == 0 && seconds < slice_seconds) {
      calls *= 2;
      continue;
    }
    least = std::min(least, seconds / static_cast<double>(calls)), ++round;
  }
  return least;
}

std::vector<double> arguments(std::size_t count, std::size_t first) {
  std::vector<double> x(count);
  for (std::size_t i = 0; i < count; ++i) x[i] = scalar_programs::datum(first + i);
  return x;
}

double plain(std::size_t program, const std::vector<double>& x) {
  return tapeloom_bench_scalar_program(program, x.data(), x.size());
}

/// Central differences of fourth order along random directions.
void check(std::size_t program, const std::vector<double>& x, double value, std::span<const double> gradient) {
  const std::string name(scalar_programs::all[program].name);
  const double expected = plain(program, x), scale = std::max(1.0, std::fabs(expected));
  if (!(std::fabs(value - expected) <= 1e-11 * scale)) throw std::runtime_error(name + ": another value");
  for (std::size_t d = 0; d < directions; ++d) {
    std::vector<double> along = arguments(x.size(), 7919 * (d + 1));
    double slope = 0.0, size = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      along[i] -= 0.5, slope += along[i] * gradient[i], size += std::fabs(along[i] * gradient[i]);
    }
    const auto at = [&](double step) {
      std::vector<double> moved = x;
      for (std::size_t i = 0; i < x.size(); ++i) moved[i] += step * along[i];
      return plain(program, moved);
    };
    constexpr double h = 1e-4;
    const double difference = (8.0 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12.0 * h);
    if (!(std::fabs(slope - difference) <= 1e-8 * std::max(size, scale))) {
      throw std::runtime_error(name + ": a derivative of " + std::to_string(slope) + ", and differences say " +
                               std::to_string(difference));
    }
  }
}

/// The libraries that were found when this was built.
std::span<const ProgramPeer> all_peers() {
#ifdef TAPELOOM_BENCH_PROGRAM_PEERS
  std::size_t count = 0;
  const ProgramPeer* peers = tapeloom_bench_program_peers(&count);
  return {peers, count};
#else
  return {};
#endif
}

/// Seconds of a peer for the gradient, which is compared.
double seconds_of_peer(const ProgramPeer& peer, std::size_t program, const std::vector<double>& x,
                       std::span<const double> gradient, bool only_check) {
  const std::unique_ptr<void, void (*)(void*)> opened(peer.open(program, x.data(), x.size()), peer.close);
  std::vector<double> found(x.size());
  peer.step(opened.get(), x.data(), found.data());
  double scale = 0.0;
  for (const double each : gradient) scale = std::max(scale, std::fabs(each));
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!(std::fabs(found[i] - gradient[i]) <= 1e-8 * scale)) {
      throw std::runtime_error(std::string(scalar_programs::all[program].name) + ": another gradient by " + peer.name);
    }
  }
  return only_check ? 0.0 : seconds_of([&] { peer.step(opened.get(), x.data(), found.data()); });
}

void compare(std::size_t program, bool only_check) {
  const scalar_programs::Named& named = scalar_programs::all[program];
  const std::vector<double> x = arguments(named.arguments, 0);
  Tape tape;
  std::vector<Value> parameters;
  for (const double number : x) parameters.push_back(tape.parameter(number));
  const Value loss = scalar_programs::run<Value>(
      program, std::span<const Value>(parameters), [](Value a, Value b) { return min(a, b); },
      [](Value a, Value b) { return max(a, b); });
  const std::size_t forward = compile(loss, {.gradients = false}).instructions.size();
  const Program compiled = compile(loss);
  const double seconds = only_check ? 0.0 : seconds_of([&] { compile(loss, {.verify = false}); });
  const std::size_t instructions = compiled.instructions.size();
  Executor<double> executor(compiled, {.threads = 1});
  executor.step();
  check(program, x, executor.loss(), executor.gradients());
  std::printf("| %-16s | %6zu | %5zu | %5zu | %4.0f |", std::string(named.name).c_str(), tape.size(), forward,
              instructions, 1e9 * seconds / static_cast<double>(tape.size()));
  if (!only_check) {
    volatile double kept = 0.0;
    const double function = seconds_of([&] { kept = plain(program, x); });
    const double step = seconds_of([&] { executor.step(); });
    std::printf(" %7.1f | %7.1f | %6.2f |", 1e6 * function, 1e6 * step, step / function);
  }
  for (const ProgramPeer& peer : all_peers()) {
    const double taken = seconds_of_peer(peer, program, x, executor.gradients(), only_check);
    if (!only_check) std::printf(" %7.1f |", 1e6 * taken);
  }
  std::printf("\n");
  std::fflush(stdout);
}

/// A Jacobian column by column, side by side, of many results by few numbers.
void compare_jacobian(bool only_check) {
  constexpr std::size_t points = 500, results = 3 * points, count = 26;
  const std::vector<double> x = arguments(count, 0);
  Tape tape;
  std::vector<Value> by;
  for (const double number : x) by.push_back(tape.uniform_input(number));
  const std::vector<Value> apart = scalar_programs::skin<Value>(std::span<const Value>(by), points);
  Executor<double> executor(compile_jacobian_vector(apart, by), {.threads = 1});
  std::vector<double> unit_vectors(count * count);
  for (std::size_t j = 0; j < count; ++j) unit_vectors[j * count + j] = 1.0;
  executor.bind(unit_vectors);
  executor.step();
  constexpr double h = 1e-4;
  std::vector<double> above(results), below(results);
  for (std::size_t j = 0; j < count; ++j) {
    std::vector<double> moved = x;
    moved[j] = x[j] + h, tapeloom_bench_skin(moved.data(), count, points, above.data());
    moved[j] = x[j] - h, tapeloom_bench_skin(moved.data(), count, points, below.data());
    for (std::size_t i = 0; i < results; ++i) {
      const double difference = (above[i] - below[i]) / (2.0 * h), column = executor.outputs()[j * results + i];
      if (!(std::fabs(column - difference) <= 1e-7)) throw std::runtime_error("skin: a derivative is wrong");
    }
  }
  if (only_check) return;
  const double function = seconds_of([&] { tapeloom_bench_skin(x.data(), count, points, above.data()); });
  const double step = seconds_of([&] { executor.step(); });
  std::printf("\nThe Jacobian of %zu results by %zu numbers: %.1f us, %.2f times the plain function\n", results, count,
              1e6 * step, step / function);
}

int run(int argc, char** argv) {
  const bool only_check = argc == 2 && std::strcmp(argv[1], "--check") == 0;
  if (argc > 1 && !only_check) throw std::invalid_argument("usage: program_bench [--check]");
  if (!only_check) print_machine();
  std::string titles = "| program | nodes | instructions forward | with gradients | compiling, ns a node |";
  std::string rule = "|---|---|---|---|---|";
  if (!only_check) {
    titles += " plain, us | step, us | step / plain |", rule += "---|---|---|";
    for (const ProgramPeer& peer : all_peers()) titles += std::string(" ") + peer.name + ", us |", rule += "---|";
  }
  std::printf("%s\n%s\n", titles.c_str(), rule.c_str());
  for (std::size_t program = 0; program < scalar_programs::count; ++program) compare(program, only_check);
  compare_jacobian(only_check);
  return 0;
}

}  // namespace
}  // namespace tapeloom::bench

int main(int argc, char** argv) {
  return tapeloom::bench::run_program("program_bench", [&] { return tapeloom::bench::run(argc, argv); });
}
