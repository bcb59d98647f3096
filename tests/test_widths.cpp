// Pieces of nets beyond perceptrons, each at several widths: the number of instructions stays the same, and loss,
// gradients and outputs are evaluate()'s.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <random>

#include "against_evaluate.h"
#include "tapeloom/core/loss.h"
#include "tapeloom/core/nn.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

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

const Piece pieces[] = {
    {"layer norm", [](Writer& w, std::size_t n) { return square(w.layer(w.normalised(w.layer(w.x, n)), 1)[0]); }},
    {"layer norm, not scaled",
     [](Writer& w, std::size_t n) { return square(w.layer(w.normalised(w.layer(w.x, n), false), 1)[0]); }},
    {"residual blocks of normalised values",
     [](Writer& w, std::size_t n) {
       Values h = w.layer(w.x, n);
       for (int block = 0; block < 2; ++block) {
         const Values change = w.layer(w.normalised(h), n, relu);
         for (std::size_t i = 0; i < n; ++i) h[i] = h[i] + change[i];
       }
       return square(w.layer(h, 1)[0]);
     }},
    {"gains that two operands share",
     [](Writer& w, std::size_t n) {
       const Values a = w.layer(w.x, n), b = w.layer(w.x, n, tanh), p = w.parameters(n, 0.3), q = w.parameters(n, -0.4);
       Value total = 0.0;
       for (std::size_t i = 0; i < n; ++i) total = total + square(p[i] * a[i] + q[i] * b[i] - 0.5);
       return total;
     }},
    {"cosine of two layers",
     [](Writer& w, std::size_t n) {
       const Values a = w.layer(w.x, n), b = w.layer(w.x, n);
       return dot(a, b) / sqrt(dot(a, a) * dot(b, b) + 0.01);
     }},
    {"attention over many keys",
     [](Writer& w, std::size_t n) {
       const Values q = w.layer(w.x, 3), keys = w.layer(w.x, 3 * n), values = w.layer(w.x, 3 * n, tanh);
       Values scores;
       for (std::size_t i = 0; i < n; ++i) scores.push_back(dot(q, std::span(keys).subspan(3 * i, 3)) * 0.5);
       const Values p = w.softmax(scores);
       Value total = 0.0;
       for (std::size_t j = 0; j < 3; ++j) {
         Value mixed = 0.0;
         for (std::size_t i = 0; i < n; ++i) mixed = mixed + p[i] * values[3 * i + j];
         total = total + square(tanh(mixed) - 0.1);
       }
       return total;
     }},
    {"a recurrent net with inputs at each step",
     [](Writer& w, std::size_t n) {
       const Values of_x = w.parameters(2 * n, -0.5), of_h = w.parameters(n * n, -0.3), b = w.parameters(n, 0.1);
       Values h = w.parameters(n, 0.2);
       for (std::size_t step = 0; step < 3; ++step) {
         const auto x = std::span<const Value>(w.x).subspan(step, 2);
         Values next;
         for (std::size_t i = 0; i < n; ++i) {
           next.push_back(tanh(w.product(of_x, i, x) + w.product(of_h, i, h) + b[i]));
         }
         h = next;
       }
       return square(w.layer(h, 1)[0]);
     }},
    {"a cell with four gates, from a state of zeros",
     [](Writer& w, std::size_t n) {
       Values of_x[4], of_h[4], b[4];
       for (int gate = 0; gate < 4; ++gate) {
         const double first = -0.4 + 0.1 * gate;
         of_x[gate] = w.parameters(2 * n, first), of_h[gate] = w.parameters(n * n, first - 0.1);
         b[gate] = w.parameters(n, first);
       }
       Values h(n, Value(0.0)), c = h;
       for (std::size_t step = 0; step < 3; ++step) {
         const auto x = std::span<const Value>(w.x).subspan(step, 2);
         Values z[4];
         for (int gate = 0; gate < 4; ++gate) {
           for (std::size_t i = 0; i < n; ++i) {
             z[gate].push_back(w.product(of_x[gate], i, x) + w.product(of_h[gate], i, h) + b[gate][i]);
           }
         }
         for (std::size_t i = 0; i < n; ++i) {
           c[i] = sigmoid(z[0][i]) * c[i] + sigmoid(z[1][i]) * tanh(z[2][i]);
           h[i] = sigmoid(z[3][i]) * tanh(c[i]);
         }
       }
       return square(w.layer(h, 1)[0]);
     }},
    {"a layer of sines and cosines by turns",
     [](Writer& w, std::size_t n) {
       Values features;
       for (const Value& each : w.layer(w.x, n)) features.insert(features.end(), {sin(each), cos(each)});
       return square(w.layer(w.layer(features, n, tanh), 1)[0]);
     }},
    {"a layer of three activations by turns",
     [](Writer& w, std::size_t n) {
       Values z = w.layer(w.x, n);
       for (std::size_t i = 0; i < n; ++i) z[i] = i % 3 == 0 ? tanh(z[i]) : i % 3 == 1 ? relu(z[i]) : sin(z[i]);
       return square(w.layer(w.layer(z, n, tanh), 1)[0]);
     }},
    {"the same activations recorded again",
     [](Writer& w, std::size_t n) {
       const Values z = w.layer(w.x, n);
       Value total = 0.0;
       for (const Value& each : z) total = total + tanh(each) * tanh(each) + (each - z[0]) * exp(each - z[0]);
       return total;
     }},
};

}  // namespace

TEST_CASE("widths: the number of instructions does not depend on them") {
  for (const Piece& piece : pieces) {
    INFO(piece.name);
    std::size_t few = 0;
    for (const std::size_t width : {16, 21, 40, 96}) {
      Writer writer;
      const Value each = piece.loss(writer, width), loss = batch_mean(each);
      const Program program = compile(loss);
      if (few == 0) few = program.instructions.size();
      CHECK(program.instructions.size() == few);
    }
    std::printf("widths: %zu instructions, %s\n", few, piece.name);
  }
}

TEST_CASE(
    "widths: a layer whose inputs come in another order takes an instruction more for each, not for each weight") {
  const auto instructions = [](std::size_t width) {
    Writer w;
    Values z = w.layer(w.x, width, tanh);
    std::shuffle(z.begin(), z.end(), w.random);
    const Value each = square(w.layer(w.layer(z, width, tanh), 1)[0]), loss = batch_mean(each);
    const std::vector<Value> outputs = {each};
    const std::vector<double> rows = some_numbers(5 * 33);
    Executor<double> executor(compile(loss, {.outputs = outputs, .input_gradients = true}), {.max_samples = 33});
    expect_step_like_evaluate(executor, loss, outputs, rows, 33, 40000);
    return executor.program().instructions.size();
  };
  CHECK(instructions(64) <= 40 + 2 * 64);
}

TEST_CASE("widths: what is computed is what evaluate() computes") {
  for (const Piece& piece : pieces) {
    INFO(piece.name);
    for (const std::size_t width : {1, 2, 3, 16, 21}) {
      INFO("width " << width);
      Writer writer;
      const Value each = piece.loss(writer, width), loss = batch_mean(each);
      const std::vector<Value> outputs = {each};
      const std::vector<double> rows = some_numbers(5 * 33);
      for (const bool simplify : {true, false}) {
        CompileOptions options{.outputs = outputs, .input_gradients = true, .simplify = simplify, .verify = true};
        Executor<double> executor(compile(loss, options), {.max_samples = 33});
        expect_step_like_evaluate(executor, loss, outputs, rows, 33, 40000);
      }
    }
  }
}
