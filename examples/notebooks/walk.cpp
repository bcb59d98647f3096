#include "examples/notebooks/walk.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <fstream>

#include <tapeloom/tapeloom.h>

namespace tapeloom::examples {

std::string repr(double number) {
  // Python writes an exponent below 1e-4 and from 1e16 on.
  const double size = std::fabs(number);
  const bool plain = !std::isfinite(number) || size == 0.0 || (size >= 1e-4 && size < 1e16);
  char text[64];
  const auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  std::string out(text, std::to_chars(text, text + sizeof text, number, format).ptr);
  if (plain && std::isfinite(number) && out.find('.') == std::string::npos) out += ".0";
  return out;
}

std::string repr(std::span<const double> numbers) {
  std::string out = "[";
  for (const double number : numbers) {
    if (out.size() > 1) out += ", ";
    out += repr(number);
  }
  return out + "]";
}

std::string fixed(double number, int decimals, bool with_sign) {
  char text[64];
  std::snprintf(text, sizeof text, with_sign ? "%+.*f" : "%.*f", decimals, number);
  return text;
}

void heading(const char* text) { std::printf("\n--- %s\n", text); }

void print_boxes(std::span<const Value> values) {
  for (const Value& value : values) {
    std::printf("  %-13s | data %8.4f | grad %8.4f\n", value.label().c_str(), value.data(), value.grad());
  }
}

Value tanh_formula(Value x) {
  const Value e = exp(2.0 * x);
  return (e - 1.0) / (e + 1.0);
}

Value tanh_formula_by_power(Value x) {
  const Value e = exp(2.0 * x);
  return (e - 1.0) * pow(e + 1.0, -1.0);
}

Initializer uniform_start(PythonRandom& random) {
  return [&random](const Fan&) { return random.uniform(-1.0, 1.0); };
}

std::vector<double> run_exact(std::span<const Value> outputs) {
  CompileOptions options;
  options.exact = true;
  Executor<double> executor(compile_inference(outputs, options));
  executor.step();
  return {executor.outputs().begin(), executor.outputs().end()};
}

void print_agreement(Value root) {
  const Tape& tape = *root.tape();
  CompileOptions options;
  options.exact = true;
  Executor<double> executor(compile(root, options));
  const auto bits = [](double number) { return std::bit_cast<std::uint64_t>(number); };

  std::size_t agreeing = 0;
  const bool number = bits(executor.step()) == bits(root.data());
  for (std::size_t i = 0; i < tape.parameters().size(); ++i) {
    if (bits(executor.gradients()[i]) == bits(tape.grad(tape.parameters()[i].node))) ++agreeing;
  }
  std::printf("  compiled, exact: %s and %zu of %zu gradients equal the tape's bit for bit\n",
              number ? "the number" : "NOT the number", agreeing, tape.parameters().size());
}

namespace {

/// The recording to train: what is minimised, and what predicts.
struct Recording {
  Value loss;
  std::vector<Value> predictions;
};

Recording record_bound(Tape& tape, const MLP& model) {
  const std::vector<Value> x = tape.inputs("x", 3);
  const Value target = tape.input(0.0, "target");
  const Value prediction = model(x)[0];
  return {batch_sum(pow(prediction - target, 2.0)), {prediction}};
}

Recording record_samples(const MLP& model) {
  std::vector<Value> predictions, errors;
  for (std::size_t i = 0; i < training_targets.size(); ++i) {
    predictions.push_back(model(training_row(i))[0]);
    errors.push_back(pow(predictions[i] - training_targets[i], 2.0));
  }
  return {sum(errors), predictions};
}

}  // namespace

Training train(PythonRandom& random, const TrainingOptions& options) {
  Tape tape;
  const MLP model(tape, 3, {{4, options.hidden}, {4, options.hidden}, {1, options.last}}, uniform_start(random));
  const Recording recording = options.record_samples ? record_samples(model) : record_bound(tape, model);

  CompileOptions compile_options;
  compile_options.outputs = recording.predictions;
  compile_options.exact = options.exact;
  Executor<double> executor(compile(recording.loss, compile_options));
  if (!options.record_samples) {
    executor.bind("x", training_rows);
    executor.bind("target", training_targets);
  }

  Sgd<double> sgd({.learning_rate = options.learning_rate});
  Training result;
  for (int step = 0; step < options.steps; ++step) {
    result.losses.push_back(executor.step());
    result.predictions.assign(executor.outputs().begin(), executor.outputs().end());
    sgd.update(executor);
  }
  return result;
}

ExampleNeuron record_neuron(Tape& tape, const Activation& activation, double w2, double b) {
  ExampleNeuron part;
  part.x1 = tape.parameter(2.0, "x1");
  part.x2 = tape.parameter(0.0, "x2");
  part.w1 = tape.parameter(-3.0, "w1");
  part.w2 = tape.parameter(w2, "w2");
  part.b = tape.parameter(b, "b");
  part.x1w1 = (part.x1 * part.w1).set_label("x1*w1");
  part.x2w2 = (part.x2 * part.w2).set_label("x2*w2");
  part.sum = (part.x1w1 + part.x2w2).set_label("x1*w1 + x2*w2");
  part.n = (part.sum + part.b).set_label("n");
  part.o = activation(part.n).set_label("o");
  return part;
}

namespace {

std::size_t count(const std::string& text, const char* part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

void draw(Value root, const Directory& pictures, const std::string& name) {
  const std::string text = draw_dot(root);
  const Directory file = pictures / (name + ".dot");
  std::ofstream out(file);
  out << text;
  out.close();
  if (!out) throw Error("cannot write " + file.string());
  std::printf("  wrote %s.dot: values %zu, operations %zu, arrows %zu\n", name.c_str(), count(text, "shape=record"),
              count(text, "[label="), count(text, " -> "));
  try {
    write_svg(root, (pictures / (name + ".svg")).string());
  } catch (const Error& error) {
    std::fprintf(stderr, "no %s.svg: %s\n", name.c_str(), error.what());
  }
}

void print_torch_comparison(double w2) {
  Tape tape;
  const double b = static_cast<double>(6.8813735870195432f);
  const ExampleNeuron part = record_neuron(tape, tapeloom::tanh, w2, b);
  part.o.backward();
  std::printf("  o  %s\n", repr(part.o.data()).c_str());
  for (const Value& leaf : {part.x2, part.w2, part.x1, part.w1}) {
    std::printf("  %s %s\n", leaf.label().c_str(), repr(leaf.grad()).c_str());
  }
  print_agreement(part.o);
}

}  // namespace tapeloom::examples
