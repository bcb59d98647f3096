// The stream of Python's `random` module: random.seed(integer), random.random(), random.uniform(a, b).
//
// Generator: Matsumoto & Nishimura, "Mersenne Twister", ACM TOMACS 8 (1998), with the seeding by array of their 2002
// revision (init_by_array). Python seeds it with the 32-bit words of the integer's magnitude, lowest first, and makes a
// double in [0, 1) from two outputs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tapeloom::examples {

class PythonRandom {
 public:
  /// As random.seed(seed): a negative seed gives the stream of its magnitude.
  explicit PythonRandom(std::int64_t seed) {
    // Negation in unsigned arithmetic, so that the smallest integer has a magnitude too.
    const std::uint64_t magnitude = seed < 0 ? -static_cast<std::uint64_t>(seed) : static_cast<std::uint64_t>(seed);
    const std::array<std::uint32_t, 2> key = {static_cast<std::uint32_t>(magnitude),
                                              static_cast<std::uint32_t>(magnitude >> 32)};
    init_by_array(key, key[1] == 0 ? 1 : 2);
  }

  /// A multiple of 2^-53 in [0, 1).
  double random() {
    const std::uint32_t high = next() >> 5;  // 27 bits
    const std::uint32_t low = next() >> 6;   // 26 bits
    return (high * 67108864.0 + low) / 9007199254740992.0;
  }

  double uniform(double a, double b) { return a + (b - a) * random(); }

 private:
  static constexpr std::size_t n = 624, m = 397;

  void init(std::uint32_t seed) {
    state_[0] = seed;
    for (std::size_t i = 1; i < n; ++i) {
      state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + static_cast<std::uint32_t>(i);
    }
  }

  void init_by_array(const std::array<std::uint32_t, 2>& key, std::size_t length) {
    init(19650218u);
    std::size_t i = 1, j = 0;
    const auto advance = [&] {
      if (++i == n) {
        state_[0] = state_[n - 1];
        i = 1;
      }
    };
    for (std::size_t k = 0; k < n; ++k) {  // n is longer than any key here
      state_[i] =
          (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * 1664525u)) + key[j] + static_cast<std::uint32_t>(j);
      j = (j + 1) % length;
      advance();
    }
    for (std::size_t k = 0; k < n - 1; ++k) {
      state_[i] = (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * 1566083941u)) - static_cast<std::uint32_t>(i);
      advance();
    }
    state_[0] = 0x80000000u;
    position_ = n;
  }

  void refill() {
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint32_t joined = (state_[i] & 0x80000000u) | (state_[(i + 1) % n] & 0x7fffffffu);
      state_[i] = state_[(i + m) % n] ^ (joined >> 1) ^ ((joined & 1u) * 0x9908b0dfu);
    }
    position_ = 0;
  }

  std::uint32_t next() {
    if (position_ == n) refill();
    std::uint32_t y = state_[position_++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
  }

  std::array<std::uint32_t, n> state_;
  std::size_t position_ = n;
};

}  // namespace tapeloom::examples
