// Arrays of plain data that grow and shrink by reallocation, so that the pages of large ones are remapped, not copied.
#pragma once

#include <algorithm>
#include <type_traits>
#include <utility>

#include "tapeloom/core/base/large_pages.h"

namespace tapeloom::inline TAPELOOM_ABI {

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
