// Which of the recording's guards the conditions of a graph stand for.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tapeloom/core/base/ids.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// For each of some conditions, in order: one of the tape's guards, or, of a condition of folded samples, one of every
/// sample.
class GuardNumbers {
 public:
  std::size_t size() const { return begins_.size() - 1; }
  std::span<const std::uint32_t> operator[](std::size_t condition) const {
    return std::span(numbers_).subspan(begins_[condition], begins_[condition + 1] - begins_[condition]);
  }
  /// Of all, one after another.
  std::span<const std::uint32_t> all() const { return numbers_; }
  void add(std::span<const std::uint32_t> guards) {
    numbers_.insert(numbers_.end(), guards.begin(), guards.end());
    begins_.push_back(numbers_.size());
  }
  void add(std::uint32_t guard) { add(std::span(&guard, 1)); }

 private:
  std::vector<std::size_t> begins_ = {0};
  std::vector<std::uint32_t> numbers_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
