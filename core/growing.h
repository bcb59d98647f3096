// A plain array that grows like a vector but through realloc, so that large recordings are remapped, not copied.
#pragma once

#include <cstdlib>
#include <new>
#include <type_traits>
#include <utility>

namespace tapeloom::inline v0_1 {

/// Holds capacity only: its owner counts the elements. Several of these with one count make a structure of arrays.
template <class T>
class GrowingArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  GrowingArray() = default;
  GrowingArray(const GrowingArray&) = delete;
  GrowingArray& operator=(const GrowingArray&) = delete;
  ~GrowingArray() { std::free(data_); }

  /// Keeps the first elements; new ones are uninitialised.
  void reserve(std::size_t capacity) {
    void* grown = std::realloc(data_, capacity * sizeof(T));
    if (grown == nullptr) throw std::bad_alloc();
    data_ = static_cast<T*>(grown);
  }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  const T* data() const { return data_; }

 private:
  T* data_ = nullptr;
};

}  // namespace tapeloom::inline v0_1
