// Notebook 003: a network's forward pass, the comparison with PyTorch, a + a, and what it left to do next: relu
// against tanh.
#include <cmath>

#include "examples/notebooks/walk.h"
#include "examples/plot.h"

namespace tapeloom::examples {

namespace {

void network() {
  heading("MLP(3, [4, 4, 1]) at [2, 3, -1]; no seed there, random.seed(3) here");
  PythonRandom random(3);
  Tape tape;
  const MLP model(tape, 3, {4, 4, 1}, uniform_start(random), tanh_formula);
  std::printf("  %s\n", repr(run_exact(model({2.0, 3.0, -1.0}))).c_str());
}

void twice_used() {
  heading("the check of b = a + a");
  Tape tape;
  const Value a = tape.parameter(3.0, "a");
  const Value b = a + a;
  b.backward();
  std::printf("  b = %s, and a's gradient should be 2.0 and is %s\n", repr(b.data()).c_str(), repr(a.grad()).c_str());
  print_agreement(b);
}

Training train_with(const Activation& hidden, std::int64_t seed) {
  PythonRandom random(seed);
  TrainingOptions options;
  options.hidden = hidden;
  return train(random, options);
}

std::vector<Point> curve(const Training& training) {
  std::vector<Point> points;
  for (const double loss : training.losses) points.push_back({static_cast<double>(points.size()), std::log10(loss)});
  return points;
}

void relu_against_tanh(const Directory& pictures) {
  heading("relu against tanh in the hidden layers (the output stays tanh): seed 42, rate 0.1, the same start");
  const Training with_tanh = train_with(tapeloom::tanh, 42), with_relu = train_with(tapeloom::relu, 42);
  std::printf("  iteration       tanh       relu\n");
  for (std::size_t step = 0; step < with_tanh.losses.size(); ++step) {
    if (step % 10 != 0 && step + 1 != with_tanh.losses.size()) continue;
    std::printf("  %9zu   %.6f   %.6f\n", step, with_tanh.losses[step], with_relu.losses[step]);
  }
  for (std::size_t i = 0; i < training_targets.size(); ++i) {
    std::printf("   sample %zu    %+.4f    %+.4f   target %+.1f\n", i + 1, with_tanh.predictions[i],
                with_relu.predictions[i], training_targets[i]);
  }

  Plot plot("relu against tanh on four samples", {0, 100, "step"}, {-3, 1, "log10 of the sum of squared errors"});
  plot.grid();
  plot.line(curve(with_tanh), {31, 119, 180}, "tanh");
  plot.line(curve(with_relu), {214, 79, 40}, "relu");
  plot.write((pictures / "relu_against_tanh.svg").string());
  std::printf("  wrote relu_against_tanh.svg\n");
}

void over_seeds() {
  heading("the same from other starts: the loss after 100 steps");
  std::printf("       seed       tanh       relu\n");
  int stuck_tanh = 0, stuck_relu = 0;
  const auto stuck = [](const Training& training) { return training.losses.back() > 1.0; };
  for (std::int64_t seed = 0; seed < 10; ++seed) {
    const Training with_tanh = train_with(tapeloom::tanh, seed), with_relu = train_with(tapeloom::relu, seed);
    std::printf("  %9d   %.6f   %.6f\n", static_cast<int>(seed), with_tanh.losses.back(), with_relu.losses.back());
    stuck_tanh += stuck(with_tanh);
    stuck_relu += stuck(with_relu);
  }
  std::printf("  above 1, that is stuck: %d of 10 with tanh, %d of 10 with relu\n", stuck_tanh, stuck_relu);
}

}  // namespace

void walk_notebook_003(const Directory& pictures) {
  std::printf("\n=== Notebook 003\n");
  network();
  heading("the comparison with PyTorch");
  print_torch_comparison(1.0);
  twice_used();
  relu_against_tanh(pictures);
  over_seeds();
}

}  // namespace tapeloom::examples
