// For tests of what grows with what, where nothing can be counted: time of the processor, which others' work does not
// add to, and ratios far from what a mistake would give.
#pragma once

#include <ctime>

namespace tapeloom::test {

/// Seconds of this process since it was made.
class ProcessorTime {
 public:
  double seconds() const { return static_cast<double>(std::clock() - start_) / CLOCKS_PER_SEC; }

 private:
  std::clock_t start_ = std::clock();
};

}  // namespace tapeloom::test
