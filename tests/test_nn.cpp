// Neurons, layers, perceptrons and their initial values.
#include "tapeloom/core/nets/nn.h"

#include <cmath>
#include <limits>
#include <random>

#include "catch.h"
#include "compare.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/record/evaluate.h"

using namespace tapeloom;
using test::close;
using test::same_bits;

namespace {

/// 1, 2, 3, ... so that every parameter can be told apart.
Initializer counting() {
  return [next = 0.0](const Fan&) mutable { return ++next; };
}

std::vector<double> numbers(std::span<const Value> values) {
  std::vector<double> result;
  for (const Value& value : values) result.push_back(value.data());
  return result;
}

/// A generator that gives the listed words, then zeros.
template <class Word>
struct Words {
  using result_type = Word;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<Word>::max(); }
  std::vector<result_type> words;
  std::size_t next = 0;
  result_type operator()() { return next < words.size() ? words[next++] : 0; }
};

struct Moments {
  double mean, variance, smallest, largest;
};

Moments moments(const Initializer& initializer, const Fan& fan, int count = 200000) {
  double total = 0.0, squares = 0.0, smallest = test::inf, largest = -test::inf;
  for (int i = 0; i < count; ++i) {
    const double x = initializer(fan);
    total += x, squares += x * x;
    smallest = std::min(smallest, x), largest = std::max(largest, x);
  }
  const double mean = total / count;
  return {mean, squares / count - mean * mean, smallest, largest};
}

}  // namespace

TEST_CASE("a neuron adds bias and products in order") {
  Tape tape;
  const Neuron neuron(tape, 3, counting(), tapeloom::tanh);
  CHECK(numbers(neuron.parameters()) == std::vector<double>{1.0, 2.0, 3.0, 4.0});
  CHECK(neuron.inputs() == 3);
  CHECK(neuron.has_bias());
  const Value y = neuron({0.1, -0.2, 0.3});
  const double sum = ((4.0 + 1.0 * 0.1) + 2.0 * -0.2) + 3.0 * 0.3;
  CHECK(same_bits(y.data(), std::tanh(sum)));
  CHECK(tape.op(y.id()) == Op::tanh);

  const Neuron plain(tape, 2, counting(), linear, false);
  CHECK(plain.parameters().size() == 2);
  CHECK_FALSE(plain.has_bias());
  const std::vector<double> x{10.0, 100.0};
  const Value z = plain(x);
  CHECK(z.data() == 1.0 * 10.0 + 2.0 * 100.0);
  CHECK(tape.op(z.id()) == Op::add);
}

TEST_CASE("a layer's neurons share inputs and plain numbers are recorded once") {
  Tape tape;
  const Layer layer(tape, 2, {3, relu}, counting());
  CHECK(numbers(layer.parameters()) == std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(layer.neurons().size() == 3);
  std::size_t before = tape.size();
  const std::vector<Value> y = layer({1.0, -2.0});
  // Two constants; for each neuron two products, two additions and the activation.
  CHECK(tape.size() - before == 2 + 3 * 5);
  CHECK(numbers(y) == std::vector<double>{3 + 1 - 4 > 0 ? 3.0 + 1 - 4 : 0.0, 0.0, 0.0});
  before = tape.size();
  const std::vector<Value> x = tape.inputs("x", std::vector<double>{5.0, 1.0});
  CHECK(numbers(layer(x)) == std::vector<double>{5 + 2 + 3, 20 + 5 + 6, 35 + 8 + 9});
  CHECK(tape.size() - before == 2 + 3 * 5);
  CHECK(numbers(layer(std::vector{5.0, 1.0})) == numbers(layer(x)));
  const std::vector<Value> mixed{x[0], 1.0};
  CHECK(numbers(layer(mixed)) == std::vector<double>{5 + 2 + 3, 20 + 5 + 6, 35 + 8 + 9});
}

TEST_CASE("the notebooks' perceptron has 41 parameters, in order") {
  Tape tape;
  const MLP model(tape, 3, {4, 4, 1}, counting(), tapeloom::tanh);
  const std::vector<Value> parameters = model.parameters();
  REQUIRE(parameters.size() == 41);
  for (std::size_t i = 0; i < 41; ++i) CHECK(parameters[i].data() == static_cast<double>(i + 1));
  CHECK(tape.parameters().size() == 41);
  CHECK(model.layers().size() == 3);
  CHECK(model({2.0, 3.0, -1.0}).size() == 1);
  CHECK(model.layers()[1].neurons()[2].parameters()[0].data() == 16 + 2 * 5 + 1);
}

TEST_CASE("a perceptron computes what loops over its parameters compute") {
  Tape tape;
  std::mt19937 generator(7);
  const MLP model(tape, 2, {{3, relu}, {2, [](Value x) { return leaky_relu(x, 0.1); }, false}, {1}},
                  uniform_initializer(generator, -1.0, 1.0));
  const std::vector<double> p = numbers(model.parameters());
  REQUIRE(p.size() == 3 * 3 + 2 * 3 + 3);
  const std::vector<double> x{0.7, -0.4};
  double h1[3], h2[2];
  for (int i = 0; i < 3; ++i) h1[i] = std::max(0.0, p[3 * i + 2] + p[3 * i] * x[0] + p[3 * i + 1] * x[1]);
  for (int i = 0; i < 2; ++i) {
    const double* w = &p[9 + 3 * i];
    const double total = w[0] * h1[0] + w[1] * h1[1] + w[2] * h1[2];
    h2[i] = total > 0.0 ? total : 0.1 * total;
  }
  CHECK(close(model(x)[0].data(), p[17] + p[15] * h2[0] + p[16] * h2[1], 1e-14));
  CHECK(same_bits(model(x)[0].data(), model({x[0], x[1]})[0].data()));
}

TEST_CASE("gradients reach every parameter of a perceptron") {
  Tape tape;
  std::mt19937 generator(3);
  const MLP model(tape, 3, {4, 4, 1}, uniform_initializer(generator, -1.0, 1.0), tapeloom::tanh);
  const Value y = model({2.0, 3.0, -1.0})[0];
  y.backward();
  for (const Value& p : model.parameters()) {
    const double at = p.data(), h = 1e-6;
    const auto output = [&](double number) {
      p.set_data(number);
      recompute(tape);
      return y.data();
    };
    const double difference = (output(at + h) - output(at - h)) / (2.0 * h);
    output(at);
    CHECK(close(p.grad(), difference, 1e-6, 1e-9));
    CHECK(p.grad() != 0.0);
  }
}

TEST_CASE("labels are given on request") {
  Tape tape;
  const MLP model(tape, 2, {{2, relu}, {1, relu, false}}, counting());
  CHECK(model.parameters()[0].label().empty());
  model.set_labels();
  std::vector<std::string> labels;
  for (const Value& p : model.parameters()) labels.push_back(p.label());
  CHECK(labels == std::vector<std::string>{"layer0.neuron0.w[0]", "layer0.neuron0.w[1]", "layer0.neuron0.b",
                                           "layer0.neuron1.w[0]", "layer0.neuron1.w[1]", "layer0.neuron1.b",
                                           "layer1.neuron0.w[0]", "layer1.neuron0.w[1]"});
  model.set_labels("critic.");
  CHECK(model.parameters()[2].label() == "critic.layer0.neuron0.b");
}

TEST_CASE("wrong sizes are refused with both numbers") {
  Tape tape;
  const MLP model(tape, 3, {2, 1}, counting(), relu);
  const std::vector<double> two{1.0, 2.0};
  CHECK_THROWS_SAYING(RecordingError, "3 inputs was given 2", model(two));
  CHECK_THROWS_SAYING(RecordingError, "3 inputs was given 4", model({1.0, 2.0, 3.0, 4.0}));
  CHECK_THROWS_SAYING(RecordingError, "1 input was given 0", Neuron(tape, 1, counting())(std::vector<Value>{}));
  CHECK_THROWS_AS(Neuron(tape, 0, counting()), RecordingError);
  CHECK_THROWS_AS(Layer(tape, 0, {1}, counting()), RecordingError);
  CHECK_THROWS_AS(Layer(tape, 1, {0}, counting()), RecordingError);
  CHECK_THROWS_AS(MLP(tape, 3, std::vector<LayerOptions>{}, counting()), RecordingError);
  CHECK_THROWS_AS(MLP(tape, 3, {4, 0, 1}, counting(), relu), RecordingError);
  CHECK_THROWS_SAYING(RecordingError, "Initializer", MLP(tape, 3, {1}, Initializer(), relu));
  Tape other;
  const std::vector<Value> foreign = other.inputs("x", 3);
  CHECK_THROWS_AS(model(foreign), RecordingError);
}

TEST_CASE("an empty activation is none, and initializers are told what they fill") {
  Tape tape;
  std::vector<Fan> fans;
  const MLP model(tape, 2, {{3, Activation()}, {1, nullptr, false}}, [&](const Fan& fan) {
    fans.push_back(fan);
    return 1.0;
  });
  CHECK(model({1.0, 1.0})[0].data() == 9.0);
  REQUIRE(fans.size() == 12);
  for (std::size_t i = 0; i < 12; ++i) {
    CHECK(fans[i].inputs == (i < 9 ? 2u : 3u));
    CHECK(fans[i].outputs == (i < 9 ? 3u : 1u));
    CHECK(fans[i].bias == (i < 9 && i % 3 == 2));
  }
}

TEST_CASE("activations are functions, lambdas or function objects, also where C has one of the name") {
  double (*const in_c)(double) = tanh;  // <math.h>'s is among the functions of this name; else nothing is tested
  CHECK(in_c(0.0) == 0.0);
  Tape tape;
  const Initializer half = [](const Fan&) { return 0.5; };
  const std::function<Value(Value)> twice = [](Value x) { return 2.0 * x; };
  const auto less_one = [](auto x) { return exp(x) - 1.0; };
  const MLP model(tape, 1, {{1, tanh}, {1, sin}, {1, less_one}, {1, twice}, {1, linear}}, half);
  const auto inner = [](double x) { return 0.5 + 0.5 * x; };
  const double third = std::exp(inner(std::sin(inner(std::tanh(inner(0.25)))))) - 1.0;
  CHECK(model({0.25})[0].data() == Approx(inner(2.0 * inner(third))));
  const MLP same(tape, 1, {1, 1}, half, tanh);
  CHECK(same({0.25})[0].data() == Approx(std::tanh(inner(std::tanh(inner(0.25))))));
  Activation chosen = relu;
  chosen = tanh;
  CHECK(chosen(0.25).data() == std::tanh(0.25));
}

TEST_CASE("53 bits come from a generator in a fixed way") {
  // Python's random.random(): (a >> 5, b >> 6) -> (a * 2^26 + b) / 2^53.
  Words<std::uint32_t> ones{{UINT32_MAX, UINT32_MAX}};
  CHECK(random_unit(ones) == 1.0 - 0x1p-53);
  Words<std::uint32_t> mixed{{0x80000000u, 0x40u}};
  CHECK(random_unit(mixed) == 0.5 + 0x1p-53);
  std::mt19937 engine;  // its first two words are 3499211612 and 581869302
  const double expected = ((3499211612u >> 5) * 67108864.0 + (581869302u >> 6)) / 9007199254740992.0;
  CHECK(random_unit(engine) == expected);

  Words<std::uint64_t> wide{{UINT64_MAX, 0x8000000000000800u, 0x7ffu}};
  CHECK(random_unit(wide) == 1.0 - 0x1p-53);
  CHECK(random_unit(wide) == 0.5 + 0x1p-53);
  CHECK(random_unit(wide) == 0.0);
}

TEST_CASE("any generator gives numbers spread over [0, 1)") {
  const auto check = [](auto generator) {
    double total = 0.0, squares = 0.0;
    int low = 0;
    constexpr int count = 100000;
    for (int i = 0; i < count; ++i) {
      const double x = random_unit(generator);
      if (!(x >= 0.0 && x < 1.0)) FAIL_CHECK("draw " << i << " is " << x);
      total += x, squares += x * x, low += x < 0.125;
    }
    // Four standard errors of a uniform distribution's mean, mean square and eighth.
    CHECK(std::abs(total / count - 0.5) < 4 * 0.2887 / std::sqrt(count));
    CHECK(std::abs(squares / count - 1.0 / 3.0) < 4 * 0.2981 / std::sqrt(count));
    CHECK(std::abs(low / double{count} - 0.125) < 4 * 0.3307 / std::sqrt(count));
  };
  check(std::mt19937(1));
  check(std::mt19937_64(1));
  check(std::minstd_rand(1));  // 1 to 2^31 - 2
  check(std::minstd_rand0(1));
  check(std::ranlux24_base(1));  // 24 bits
  check(std::knuth_b(1));
}

TEST_CASE("initial values have the stated distribution") {
  std::mt19937_64 generator(11);
  const Fan weight{8, 24, false}, bias{8, 24, true};
  // Four standard errors: of the mean sigma / sqrt(n), of a variance sigma^2 sqrt((kurtosis - 1) / n).
  const double n = 200000.0;
  const auto check = [&](const Moments& m, double mean, double variance, double kurtosis) {
    CHECK(std::abs(m.mean - mean) < 4.0 * std::sqrt(variance / n));
    CHECK(std::abs(m.variance - variance) < 4.0 * variance * std::sqrt((kurtosis - 1.0) / n));
  };
  const Moments uniform = moments(uniform_initializer(generator, -1.0, 3.0), bias);
  check(uniform, 1.0, 16.0 / 12.0, 1.8);
  CHECK(uniform.smallest >= -1.0);
  CHECK(uniform.largest < 3.0);

  const double radius = std::sqrt(6.0 / 32.0);
  const Moments xavier = moments(glorot(generator), weight);
  check(xavier, 0.0, 2.0 / 32.0, 1.8);
  CHECK(xavier.smallest >= -radius);
  CHECK(xavier.smallest < -0.999 * radius);
  CHECK(xavier.largest <= radius);

  const Moments kaiming = moments(he(generator), weight);
  check(kaiming, 0.0, 2.0 / 8.0, 3.0);
  CHECK(kaiming.largest > 0.5 * 3.5);  // 200,000 normal numbers reach 3.5 sigma
  CHECK(glorot(generator)(bias) == 0.0);
  CHECK(he(generator)(bias) == 0.0);
}

TEST_CASE("normal numbers follow the bell curve") {
  std::mt19937 generator(5);
  const Initializer normal = he(generator);
  constexpr int count = 200000;
  int below[6] = {};
  for (int i = 0; i < count; ++i) {
    const double x = normal({2, 1, false});  // variance 2 / 2
    for (int k = 0; k < 6; ++k) below[k] += x < k - 2.5;
  }
  for (int k = 0; k < 6; ++k) {
    const double p = 0.5 * std::erfc(-(k - 2.5) / std::sqrt(2.0));
    CHECK(std::abs(below[k] / double{count} - p) < 4.0 * std::sqrt(p * (1.0 - p) / count));
  }
  // The library's own logarithm against std::log: x = u sqrt(-2 log(s) / s) with u = s = exp(-t).
  for (double s : {1e-300, 1e-9, 0.1, 0.5, 0.7071, 0.70711, 0.9, 1.0 - 0x1p-53}) {
    CHECK(close(detail::he_normal({2, 1, false}, 1.0, s), std::sqrt(-2.0 * std::log(s) / s), 1e-15));
  }
}

TEST_CASE("a seed gives the same initial values everywhere") {
  // Held to the last bit: the generator is fixed by the C++ standard, the rest by +, -, *, / and sqrt alone. The first
  // two were computed by an MT19937 in Python; there the third ends in 1b3, with the logarithm of its C library.
  std::mt19937 generator(2024);
  CHECK(uniform_initializer(generator, -1.0, 1.0)({3, 4, false}) == 0x1.6881e983a99b8p-3);
  CHECK(glorot(generator)({3, 4, false}) == 0x1.7986a9bdfba54p-2);
  CHECK(he(generator)({3, 4, false}) == -0x1.f8b49462141b7p-4);
}
