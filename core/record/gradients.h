// The gradients of a tape's nodes: what reverse sweeps on the tape have added up. Costs what the sweeps reach, not what
// the tape holds, and allocates nothing while the tape does not grow.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/base/ids.h"
#include "tapeloom/core/base/memory.h"

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
    words_ = levels_[0].data();
  }

  /// Costs what is in it.
  void clear() {
    while (!empty()) take_largest();
  }
  bool empty() const { return levels_.back().empty() || levels_.back()[0] == 0; }

  bool has(std::uint32_t number) const { return (words_[number / 64] & bit_of(number)) != 0; }
  /// True if the number was not there.
  bool add(std::uint32_t number) {
    const std::uint32_t at = number / 64;
    const std::uint64_t word = words_[at];
    if ((word & bit_of(number)) != 0) return false;
    words_[at] = word | bit_of(number);
    if (word == 0) begin_word(at);
    return true;
  }

  /// Of a set that is not empty.
  std::uint32_t take_largest() {
    if (words_[largest_word_] == 0) find_largest_word();
    const std::uint64_t word = words_[largest_word_];
    const std::uint32_t bit = highest_bit(word);
    words_[largest_word_] = word & ~(std::uint64_t{1} << bit);
    if (words_[largest_word_] == 0) end_word(largest_word_);
    return largest_word_ * 64 + bit;
  }

  /// Adds the numbers 64 at + i of the bits i of a word.
  void add_word(std::uint32_t at, std::uint64_t bits) {
    const std::uint64_t word = words_[at];
    words_[at] = word | bits;
    if (word == 0) begin_word(at);
  }

  /// The bits of 64 numbers from `first` on.
  std::uint64_t word_from(std::uint32_t first) const {
    const std::size_t at = first / 64;
    const std::uint32_t shift = first % 64;
    const std::uint64_t low = words_[at] >> shift;
    return shift == 0 || at + 1 == levels_[0].size() ? low : low | words_[at + 1] << (64 - shift);
  }

  /// Takes the words with numbers in them, from the largest down to the one with `first`, and calls f(at, bits).
  template <class F>
  void take_words(std::uint32_t first, F&& f) {
    while (!empty()) {
      if (words_[largest_word_] == 0) find_largest_word();
      const std::uint32_t at = largest_word_;
      if (at < first / 64) return;
      const std::uint64_t kept = at == first / 64 ? bit_of(first) - 1 : 0;
      const std::uint64_t taken = words_[at] & ~kept;
      words_[at] &= kept;
      if (words_[at] == 0) end_word(at);
      f(at, taken);
      if (kept != 0) return;
    }
  }

  /// Takes the largest number, again and again until the set is empty, and calls f(number, add), where add(smaller)
  /// adds that one; after all numbers of a word, word_done(at, bits). It keeps the word at hand, which is faster than
  /// take_largest() where numbers are near each other.
  template <class F, class G>
  void take_all(F&& f, G&& word_done) {
    while (!empty()) {
      if (words_[largest_word_] == 0) find_largest_word();
      const std::uint32_t at = largest_word_;
      std::uint64_t word = words_[at], taken = 0;
      const auto add_smaller = [&](std::uint32_t number) {
        if (number / 64 != at) return add(number);
        const bool is_new = (word & bit_of(number)) == 0;
        word |= bit_of(number);
        return is_new;
      };
      while (word != 0) {
        const std::uint32_t bit = highest_bit(word);
        word &= ~(std::uint64_t{1} << bit);
        taken |= std::uint64_t{1} << bit;
        f(at * 64 + bit, add_smaller);
      }
      words_[at] = 0;
      end_word(at);
      word_done(at, taken);
    }
  }

 private:
  static std::uint64_t bit_of(std::uint32_t number) { return std::uint64_t{1} << (number % 64); }
  static std::uint32_t highest_bit(std::uint64_t word) {
    return 63 - static_cast<std::uint32_t>(std::countl_zero(word));
  }

  // Words of the lowest level begin and end being other than zero: the levels above say so.
  void begin_word(std::uint32_t at) {
    largest_word_ = std::max(largest_word_, at);
    bool was_empty = true;
    for (std::size_t level = 1; was_empty && level < levels_.size(); ++level) {
      std::uint64_t& word = levels_[level][at / 64];
      was_empty = word == 0;
      word |= bit_of(at);
      at /= 64;
    }
  }
  void end_word(std::uint32_t at) {
    for (std::size_t level = 1; level < levels_.size(); ++level) {
      std::uint64_t& word = levels_[level][at / 64];
      word &= ~bit_of(at);
      if (word != 0) break;
      at /= 64;
    }
  }
  void find_largest_word() {
    largest_word_ = 0;
    for (std::size_t level = levels_.size(); level-- > 1;) {
      largest_word_ = largest_word_ * 64 + highest_bit(levels_[level][largest_word_]);
    }
  }

  std::array<std::vector<std::uint64_t>, 6> levels_;  // 64^6 is more than there are 32-bit numbers
  std::uint64_t* words_ = nullptr;                    // of the lowest level
  std::uint32_t largest_word_ = 0;                    // of the lowest level: none behind it is set
};

class Tape;

class Gradients {
 public:
  /// Zero unless something was added since the last clear().
  double operator[](NodeId node) const { return node.index < begun_ && set_.has(node.index) ? sums_[node.index] : 0.0; }
  void set(const Tape& tape, NodeId node, double gradient);
  void add(const Tape& tape, NodeId node, double gradient);
  /// Sets all to zero.
  void clear() { drop_from(0); }
  /// Forgets those of the nodes from that one on.
  void drop_from(std::uint32_t first);
  /// Adds `seed` times the derivatives of the root by every node it is reached from; see Value::backward.
  void sweep(const Tape& tape, NodeId root, double seed);
  /// See Tape::micrograd_backward.
  void micrograd_sweep(const Tape& tape, NodeId root);
  /// An empty set with room for the tape's nodes, until the next sweep.
  IndexSet& nodes_ahead(const Tape& tape);
  /// Those of nodes that go elsewhere (Tape::compact).
  void move(std::span<const std::uint32_t> places);

 private:
  /// Room for as many nodes as the tape has room for, and sums for those it has.
  void make_room(const Tape& tape);

  // Of the first `begun_` nodes. They begin at -0, to which anything may be added and nothing changes, -0 included.
  GrowingArray<double> sums_;
  std::uint32_t begun_ = 0;
  IndexSet set_;  // the nodes that something was added to
  // Of one sweep: the nodes to come, and their adjoints so far.
  IndexSet ahead_;
  GrowingArray<double> adjoints_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI
