// Random orders of rows, the same on every platform.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tapeloom/core/base/export.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// SplitMix64: Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, figure 16. A
/// standard uniform random bit generator, so it also serves glorot() and he().
class TAPELOOM_API SplitMix64 {
 public:
  using result_type = std::uint64_t;
  explicit SplitMix64(std::uint64_t seed = 0) : state_(seed) {}
  static constexpr std::uint64_t min() { return 0; }
  static constexpr std::uint64_t max() { return UINT64_MAX; }
  std::uint64_t operator()();
  /// Uniform in 0, ..., count - 1; count must not be zero.
  std::uint64_t below(std::uint64_t count);

 private:
  std::uint64_t state_;
};

/// Puts the rows into a random order that depends on their present order, the seed and the epoch only.
TAPELOOM_API void shuffle_rows(std::span<std::uint32_t> rows, std::uint64_t seed, std::uint64_t epoch);

/// Row numbers to train with and others to validate with.
struct Split {
  std::vector<std::uint32_t> training;
  std::vector<std::uint32_t> validation;
};

/// Chooses round(fraction * rows) of the rows 0, ..., rows - 1 for validation, at least one if the fraction is above
/// zero; both lists ascend. Throws BindError for a fraction outside [0, 1) and if no row is left to train with.
TAPELOOM_API Split split_rows(std::size_t rows, double fraction, std::uint64_t seed);

}  // namespace tapeloom::inline TAPELOOM_ABI
