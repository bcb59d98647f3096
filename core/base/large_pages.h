// Memory for arrays that grow with a recording. On Linux, those of some megabytes or more ask for large pages: with
// pages of 4 KiB, the first touch of each page costs more than recording what goes there.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

#include "tapeloom/core/base/export.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// A block of memory, aligned for everything of C++. Throws std::bad_alloc.
TAPELOOM_API void* allocate_block(std::size_t bytes);
/// The block with another size, moved if need be; what is in both is kept. `block` may be null, of 0 bytes.
TAPELOOM_API void* reallocate_block(void* block, std::size_t bytes, std::size_t new_bytes);
/// `bytes` is what was asked for.
TAPELOOM_API void free_block(void* block, std::size_t bytes) noexcept;

/// Asks for large pages for memory that somebody else has allocated, where nothing has been written yet.
TAPELOOM_API void use_large_pages(void* block, std::size_t bytes);

/// An allocator of such blocks.
template <class T>
struct BlockAllocator {
  using value_type = T;
  BlockAllocator() = default;
  template <class U>
  BlockAllocator(const BlockAllocator<U>&) {}

  T* allocate(std::size_t count) { return static_cast<T*>(allocate_block(count * sizeof(T))); }
  void deallocate(T* block, std::size_t count) { free_block(block, count * sizeof(T)); }
  friend bool operator==(const BlockAllocator&, const BlockAllocator&) { return true; }
};

/// A vector of as many elements as there are recorded nodes, or blocks of a graph.
template <class T>
using LargeVector = std::vector<T, BlockAllocator<T>>;

}  // namespace tapeloom::inline TAPELOOM_ABI
