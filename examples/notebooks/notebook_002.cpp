// Notebook 002, the one that was saved with its outputs: a slope, L = (a*b + c)*f, the parts of a network, and a
// training run. Every figure here stands in the notebook with the same digits.
#include <tapeloom/tapeloom.h>
#include "examples/notebooks/walk.h"

namespace tapeloom::examples {

namespace {

void slope() {
  heading("f(x) = 3x^2 - 4x + 5 at x = 3 and its slope");
  Tape tape;
  const Value x = tape.parameter(3.0, "x");
  const Value f = 3.0 * pow(x, 2.0) - 4.0 * x + 5.0;
  CompileOptions options;
  options.exact = true;
  Executor<double> executor(compile(f, options));

  const double h = 0.0001;
  const double at_x = executor.step();
  const double gradient = executor.gradients()[0];
  executor.parameters()[0] += h;
  const double beside = executor.step();
  std::printf("  f(3) = %s\n  by a nudge of %s: %.4f\n  by backward(): %s\n", repr(at_x).c_str(), repr(h).c_str(),
              (beside - at_x) / h, repr(gradient).c_str());
}

void expression() {
  heading("L = (a*b + c)*f, forward and backward");
  Tape tape;
  const Value a = tape.parameter(2.0, "a"), b = tape.parameter(-3.0, "b");
  const Value c = tape.parameter(10.0, "c"), f = tape.parameter(-2.0, "f");
  const Value e = (a * b).set_label("e");
  const Value d = (e + c).set_label("d");
  const Value L = (d * f).set_label("L");
  L.backward();
  for (const Value& value : {a, b, c, f, e, d, L}) {
    std::printf("  %s = %5s, dL/d%s = %s\n", value.label().c_str(), repr(value.data()).c_str(), value.label().c_str(),
                repr(value.grad()).c_str());
  }
  std::printf("  a larger by 0.01 changes L by about %.4f\n", 0.01 * a.grad());
  print_agreement(L);
}

void components() {
  heading("random.seed(42): a neuron, a layer, an MLP at [2, 3]");
  PythonRandom random(42);
  Tape tape;
  const std::array<double, 2> x = {2.0, 3.0};
  const Neuron neuron(tape, 2, uniform_start(random), tanh_formula);
  std::printf("  neuron           %.4f\n", run_exact({{neuron(x)}})[0]);
  const Layer layer(tape, 2, {3, tanh_formula}, uniform_start(random));
  std::printf("  layer            %s\n", repr(run_exact(layer(x))).c_str());
  const MLP mlp(tape, 2, {4, 4, 1}, uniform_start(random), tanh_formula);
  std::printf("  MLP(2, [4,4,1])  %.4f, %zu parameters\n", run_exact(mlp(x))[0], mlp.parameters().size());
}

/// What the notebook prints of its training run.
std::string report(const Training& training) {
  std::string out;
  for (std::size_t step = 0; step < training.losses.size(); step += 20) {
    out += "  iteration " + std::string(step < 10 ? "  " : " ") + std::to_string(step) + "  loss " +
           fixed(training.losses[step], 6) + "\n";
  }
  out += "  final          loss " + fixed(training.losses.back(), 6) + "\n";
  for (std::size_t i = 0; i < training_targets.size(); ++i) {
    const double prediction = training.predictions[i], target = training_targets[i];
    out += "  sample " + std::to_string(i + 1) + ": predicted " + fixed(prediction, 4, true) + ", target " +
           fixed(target, 1, true) + ((prediction > 0.0) == (target > 0.0) ? "  right\n" : "  WRONG\n");
  }
  return out;
}

void training() {
  heading("random.seed(42), MLP(3, [4, 4, 1]), 100 steps at rate 0.1 on four samples");
  const auto run = [](const TrainingOptions& options) {
    PythonRandom random(42);
    return report(train(random, options));
  };
  const std::string bound = run({});
  std::printf("%s", bound.c_str());

  struct Variant {
    const char* name;
    TrainingOptions options;
  };
  TrainingOptions exact, recorded, formula;
  exact.exact = true;
  recorded.record_samples = true;
  formula.hidden = formula.last = tanh_formula;
  formula.exact = formula.record_samples = true;
  for (const auto& [name, options] : {Variant{"exact", exact}, Variant{"each sample recorded", recorded},
                                      Variant{"exact, each sample recorded, tanh by its formula", formula}}) {
    std::printf("  %s: %s\n", name, run(options) == bound ? "the same digits" : "OTHER DIGITS");
  }
}

}  // namespace

void walk_notebook_002() {
  std::printf("\n=== Notebook 002\n");
  slope();
  expression();
  components();
  training();
}

}  // namespace tapeloom::examples
