#include "tapeloom/runtime/train/clip.h"

#include <array>
#include <cmath>
#include <cstddef>

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

/// Several sums side by side, which is what vector registers do.
template <class T>
double norm_of(std::span<const T> numbers) {
  constexpr std::size_t lanes = 16;
  std::array<double, lanes> sums{};
  std::size_t i = 0;
  for (; i + lanes <= numbers.size(); i += lanes) {
    for (std::size_t k = 0; k < lanes; ++k) {
      const auto g = static_cast<double>(numbers[i + k]);
      sums[k] += g * g;
    }
  }
  double total = 0.0;
  for (; i < numbers.size(); ++i) total += static_cast<double>(numbers[i]) * static_cast<double>(numbers[i]);
  for (double sum : sums) total += sum;
  return std::sqrt(total);
}

template <class T>
double clip_norm_of(std::span<T> gradients, double max_norm) {
  const double norm = norm_of(std::span<const T>(gradients));
  if (norm > max_norm && std::isfinite(norm)) {
    const T factor = static_cast<T>(max_norm / norm);
    for (T& g : gradients) g *= factor;
  }
  return norm;
}

template <class T>
void clip_value_of(std::span<T> gradients, double limit) {
  const T high = static_cast<T>(limit), low = -high;
  for (T& g : gradients) g = g > high ? high : g < low ? low : g;
}

}  // namespace

double gradient_norm(std::span<const float> gradients) { return norm_of(gradients); }
double gradient_norm(std::span<const double> gradients) { return norm_of(gradients); }
double clip_by_norm(std::span<float> gradients, double max_norm) { return clip_norm_of(gradients, max_norm); }
double clip_by_norm(std::span<double> gradients, double max_norm) { return clip_norm_of(gradients, max_norm); }
void clip_by_value(std::span<float> gradients, double limit) { clip_value_of(gradients, limit); }
void clip_by_value(std::span<double> gradients, double limit) { clip_value_of(gradients, limit); }

}  // namespace tapeloom::inline TAPELOOM_ABI
