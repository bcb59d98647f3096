// Counts a program's allocations, and lets one of them fail. To be included by one source of a program, because it
// replaces operator new and, where the C library is glibc and no sanitizer has replaced it already, malloc.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {
std::atomic<std::size_t> allocations{0};
std::atomic<std::size_t> failing_allocation{0};  // the one that finds no memory, when so many have been counted

bool next_allocation_fails() { return ++allocations == failing_allocation; }
}  // namespace

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
void* malloc(std::size_t size) { return next_allocation_fails() ? nullptr : __libc_malloc(size); }
void* calloc(std::size_t count, std::size_t size) {
  return next_allocation_fails() ? nullptr : __libc_calloc(count, size);
}
void* realloc(void* block, std::size_t size) { return next_allocation_fails() ? nullptr : __libc_realloc(block, size); }
void* memalign(std::size_t alignment, std::size_t size) {
  return next_allocation_fails() ? nullptr : __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) { return memalign(alignment, size); }
}
#else
// Every form, because a sanitizer's own form of one and ours of another do not go together.
namespace {
void* counted(std::size_t size, std::size_t alignment = alignof(std::max_align_t)) noexcept {
  if (next_allocation_fails()) return nullptr;
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
void* required(void* block) {
  if (block == nullptr) throw std::bad_alloc();
  return block;
}
using Alignment = std::align_val_t;
constexpr std::size_t number(Alignment alignment) { return static_cast<std::size_t>(alignment); }
}  // namespace

// Where g++ sees through new but not through delete, it takes the two for no pair.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif
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
