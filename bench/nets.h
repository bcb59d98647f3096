// The networks that both designs are timed on, and one training step of each design: forward, loss, backward, update by
// plain gradient descent. What both compute is stated once, in Net, and compared before anything is timed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <tapeloom/tapeloom.h>
#include "bench/closure_baseline.h"

namespace tapeloom::bench {

/// The mean over the samples of: the squared errors of all outputs; relu(1 - target * score); -log
/// softmax(outputs)[target], with the target a class number; or the squared residual of an equation that the output
/// u(x, t) of two inputs is to solve, u_tt + 0.1 u_t + u u_x - u_xx = 0, which takes no targets. The closure design
/// has no derivatives to write the last one with.
enum class LossKind { squared, hinge, cross_entropy, equation };

/// A multilayer perceptron with its loss.
struct Net {
  std::string name;
  std::size_t inputs;
  std::vector<std::size_t> widths;
  closure::Activation hidden, last;
  LossKind loss;
  double l2 = 0.0;  ///< added to the loss: l2 * sum of the parameters' squares

  std::size_t targets() const {
    switch (loss) {
      case LossKind::squared:
        return widths.back();
      case LossKind::hinge:
      case LossKind::cross_entropy:
        return 1;
      case LossKind::equation:
        return 0;
    }
    throw std::invalid_argument("Net: an unknown loss");
  }
  std::size_t parameter_count() const {
    std::size_t count = 0, fan_in = inputs;
    for (const std::size_t width : widths) {
      count += width * (fan_in + 1);
      fan_in = width;
    }
    return count;
  }
};

/// Rows of a net's inputs and of its targets, row-major.
struct Data {
  std::size_t samples;
  std::vector<double> x, y;
};

/// Uniform in [-r, r], r = 1 / sqrt(inputs of the neuron); each neuron's weights, then its bias.
inline std::vector<double> initial_parameters(const Net& net, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<double> numbers;
  std::size_t fan_in = net.inputs;
  for (const std::size_t width : net.widths) {
    const double radius = 1.0 / std::sqrt(static_cast<double>(fan_in));
    for (std::size_t i = 0; i < width * (fan_in + 1); ++i) {
      numbers.push_back(radius * (2.0 * random_unit(generator) - 1.0));
    }
    fan_in = width;
  }
  return numbers;
}

/// Inputs uniform in [-1, 1]; targets of the kind the net's loss takes.
inline Data make_random_data(const Net& net, std::size_t samples, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  Data data{samples, std::vector<double>(samples * net.inputs), std::vector<double>(samples * net.targets())};
  for (double& x : data.x) x = 2.0 * random_unit(generator) - 1.0;
  for (double& y : data.y) {
    const double u = random_unit(generator);
    y = net.loss == LossKind::cross_entropy ? std::floor(u * static_cast<double>(net.widths.back()))
                                            : (u < 0.5 ? -1.0 : 1.0);
  }
  return data;
}

// --- the closure design ----------------------------------------------------------------------------------------------

/// Trains a net in the closure design, in double. Builds the graph anew in every step.
class ClosureTrainer {
 public:
  /// `parameters` are in the order of initial_parameters().
  ClosureTrainer(const Net& net, std::span<const double> parameters)
      : net_(net), mlp_(net.inputs, net.widths, net.hidden, net.last, reader(parameters)), all_(mlp_.parameters()) {
    if (parameters.size() != all_.size()) throw std::invalid_argument("ClosureTrainer: wrong number of parameters");
  }

  /// One step on `samples` rows of inputs and targets. Returns the loss before the update.
  double step(std::span<const double> x, std::span<const double> y, std::size_t samples, double learning_rate) {
    const closure::Value total = loss(x, y, samples);
    for (const closure::Value& p : all_) p.set_grad(0.0);
    total.backward();
    for (const closure::Value& p : all_) p.set_data(p.data() - learning_rate * p.grad());
    return total.data();
  }
  double step(const Data& data, double learning_rate) { return step(data.x, data.y, data.samples, learning_rate); }

  /// Of the last step.
  std::vector<double> gradients() const {
    std::vector<double> numbers;
    for (const closure::Value& p : all_) numbers.push_back(p.grad());
    return numbers;
  }
  std::vector<double> parameters() const {
    std::vector<double> numbers;
    for (const closure::Value& p : all_) numbers.push_back(p.data());
    return numbers;
  }

 private:
  static closure::Generator reader(std::span<const double> numbers) {
    return [numbers, next = std::size_t{0}]() mutable { return next < numbers.size() ? numbers[next++] : 0.0; };
  }

  closure::Value loss(std::span<const double> x, std::span<const double> y, std::size_t samples) const {
    closure::Value total = 0.0;
    for (std::size_t i = 0; i < samples; ++i) {
      const std::span<const double> row = x.subspan(i * net_.inputs, net_.inputs);
      total = total + sample_loss(mlp_({row.begin(), row.end()}), y.subspan(i * net_.targets(), net_.targets()));
    }
    total = total * (1.0 / static_cast<double>(samples));
    if (net_.l2 == 0.0) return total;
    closure::Value squares = 0.0;
    for (const closure::Value& p : all_) squares = squares + p * p;
    return total + net_.l2 * squares;
  }

  closure::Value sample_loss(const std::vector<closure::Value>& outputs, std::span<const double> target) const {
    closure::Value total = 0.0;
    switch (net_.loss) {
      case LossKind::squared:
        for (std::size_t k = 0; k < outputs.size(); ++k) total = total + pow(outputs[k] - target[k], 2.0);
        break;
      case LossKind::hinge:
        total = relu(1.0 - target[0] * outputs[0]);
        break;
      case LossKind::cross_entropy: {
        double largest = -std::numeric_limits<double>::infinity();
        for (const closure::Value& output : outputs) largest = std::max(largest, output.data());
        for (const closure::Value& output : outputs) total = total + exp(output - largest);
        total = log(total) - (outputs[static_cast<std::size_t>(target[0])] - largest);
        break;
      }
      case LossKind::equation:
        throw std::invalid_argument("the closure design has no second derivatives");
    }
    return total;
  }

  Net net_;
  closure::Mlp mlp_;
  std::vector<closure::Value> all_;
};

// --- Tapeloom --------------------------------------------------------------------------------------------------------

inline Activation recorded_activation(closure::Activation activation) {
  switch (activation) {
    case closure::Activation::tanh:
      return tapeloom::tanh;
    case closure::Activation::relu:
      return tapeloom::relu;
    case closure::Activation::linear:
      break;
  }
  return linear;
}

/// The residual of the equation, squared, for a sample.
inline Value equation_loss(Value u, const std::vector<Value>& x_t) {
  const Value u_x = derivative(u, x_t[0]), u_t = derivative(u, x_t[1]);
  const Value u_xx = derivative(u_x, x_t[0]), u_tt = derivative(u_t, x_t[1]);
  return square(u_tt + 0.1 * u_t + u * u_x - u_xx);
}

/// Records the net with input groups "x" and, if the loss takes targets, "y", and returns its loss. Parameters are in
/// the order of initial_parameters(), and start there.
inline Value record_loss(Tape& tape, const Net& net, std::span<const double> parameters) {
  std::vector<LayerOptions> layers;
  for (std::size_t i = 0; i < net.widths.size(); ++i) {
    const bool last = i + 1 == net.widths.size();
    layers.push_back({net.widths[i], recorded_activation(last ? net.last : net.hidden), true});
  }
  const MLP mlp(tape, net.inputs, layers,
                [&, next = std::size_t{0}](const Fan&) mutable { return parameters[next++]; });
  const std::vector<Value> inputs = tape.inputs("x", net.inputs), outputs = mlp(inputs);
  std::vector<Value> targets;
  if (net.targets() > 0) targets = tape.inputs("y", net.targets());
  Value loss;
  switch (net.loss) {
    case LossKind::squared:
      loss = squared_error_sum(outputs, targets);
      break;
    case LossKind::hinge:
      loss = hinge(outputs[0], targets[0]);
      break;
    case LossKind::cross_entropy:
      loss = softmax_cross_entropy(outputs, targets[0]);
      break;
    case LossKind::equation:
      loss = equation_loss(outputs[0], inputs);
      break;
  }
  loss = batch_mean(loss);
  return net.l2 == 0.0 ? loss : loss + l2_penalty(mlp.parameters(), net.l2);
}

/// For one thread, unless the library is so old that it has no others.
template <class Options = ExecutorOptions>
Options one_thread(std::size_t max_samples) {
  Options options;
  options.max_samples = max_samples;
  if constexpr (requires { options.threads; }) options.threads = 1;
  return options;
}

/// Trains a net as a compiled program, in one thread.
template <class T>
class TapeloomTrainer {
 public:
  TapeloomTrainer(const Net& net, std::span<const double> parameters, const Data& data, bool exact)
      : executor_(compiled(net, parameters, exact), one_thread(data.samples)),
        x_(data.x.begin(), data.x.end()),
        y_(data.y.begin(), data.y.end()) {
    executor_.bind("x", x_);
    executor_.bind("y", y_);
  }

  /// One step on all rows. Returns the loss before the update.
  T step(double learning_rate) {
    const T loss = executor_.step();
    sgd_.set_learning_rate(learning_rate);
    sgd_.update(executor_);
    return loss;
  }

  std::vector<double> gradients() const { return {executor_.gradients().begin(), executor_.gradients().end()}; }
  std::vector<double> parameters() const { return {executor_.parameters().begin(), executor_.parameters().end()}; }
  const Program& program() const { return executor_.program(); }

 private:
  static Program compiled(const Net& net, std::span<const double> parameters, bool exact) {
    Tape tape;
    CompileOptions options;
    options.exact = exact;
    return compile(record_loss(tape, net, parameters), options);
  }

  Executor<T> executor_;
  std::vector<T> x_, y_;
  Sgd<T> sgd_;
};

// --- comparing -------------------------------------------------------------------------------------------------------

/// How far apart two computations of the same loss and gradients in precision `epsilon` may be. A figure is a sum over
/// samples of products along the layers: n roundings, n the number of samples plus all the fans, each of epsilon times
/// what is summed, which is bounded by a small multiple of the largest figure of its kind.
inline double tolerance(const Net& net, std::size_t samples, double epsilon) {
  std::size_t roundings = samples + net.inputs;
  for (const std::size_t width : net.widths) roundings += 2 * width;
  return 8.0 * epsilon * static_cast<double>(roundings);
}

/// Throws std::runtime_error unless the losses differ by at most `tolerance` times the larger of 1 and the first, and
/// the gradients by `tolerance` times the largest of the first. NaN is never close.
inline void require_equal(const std::string& what, double loss_a, std::span<const double> gradients_a, double loss_b,
                          std::span<const double> gradients_b, double tolerance) {
  const auto fail = [&what](const std::string& detail) { throw std::runtime_error(what + ": " + detail); };
  if (!(std::fabs(loss_a - loss_b) <= tolerance * std::max(1.0, std::fabs(loss_a)))) {
    fail("losses " + std::to_string(loss_a) + " and " + std::to_string(loss_b) + " differ");
  }
  if (gradients_a.size() != gradients_b.size()) fail("different numbers of gradients");
  double largest = 0.0;
  for (const double g : gradients_a) largest = std::max(largest, std::fabs(g));
  if (!(largest > 0.0)) fail("all gradients are zero, so nothing is compared");
  for (std::size_t i = 0; i < gradients_a.size(); ++i) {
    if (!(std::fabs(gradients_a[i] - gradients_b[i]) <= tolerance * largest)) {
      fail("gradient " + std::to_string(i) + " is " + std::to_string(gradients_a[i]) + " and " +
           std::to_string(gradients_b[i]));
    }
  }
}

}  // namespace tapeloom::bench
