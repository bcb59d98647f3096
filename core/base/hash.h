// A hash of numbers and texts that is the same in every run and on every machine: FNV-1a over 64 bits.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

#include "tapeloom/version.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// http://www.isthe.com/chongo/tech/comp/fnv/, byte by byte. No defence against somebody who looks for equal hashes.
class Hash {
 public:
  /// Eight bytes, the lowest first.
  void add(std::uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) add_byte(static_cast<unsigned char>(number >> shift));
  }
  /// Its bits, so 0 and -0 differ.
  void add(double number) { add(std::bit_cast<std::uint64_t>(number)); }
  /// The bytes alone: where texts follow one another, add their sizes, too.
  void add(std::string_view bytes) {
    for (const char byte : bytes) add_byte(static_cast<unsigned char>(byte));
  }
  std::uint64_t value() const { return state_; }

 private:
  void add_byte(unsigned char byte) { state_ = (state_ ^ byte) * 0x100000001b3; }

  std::uint64_t state_ = 0xcbf29ce484222325;
};

}  // namespace tapeloom::inline TAPELOOM_ABI
