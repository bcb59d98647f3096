// One 64-byte-aligned block of numbers, cut into named pieces; a view is an Eigen map of a piece.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "tapeloom/core/base/error.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

inline constexpr std::size_t arena_alignment = 64;
inline constexpr std::size_t most_arena_bytes = std::size_t{1} << 46;  // no machine has more

template <class T>
using View = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>, Eigen::Aligned64>;

/// `count` rounded up to a whole number of `unit`s.
constexpr std::size_t round_up(std::size_t count, std::size_t unit) { return (count + unit - 1) / unit * unit; }

/// Plan the pieces first, then allocate once; pieces start on a cache line and begin as zeros.
template <class T>
class Arena {
 public:
  /// Returns the piece's number.
  std::size_t plan(std::size_t count) {
    pieces_.push_back({size_, count});
    size_ += round_up(count, arena_alignment / sizeof(T));
    return pieces_.size() - 1;
  }
  /// Throws BindError where there is not so much memory.
  void allocate() {
    if (bytes() <= most_arena_bytes) {
      data_.reset(static_cast<T*>(std::aligned_alloc(arena_alignment, round_up(bytes(), arena_alignment))));
    }
    if (size_ != 0 && data_ == nullptr) {
      throw BindError("an executor's buffers need " + std::to_string(bytes()) +
                      " bytes, which there are not; they grow with ExecutorOptions::max_samples");
    }
    std::fill_n(data_.get(), size_, T(0));
  }
  View<T> view(std::size_t piece) { return {data_.get() + pieces_[piece].begin, Eigen::Index(pieces_[piece].count)}; }
  T* data(std::size_t piece) { return data_.get() + pieces_[piece].begin; }
  std::size_t bytes() const { return size_ * sizeof(T); }

 private:
  struct Piece {
    std::size_t begin, count;
  };
  struct Free {
    void operator()(T* data) const { std::free(data); }
  };
  std::vector<Piece> pieces_;
  std::size_t size_ = 0;
  std::unique_ptr<T[], Free> data_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
