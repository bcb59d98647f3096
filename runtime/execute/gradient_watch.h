// Where to look, after a step, for gradients that are not finite.
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

#include "tapeloom/core/program/program.h"
#include "tapeloom/runtime/kernels/kernels.h"

namespace tapeloom::inline TAPELOOM_ABI::runtime {

/// Not all of them need to be looked at. Entry (i, j) of the total of a product of rows, sum_s y_i(s) x_j(s), is NaN
/// because y_i or x_j is not finite for some sample, and then entry (i, 0) or (0, j) is not finite either: the first
/// row and the first column stand for the matrix, and for the sums of the y_i, which a layer's biases have; unless
/// something else is added to them. (Where finite numbers overflow, it is not found; a step with products that skip
/// zeros would not change that.)
class GradientWatch {
 public:
  explicit GradientWatch(const Program& program);

  /// Of the uniform slots after a step: false if a gradient is NaN for another reason than overflow of a sum, or is
  /// infinite.
  template <class T>
  bool all_finite(const KernelTable<T>& kernels, const T* uniform) const {
    for (const Run& run : runs_) {
      if (run.step == 1) {
        if (!kernels.all_finite(uniform + run.slot, run.count)) return false;
        continue;
      }
      T nothing(0);  // stays that, or becomes NaN
      const T* number = uniform + run.slot;
      for (std::uint32_t n = 0; n < run.count; ++n, number += run.step) nothing += *number - *number;
      if (nothing != T(0)) return false;
    }
    return true;
  }

 private:
  /// Uniform slots, `step` apart.
  struct Run {
    std::uint32_t slot, count, step;
    friend auto operator<=>(const Run&, const Run&) = default;
  };

  void watch_products(const Program& program, std::vector<bool>& watched);
  static void watch_additions(const Program& program, std::vector<bool>& watched);

  std::vector<Run> runs_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI::runtime
