// What recording and compiling cost a node, in time and in memory: from 10^3 to 10^8 recorded nodes of one sample of a
// net with two hidden layers as wide as that takes, and of a small net recorded for as many samples; from 10^3 to 10^7
// of two graphs that do not roll.
//
//   compile_bench [POWER [FAMILY]]     up to 10^POWER nodes instead, of one family: wide, samples, chain or random
//
// Of graphs that roll, 10^8 nodes take some 6 GB, of others 13 to 22. A size for which less is available is left out,
// and the table says so.
//
// The program counts what it allocates, by malloc and mmap of its own, so it needs glibc to report memory.
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "bench/machine.h"
#include "bench/main.h"
#include "bench/nets.h"
#include "bench/ratio.h"

namespace {

// Bytes in use and their maximum. One thread allocates.
std::size_t live_bytes = 0, peak_bytes = 0;

void take(std::size_t bytes) {
  live_bytes += bytes;
  if (live_bytes > peak_bytes) peak_bytes = live_bytes;
}
void* count(void* block) {
  if (block != nullptr) take(malloc_usable_size(block));
  return block;
}
void uncount(void* block) {
  if (block != nullptr) live_bytes -= malloc_usable_size(block);
}

}  // namespace

#if defined(__GLIBC__)
// operator new and the aligned functions of the standard library end in these.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void __libc_free(void* block);
void* malloc(std::size_t size) { return count(__libc_malloc(size)); }
void* calloc(std::size_t n, std::size_t size) { return count(__libc_calloc(n, size)); }
void* memalign(std::size_t alignment, std::size_t size) { return count(__libc_memalign(alignment, size)); }
void* aligned_alloc(std::size_t alignment, std::size_t size) { return memalign(alignment, size); }
void* realloc(void* block, std::size_t size) {
  uncount(block);
  return count(__libc_realloc(block, size));
}
void free(void* block) {
  uncount(block);
  __libc_free(block);
}

// The C library maps pages for malloc without calling these.
void* mmap(void* where, std::size_t size, int protection, int flags, int file, off_t offset) noexcept {
  const long mapped = syscall(SYS_mmap, where, size, protection, flags, file, offset);
  if (mapped != -1) take(size);
  return reinterpret_cast<void*>(mapped);
}
void* mremap(void* block, std::size_t size, std::size_t new_size, int flags, ...) noexcept {
  std::va_list rest;
  va_start(rest, flags);
  void* const where = (flags & MREMAP_FIXED) != 0 ? va_arg(rest, void*) : nullptr;
  va_end(rest);
  const long mapped = syscall(SYS_mremap, block, size, new_size, flags, where);
  if (mapped == -1) return MAP_FAILED;
  live_bytes -= size;
  // What was mapped where the block has been moved to is gone.
  if (where == nullptr) take(new_size);
  return reinterpret_cast<void*>(mapped);
}
int munmap(void* block, std::size_t size) noexcept {
  live_bytes -= size;
  return static_cast<int>(syscall(SYS_munmap, block, size));
}
}
#endif

namespace tapeloom::bench {
namespace {

using closure::Activation;

/// One sample of an MLP of w inputs and two hidden layers of w: a parameter, a product and a sum for each weight.
Value record_wide(Tape& tape, std::size_t nodes) {
  const double weights = static_cast<double>(nodes) / 3.0;
  const std::size_t width = std::max<std::size_t>(2, static_cast<std::size_t>(std::sqrt(weights / 2.0)));
  const MLP mlp(tape, width, {{width, relu}, {width, relu}, {1}},
                [n = 0u](const Fan&) mutable { return static_cast<double>(++n % 17) / 17.0 - 0.5; });
  return batch_mean(square(mlp(tape.inputs("x", width))[0] - tape.input(0.0, "y")));
}

/// 2-16-16-1 over as many samples, as constants, one after another.
Value record_samples(Tape& tape, std::size_t nodes) {
  const MLP mlp(tape, 2, {{16, relu}, {16, relu}, {1}},
                [n = 0u](const Fan&) mutable { return static_cast<double>(++n % 17) / 17.0 - 0.5; });
  Value loss = 0.0;
  std::mt19937_64 random(1);
  const std::size_t samples = std::max<std::size_t>(1, nodes / 645);
  for (std::size_t i = 0; i < samples; ++i) {
    const std::vector<Value> row = {random_unit(random), random_unit(random)};
    loss = loss + square(mlp(row)[0] - random_unit(random));
  }
  return loss / static_cast<double>(samples);
}

/// v = tanh(w * v) again and again.
Value record_chain(Tape& tape, std::size_t nodes) {
  const Value w = tape.parameter(0.9);
  Value v = tape.input(0.5, "x");
  while (tape.size() < nodes) v = tanh(w * v);
  return batch_mean(v);
}

/// Additions and multiplications, 40% each, and other ops of what was computed lately.
Value record_random_ops(Tape& tape, std::size_t nodes) {
  std::mt19937_64 random(1);
  std::vector<Value> recent = tape.inputs("x", 16);
  for (int i = 0; i < 16; ++i) recent.push_back(tape.parameter(random_unit(random)));
  while (tape.size() < nodes) {
    const Value a = recent[random() % recent.size()], b = recent[random() % recent.size()];
    const auto kind = random() % 20;
    recent[random() % recent.size()] = kind < 8     ? a + b
                                       : kind < 16  ? a * b
                                       : kind == 16 ? a / b
                                       : kind == 17 ? tanh(a)
                                       : kind == 18 ? relu(a)
                                                    : max(a, b);
  }
  return batch_mean(sum(recent));
}

struct Cost {
  std::size_t nodes = 0, instructions = 0;
  double record_seconds = 0.0, compile_seconds = 0.0;
  double system_seconds = 0.0;  // of compile_seconds
  double tape_bytes = 0.0, beyond_bytes = 0.0;
};

using Record = Value (*)(Tape& tape, std::size_t nodes);

/// Time that the operating system has worked for this process, which is here to hand out memory.
double system_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_stime.tv_sec) + 1e-6 * static_cast<double>(usage.ru_stime.tv_usec);
}

/// The fastest of five runs, or the only one of what is slow.
Cost measure(Record record, std::size_t nodes) {
  Cost best;
  for (int run = 0; run < (nodes <= 1'000'000 ? 5 : 1); ++run) {
    Cost cost;
    const std::size_t before = live_bytes;
    auto begin = std::chrono::steady_clock::now();
    Tape tape;
    const Value loss = record(tape, nodes);
    cost.record_seconds = seconds_since(begin);
    cost.nodes = tape.size();
    const std::size_t recorded = peak_bytes = live_bytes;
    begin = std::chrono::steady_clock::now();
    const double system_before = system_seconds();
    const Program program = compile(loss);
    cost.compile_seconds = seconds_since(begin);
    cost.system_seconds = system_seconds() - system_before;
    cost.instructions = program.instructions.size();
    cost.tape_bytes = static_cast<double>(recorded - before);
    cost.beyond_bytes = static_cast<double>(peak_bytes - recorded);
    if (run == 0 || cost.compile_seconds < best.compile_seconds) best = cost;
  }
  return best;
}

/// What the next size is going to take, with something to spare: arrays grow in steps, by up to a half too much.
double bytes_for(const Cost& smaller) { return 10.0 * 1.2 * (smaller.tape_bytes + smaller.beyond_bytes); }

void print_curve(const char* title, Record record, int largest_power) {
  std::printf(
      "| %s: nodes | instructions | recording, ns a node | compiling, ns a node | of it, the system hands out memory | "
      "tape, bytes a node | compiling beyond it, bytes a node |\n|---|---|---|---|---|---|---|\n",
      title);
  std::size_t nodes = 100;
  Cost cost;
  for (int power = 3; power <= largest_power; ++power) {
    if (const double needed = bytes_for(cost), available = available_memory(); needed > available) {
      std::printf("| 10^%d left out: %.3g GB are available, and it may take %.3g | | | | | | |\n", power,
                  available / 1e9, needed / 1e9);
      break;
    }
    cost = measure(record, nodes *= 10);
    const double n = static_cast<double>(cost.nodes);
    std::printf("| %zu | %zu | %.3g | %.3g | %.0f%% | %.3g | %.3g |\n", cost.nodes, cost.instructions,
                1e9 * cost.record_seconds / n, 1e9 * cost.compile_seconds / n,
                100.0 * cost.system_seconds / cost.compile_seconds, cost.tape_bytes / n, cost.beyond_bytes / n);
    std::fflush(stdout);
  }
  std::printf("\n");
}

struct Family {
  std::string_view name;
  const char* title;
  Record record;
  int largest_power;  // unless told otherwise
};
constexpr Family families[] = {{"wide", "wide layers", record_wide, 8},
                               {"samples", "recorded samples", record_samples, 8},
                               {"chain", "a chain of tanh(w * v)", record_chain, 7},
                               {"random", "random ops", record_random_ops, 7}};

int run(int argc, char** argv) {
  const int largest_power = argc > 1 ? std::atoi(argv[1]) : 0;
  const auto chosen = [&](const Family& family) { return argc < 3 || family.name == argv[2]; };
  const bool any = std::any_of(std::begin(families), std::end(families), chosen);
  if (argc > 3 || (argc > 1 && (largest_power < 3 || largest_power > 8)) || !any) {
    throw std::invalid_argument("usage: compile_bench [POWER, from 3 to 8 [wide|samples|chain|random]]");
  }
  print_machine();
#if !defined(__GLIBC__)
  std::printf("- memory is not counted without glibc\n");
#endif
  std::printf("\n");
  for (const Family& family : families) {
    if (chosen(family)) print_curve(family.title, family.record, argc > 1 ? largest_power : family.largest_power);
  }
  return 0;
}

}  // namespace
}  // namespace tapeloom::bench

int main(int argc, char** argv) {
  return tapeloom::bench::run_program("compile_bench", [&] { return tapeloom::bench::run(argc, argv); });
}
