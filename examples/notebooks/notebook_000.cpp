// Notebook 000: a neuron by tanh and by its parts, the same in PyTorch, then a neuron, a layer and a network of them.
#include "examples/notebooks/walk.h"

namespace tapeloom::examples {

namespace {

void neuron_with_tanh(const Directory& pictures) {
  heading("the neuron o = tanh(x1*w1 + x2*w2 + b)");
  Tape tape;
  const ExampleNeuron part = record_neuron(tape, tapeloom::tanh);
  part.o.backward();
  print_boxes(part.parts());
  draw(part.o, pictures, "neuron");
  print_agreement(part.o);
}

void neuron_with_formula(const Directory& pictures) {
  heading("the same with tanh taken apart: e = exp(2n), o = (e - 1) / (e + 1), division as a * b^-1");
  Tape tape;
  const ExampleNeuron part = record_neuron(tape, tanh_formula_by_power);
  part.o.backward();
  print_boxes(part.parts());
  draw(part.o, pictures, "neuron_in_parts");
  std::printf("  o = %s\n", repr(run_exact({{part.o}})[0]).c_str());
  print_agreement(part.o);
}

void networks() {
  heading("Neuron(2), Layer(2, 3) and MLP(2, [4, 4, 1]) at [2, 3]; no seed there, random.seed(0) here");
  PythonRandom random(0);
  Tape tape;
  const std::array<double, 2> x = {2.0, 3.0};
  const Neuron neuron(tape, 2, uniform_start(random), tanh_formula);
  std::printf("  neuron %s\n", repr(run_exact({{neuron(x)}})).c_str());
  const Layer layer(tape, 2, {3, tanh_formula}, uniform_start(random));
  std::printf("  layer  %s\n", repr(run_exact(layer(x))).c_str());
  const MLP mlp(tape, 2, {4, 4, 1}, uniform_start(random), tanh_formula);
  std::printf("  MLP    %s\n", repr(run_exact(mlp(x))).c_str());
}

}  // namespace

void walk_notebook_000(const Directory& pictures) {
  std::printf("=== Notebook 000\n");
  neuron_with_tanh(pictures);
  neuron_with_formula(pictures);
  heading("the comparison with PyTorch");
  print_torch_comparison(1.0);
  networks();
}

}  // namespace tapeloom::examples
