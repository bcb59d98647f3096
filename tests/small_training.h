// What tests of training share: a program, rows to train it with, and its numbers.
#pragma once

#include <span>
#include <vector>

#include "against_evaluate.h"
#include "tapeloom/runtime/train/fit_options.h"

namespace tapeloom::test {

constexpr std::size_t row_count = 23;

inline const std::vector<double>& rows() {
  static const std::vector<double> numbers = some_numbers(4 * row_count, 3);
  return numbers;
}

/// Of the small net, its loss and its prediction.
inline const Program& program() {
  static const Program compiled = [] {
    SmallNet net;
    return compile(net.loss, {.outputs = {net.prediction}});
  }();
  return compiled;
}

template <class T>
std::vector<T> numbers_of(std::span<const T> numbers) {
  return {numbers.begin(), numbers.end()};
}
template <class T>
std::vector<T> parameters_of(const Executor<T>& executor) {
  return numbers_of(executor.parameters());
}

/// A metric whose numbers are given, epoch after epoch.
inline Metric scripted(std::vector<double> numbers) {
  return {"scripted", [numbers, epoch = std::size_t{0}](auto, auto) mutable { return numbers.at(epoch++); }};
}

}  // namespace tapeloom::test
