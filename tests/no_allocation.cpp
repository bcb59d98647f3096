// Once an executor is made, nothing allocates: not binding, steps, results or parameters; nor does an optimizer after
// its first update. A program of its own, because it replaces the global operator new.
#include <cstdio>
#include <cstdlib>
#include <new>
#include <random>
#include <vector>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/loss.h"
#include "tapeloom/core/nn.h"
#include "tapeloom/runtime/optimizer.h"

namespace {

std::size_t news = 0;

void* counted(std::size_t bytes, std::size_t alignment) {
  ++news;
  // aligned_alloc wants a whole number of alignments.
  void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

/// Bytes in use by the C allocator, which catches a net gain by malloc itself. Zero where that is not known.
std::size_t bytes_in_use() {
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
  return mallinfo2().uordblks + mallinfo2().hblkhd;
#else
  return 0;
#endif
}

}  // namespace

void* operator new(std::size_t bytes) { return counted(bytes, alignof(std::max_align_t)); }
void* operator new[](std::size_t bytes) { return counted(bytes, alignof(std::max_align_t)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace {

using namespace tapeloom;

/// Counts what `call` allocates. Returns whether that is nothing.
template <class F>
bool allocates_nothing(const char* what, F call) {
  const std::size_t news_before = news, bytes_before = bytes_in_use();
  call();
  const std::size_t new_count = news - news_before, bytes = bytes_in_use() - bytes_before;
  if (new_count == 0 && bytes == 0) return true;
  std::printf("%s: %zu calls of operator new, %zu bytes more in use\n", what, new_count, bytes);
  return false;
}

template <class T>
bool check(const char* type, bool exact) {
  constexpr std::size_t samples = 300, width = 5;
  Tape tape;
  std::mt19937_64 generator(1);
  const std::vector<Value> x = tape.inputs("x", width - 1);
  const Value y = tape.input(0.0, "y"), temperature = tape.uniform_input(1.0, "temperature");
  const MLP mlp(tape, x.size(), {{8, relu}, {3}}, he(generator));
  const std::vector<Value> logits = mlp(x);
  // A logarithm of a mean needs the whole batch first, so there are two sweeps and values kept between them.
  const Value loss = batch_mean(softmax_cross_entropy(logits, y)) + log(batch_mean(exp(logits[0] * temperature)));
  if (x[0] < 100.0) tape.set_label(loss.id(), "guarded");
  Executor<T> executor(compile(loss, {.outputs = logits, .input_gradients = true, .exact = exact}),
                       {.max_samples = samples, .check_finite = true});
  std::vector<T> rows(samples * width);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i] = static_cast<T>(i % width == width - 1 ? static_cast<double>(i % 3) : random_unit(generator));
  }
  std::vector<std::uint32_t> some = {5, 0, 299, 5, 17};
  const std::vector<T> parameters(executor.parameters().begin(), executor.parameters().end());
  Sgd<T> sgd({.learning_rate = 0.01, .momentum = 0.9});
  Adam<T> adam;

  std::printf("%s%s\n", type, exact ? ", exact" : "");
  T seen = 0;
  bool good = allocates_nothing("binding", [&] {
    executor.bind(std::span<const T>(rows));
    executor.set_uniform_input("temperature", 0.5);
  });
  good &= allocates_nothing("the first step", [&] { seen += executor.step(); });
  sgd.update(executor);
  adam.update(executor);
  good &= allocates_nothing("steps and updates", [&] {
    for (std::size_t i = 0; i < 20; ++i) {
      seen += executor.step() + executor.step(i, 3 * i + 1) + executor.step(some);
      sgd.update(executor);
      adam.update(executor);
    }
  });
  good &= allocates_nothing("results and parameters", [&] {
    seen += executor.outputs()[0] + executor.gradients()[0] + executor.input_gradients()[0] + executor.loss();
    executor.set_parameters(parameters);
  });
  std::printf("  (%g)\n", static_cast<double>(seen));
  return good;
}

}  // namespace

int main() {
  // The counter itself: a check that cannot fail would be none.
  std::vector<int>* made = nullptr;
  if (allocates_nothing("as it should", [&] { made = new std::vector<int>(100); })) return 1;
  delete made;
  bool good = check<float>("float", false);
  good &= check<double>("double", false);
  good &= check<double>("double", true);
  std::puts(good ? "nothing allocated" : "FAILED");
  return good ? 0 : 1;
}
