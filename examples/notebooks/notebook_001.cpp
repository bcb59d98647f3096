// Notebook 001: L = (a*b + c)*f nudged, differentiated by hand and improved by a step; the tanh curve; the neuron by
// hand, one node at a time and at once; a + a; division and subtraction; a network trained by hand and in a loop.
#include <tapeloom/tapeloom.h>
#include "examples/notebooks/walk.h"
#include "examples/plot.h"

namespace tapeloom::examples {

namespace {

/// L = (a*b + c)*f with e = a*b and d = e + c.
struct Expression {
  Value a, b, c, e, d, f, L;

  std::array<Value, 7> parts() const { return {a, b, c, e, d, f, L}; }
};

Expression record_expression(Tape& tape) {
  Expression x;
  x.a = tape.parameter(2.0, "a");
  x.b = tape.parameter(-3.0, "b");
  x.c = tape.parameter(10.0, "c");
  x.f = tape.parameter(-2.0, "f");
  x.e = (x.a * x.b).set_label("e");
  x.d = (x.e + x.c).set_label("d");
  x.L = (x.d * x.f).set_label("L");
  return x;
}

/// (L2 - L1) / h where one of the six numbers that L is computed from is h larger in L2. Every number has a uniform
/// input added to it, so that one compiled program serves all nudges.
void nudges() {
  heading("(L(.. + h) - L) / h for each part of L = (a*b + c)*f");
  Tape tape;
  const auto nudged = [&tape](Value value, const char* name) { return value + tape.uniform_input(0.0, name); };
  const Value a = nudged(tape.parameter(2.0), "a"), b = nudged(tape.parameter(-3.0), "b");
  const Value c = nudged(tape.parameter(10.0), "c"), f = nudged(tape.parameter(-2.0), "f");
  const Value e = nudged(a * b, "e");
  const Value d = nudged(e + c, "d");
  CompileOptions options;
  options.exact = true;
  options.gradients = false;
  Executor<double> executor(compile(d * f, options));

  struct Nudge {
    const char* name;
    double h;
  };
  for (const auto& [name, h] : {Nudge{"a", 0.0001}, Nudge{"f", 0.0001}, Nudge{"d", 0.0001}, Nudge{"c", 0.0001},
                                Nudge{"e", 0.0001}, Nudge{"a", 0.001}, Nudge{"b", 0.001}}) {
    const double before = executor.step();
    executor.set_uniform_input(name, h);
    const double after = executor.step();
    executor.set_uniform_input(name, 0.0);
    std::printf("  %s + %s: %s\n", name, repr(h).c_str(), repr((after - before) / h).c_str());
  }
}

void expression_by_hand(const Directory& pictures) {
  heading("L with gradients set by hand, and the same from backward()");
  Tape tape;
  const Expression x = record_expression(tape);
  std::printf("  L = %s\n", repr(x.L.data()).c_str());
  x.L.set_grad(1.0);
  x.f.set_grad(x.d.data() * x.L.grad());
  x.d.set_grad(x.f.data() * x.L.grad());
  x.c.set_grad(x.d.grad());
  x.e.set_grad(x.d.grad());
  x.a.set_grad(x.b.data() * x.e.grad());
  x.b.set_grad(x.a.data() * x.e.grad());
  print_boxes(x.parts());

  std::array<double, 7> by_hand;
  for (std::size_t i = 0; i < by_hand.size(); ++i) by_hand[i] = x.parts()[i].grad();
  tape.zero_grad();
  x.L.backward();
  bool equal = true;
  for (std::size_t i = 0; i < by_hand.size(); ++i) equal = equal && by_hand[i] == x.parts()[i].grad();
  std::printf("  backward() gives %s\n", equal ? "the same" : "OTHER GRADIENTS");
  draw(x.L, pictures, "expression");
  print_agreement(x.L);

  heading("one step uphill: every leaf moves by 0.01 of its gradient");
  for (const Value& leaf : {x.a, x.b, x.c, x.f}) leaf.set_data(leaf.data() + 0.01 * leaf.grad());
  recompute(tape);
  std::printf("  L = %s\n", repr(run_exact({{x.L}})[0]).c_str());
}

void tanh_curve(const Directory& pictures) {
  heading("the curve of tanh from -5 to 5, every 0.2");
  std::vector<double> x(50);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = -5.0 + 0.2 * static_cast<double>(i);
  Tape tape;
  Executor<double> executor(compile_inference({{tanh(tape.input(0.0, "x"))}}));
  executor.bind("x", x);
  executor.step();

  std::vector<Point> curve;
  for (std::size_t i = 0; i < x.size(); ++i) curve.push_back({x[i], executor.outputs()[i]});
  Plot plot("tanh", {-5.0, 5.0, "x"}, {-1.1, 1.1, "tanh(x)"});
  plot.grid();
  plot.line(curve, {31, 119, 180});
  plot.points(curve, {31, 119, 180}, {}, 3);
  plot.write((pictures / "tanh.svg").string());
  std::printf("  tanh(-5) = %.6f, tanh(0) = %.6f, tanh(4.8) = %.6f; wrote tanh.svg\n", curve.front().y,
              curve[25].y + 0.0, curve.back().y);
}

void neuron_by_hand() {
  heading("the neuron's gradients by hand, with the one of n rounded to two decimals");
  Tape tape;
  const ExampleNeuron part = record_neuron(tape, tanh_formula);
  part.o.set_grad(1.0);
  const double n_grad = std::stod(fixed(1.0 - part.o.data() * part.o.data(), 2));
  part.n.set_grad(n_grad);
  for (const Value& value : {part.sum, part.b, part.x1w1, part.x2w2}) value.set_grad(part.n.grad());
  part.w1.set_grad(part.x1w1.grad() * part.x1.data());
  part.x1.set_grad(part.x1w1.grad() * part.w1.data());
  part.w2.set_grad(part.x2w2.grad() * part.x2.data());
  part.x2.set_grad(part.x2w2.grad() * part.w2.data());
  print_boxes(part.parts());
}

void neuron_step_by_step() {
  heading("the same node by node, and at once");
  Tape tape;
  const ExampleNeuron part = record_neuron(tape, tapeloom::tanh);
  part.o.set_grad(1.0);
  for (const Value& value : {part.o, part.n, part.b, part.sum, part.x2w2, part.x1w1}) value.backward_step();
  print_boxes(part.parts());
  std::array<double, 10> stepped;
  for (std::size_t i = 0; i < stepped.size(); ++i) stepped[i] = part.parts()[i].grad();
  tape.zero_grad();
  part.o.backward();
  bool equal = true;
  for (std::size_t i = 0; i < stepped.size(); ++i) equal = equal && stepped[i] == part.parts()[i].grad();
  std::printf("  backward() gives %s\n", equal ? "the same" : "OTHER GRADIENTS");
  print_agreement(part.o);
}

void twice_used(const Directory& pictures) {
  heading("b = a + a, a value used twice");
  Tape tape;
  const Value a = tape.parameter(3.0, "a");
  const Value b = (a + a).set_label("b");
  b.set_grad(1.0);
  for (int operand = 0; operand < 2; ++operand) a.set_grad(1.0 * b.grad());
  std::printf("  b = %s; assigning instead of adding would give a the gradient %s\n", repr(b.data()).c_str(),
              repr(a.grad()).c_str());
  tape.zero_grad();
  b.backward();
  std::printf("  adding gives %s\n", repr(a.grad()).c_str());
  draw(b, pictures, "a_plus_a");
  print_agreement(b);
}

void division_and_subtraction() {
  heading("a / b and a - b for 2 and 4");
  Tape tape;
  const Value a = tape.parameter(2.0, "a"), b = tape.parameter(4.0, "b");
  const std::vector<double> numbers = run_exact({{a / b, a - b}});
  std::printf("  %s\n  %s\n", repr(numbers[0]).c_str(), repr(numbers[1]).c_str());
}

void neuron_with_formula() {
  heading("the neuron with e = exp(2n), o = (e - 1) / (e + 1)");
  Tape tape;
  const ExampleNeuron part = record_neuron(tape, tanh_formula_by_power);
  part.o.backward();
  print_boxes(part.parts());
  std::printf("  o = %s\n", repr(run_exact({{part.o}})[0]).c_str());
  for (const Value& leaf : {part.x1, part.x2, part.w1, part.w2, part.b}) {
    std::printf("  %s has gradient %s\n", leaf.label().c_str(), repr(leaf.grad()).c_str());
  }
  print_agreement(part.o);
}

std::vector<Value> predict(const MLP& model) {
  std::vector<Value> predictions;
  for (std::size_t i = 0; i < training_targets.size(); ++i) predictions.push_back(model(training_row(i))[0]);
  return predictions;
}

Value squared_errors(std::span<const Value> predictions) {
  Value loss = 0.0;
  for (std::size_t i = 0; i < predictions.size(); ++i) loss += pow(predictions[i] - training_targets[i], 2.0);
  return loss;
}

/// Two steps by hand. As in the notebook, the gradients are not set to zero in between, so the second step goes along
/// the sum of both.
void training_by_hand(PythonRandom& random, const Directory& pictures) {
  heading("MLP(3, [4, 4, 1]) and two steps by hand; no seed there, random.seed(1) here");
  Tape tape;
  const MLP model(tape, 3, {4, 4, 1}, uniform_start(random), tanh_formula);
  const std::vector<Value> parameters = model.parameters();
  const Value output = model({2.0, 3.0, -1.0})[0];
  std::printf("  at [2, 3, -1]: %s\n", repr(run_exact({{output}})).c_str());
  draw(output, pictures, "network");
  const std::vector<Value> predictions = predict(model);
  const Value loss = squared_errors(predictions);
  std::printf("  predictions    %s\n", repr(run_exact(predictions)).c_str());
  std::printf("  loss           %s\n", repr(run_exact({{loss}})[0]).c_str());
  std::printf("  parameters     %zu\n", parameters.size());

  const Value weight = parameters[0];
  for (int step = 1; step <= 2; ++step) {
    loss.backward();
    if (step == 1) {
      draw(loss, pictures, "loss");
      print_agreement(loss);
    }
    std::printf("  step %d: the first weight %.6f with gradient %.6f", step, weight.data(), weight.grad());
    for (const Value& p : parameters) p.set_data(p.data() + -0.01 * p.grad());
    recompute(tape);
    std::printf(" becomes %.6f, the loss %.6f\n", weight.data(), loss.data());
  }
  std::printf("  predictions   ");
  for (const Value& prediction : predictions) std::printf(" %.6f", prediction.data());
  std::printf("\n");
}

void training_loop(PythonRandom& random) {
  heading("a fresh MLP(3, [4, 4, 1]), 30 steps at rate 0.05 (6 decimals: later ones depend on the order of sums)");
  TrainingOptions options;
  options.learning_rate = 0.05;
  options.steps = 30;
  const Training training = train(random, options);
  for (std::size_t step = 0; step < training.losses.size(); ++step) {
    std::printf("%s%2zu %.6f%s", step % 5 == 0 ? "  " : "   ", step, training.losses[step], step % 5 == 4 ? "\n" : "");
  }
  std::printf("  predictions");
  for (const double prediction : training.predictions) std::printf(" %.6f", prediction);
  std::printf("\n");
}

}  // namespace

void walk_notebook_001(const Directory& pictures) {
  std::printf("\n=== Notebook 001\n");
  nudges();
  expression_by_hand(pictures);
  tanh_curve(pictures);
  neuron_by_hand();
  neuron_step_by_step();
  twice_used(pictures);
  division_and_subtraction();
  neuron_with_formula();
  heading("the comparison with PyTorch, here with w2 = -1");
  print_torch_comparison(-1.0);
  PythonRandom random(1);
  training_by_hand(random, pictures);
  training_loop(random);
}

}  // namespace tapeloom::examples
