// A table that says something for few places.
#pragma once

#include <bit>
#include <cstdint>

#include "tapeloom/core/base/memory.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// What a table of numbers says where it says something for few places: a bit and a half a place, and four bytes for
/// each number that is not `none`.
class SparseTable {
 public:
  static constexpr std::uint32_t none = UINT32_MAX;

  SparseTable() = default;
  explicit SparseTable(const LargeVector<std::uint32_t>& table) : words_((table.size() + 63) / 64) {
    for (std::size_t i = 0; i < table.size(); ++i) {
      if (i % 64 == 0) words_[i / 64].before = static_cast<std::uint32_t>(numbers_.size());
      if (table[i] == none) continue;
      words_[i / 64].bits |= std::uint64_t{1} << i % 64;
      numbers_.push_back(table[i]);
    }
  }

  std::uint32_t operator[](std::size_t i) const {
    const Word& word = words_[i / 64];
    const std::uint64_t bits = word.bits >> i % 64;
    if ((bits & 1) == 0) return none;
    const std::uint64_t before = word.bits & ((std::uint64_t{1} << i % 64) - 1);
    return numbers_[word.before + static_cast<std::size_t>(std::popcount(before))];
  }

 private:
  struct Word {
    std::uint64_t bits = 0;    // of 64 places: those with a number
    std::uint32_t before = 0;  // how many numbers earlier places have
  };
  LargeVector<Word> words_;
  LargeVector<std::uint32_t> numbers_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
