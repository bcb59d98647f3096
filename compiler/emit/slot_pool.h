// Slots that are taken and given back.
#pragma once

#include <cstdint>
#include <map>

#include "tapeloom/compiler/graph/block_list.h"
#include "tapeloom/core/base/memory.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Hands out runs of neighbouring slots; of those of one length, the last freed first, so that what was just used is
/// used again while it is in the cache. Throws a CompileError where 2^32 are not enough.
class SlotPool {
 public:
  SlotPool(std::uint32_t first, bool reuse) : next_(first), reuse_(reuse) {}

  std::uint32_t take(std::uint32_t length) {
    LargeVector<std::uint32_t>& free = free_of(length);
    if (free.empty()) {
      const std::uint32_t slot = next_;
      if (length > UINT32_MAX - next_) throw_too_large();
      next_ += length;
      return slot;
    }
    const std::uint32_t slot = free.back();
    free.pop_back();
    return slot;
  }
  void give_back(std::uint32_t slot, std::uint32_t length) {
    if (reuse_) free_of(length).push_back(slot);
  }
  /// One more than the highest slot ever handed out.
  std::uint32_t size() const { return next_; }

 private:
  LargeVector<std::uint32_t>& free_of(std::uint32_t length) { return length == 1 ? free_single_ : free_[length]; }

  LargeVector<std::uint32_t> free_single_;  // by far the most common
  std::map<std::uint32_t, LargeVector<std::uint32_t>> free_;
  std::uint32_t next_;
  bool reuse_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
