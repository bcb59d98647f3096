#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace tapeloom::compiler {

/// Hands out slots, the last one freed first, so that what was just used is used again while it is in the cache.
class SlotPool {
 public:
  SlotPool(std::uint32_t first, bool reuse) : next_(first), reuse_(reuse) {}

  std::uint32_t take() {
    if (free_.empty()) return next_++;
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    return slot;
  }
  void give_back(std::uint32_t slot) {
    if (reuse_) free_.push_back(slot);
  }
  /// One more than the highest slot ever handed out.
  std::uint32_t size() const { return next_; }

 private:
  std::vector<std::uint32_t> free_;
  std::uint32_t next_;
  bool reuse_;
};

}  // namespace tapeloom::compiler
