// Draws that are the same on every platform.
#pragma once

#include <cstddef>
#include <random>

namespace tapeloom::test {

using Random = std::mt19937_64;

inline std::size_t below(Random& random, std::size_t bound) { return static_cast<std::size_t>(random() % bound); }
inline bool chance(Random& random, double probability) {
  return static_cast<double>(random() >> 11) * 0x1p-53 < probability;
}
inline double between(Random& random, double lower, double upper) {
  return lower + (upper - lower) * (static_cast<double>(random() >> 11) * 0x1p-53);
}

}  // namespace tapeloom::test
