#pragma once

#include <span>
#include <string>
#include <vector>

#include "tapeloom/runtime/arena.h"

namespace tapeloom::inline v0_1 {

template <class T>
class ParameterBuffer {
  runtime::Arena<T> arena_;  // so that they begin on a cache line: each update reads and writes all of them

 public:
  explicit ParameterBuffer(std::size_t count) {
    const std::size_t piece = arena_.plan(count);
    arena_.allocate();
    numbers = {arena_.data(piece), count};
  }

  std::span<T> numbers;             ///< in recorded order
  std::vector<std::string> labels;  ///< of the same parameters, to tell whose they are
};

}  // namespace tapeloom::inline v0_1
