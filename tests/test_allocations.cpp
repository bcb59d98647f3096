// Nothing is allocated after an executor is made: 10,000 steps of every kind while each allocation is counted. A
// program of its own, because it replaces operator new and, where the C library is glibc and no sanitizer has replaced
// it already, malloc.
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

#include "against_evaluate.h"
#include "tapeloom/runtime/optimizer.h"
#include "tapeloom/runtime/trainer.h"

namespace {
std::atomic<std::size_t> allocations{0};
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TAPELOOM_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define TAPELOOM_SANITIZED
#endif
#endif

#if defined(__GLIBC__) && !defined(TAPELOOM_SANITIZED)
// operator new and the aligned functions of the standard library end in these.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void* malloc(std::size_t size) { return ++allocations, __libc_malloc(size); }
void* calloc(std::size_t count, std::size_t size) { return ++allocations, __libc_calloc(count, size); }
void* realloc(void* block, std::size_t size) { return ++allocations, __libc_realloc(block, size); }
void* memalign(std::size_t alignment, std::size_t size) { return ++allocations, __libc_memalign(alignment, size); }
void* aligned_alloc(std::size_t alignment, std::size_t size) { return memalign(alignment, size); }
}
#else
// Every form, because a sanitizer's own form of one and ours of another do not go together.
namespace {
void* counted(std::size_t size, std::size_t alignment = alignof(std::max_align_t)) noexcept {
  ++allocations;
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
void* required(void* block) {
  if (block == nullptr) throw std::bad_alloc();
  return block;
}
using Alignment = std::align_val_t;
constexpr std::size_t number(Alignment alignment) { return static_cast<std::size_t>(alignment); }
}  // namespace

void* operator new(std::size_t n) { return required(counted(n)); }
void* operator new[](std::size_t n) { return required(counted(n)); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return counted(n); }
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return counted(n); }
void* operator new(std::size_t n, Alignment a) { return required(counted(n, number(a))); }
void* operator new[](std::size_t n, Alignment a) { return required(counted(n, number(a))); }
void* operator new(std::size_t n, Alignment a, const std::nothrow_t&) noexcept { return counted(n, number(a)); }
void* operator new[](std::size_t n, Alignment a, const std::nothrow_t&) noexcept { return counted(n, number(a)); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { std::free(block); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { std::free(block); }
void operator delete(void* block, Alignment) noexcept { std::free(block); }
void operator delete[](void* block, Alignment) noexcept { std::free(block); }
void operator delete(void* block, std::size_t, Alignment) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t, Alignment) noexcept { std::free(block); }
void operator delete(void* block, Alignment, const std::nothrow_t&) noexcept { std::free(block); }
void operator delete[](void* block, Alignment, const std::nothrow_t&) noexcept { std::free(block); }
#endif

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
