// Heads of attention over some tokens, of which each of several tests looks at something else.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "against_evaluate.h"
#include "tapeloom/core/nets/attention.h"
#include "tapeloom/core/record/functions.h"

namespace tapeloom::test {

using Vectors = std::vector<std::vector<Value>>;

inline Vectors parameter_rows(Tape& tape, std::size_t rows, std::size_t columns, std::uint64_t seed) {
  const std::vector<double> numbers = some_numbers(rows * columns, seed);
  Vectors matrix(rows);
  for (std::size_t i = 0; i < numbers.size(); ++i) matrix[i / columns].push_back(tape.parameter(numbers[i]));
  return matrix;
}

/// The outputs of all tokens. These are inputs, or numbers that were recorded.
inline std::vector<Value> record_attention(Tape& tape, std::size_t tokens, std::size_t width, std::size_t heads,
                                           bool causal, bool recorded = false) {
  const Vectors wq = parameter_rows(tape, width, width, 2), wk = parameter_rows(tape, width, width, 3),
                wv = parameter_rows(tape, width, width, 4);
  const auto times = [](const Vectors& matrix, const std::vector<Value>& x) {
    std::vector<Value> y;
    for (const std::vector<Value>& row : matrix) y.push_back(dot(row, x));
    return y;
  };
  const std::vector<double> numbers = some_numbers(tokens * width, 5);
  Vectors q, k, v;
  for (std::size_t t = 0; t < tokens; ++t) {
    std::vector<Value> x;
    if (!recorded) x = tape.inputs("token " + std::to_string(t), width);
    for (std::size_t c = 0; recorded && c < width; ++c) x.push_back(tape.constant(numbers[t * width + c]));
    q.push_back(times(wq, x)), k.push_back(times(wk, x)), v.push_back(times(wv, x));
  }
  const std::size_t each = width / heads;
  std::vector<Value> outputs;
  for (std::size_t h = 0; h < heads; ++h) {
    const auto part = [&](const Vectors& all) {
      Vectors list;
      for (const std::vector<Value>& one : all) list.emplace_back(&one[h * each], &one[h * each] + each);
      return list;
    };
    for (const auto& mixed : scaled_dot_product_attention(part(q), part(k), part(v), {.causal = causal})) {
      outputs.insert(outputs.end(), mixed.begin(), mixed.end());
    }
  }
  return outputs;
}

}  // namespace tapeloom::test
