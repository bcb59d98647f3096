// What the walks through the notebooks share: Python's way to print numbers, the notebooks' training data and their
// formula of tanh, and the compiled programs that the printed figures come from.
#pragma once

#include <array>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <tapeloom/tapeloom.h>
#include "examples/notebooks/python_random.h"

namespace tapeloom::examples {

// --- printing --------------------------------------------------------------------------------------------------------

/// A number as Python prints a float: the fewest digits that read back as the same double.
std::string repr(double number);
std::string repr(std::span<const double> numbers);
/// As Python's f"{number:.{decimals}f}"; `with_sign` as its "+".
std::string fixed(double number, int decimals, bool with_sign = false);

void heading(const char* text);
/// What the boxes of the notebooks' drawings show: label, data and gradient with 4 decimals, one line a value.
void print_boxes(std::span<const Value> values);

// --- the notebooks' parts --------------------------------------------------------------------------------------------

/// tanh(x) as the notebooks compute it, (exp(2x) - 1) / (exp(2x) + 1). Its last digits differ from the library's tanh,
/// so figures with 16 digits are computed with it, in exact mode.
Value tanh_formula(Value x);
/// The same with division as the notebooks define it, a / b = a * b^-1, which rounds twice.
Value tanh_formula_by_power(Value x);

/// random.uniform(-1, 1) for each parameter, as the notebooks start theirs. Keeps a reference.
Initializer uniform_start(PythonRandom& random);

/// The four samples of three numbers that the notebooks train on, and their targets.
inline constexpr std::array<double, 12> training_rows = {2.0, 3.0, -1.0, 3.0, -1.0, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0, -1.0};
inline constexpr std::array<double, 4> training_targets = {1.0, -1.0, -1.0, 1.0};

inline std::span<const double> training_row(std::size_t sample) {
  return std::span(training_rows).subspan(3 * sample, 3);
}

// --- compiled programs -----------------------------------------------------------------------------------------------

/// The numbers of `outputs` from a program compiled for them in exact mode.
std::vector<double> run_exact(std::span<const Value> outputs);
/// Compiles `root` in exact mode, runs it, and prints whether its number and its gradients by all parameters are, bit
/// for bit, those of the tape after root.backward().
void print_agreement(Value root);

struct TrainingOptions {
  Activation hidden = tapeloom::tanh;  ///< of the two layers of four neurons
  Activation last = tapeloom::tanh;    ///< of the one neuron behind them
  double learning_rate = 0.1;
  int steps = 100;
  bool exact = false;
  /// Record the four samples one by one, as the notebooks do, instead of one sample whose numbers are bound.
  bool record_samples = false;
};

/// Each step's loss, and the predictions of the last step, both before that step's update.
struct Training {
  std::vector<double> losses;
  std::vector<double> predictions;
};

/// The notebooks' training of a 3-4-4-1 network on their four samples, by the sum of squared errors and plain gradient
/// descent, as a compiled program in double.
Training train(PythonRandom& random, const TrainingOptions& options);

// --- the walks -------------------------------------------------------------------------------------------------------

using Directory = std::filesystem::path;  ///< where the pictures go

void walk_notebook_000(const Directory& pictures);
void walk_notebook_001(const Directory& pictures);
void walk_notebook_002();
void walk_notebook_003(const Directory& pictures);
void walk_notebook_004(const Directory& pictures);

/// The drawing of everything that leads to `root`, as the notebooks' draw_dot: its Graphviz text as name.dot and, where
/// Graphviz is installed, name.svg. Prints what is in it, the same with and without Graphviz.
void draw(Value root, const Directory& pictures, const std::string& name);

/// The neuron that four of the notebooks take apart: o = tanh(x1 w1 + x2 w2 + b), every part labelled.
struct ExampleNeuron {
  Value x1, x2, w1, w2, b, x1w1, x2w2, sum, n, o;

  std::array<Value, 10> parts() const { return {x1, x2, w1, w2, b, x1w1, x2w2, sum, n, o}; }
};

ExampleNeuron record_neuron(Tape& tape, const Activation& activation, double w2 = 1.0, double b = 6.8813735870195432);

/// The notebooks' comparison with PyTorch: tanh of a library, and a bias that passed through single precision on its
/// way (torch.Tensor is float32 before .double()). Prints o and the gradients.
void print_torch_comparison(double w2);

}  // namespace tapeloom::examples
