// Sums over all parameters.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "tapeloom/core/base/export.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// sum_i a_i b_i, of as many of both, added up in double in an order that depends on their number only: several sums
/// side by side, which is what vector registers do.
template <class T>
double dot(std::span<const T> a, std::span<const T> b) {
  constexpr std::size_t lanes = 16;
  std::array<double, lanes> sums{};
  std::size_t i = 0;
  for (; i + lanes <= a.size(); i += lanes) {
    for (std::size_t k = 0; k < lanes; ++k) sums[k] += static_cast<double>(a[i + k]) * static_cast<double>(b[i + k]);
  }
  double total = 0.0;
  for (; i < a.size(); ++i) total += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  for (double sum : sums) total += sum;
  return total;
}

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
