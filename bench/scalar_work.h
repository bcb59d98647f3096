// The irregular expression as a piece of work: its rows, and how it is recorded.
#pragma once

#include <cstddef>
#include <random>
#include <utility>
#include <vector>

#include <tapeloom/tapeloom.h>
#include "bench/scalar_expression.h"

namespace tapeloom::bench {

/// `samples` rows of numbers in [-1, 1), rounded to float, so that both precisions start at the same.
inline std::vector<double> random_rows(const ScalarExpression& expression, std::size_t samples) {
  std::mt19937_64 generator(3);
  std::vector<double> rows(samples * expression.inputs);
  for (double& x : rows) x = static_cast<double>(static_cast<float>(2.0 * random_unit(generator) - 1.0));
  return rows;
}

/// Its mean over the samples, of the input group "x".
inline Value record_expression(Tape& tape, const ScalarExpression& expression) {
  std::vector<Value> numbers = tape.inputs("x", expression.inputs);
  for (const double p : expression.parameters) numbers.push_back(tape.parameter(p));
  return batch_mean(evaluate_expression(expression, std::move(numbers)));
}

}  // namespace tapeloom::bench
