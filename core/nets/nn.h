// Neurons, layers and multilayer perceptrons, written with Value alone: whatever they do, a user could write too.
//
//   std::mt19937 generator(1);
//   MLP model(tape, 2, {{16, relu}, {16, relu}, {1}}, he(generator));
//   Value score = model(inputs)[0];
#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::inline TAPELOOM_ABI {

// --- initial values --------------------------------------------------------------------------------------------------

/// What a parameter's initial value may depend on.
struct Fan {
  std::size_t inputs;   ///< of its neuron
  std::size_t outputs;  ///< of its layer
  bool bias;            ///< a bias, not a weight
};

/// Called once for each parameter, in the order of parameters(). An empty one throws RecordingError then.
using Initializer = std::function<double(const Fan&)>;

/// A number in [0, 1) with 53 random bits, the same on every platform. Of a generator of 32 bits it takes two draws,
/// 27 and 26 bits, as Python's random.random() does; of one of 64 bits, the upper 53 of one draw.
template <std::uniform_random_bit_generator G>
double random_unit(G& generator);

/// Uniform in [low, high), weights and biases alike; the notebooks use -1 and 1. Keeps a reference to the generator.
template <std::uniform_random_bit_generator G>
Initializer uniform_initializer(G& generator, double low, double high);

/// Weights uniform in [-r, r) with r = sqrt(6 / (inputs + outputs)), biases zero. For tanh and sigmoid: Glorot &
/// Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010, eq. 16. Keeps a
/// reference to the generator.
template <std::uniform_random_bit_generator G>
Initializer glorot(G& generator);

/// Weights normal with mean 0 and variance 2 / inputs, biases zero. For relu: He et al., "Delving Deep into
/// Rectifiers", ICCV 2015, eq. 10. Keeps a reference to the generator.
template <std::uniform_random_bit_generator G>
Initializer he(G& generator);

/// Weights and biases uniform in [-r, r) with r = 1 / sqrt(inputs): what torch.nn.Linear, Conv1d and Conv2d begin with.
/// Keeps a reference to the generator.
template <std::uniform_random_bit_generator G>
Initializer fan_in_uniform(G& generator);

// --- networks --------------------------------------------------------------------------------------------------------

/// No activation: the weighted sum itself. Nothing is recorded.
inline Value linear(Value x) { return x; }

/// Any function of one Value: tanh, relu, or [](Value x) { return leaky_relu(x, 0.01); }. An empty one is linear.
class Activation {
 public:
  Activation() = default;
  /// Not left to the template: this one finds the right `tanh` where C's is visible too.
  Activation(Value (*function)(Value)) : function_(function) {}
  template <class F>
  requires(!std::same_as<F, Activation> && std::is_invocable_r_v<Value, F&, Value>) Activation(F function)
      : function_(std::move(function)) {}

  Value operator()(Value x) const { return function_ ? function_(x) : x; }

 private:
  std::function<Value(Value)> function_;
};

/// activation(b + w0 x0 + w1 x1 + ...), added up in this order.
class TAPELOOM_API Neuron {
 public:
  /// Records the weights, then the bias. Throws RecordingError for no inputs.
  Neuron(Tape& tape, std::size_t inputs, const Initializer& initializer, Activation activation = linear,
         bool bias = true);

  /// Throws RecordingError unless there is one x for each weight.
  Value operator()(ValueSpan x) const;
  Value operator()(std::span<const double> x) const;

  /// w[0], w[1], ..., then b if there is one.
  std::span<const Value> parameters() const { return parameters_; }
  std::size_t inputs() const { return inputs_; }
  bool has_bias() const { return parameters_.size() > inputs_; }
  /// Labels the parameters prefix + "w[0]", ..., prefix + "b".
  void set_labels(std::string_view prefix = {}) const;

 private:
  friend class Layer;
  Neuron(Tape& tape, const Fan& fan, const Initializer& initializer, Activation activation, bool bias);
  Value apply(std::span<const Value> x) const;

  std::size_t inputs_;
  std::vector<Value> parameters_;
  Activation activation_;
};

/// What can be chosen for each layer of an MLP.
struct LayerOptions {
  std::size_t outputs;
  Activation activation = linear;
  bool bias = true;
};

/// Neurons side by side, all with the same inputs.
class TAPELOOM_API Layer {
 public:
  /// Records one neuron after another. Throws RecordingError for no inputs or no outputs.
  Layer(Tape& tape, std::size_t inputs, const LayerOptions& options, const Initializer& initializer);

  /// One Value a neuron. Plain numbers among x are recorded once for all neurons.
  std::vector<Value> operator()(ValueSpan x) const;
  std::vector<Value> operator()(std::span<const double> x) const;

  /// Of one neuron after another.
  std::vector<Value> parameters() const;
  std::span<const Neuron> neurons() const { return neurons_; }
  /// Labels the parameters prefix + "neuron0.w[0]" and so on.
  void set_labels(std::string_view prefix = {}) const;

 private:
  std::size_t inputs_;
  std::vector<Neuron> neurons_;
};

/// A multilayer perceptron: layers one after another.
class TAPELOOM_API MLP {
 public:
  /// Layers of the given numbers of outputs, all with the same activation: MLP(tape, 3, {4, 4, 1}, initializer, tanh).
  /// Throws RecordingError for no inputs, no layers, or a layer without outputs.
  MLP(Tape& tape, std::size_t inputs, const std::vector<std::size_t>& outputs, const Initializer& initializer,
      const Activation& activation);
  /// Layers with options of their own: MLP(tape, 2, {{16, relu}, {16, relu}, {1}}, initializer).
  MLP(Tape& tape, std::size_t inputs, const std::vector<LayerOptions>& layers, const Initializer& initializer);

  /// The last layer's outputs.
  std::vector<Value> operator()(ValueSpan x) const;
  std::vector<Value> operator()(std::span<const double> x) const;

  /// Of one layer after another; within it neuron after neuron, of each the weights, then the bias.
  std::vector<Value> parameters() const;
  std::span<const Layer> layers() const { return layers_; }
  /// Labels every parameter: prefix + "layer0.neuron1.w[2]", prefix + "layer0.neuron1.b". A label costs a map entry on
  /// the tape, so nothing is labelled unless asked for.
  void set_labels(std::string_view prefix = {}) const;

 private:
  std::vector<Layer> layers_;
};

// --- templates -------------------------------------------------------------------------------------------------------

namespace detail {

// Not in the header, so that the user's compiler flags do not change the last bit.
/// low + (high - low) * unit
TAPELOOM_API double scale_unit(double unit, double low, double high);
/// 1 / sqrt(inputs)
TAPELOOM_API double fan_in_radius(const Fan& fan);
/// The radius of Glorot and Bengio's interval.
TAPELOOM_API double glorot_radius(const Fan& fan);
/// u^2 + v^2
TAPELOOM_API double sum_of_squares(double u, double v);
/// A normal number of He et al.'s variance, of (u, v) uniform in the unit disc, s = u^2 + v^2 (Marsaglia's polar
/// method). Computed with +, -, *, / and sqrt alone, so that every platform gives the same bits.
TAPELOOM_API double he_normal(const Fan& fan, double u, double s);

/// `count` random bits.
template <std::uniform_random_bit_generator G>
std::uint64_t random_bits(G& generator, int count) {
  constexpr std::uint64_t range = std::uint64_t{G::max()} - std::uint64_t{G::min()};
  constexpr int width =
      range == UINT64_MAX ? 64 : static_cast<int>(std::bit_width(range + 1)) - 1;  // whole bits in one draw
  static_assert(width >= 1);
  std::uint64_t bits = 0;
  int missing = count;
  while (missing > 0) {
    const std::uint64_t draw = std::uint64_t{generator()} - std::uint64_t{G::min()};
    if (width < 64 && draw >> (width % 64) != 0) continue;  // beyond the last whole power of two
    const int taken = std::min(width, missing);
    bits = bits << (taken % 64) | draw >> (width - taken);
    missing -= taken;
  }
  return bits;
}

}  // namespace detail

template <std::uniform_random_bit_generator G>
double random_unit(G& generator) {
  constexpr std::uint64_t range = std::uint64_t{G::max()} - std::uint64_t{G::min()};
  std::uint64_t bits;
  if constexpr (range == UINT32_MAX) {
    bits = detail::random_bits(generator, 27) << 26;
    bits |= detail::random_bits(generator, 26);
  } else {
    bits = detail::random_bits(generator, 53);
  }
  return static_cast<double>(bits) * 0x1p-53;
}

template <std::uniform_random_bit_generator G>
Initializer uniform_initializer(G& generator, double low, double high) {
  return [&generator, low, high](const Fan&) { return detail::scale_unit(random_unit(generator), low, high); };
}

template <std::uniform_random_bit_generator G>
Initializer glorot(G& generator) {
  return [&generator](const Fan& fan) {
    if (fan.bias) return 0.0;
    const double radius = detail::glorot_radius(fan);
    return detail::scale_unit(random_unit(generator), -radius, radius);
  };
}

template <std::uniform_random_bit_generator G>
Initializer fan_in_uniform(G& generator) {
  return [&generator](const Fan& fan) {
    const double radius = detail::fan_in_radius(fan);
    return detail::scale_unit(random_unit(generator), -radius, radius);
  };
}

template <std::uniform_random_bit_generator G>
Initializer he(G& generator) {
  return [&generator](const Fan& fan) {
    if (fan.bias) return 0.0;
    for (;;) {
      const double u = 2.0 * random_unit(generator) - 1.0;
      const double v = 2.0 * random_unit(generator) - 1.0;
      const double s = detail::sum_of_squares(u, v);
      if (s > 0.0 && s < 1.0) return detail::he_normal(fan, u, s);
    }
  };
}

}  // namespace tapeloom::inline TAPELOOM_ABI
