#include "tapeloom/core/nets/nn.h"

#include <cmath>
#include <string>

#include "tapeloom/core/nets/inputs.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace detail {

double scale_unit(double unit, double low, double high) { return low + (high - low) * unit; }

double fan_in_radius(const Fan& fan) { return 1.0 / std::sqrt(static_cast<double>(fan.inputs)); }

double glorot_radius(const Fan& fan) { return std::sqrt(6.0 / static_cast<double>(fan.inputs + fan.outputs)); }

double sum_of_squares(double u, double v) { return u * u + v * v; }

namespace {

/// log(x) for x in (0, 1): x = m 2^e with m in [sqrt(1/2), sqrt(2)), log m = 2 artanh(z), z = (m - 1) / (m + 1), by its
/// power series. |z| < 0.172, so that the terms after z^21 vanish. Within 3 units in the last place of the logarithm.
double portable_log(double x) {
  int exponent;
  double m = std::frexp(x, &exponent);
  if (m < 0x1.6a09e667f3bcdp-1) {
    m *= 2.0;
    --exponent;
  }
  const double z = (m - 1.0) / (m + 1.0);
  const double zz = z * z;
  double series = 0.0;
  for (int k = 21; k >= 1; k -= 2) series = series * zz + 1.0 / k;
  return exponent * 0x1.62e42fefa39efp-1 + 2.0 * z * series;
}

}  // namespace

double he_normal(const Fan& fan, double u, double s) {
  const double normal = u * std::sqrt(-2.0 * portable_log(s) / s);
  return normal * std::sqrt(2.0 / static_cast<double>(fan.inputs));
}

}  // namespace detail

namespace {

std::vector<Value> to_values(std::span<const double> numbers) { return {numbers.begin(), numbers.end()}; }

std::string numbered(std::string_view prefix, const char* what, std::size_t number) {
  return std::string(prefix) + what + std::to_string(number) + ".";
}

/// Before memory is asked for: of a negative number, converted to a size, there is not enough.
void check_fits(const Tape& tape, const char* what, std::size_t inputs, std::size_t outputs) {
  const std::size_t room = Tape::most_nodes - tape.size();
  if (inputs < room && outputs <= room / (inputs + 1)) return;
  throw RecordingError(std::string(what) + " with " + std::to_string(inputs) + " inputs and " +
                       std::to_string(outputs) + (outputs == 1 ? " output" : " outputs") +
                       " does not fit a tape, which holds " + std::to_string(Tape::most_nodes) + " nodes");
}

}  // namespace

Neuron::Neuron(Tape& tape, std::size_t inputs, const Initializer& initializer, Activation activation, bool bias)
    : Neuron(tape, Fan{inputs, 1, false}, initializer, std::move(activation), bias) {}

Neuron::Neuron(Tape& tape, const Fan& fan, const Initializer& initializer, Activation activation, bool bias)
    : inputs_(fan.inputs), activation_(std::move(activation)) {
  if (inputs_ == 0) throw RecordingError("a neuron needs at least one input");
  if (!initializer) throw RecordingError("a neuron needs an Initializer for its parameters; this one is empty");
  check_fits(tape, "a neuron", inputs_, 1);
  parameters_.reserve(inputs_ + 1);
  for (std::size_t i = 0; i < inputs_; ++i) {
    parameters_.push_back(tape.parameter(initializer({fan.inputs, fan.outputs, false})));
  }
  if (bias) parameters_.push_back(tape.parameter(initializer({fan.inputs, fan.outputs, true})));
}

Value Neuron::apply(std::span<const Value> x) const {
  const std::span<const Value> weights(parameters_.data(), inputs_);
  return activation_(has_bias() ? dot(weights, x, parameters_[inputs_]) : dot(weights, x));
}

Value Neuron::operator()(ValueSpan x) const {
  check_inputs("a neuron", x.size(), inputs_);
  return apply(x);
}

Value Neuron::operator()(std::span<const double> x) const { return (*this)(to_values(x)); }

void Neuron::set_labels(std::string_view prefix) const {
  for (std::size_t i = 0; i < inputs_; ++i) {
    parameters_[i].set_label(std::string(prefix) + "w[" + std::to_string(i) + "]");
  }
  if (has_bias()) parameters_[inputs_].set_label(std::string(prefix) + "b");
}

Layer::Layer(Tape& tape, std::size_t inputs, const LayerOptions& options, const Initializer& initializer)
    : inputs_(inputs) {
  if (options.outputs == 0) throw RecordingError("a layer needs at least one output");
  check_fits(tape, "a layer", inputs, options.outputs);
  const Fan fan{inputs, options.outputs, false};
  neurons_.reserve(options.outputs);
  for (std::size_t i = 0; i < options.outputs; ++i) {
    neurons_.push_back(Neuron(tape, fan, initializer, options.activation, options.bias));
  }
}

std::vector<Value> Layer::operator()(ValueSpan x) const {
  check_inputs("a layer", x.size(), inputs_);
  std::vector<Value> storage;
  x = recorded(x, *neurons_.front().parameters().front().tape(), storage);
  std::vector<Value> outputs;
  outputs.reserve(neurons_.size());
  for (const Neuron& neuron : neurons_) outputs.push_back(neuron.apply(x));
  return outputs;
}

std::vector<Value> Layer::operator()(std::span<const double> x) const { return (*this)(to_values(x)); }

std::vector<Value> Layer::parameters() const {
  std::vector<Value> all;
  for (const Neuron& neuron : neurons_) all.insert(all.end(), neuron.parameters().begin(), neuron.parameters().end());
  return all;
}

void Layer::set_labels(std::string_view prefix) const {
  for (std::size_t i = 0; i < neurons_.size(); ++i) neurons_[i].set_labels(numbered(prefix, "neuron", i));
}

namespace {

std::vector<LayerOptions> same_options(const std::vector<std::size_t>& outputs, const Activation& activation) {
  std::vector<LayerOptions> layers;
  for (std::size_t count : outputs) layers.push_back({count, activation, true});
  return layers;
}

}  // namespace

MLP::MLP(Tape& tape, std::size_t inputs, const std::vector<std::size_t>& outputs, const Initializer& initializer,
         const Activation& activation)
    : MLP(tape, inputs, same_options(outputs, activation), initializer) {}

MLP::MLP(Tape& tape, std::size_t inputs, const std::vector<LayerOptions>& layers, const Initializer& initializer) {
  if (layers.empty()) throw RecordingError("an MLP needs at least one layer");
  layers_.reserve(layers.size());
  for (const LayerOptions& options : layers) {
    layers_.emplace_back(tape, inputs, options, initializer);
    inputs = options.outputs;
  }
}

std::vector<Value> MLP::operator()(ValueSpan x) const {
  std::vector<Value> values = layers_.front()(x);
  for (const Layer& layer : layers().subspan(1)) values = layer(values);
  return values;
}

std::vector<Value> MLP::operator()(std::span<const double> x) const { return (*this)(to_values(x)); }

std::vector<Value> MLP::parameters() const {
  std::vector<Value> all;
  for (const Layer& layer : layers_) {
    const std::vector<Value> part = layer.parameters();
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

void MLP::set_labels(std::string_view prefix) const {
  for (std::size_t i = 0; i < layers_.size(); ++i) layers_[i].set_labels(numbered(prefix, "layer", i));
}

}  // namespace tapeloom::inline TAPELOOM_ABI
