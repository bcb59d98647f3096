// Memory for arrays that grow with a recording, and such arrays. On Linux, blocks of some megabytes or more ask for
// large pages: with pages of 4 KiB, the first touch of each page costs more than recording what goes there.
#pragma once

#include <algorithm>
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>
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

/// Holds capacity only: its owner counts the elements. Several of these with one count make a structure of arrays.
template <class T>
class GrowingArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  GrowingArray() = default;
  GrowingArray(GrowingArray&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), capacity_(std::exchange(other.capacity_, 0)) {}
  GrowingArray& operator=(GrowingArray&& other) noexcept {
    GrowingArray taken(std::move(other));
    std::swap(data_, taken.data_);
    std::swap(capacity_, taken.capacity_);
    return *this;
  }
  ~GrowingArray() { free_block(data_, capacity_ * sizeof(T)); }

  std::size_t capacity() const { return capacity_; }
  /// Keeps the first elements; new ones are uninitialised.
  void set_capacity(std::size_t capacity) {
    data_ = static_cast<T*>(reallocate_block(data_, capacity_ * sizeof(T), capacity * sizeof(T)));
    capacity_ = capacity;
  }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  T* data() { return data_; }
  const T* data() const { return data_; }

 private:
  T* data_ = nullptr;
  std::size_t capacity_ = 0;
};

/// The same with a count of its own.
template <class T>
class GrowingVector {
 public:
  GrowingVector() = default;
  GrowingVector(GrowingVector&& other) noexcept
      : items_(std::move(other.items_)), size_(std::exchange(other.size_, 0)) {}
  GrowingVector& operator=(GrowingVector&& other) noexcept {
    items_ = std::move(other.items_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](std::size_t i) { return items_[i]; }
  const T& operator[](std::size_t i) const { return items_[i]; }
  T& back() { return items_[size_ - 1]; }
  const T* begin() const { return items_.data(); }
  const T* end() const { return items_.data() + size_; }

  void push_back(T value) {
    if (size_ == items_.capacity()) [[unlikely]]
      items_.set_capacity(std::max<std::size_t>(16, size_ + size_ / 2));
    items_[size_++] = value;
  }
  void reserve(std::size_t capacity) {
    if (capacity > items_.capacity()) items_.set_capacity(capacity);
  }
  /// Drops what is beyond the first `size` and gives the memory back.
  void shrink(std::size_t size) {
    size_ = size;
    if (size < items_.capacity()) items_.set_capacity(size);
  }

 private:
  GrowingArray<T> items_;
  std::size_t size_ = 0;
};

}  // namespace tapeloom::inline TAPELOOM_ABI
