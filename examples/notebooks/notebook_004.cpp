// Notebook 004: a network of neurons that differ from the others': the weighted sum starts from zero and meets the bias
// last, the bias is a plain number, not trained, and tanh is recorded by its parts.
#include "examples/notebooks/walk.h"

namespace tapeloom::examples {

namespace {

struct PlainBiasNeuron {
  std::vector<Value> weights;
  double bias;

  /// tanh(((0 + x0 w0) + x1 w1 + ...) + bias)
  Value operator()(std::span<const Value> x) const { return tanh_formula_by_power(dot(x, weights) + bias); }
};

PlainBiasNeuron make_neuron(Tape& tape, std::size_t inputs, PythonRandom& random) {
  PlainBiasNeuron neuron;
  for (std::size_t i = 0; i < inputs; ++i) neuron.weights.push_back(tape.parameter(random.uniform(-1.0, 1.0)));
  neuron.bias = random.uniform(-1.0, 1.0);
  return neuron;
}

}  // namespace

void walk_notebook_004(const Directory& pictures) {
  std::printf("\n=== Notebook 004\n");
  heading("MLP(3, [4, 4, 1]) with plain biases at [1, 2, 3]; no seed there, random.seed(4) here");
  PythonRandom random(4);
  Tape tape;
  std::vector<std::vector<PlainBiasNeuron>> layers;
  for (const auto& [inputs, outputs] : {std::array<std::size_t, 2>{3, 4}, {4, 4}, {4, 1}}) {
    layers.emplace_back();
    for (std::size_t i = 0; i < outputs; ++i) layers.back().push_back(make_neuron(tape, inputs, random));
  }

  std::vector<Value> x;
  for (const double number : {1.0, 2.0, 3.0}) x.push_back(tape.constant(number));
  for (const std::vector<PlainBiasNeuron>& layer : layers) {
    std::vector<Value> outputs;
    for (const PlainBiasNeuron& neuron : layer) outputs.push_back(neuron(x));
    x = outputs;
  }
  const Value o = x[0].set_label("o");
  std::printf("  o = %s\n", repr(run_exact({{o}})[0]).c_str());

  // The notebook sets the root's gradient to 1 itself and calls backward(); here 1 is what backward() starts from.
  o.backward();
  std::printf("  gradients of the weights\n");
  for (const std::vector<PlainBiasNeuron>& layer : layers) {
    for (const PlainBiasNeuron& neuron : layer) {
      std::printf("   ");
      for (const Value& weight : neuron.weights) std::printf(" %9.6f", weight.grad());
      std::printf("\n");
    }
  }
  draw(o, pictures, "plain_bias_network");
  print_agreement(o);
}

}  // namespace tapeloom::examples
