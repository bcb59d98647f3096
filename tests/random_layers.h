// Layers of random perceptrons, in the many ways people write them.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "random_checks.h"

namespace tapeloom::test {

using Values = std::vector<Value>;

/// Makes layers. Whatever is drawn at random is drawn while a layer is made, so that every sample of a recording
/// without inputs goes through the same layer. Layers and activations refer to their writer.
class LayerWriter {
 public:
  LayerWriter(Random& random, Tape& tape) : random_(random), tape_(tape) {}

 protected:
  using Activation = std::function<Value(Value)>;
  using Layer = std::function<Values(const Values&)>;
  using Matrix = std::vector<Values>;

  double number(double lower, double upper) { return between(random_, lower, upper); }
  template <class List>
  auto& any(List& list) {
    return list[below(random_, std::size(list))];
  }
  Value parameter(double scale = 1.0) {
    parameters_.push_back(tape_.parameter(number(-scale, scale)));
    return parameters_.back();
  }
  void tell(const std::string& what) { story_ += what + "; "; }
  /// Weights of a layer: new, or used before as they are, transposed, sliding over one list, or picked anywhere.
  Matrix make_matrix(std::size_t outputs, std::size_t inputs) {
    const std::size_t way = below(random_, 12);
    for (const Matrix& old : matrices_) {
      if (way == 0 && old.size() == outputs && old[0].size() == inputs) return tell("shared"), old;
      if (way <= 2 && old.size() == inputs && old[0].size() == outputs) {
        Matrix turned(outputs);
        for (std::size_t i = 0; i < outputs; ++i) {
          for (std::size_t j = 0; j < inputs; ++j) turned[i].push_back(old[j][i]);
        }
        return tell("transposed"), turned;
      }
    }
    Matrix matrix(outputs);
    if (way == 3) {
      tell("convolution");
      Values kernel;
      for (std::size_t i = 0; i < outputs + inputs; ++i) kernel.push_back(parameter(0.7));
      for (std::size_t i = 0; i < outputs; ++i) {
        for (std::size_t j = 0; j < inputs; ++j) matrix[i].push_back(kernel[chance(random_, 0.02) ? 0 : i + j]);
      }
    } else if (way == 4 && !parameters_.empty()) {
      tell("picked weights");
      for (Values& row : matrix) {
        for (std::size_t j = 0; j < inputs; ++j) row.push_back(any(parameters_));
      }
    } else if (way == 5) {
      tell("weights by column");
      for (std::size_t j = 0; j < inputs; ++j) {
        for (Values& row : matrix) row.push_back(parameter(0.7));
      }
    } else {
      for (Values& row : matrix) {
        for (std::size_t j = 0; j < inputs; ++j) row.push_back(parameter(0.7));
      }
    }
    matrices_.push_back(matrix);
    return matrix;
  }

  Layer make_layer(std::size_t inputs, std::size_t outputs) {
    Matrix matrix = make_matrix(outputs, inputs);
    Values biases;
    const std::size_t bias = below(random_, 6), way = below(random_, 7);
    for (std::size_t i = 0; i < outputs; ++i) {
      biases.push_back(bias == 0 ? Value(0.25) : bias == 1 ? matrix[i][0] : bias == 2 ? Value(0.0) : parameter(0.5));
    }
    // Some neurons read less, or their inputs in another order.
    std::vector<std::vector<std::size_t>> reads(outputs);
    const bool ragged = chance(random_, 0.15), shuffled = chance(random_, 0.2);
    for (std::vector<std::size_t>& read : reads) {
      for (std::size_t j = 0; j < inputs; ++j) {
        if (!ragged || chance(random_, 0.7)) read.push_back(j);
      }
      if (shuffled) std::shuffle(read.begin(), read.end(), random_);
    }
    const bool swapped = chance(random_, 0.3), last = chance(random_, 0.4);
    tell("dense " + std::to_string(inputs) + "x" + std::to_string(outputs) + " way " + std::to_string(way) + " bias " +
         std::to_string(bias) + (ragged ? " ragged" : "") + (shuffled ? " shuffled" : ""));
    const std::vector<Activation> activations = make_activations(outputs);
    return [=](const Values& x) {
      Values out;
      for (std::size_t i = 0; i < outputs; ++i) {
        Values terms;
        if (!last) terms.push_back(biases[i]);
        for (std::size_t j : reads[i]) terms.push_back(swapped ? x[j] * matrix[i][j] : matrix[i][j] * x[j]);
        if (last || terms.empty()) terms.push_back(biases[i]);
        out.push_back(activations[i](add_up(terms, way)));
      }
      return out;
    };
  }

  static Value add_up(Values terms, std::size_t way) {
    Value total = terms[0];
    if (way == 1) {
      while (terms.size() > 1) {
        Values sums;
        for (std::size_t i = 0; i + 1 < terms.size(); i += 2) sums.push_back(terms[i] + terms[i + 1]);
        if (terms.size() % 2 == 1) sums.push_back(terms.back());
        terms = sums;
      }
      return terms[0];
    }
    if (way == 2) total = 0.0 + total;
    for (std::size_t i = 1; i < terms.size(); ++i) {
      if (way == 3 && i % 2 == 0) {
        total = total + terms[i] * -1.0;
      } else if (way == 4 && i % 3 == 0) {
        total = total - terms[i];
      } else {
        total = total + terms[i];
      }
    }
    return way == 5 ? total * -1.0 : way == 6 ? total * pow(Value(2.0), -1.0) : total;
  }

  Activation make_activation() {
    const std::vector<Activation> all = {
        [](Value x) { return x; },
        [](Value x) { return tanh(x); },
        [](Value x) { return sigmoid(x); },
        [](Value x) { return relu(x); },
        [](Value x) { return leaky_relu(x, 0.1); },
        [](Value x) { return softplus(x); },
        [](Value x) { return sin(x); },
        [](Value x) { return cos(x); },
        [](Value x) { return atan(x); },
        [](Value x) { return abs(x); },
        [](Value x) { return expm1(tanh(x)); },
        [](Value x) { return log1p(square(x)); },
        [](Value x) { return sqrt(square(x) + 0.25); },
        [](Value x) { return log(square(x) + 0.5); },
        [](Value x) { return pow(sigmoid(x), 1.5); },
        [](Value x) { return pow(tanh(x), 2.0); },
        [](Value x) { return pow(tanh(x), 3.0); },
        [](Value x) { return -tanh(x); },
        [](Value x) {
          const Value e = exp(2.0 * atan(x));
          return (e - 1.0) / (e + 1.0);
        },
        [](Value x) {
          const Value e = exp(2.0 * atan(x));
          return (e + -1.0) * pow(e + 1.0, -1.0);
        },
        [](Value x) { return 1.0 / (1.0 + exp(-tanh(x))); },
        [](Value x) { return max(x, 0.0); },
        [](Value x) { return where(x > 0.0, x, 0.2 * x); },
        [](Value x) { return min(max(x, -1.0), 1.0); },
    };
    return all[below(random_, all.size())];
  }
  std::vector<Activation> make_activations(std::size_t count) {
    const Activation usual = chance(random_, 0.4) ? Activation([](Value x) { return tanh(x); }) : make_activation();
    std::vector<Activation> list(count, usual);
    if (chance(random_, 0.15)) any(list) = make_activation();
    return list;
  }

  Random& random_;
  Tape& tape_;
  Values parameters_;
  std::vector<Matrix> matrices_;
  std::string story_;
};

}  // namespace tapeloom::test
