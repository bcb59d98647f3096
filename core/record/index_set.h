// A set of node numbers that gives up the largest one first: what a reverse sweep has still to visit.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tapeloom/version.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// Bits, and above them for every 64 a bit that says whether any of them is set, and so on up to one word. Costs a word
/// of each level at most, and one word where the next largest is near; emptied, it is ready for the next use.
class IndexSet {
 public:
  /// Room for numbers below `count`.
  void make_room(std::size_t count) {
    if (count <= levels_[0].size() * 64) return;
    for (std::vector<std::uint64_t>& level : levels_) {
      count = (count + 63) / 64;
      if (level.size() < count) level.resize(count);
    }
  }

  /// Costs what is in it.
  void clear() {
    while (!empty()) take_largest();
  }
  bool empty() const { return levels_.back().empty() || levels_.back()[0] == 0; }

  /// True if the number was not there.
  bool add(std::uint32_t number) {
    std::uint64_t& first = levels_[0][number / 64];
    if ((first & bit_of(number)) != 0) return false;
    bool was_empty = first == 0;
    first |= bit_of(number);
    largest_word_ = std::max(largest_word_, number / 64);
    for (std::size_t level = 1; was_empty && level < levels_.size(); ++level) {
      number /= 64;
      std::uint64_t& word = levels_[level][number / 64];
      was_empty = word == 0;
      word |= bit_of(number);
    }
    return true;
  }

  /// Of a set that is not empty.
  std::uint32_t take_largest() {
    if (levels_[0][largest_word_] == 0) {
      largest_word_ = 0;
      for (std::size_t level = levels_.size(); level-- > 1;) {
        largest_word_ = largest_word_ * 64 + highest_bit(levels_[level][largest_word_]);
      }
    }
    const std::uint32_t number = largest_word_ * 64 + highest_bit(levels_[0][largest_word_]);
    std::uint32_t at = number;
    for (std::vector<std::uint64_t>& level : levels_) {
      std::uint64_t& word = level[at / 64];
      word &= ~bit_of(at);
      if (word != 0) break;
      at /= 64;
    }
    return number;
  }

 private:
  static std::uint64_t bit_of(std::uint32_t number) { return std::uint64_t{1} << (number % 64); }
  static std::uint32_t highest_bit(std::uint64_t word) {
    return 63 - static_cast<std::uint32_t>(std::countl_zero(word));
  }

  std::array<std::vector<std::uint64_t>, 6> levels_;  // 64^6 is more than there are 32-bit numbers
  std::uint32_t largest_word_ = 0;                    // of the lowest level: none behind it is set
};

}  // namespace tapeloom::inline TAPELOOM_ABI
