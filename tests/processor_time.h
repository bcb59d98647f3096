// For tests of what grows with what, where nothing can be counted: time of the processor, which others' work does not
// add to, and ratios far from what a mistake would give.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <ctime>

namespace tapeloom::test {

/// Seconds of this process since it was made.
class ProcessorTime {
 public:
  double seconds() const { return static_cast<double>(std::clock() - start_) / CLOCKS_PER_SEC; }

 private:
  std::clock_t start_ = std::clock();
};

/// Whether seconds(many) is less than `times` times seconds(few), at least in one of some attempts: on a loaded machine
/// a measurement may be far off, and what grows with the square takes too long in all of them.
template <class Seconds>
bool grows_less(Seconds&& seconds, std::size_t few, std::size_t many, double times) {
  double of_few = 0.0, of_many = 0.0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    of_few = std::fmax(std::fmin(seconds(few), seconds(few)), 1e-4);
    of_many = seconds(many);
    if (of_many < times * of_few) return true;
  }
  std::printf("%.2g s for %zu, %.2g s for %zu\n", of_few, few, of_many, many);
  return false;
}

}  // namespace tapeloom::test
