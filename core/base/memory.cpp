#include "tapeloom/core/base/memory.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

#if defined(__linux__)

// Of x86-64. Such a page lies at a multiple of its size; the memory mapped for a large block does too, so that it keeps
// its pages when it is moved.
constexpr std::size_t large_page = std::size_t{1} << 21;

// Blocks begin at different distances from there. Equal ones would put the elements of all arrays for a node into the
// same sets of the caches, where they drive each other out.
constexpr std::size_t small_page = 4096, cache_line = 64, distances = 64;
std::atomic<std::size_t> mapped_blocks = 0;

bool is_large(std::size_t bytes) { return bytes >= large_page; }

std::size_t distance(const void* block) { return reinterpret_cast<std::uintptr_t>(block) % large_page; }
char* mapping(void* block) { return static_cast<char*>(block) - distance(block); }
std::size_t mapping_size(std::size_t distance, std::size_t bytes) {
  static const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (distance + bytes + page - 1) / page * page;
}

/// Memory at a multiple of a large page, or null.
char* map(std::size_t size) {
  const std::size_t with_margin = size + large_page;
  void* const mapped = mmap(nullptr, with_margin, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  const std::size_t before = (large_page - distance(mapped)) % large_page;
  char* const begin = static_cast<char*>(mapped) + before;
  if (before > 0) munmap(mapped, before);
  munmap(begin + size, large_page - before);
  madvise(begin, size, MADV_HUGEPAGE);  // a kernel without them refuses, and gives small ones
  return begin;
}

void* allocate_large(std::size_t bytes) {
  const std::size_t distance = mapped_blocks++ % distances * (small_page + cache_line);
  char* const begin = map(mapping_size(distance, bytes));
  return begin == nullptr ? nullptr : begin + distance;
}

void free_large(void* block, std::size_t bytes) { munmap(mapping(block), mapping_size(distance(block), bytes)); }

void advise(void* block, std::size_t bytes) {
  const std::size_t before = (large_page - distance(block)) % large_page;
  if (bytes < before + large_page) return;
  madvise(static_cast<char*>(block) + before, (bytes - before) / large_page * large_page, MADV_HUGEPAGE);
}

/// Moves pages, not bytes.
void* reallocate_large(void* block, std::size_t bytes, std::size_t new_bytes) {
  const std::size_t kept = distance(block);
  const std::size_t size = mapping_size(kept, bytes), new_size = mapping_size(kept, new_bytes);
  if (mremap(mapping(block), size, new_size, 0) != MAP_FAILED) return block;
  char* const to = map(new_size);
  if (to == nullptr) return nullptr;
  if (mremap(mapping(block), size, new_size, MREMAP_MAYMOVE | MREMAP_FIXED, to) != MAP_FAILED) return to + kept;
  munmap(to, new_size);
  return nullptr;
}

#else

constexpr bool is_large(std::size_t) { return false; }
void* allocate_large(std::size_t) { return nullptr; }
void free_large(void*, std::size_t) {}
void advise(void*, std::size_t) {}
void* reallocate_large(void*, std::size_t, std::size_t) { return nullptr; }

#endif

void* checked(void* block) {
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

}  // namespace

void* allocate_block(std::size_t bytes) {
  return checked(is_large(bytes) ? allocate_large(bytes) : std::malloc(std::max<std::size_t>(bytes, 1)));
}

void use_large_pages(void* block, std::size_t bytes) { advise(block, bytes); }

void free_block(void* block, std::size_t bytes) noexcept {
  if (is_large(bytes)) {
    free_large(block, bytes);
  } else {
    std::free(block);
  }
}

void* reallocate_block(void* block, std::size_t bytes, std::size_t new_bytes) {
  if (is_large(bytes) && is_large(new_bytes)) return checked(reallocate_large(block, bytes, new_bytes));
  if (!is_large(bytes) && !is_large(new_bytes)) {
    return checked(std::realloc(block, std::max<std::size_t>(new_bytes, 1)));
  }
  void* const moved = allocate_block(new_bytes);
  if (block != nullptr) std::memcpy(moved, block, std::min(bytes, new_bytes));
  free_block(block, bytes);
  return moved;
}

}  // namespace tapeloom::inline TAPELOOM_ABI
