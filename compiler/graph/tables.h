// Tables: which of several things are equal, by hashing; and what is said of few of many numbers, or of some.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "tapeloom/core/base/memory.h"

namespace tapeloom::inline TAPELOOM_ABI::compiler {

/// Mixes a word into a hash. The multiplier is 2^64 divided by the golden ratio.
inline std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15;
  return hash ^ hash >> 29;
}

/// Keeps things apart that its owner numbers 0, 1, 2 ... and holds: of equal ones, the first is entered. Hits are
/// compared in full.
///
/// Equal things are made of the same parts, and most parts are recent. So a thing goes, by its hash, to a line of slots
/// beside the lines of its latest part's neighbours, which are in the cache, and only what finds that line full goes to
/// an open-addressing table, which costs a visit to memory.
class UniqueTable {
 public:
  static constexpr std::uint32_t no_parts = UINT32_MAX;

  UniqueTable() = default;
  /// For things whose parts are numbered below `parts`.
  explicit UniqueTable(std::size_t parts) { lines_.resize((parts / things_a_line + 1) * line_slots, none); }

  /// The entered thing that equals `thing`, or `thing` itself, which is then entered. `latest` is the number of its
  /// latest part, or no_parts; equal(n) compares thing n with it, hash(n) is a hash of thing n.
  template <class Equal, class Hash>
  std::uint32_t find_or_enter(std::uint32_t thing, std::uint32_t latest, Equal&& equal, Hash&& hash) {
    const std::uint64_t own_hash = hash(thing);
    if (latest != no_parts) {
      const std::size_t first = latest / things_a_line * line_slots;
      if (first >= lines_.size()) lines_.resize(first + line_slots, none);
      for (std::size_t k = 0; k < line_slots; ++k) {
        std::uint32_t& slot = lines_[first + (own_hash + k) % line_slots];
        if (slot == none) return slot = thing;
        if (equal(slot)) return slot;
      }
    }
    if (2 * entered_ >= slots_.size()) grow(hash);
    std::uint32_t& slot = find(own_hash, equal);
    if (slot != none) return slot;
    ++entered_;
    return slot = thing;
  }

 private:
  static constexpr std::uint32_t none = UINT32_MAX;
  static constexpr std::size_t things_a_line = 8;
  static constexpr std::size_t line_slots = 16;

  /// The slot of an equal thing, or the free one where it belongs.
  template <class Equal>
  std::uint32_t& find(std::uint64_t hash, Equal&& equal) {
    for (std::size_t at = hash >> 8 & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at] == none || equal(slots_[at])) return slots_[at];
    }
  }

  template <class Hash>
  void grow(Hash&& hash) {
    LargeVector<std::uint32_t> old(slots_.empty() ? 16 : 2 * slots_.size(), none);
    old.swap(slots_);
    for (std::uint32_t thing : old) {
      if (thing != none) find(hash(thing), [](std::uint32_t) { return false; }) = thing;
    }
  }

  LargeVector<std::uint32_t> lines_;
  LargeVector<std::uint32_t> slots_;
  std::size_t entered_ = 0;  // so many of slots_ are taken
};

/// Gives numbers to keys, which are lists of words, in the order in which they first come.
class KeyNumbers {
 public:
  std::size_t size() const { return begin_.size(); }
  /// The number of a key; of a new one that is how many there were. `latest_part`: see UniqueTable.
  std::uint32_t number(std::span<const std::uint32_t> key, std::uint32_t latest_part = UniqueTable::no_parts) {
    const auto next = static_cast<std::uint32_t>(size());
    begin_.push_back(words_.size());
    words_.insert(words_.end(), key.begin(), key.end());
    const std::uint32_t known = table_.find_or_enter(
        next, latest_part, [&](std::uint32_t other) { return std::ranges::equal(words_of(other), key); },
        [&](std::uint32_t k) { return hash(words_of(k)); });
    if (known != next) words_.resize(begin_.back()), begin_.pop_back();
    return known;
  }

 private:
  std::span<const std::uint32_t> words_of(std::uint32_t number) const {
    const std::size_t end = number + 1 < begin_.size() ? begin_[number + 1] : words_.size();
    return std::span(words_).subspan(begin_[number], end - begin_[number]);
  }
  static std::uint64_t hash(std::span<const std::uint32_t> key) {
    std::uint64_t hash = key.size();
    for (std::uint32_t word : key) hash = mix(hash, word);
    return hash;
  }

  LargeVector<std::uint32_t> words_;  // of all keys, one after another
  LargeVector<std::size_t> begin_;    // of each
  UniqueTable table_;
};

/// A set of numbers below a limit, and how many of them are below one: two bits a number.
class RankedSet {
 public:
  RankedSet() = default;
  explicit RankedSet(std::size_t limit) : words_(limit / 64 + 1) {}

  void insert(std::size_t i) { words_[i / 64].bits |= std::uint64_t{1} << i % 64; }
  /// Once everything is inserted.
  void count() {
    std::uint32_t before = 0;
    for (Word& word : words_) {
      word.before = before;
      before += static_cast<std::uint32_t>(std::popcount(word.bits));
    }
  }
  bool contains(std::size_t i) const { return (words_[i / 64].bits >> i % 64 & 1) != 0; }
  /// requires: count().
  std::uint32_t below(std::size_t i) const {
    const Word& word = words_[i / 64];
    const std::uint64_t earlier = word.bits & ((std::uint64_t{1} << i % 64) - 1);
    return word.before + static_cast<std::uint32_t>(std::popcount(earlier));
  }

 private:
  struct Word {
    std::uint64_t bits = 0;
    std::uint32_t before = 0;  // how many earlier words have
  };
  LargeVector<Word> words_;
};

/// What a table of numbers says where it says something for few places: a bit and a half a place, and four bytes for
/// each number that is not `none`.
class SparseTable {
 public:
  static constexpr std::uint32_t none = UINT32_MAX;

  SparseTable() = default;
  explicit SparseTable(const LargeVector<std::uint32_t>& table) : some_(table.size()) {
    for (std::size_t i = 0; i < table.size(); ++i) {
      if (table[i] != none) some_.insert(i), numbers_.push_back(table[i]);
    }
    some_.count();
  }

  std::uint32_t operator[](std::size_t i) const { return some_.contains(i) ? numbers_[some_.below(i)] : none; }

 private:
  RankedSet some_;  // that have a number
  LargeVector<std::uint32_t> numbers_;
};

/// What is known of some of many things, by number: four bytes a thing, so that a look is one load. Walked by none.
template <class T>
class PartialTable {
 public:
  const T* find(std::uint32_t thing) const { return contains(thing) ? &facts_[place_[thing]] : nullptr; }
  T* find(std::uint32_t thing) { return contains(thing) ? &facts_[place_[thing]] : nullptr; }
  bool contains(std::uint32_t thing) const { return thing < place_.size() && place_[thing] != none; }
  bool empty() const { return facts_.empty(); }
  /// requires: nothing is known of it yet.
  void set(std::uint32_t thing, T fact) {
    if (thing >= place_.size()) place_.resize(std::size_t{thing} + 1, none);
    place_[thing] = static_cast<std::uint32_t>(facts_.size());
    facts_.push_back(std::move(fact));
  }

 private:
  static constexpr std::uint32_t none = UINT32_MAX;
  LargeVector<std::uint32_t> place_;  // of a thing's fact; as long as the last thing that has one wants
  std::vector<T> facts_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::compiler
