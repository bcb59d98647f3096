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

class Tape;

class Gradients {
 public:
  /// Zero unless something was added since the last clear().
  double operator[](NodeId node) const { return is_set(node.index) ? sums_[node.index] : 0.0; }
  void set(NodeId node, double gradient, std::size_t capacity);
  void add(NodeId node, double gradient, std::size_t capacity);
  /// Sets all to zero.
  void clear() { drop_from(0); }
  /// Forgets those of the nodes from that one on.
  void drop_from(std::uint32_t first);
  /// Adds `seed` times the derivatives of the root by every node it is reached from; see Value::backward.
  void sweep(const Tape& tape, NodeId root, double seed, std::size_t capacity);
  /// See Tape::micrograd_backward.
  void micrograd_sweep(const Tape& tape, NodeId root, std::size_t capacity);
  /// Those of nodes that go elsewhere; the places never lie behind (Tape::compact).
  void move(std::span<const std::uint32_t> places);

 private:
  bool is_set(std::uint32_t node) const { return node / 64 < set_.size() && (set_[node / 64] >> (node % 64) & 1) != 0; }
  /// Room for as many nodes as the tape has.
  void make_room(std::size_t capacity);
  void add_in_room(std::uint32_t node, double gradient);

  GrowingArray<double> sums_;        // of the nodes that are set
  std::vector<std::uint64_t> set_;   // a bit a node
  std::vector<std::uint32_t> list_;  // the nodes that are set
  // Of one sweep: the nodes to come, and their adjoints so far.
  IndexSet ahead_;
  GrowingArray<double> adjoints_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI
