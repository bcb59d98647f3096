// Slots that are taken and given back.
#pragma once

#include <cstdint>
#include <map>

#include "tapeloom/compiler/graph/block_list.h"
#include "tapeloom/core/base/memory.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Hands out runs of neighbouring slots; of those of one length, the last freed first, so that what was just used is
/// used again while it is in the cache. Throws a CompileError where 2^32 are not enough.
///
/// What is longer than one slot begins at a multiple of `unit` from `origin` on, and single slots fill what is left
/// out: a vector across two cache lines takes longer to read what was just written.
class SlotPool {
 public:
  SlotPool(std::uint32_t first, bool reuse, std::uint32_t unit = 1, std::uint32_t origin = 0)
      : next_(first), origin_(origin), unit_(unit), reuse_(reuse) {}

  std::uint32_t take(std::uint32_t length) {
    LargeVector<std::uint32_t>& free = free_of(length);
    if (free.empty()) {
      const std::uint32_t left_out = length == 1 ? 0 : (unit_ - (next_ - origin_) % unit_) % unit_;
      if (std::uint64_t{length} + left_out > UINT32_MAX - next_) throw_too_large();
      for (std::uint32_t i = left_out; i-- > 0;) free_single_.push_back(next_ + i);
      const std::uint32_t slot = next_ + left_out;
      next_ = slot + length;
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
  std::uint32_t next_, origin_, unit_;
  bool reuse_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
