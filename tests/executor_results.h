// What tests of executors share: the small net's executor, and everything that a step gives.
#pragma once

#include <span>
#include <vector>

#include "against_evaluate.h"

namespace tapeloom::test {

template <class T>
std::vector<T> copied(std::span<const T> numbers) {
  return {numbers.begin(), numbers.end()};
}

/// Columns [first, first + count) of rows of four numbers.
inline std::vector<double> columns(const std::vector<double>& rows, std::size_t first, std::size_t count) {
  std::vector<double> part;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i % 4 >= first && i % 4 < first + count) part.push_back(rows[i]);
  }
  return part;
}

/// Everything a step gave, to compare steps bit for bit.
template <class T>
std::vector<T> results(const Executor<T>& executor) {
  std::vector<T> all = {executor.loss()};
  for (auto list : {executor.gradients(), executor.outputs()}) all.insert(all.end(), list.begin(), list.end());
  if (executor.program().has_input_gradients) {
    const auto list = executor.input_gradients();
    all.insert(all.end(), list.begin(), list.end());
  }
  return all;
}

template <class T>
Executor<T> executor_of(SmallNet& net, std::size_t max_samples = 64) {
  return Executor<T>(compile(net.loss, {.outputs = {net.prediction}, .input_gradients = true}),
                     {.max_samples = max_samples});
}

}  // namespace tapeloom::test
