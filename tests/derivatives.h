// What tests of derivatives as Values share.
#pragma once

#include <span>
#include <vector>

#include "tapeloom/core/record/functions.h"

namespace tapeloom::test {

inline std::vector<double> numbers(std::span<const Value> values) {
  std::vector<double> result;
  for (const Value& value : values) result.push_back(value.data());
  return result;
}

/// Five functions of two values each that are wrapped in one another.
inline Value nested(Value x, Value y) {
  return tanh(x * y) + exp(x / (y * y + 1.0)) * sigmoid(y) - log(square(x) + 0.5) * sin(y) + pow(square(y) + 0.1, x);
}

}  // namespace tapeloom::test
