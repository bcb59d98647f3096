// The compiler's graph after each pass, and the program, of two small losses, against the texts in tests/golden. After
// a change that is meant to change them, write them anew and read the difference:
//
//   TAPELOOM_REGENERATE=1 ctest --preset dev -R golden; git diff tests/golden
//
// Such a run fails, since it has compared nothing.
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "catch.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/program/print.h"
#include "tapeloom/core/record/value.h"

using namespace tapeloom;

namespace {

std::string report(Value loss, const CompileOptions& options = {}) {
  return explain_passes(loss, options) + "== program\n" + to_string(compile(loss, options));
}

void expect_golden(const std::string& name, const std::string& text) {
  const std::string path = TAPELOOM_SOURCE_DIR "/tests/golden/" + name + ".txt";
  if (std::getenv("TAPELOOM_REGENERATE") != nullptr) {
    std::ofstream(path) << text;
    FAIL_CHECK("regenerated, look at the difference: git diff " << path);
    return;
  }
  std::ifstream file(path);
  REQUIRE(file.good());
  std::istringstream got(text);
  std::string expected_line, got_line;
  for (std::size_t line = 1;; ++line) {
    const bool more_expected = static_cast<bool>(std::getline(file, expected_line));
    const bool more_got = static_cast<bool>(std::getline(got, got_line));
    INFO(path << ", line " << line);
    REQUIRE(more_got == more_expected);
    if (!more_expected) return;
    REQUIRE(got_line == expected_line);
  }
}

}  // namespace

TEST_CASE("golden: a tanh neuron with a squared error and an L2 penalty") {
  Tape tape;
  const Value w = tape.parameter(0.5, "w"), b = tape.parameter(-0.25, "b");
  const Value x = tape.input(0.0, "x"), y = tape.input(0.0, "y");
  // Statement by statement: C++ does not say which operand of an operator is recorded first.
  const Value prediction = tanh(w * x + b).set_label("prediction");
  const Value error = batch_mean(square(prediction - y));
  const Value penalty = 0.01 * pow(w, 2.0);
  const Value loss = error + penalty;
  expect_golden("tanh_neuron", report(loss, {.outputs = {prediction}}));
  expect_golden("tanh_neuron_exact", report(error, {.outputs = {prediction}, .exact = true}));
}

TEST_CASE("golden: derivatives of several ops each are written in the order of their lines") {
  Tape tape;
  const std::vector<Value> x = tape.inputs("x", 3);
  const Value absolute = abs(x[0]), leaky = leaky_relu(x[1], x[2]), power = pow(x[0], x[1]);
  const Value total = absolute + leaky + power;
  const CompileOptions options{.input_gradients = true, .exact = true};
  expect_golden("derivatives", to_string(compile(batch_sum(total), options)));
}

TEST_CASE("golden: a weighted loss is recorded in the order of its lines") {
  Tape tape;
  const std::vector<Value> z = tape.inputs("z", 2), t = tape.inputs("t", 2);
  const Value w = tape.input(1.0, "w");
  const Value squared = squared_error(z[0], t[0], w), hinged = hinge(z[0], t[0], w);
  const Value binary = binary_cross_entropy(z[0], t[0], w), soft = softmax_cross_entropy(z, t, w);
  const Value total = squared + hinged + binary + soft;
  expect_golden("weighted_losses", to_string(compile(batch_sum(total), {.exact = true})));
}

TEST_CASE("golden: the logarithm of a batch mean, in two stages") {
  Tape tape;
  const Value w = tape.parameter(0.5, "w"), x = tape.input(0.0, "x");
  const Value v = exp(w * x);
  if (v > 0.0) expect_golden("log_of_mean", report(log(batch_mean(v)), {.input_gradients = true}));
}

TEST_CASE("golden: a perceptron is rolled into dense blocks") {
  Tape tape;
  double next = 0.0;
  const Initializer numbers = [&](const Fan&) { return next += 0.125; };
  const MLP model(tape, 4, {{8, relu}, {8, relu}, {2}}, numbers);
  const std::vector<Value> x = tape.inputs("x", 4), y = tape.inputs("y", 2);
  const std::vector<Value> prediction = model(x);
  const Value loss = batch_mean(squared_error_sum(prediction, y));
  expect_golden("perceptron", to_string(compile(loss, {.outputs = prediction})));
}
