#pragma once

#include <algorithm>
#include <cstdlib>
#include <new>
#include <type_traits>
#include <utility>

namespace tapeloom::inline v0_1::compiler {

/// A vector of plain data that grows and shrinks through realloc, so that a large one is remapped and not copied.
template <class T>
class GrowingVector {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  GrowingVector() = default;
  GrowingVector(GrowingVector&& other) noexcept { swap(other); }
  GrowingVector& operator=(GrowingVector&& other) noexcept {
    GrowingVector(std::move(other)).swap(*this);
    return *this;
  }
  ~GrowingVector() { std::free(data_); }

  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  T& back() { return data_[size_ - 1]; }

  void push_back(T value) {
    if (size_ == capacity_) [[unlikely]]
      set_capacity(std::max<std::size_t>(16, capacity_ + capacity_ / 2));
    data_[size_++] = value;
  }
  void reserve(std::size_t capacity) {
    if (capacity > capacity_) set_capacity(capacity);
  }
  /// Drops what is beyond the first `size` and gives the memory back.
  void shrink(std::size_t size) {
    size_ = size;
    if (size < capacity_) set_capacity(std::max<std::size_t>(size, 1));
  }

 private:
  void set_capacity(std::size_t capacity) {
    void* grown = std::realloc(data_, capacity * sizeof(T));
    if (grown == nullptr) throw std::bad_alloc();
    data_ = static_cast<T*>(grown);
    capacity_ = capacity;
  }
  void swap(GrowingVector& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace tapeloom::inline v0_1::compiler
