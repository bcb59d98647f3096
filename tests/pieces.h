// Writes pieces of nets beyond perceptrons, each at a width that is asked for, and checks what becomes of them.
#pragma once

#include <algorithm>
#include <cstdio>
#include <functional>
#include <random>
#include <span>
#include <vector>

#include "against_evaluate.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"

namespace tapeloom::test {

using Values = std::vector<Value>;

/// Writes a net with outputs of a layer for it to work on.
struct Writer {
  Tape tape;
  std::mt19937_64 random{5};
  Values x = tape.inputs("x", 5);

  Values layer(const Values& from, std::size_t outputs, const Activation& activation = linear) {
    return MLP(tape, from.size(), {{outputs, activation}}, uniform_initializer(random, -1.0, 1.0))(from);
  }
  Values parameters(std::size_t count, double first) {
    Values result;
    for (std::size_t i = 0; i < count; ++i) result.push_back(tape.parameter(first + 0.01 * static_cast<double>(i)));
    return result;
  }
  /// Row i of a matrix times a list as long.
  Value product(const Values& matrix, std::size_t i, std::span<const Value> list) {
    return dot(std::span(matrix).subspan(i * list.size(), list.size()), list);
  }
  /// (z - mean) / deviation, scaled and shifted.
  Values normalised(const Values& z, bool scaled = true) {
    const double n = static_cast<double>(z.size());
    const Value mean = sum(z) / n;
    Value variance = 0.0;
    for (const Value& each : z) variance = variance + square(each - mean);
    const Value scale = 1.0 / sqrt(variance / n + 1e-5);
    const Values gain = parameters(z.size(), 0.9), shift = parameters(z.size(), -0.1);
    Values result;
    for (std::size_t i = 0; i < z.size(); ++i) {
      const Value normal = (z[i] - mean) * scale;
      result.push_back(scaled ? gain[i] * normal + shift[i] : normal);
    }
    return result;
  }
  Values softmax(const Values& z) {
    Value largest = z[0];
    for (const Value& each : z) largest = max(largest, each);
    Values e;
    for (const Value& each : z) e.push_back(exp(each - largest));
    const Value total = sum(e);
    for (Value& each : e) each = each / total;
    return e;
  }
};

struct Piece {
  const char* name;
  std::function<Value(Writer&, std::size_t width)> loss;  // of one sample
};

/// The wider ones have no more instructions than the narrow ones; prints how many.
inline void expect_no_more_when_wider(std::span<const Piece> pieces) {
  for (const Piece& piece : pieces) {
    INFO(piece.name);
    std::size_t narrow = 0;
    for (const std::size_t width : {16, 21, 40, 96}) {
      Writer writer;
      const Value each = piece.loss(writer, width), loss = batch_mean(each);
      const std::size_t instructions = compile(loss).instructions.size();
      if (width < 40) narrow = std::max(narrow, instructions);
      INFO("width " << width);
      CHECK(instructions <= narrow);
    }
    std::printf("widths: %zu instructions, %s\n", narrow, piece.name);
  }
}

/// Loss, gradients and outputs are evaluate()'s, rolled or not, simplified or not.
inline void expect_pieces_like_evaluate(std::span<const Piece> pieces, std::span<const std::size_t> widths) {
  for (const Piece& piece : pieces) {
    INFO(piece.name);
    for (const std::size_t width : widths) {
      INFO("width " << width);
      Writer writer;
      const Value each = piece.loss(writer, width), loss = batch_mean(each);
      const std::vector<Value> outputs = {each};
      const std::vector<double> rows = some_numbers(5 * 33);
      for (const auto& [roll, simplify] : {std::pair(true, true), std::pair(true, false), std::pair(false, true)}) {
        INFO((roll ? "rolled" : "not rolled") << (simplify ? "" : ", not simplified"));
        CompileOptions options{.outputs = outputs, .input_gradients = true};
        options.roll = roll, options.simplify = simplify, options.verify = true;
        Executor<double> executor(compile(loss, options), {.max_samples = 33});
        expect_step_like_evaluate(executor, loss, outputs, rows, 33, 40000);
      }
    }
  }
}

}  // namespace tapeloom::test
