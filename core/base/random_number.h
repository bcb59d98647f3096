// Random numbers by counter: each is a function of where it is used, so that neither the order in which they are asked
// for nor the number of threads matters.
#pragma once

#include <cstdint>

#include "tapeloom/version.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace detail {

/// The finaliser of SplitMix64: Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
[[gnu::always_inline]] constexpr std::uint64_t mix_bits(std::uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

/// The state `count` steps behind `state` of that generator, mixed.
[[gnu::always_inline]] constexpr std::uint64_t random_bits(std::uint64_t state, std::uint64_t count) {
  return mix_bits(state + (count + 1) * 0x9e3779b97f4a7c15);
}

/// Where the numbers of a column's samples begin: the sample s has random_bits(stream, s).
[[gnu::always_inline]] constexpr std::uint64_t random_stream(std::uint64_t seed, std::uint64_t step,
                                                             std::uint64_t column) {
  return random_bits(random_bits(mix_bits(seed), step), column);
}

/// Uniform in [0, 1): the highest bits, as many as the type has digits.
template <class T>
[[gnu::always_inline]] constexpr T to_unit_interval(std::uint64_t bits) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return static_cast<T>(static_cast<std::int32_t>(bits >> 40)) * T{0x1p-24};
  } else {
    return static_cast<T>(static_cast<std::int64_t>(bits >> 11)) * T{0x1p-53};
  }
}

}  // namespace detail

/// The number of the `column`-th random leaf of a recording for a sample of a step, as an Executor<T> has it.
template <class T = double>
[[gnu::always_inline]] constexpr T random_number(std::uint64_t seed, std::uint64_t step, std::uint64_t column,
                                                 std::uint64_t sample) {
  return detail::to_unit_interval<T>(detail::random_bits(detail::random_stream(seed, step, column), sample));
}

}  // namespace tapeloom::inline TAPELOOM_ABI
