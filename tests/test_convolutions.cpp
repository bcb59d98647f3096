// Convolutions with zeros around their lists, by the library's layers and written by hand: they take as many
// instructions as those without, read one matrix of weights where it is, and compute what evaluate() does, also where
// numbers are infinite or NaN.
#include <algorithm>
#include <functional>
#include <limits>

#include "against_evaluate.h"
#include "tapeloom/compiler/compile.h"
#include "tapeloom/core/nets/convolution.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/record/functions.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

using Values = std::vector<Value>;

/// What stands for a number outside of the list in a convolution that is written by hand.
enum class Zeros { left_out, number, constant };

struct Options {
  std::size_t kernel, stride;
  bool padded, bias = true;
  Zeros zeros = Zeros::left_out;
  Activation activation = relu;
};

/// One dimension is an image of one row.
struct Map {
  std::size_t channels, height, width;
  Values values;
};

/// A convolution in two dimensions as people write it, with the loops over what it reads inside.
Map by_hand(Tape& tape, const Map& x, std::size_t outputs, const Options& o, Random& random) {
  const auto kernel_of = [&](std::size_t length) { return length == 1 ? 1 : o.kernel; };
  const std::size_t rows = kernel_of(x.height), columns = o.kernel;
  const std::size_t above = o.padded ? rows / 2 : 0, before = o.padded ? columns / 2 : 0;
  Values w, b;
  for (std::size_t i = 0; i < outputs * x.channels * rows * columns; ++i) {
    w.push_back(tape.parameter(between(random, -0.5, 0.5)));
  }
  for (std::size_t i = 0; i < outputs; ++i) b.push_back(tape.parameter(between(random, -0.5, 0.5)));
  const auto windows = [&](std::size_t length, std::size_t kernel, std::size_t padding) {
    return (length + 2 * padding - kernel) / o.stride + 1;
  };
  Map y{outputs, windows(x.height, rows, above), windows(x.width, columns, before), {}};
  for (std::size_t out = 0; out < outputs; ++out) {
    for (std::size_t i = 0; i < y.height; ++i) {
      for (std::size_t j = 0; j < y.width; ++j) {
        Value sum = o.bias ? b[out] : Value(0.0);
        for (std::size_t c = 0; c < x.channels; ++c) {
          for (std::size_t k = 0; k < rows * columns; ++k) {
            const std::size_t row = i * o.stride + k / columns - above, column = j * o.stride + k % columns - before;
            const bool inside = row < x.height && column < x.width;  // both wrap around below 0
            const Value weight = w[(out * x.channels + c) * rows * columns + k];
            if (inside) {
              sum += weight * x.values[(c * x.height + row) * x.width + column];
            } else if (o.zeros == Zeros::number) {
              sum += weight * 0.0;
            } else if (o.zeros == Zeros::constant) {
              sum += weight * tape.constant(0.0);
            }
          }
        }
        y.values.push_back(o.activation(sum));
      }
    }
  }
  return y;
}

Map by_layer(Tape& tape, const Map& x, std::size_t outputs, const Options& o, Random& random) {
  const Initializer initial = uniform_initializer(random, -0.5, 0.5);
  if (x.height == 1) {
    const Conv1d conv(tape, x.channels, outputs,
                      {.kernel = o.kernel,
                       .stride = o.stride,
                       .padding = o.padded ? o.kernel / 2 : 0,
                       .activation = relu,
                       .bias = o.bias},
                      initial);
    Signal y = conv(Signal{x.channels, x.width, x.values});
    return {outputs, 1, y.length, y.values};
  }
  const Conv2d conv(tape, x.channels, outputs,
                    {.kernel = o.kernel,
                     .stride = o.stride,
                     .padding = o.padded ? o.kernel / 2 : 0,
                     .activation = relu,
                     .bias = o.bias},
                    initial);
  Image y = conv(Image{x.channels, x.height, x.width, x.values});
  return {outputs, y.height, y.width, y.values};
}

using Convolution = Map (*)(Tape&, const Map&, std::size_t, const Options&, Random&);

enum class Head { none, pooling, dense };

struct Net {
  Tape tape;
  Value loss;
  std::size_t columns;

  Net(Convolution convolution, bool image, std::size_t width, std::size_t layers, const Options& options, Head head) {
    Random random(5);
    Map map{2, image ? width : 1, width, {}};
    columns = map.channels * map.height * map.width;
    map.values = tape.inputs("x", columns);
    for (std::size_t layer = 0; layer < layers; ++layer) map = convolution(tape, map, 4, options, random);
    Values y = map.values;
    if (head == Head::pooling && image) y = max_pool2d({4, map.height, map.width, y}, {.kernel = 2}).values;
    if (head == Head::pooling && !image) y = avg_pool1d({4, map.width, y}, {.kernel = 2}).values;
    if (head == Head::dense) y = Layer(tape, y.size(), {.outputs = 5}, uniform_initializer(random, -0.5, 0.5))(y);
    for (Value& each : y) each = square(each);
    loss = batch_mean(sum(y));
  }
};

std::string name_of(bool layer, bool image, std::size_t width, std::size_t layers, const Options& o, Head head) {
  return std::string(layer ? "layer" : "by hand") + (image ? ", image of " : ", list of ") + std::to_string(width) +
         ", layers " + std::to_string(layers) + ", kernel " + std::to_string(o.kernel) + ", stride " +
         std::to_string(o.stride) + (o.padded ? ", padded" : "") + (o.bias ? ", bias" : "") + ", zeros " +
         std::to_string(static_cast<int>(o.zeros)) + ", head " + std::to_string(static_cast<int>(head));
}

/// All kinds of nets, with f(layer or not, image or not, layers, options, head).
template <class F>
void each_kind(F&& f) {
  for (const bool image : {false, true}) {
    for (const std::size_t kernel : {3, 5}) {
      for (const std::size_t stride : {1, 2}) {
        if (image && kernel == 5 && stride == 2) continue;  // long to record, and nothing new
        const std::size_t layers = kernel == 3 && stride == 1 ? 2 : 1;
        const Head head = stride == 2 ? Head::dense : kernel == 3 ? Head::pooling : Head::none;
        f(true, image, layers, Options{.kernel = kernel, .stride = stride, .padded = true}, head);
        for (const Zeros zeros : {Zeros::left_out, Zeros::number, Zeros::constant}) {
          f(false, image, layers, Options{kernel, stride, true, zeros == Zeros::left_out, zeros}, head);
        }
      }
    }
  }
}

std::size_t instructions(const Net& net) { return compile(net.loss, {.verify = true}).instructions.size(); }

}  // namespace

TEST_CASE("convolutions: padded ones take as many instructions as others, whatever their width") {
  each_kind([](bool layer, bool image, std::size_t layers, const Options& options, Head head) {
    Options plain = options;
    plain.padded = false;
    const Convolution convolution = layer ? by_layer : by_hand;
    // Unpadded lists get shorter, and pooling would leave out their ends. In short lists, and small images, windows are
    // copied.
    const std::size_t width = image ? 13 : 61, wide = image ? 17 : 125;
    INFO(name_of(layer, image, width, layers, options, head));
    const std::size_t unpadded = instructions({convolution, image, wide, layers, plain, head});
    const std::size_t narrow = instructions({convolution, image, width, layers, options, head});
    CHECK(narrow <= unpadded + 2);
    CHECK(instructions({convolution, image, wide, layers, options, head}) <= narrow + 1);
  });
}

TEST_CASE("convolutions: padded ones read their weights where they are") {
  each_kind([](bool layer, bool image, std::size_t layers, const Options& options, Head head) {
    Options plain = options;
    plain.bias = false;  // each place has a copy of those
    const Net net(layer ? by_layer : by_hand, image, image ? 9 : 13, layers, plain, head);
    INFO(name_of(layer, image, image ? 9 : 13, layers, plain, head));
    const Program program = compile(net.loss);
    // Parameters, as many totals, and little else; where windows are read in place, both once more in their order.
    const bool slides = std::ranges::any_of(program.shapes, [](const Shape& s) { return s.windows.step > 0; });
    CHECK(program.uniform_slots <= (slides ? 4 : 2) * program.parameters.size() + 64);
  });
}

TEST_CASE("convolutions: padded ones compute what evaluate() does") {
  each_kind([](bool layer, bool image, std::size_t layers, const Options& options, Head head) {
    const Net net(layer ? by_layer : by_hand, image, image ? 7 : 11, layers, options, head);
    INFO(name_of(layer, image, 7, layers, options, head));
    const std::size_t samples = 5;
    expect_programs_like_evaluate(net.loss, {}, some_numbers(net.columns * samples, 3), samples, 600.0);
  });
}

namespace {

/// Two channels of eight numbers, kernels of three; every output has a factor of its own, which is data.
struct OddNet {
  static constexpr std::size_t length = 8, outputs = 4, channels = 2, columns = channels * length + outputs * length;
  Tape tape;
  Values y;
  Value loss;
  std::vector<double> row = some_numbers(columns, 11);

  OddNet() {
    Random random(2);
    const Values x = tape.inputs("x", channels * length), factors = tape.inputs("factors", outputs * length);
    const Conv1d conv(tape, channels, outputs, {.kernel = 3, .padding = 1}, uniform_initializer(random, -0.5, 0.5));
    y = conv(Signal{channels, length, x}).values;
    Value total = 0.0;
    for (std::size_t i = 0; i < y.size(); ++i) total += factors[i] * y[i];
    loss = batch_mean(total);
  }
  double& factor(std::size_t output, std::size_t place) { return row[channels * length + output * length + place]; }
  /// Of the first output and channel.
  Value weight(std::size_t k) { return tape.value(tape.parameters()[k].node); }

  void expect_like_evaluate() {
    std::vector<double> rows = row;
    const std::vector<double> other = some_numbers(columns, 12);
    rows.insert(rows.end(), other.begin(), other.end());
    expect_programs_like_evaluate(loss, y, rows, 2, 300.0);
    // A sample alone, which its own list of instructions may compute.
    expect_programs_like_evaluate(loss, y, row, 1, 300.0);
  }
};

}  // namespace

TEST_CASE("convolutions: a weight that is not finite changes nothing where there is nothing to multiply") {
  for (const double odd : {inf, not_a_number}) {
    for (const std::size_t k : {0, 1, 2}) {
      OddNet net;
      net.weight(k).set_data(odd);
      INFO("weight " << k << " is " << odd);
      net.expect_like_evaluate();
      Executor<double> executor(compile(net.loss, {.outputs = net.y}), {.max_samples = 2});
      executor.bind(net.row);
      executor.step();
      CHECK(std::isfinite(executor.outputs()[0]) == (k == 0));
      CHECK(std::isfinite(executor.outputs()[OddNet::length - 1]) == (k == 2));
      // Prediction alone.
      Executor<float> predicting(compile_inference(net.y), {.max_samples = 2});
      predicting.bind("x", std::span(net.row).first(OddNet::channels * OddNet::length));
      predicting.step();
      CHECK(std::isfinite(predicting.outputs()[0]) == (k == 0));
    }
  }
}

TEST_CASE("convolutions: an adjoint that is not finite reaches no weight by what is not there") {
  for (const double odd : {inf, not_a_number}) {
    for (const std::size_t place : {std::size_t{0}, std::size_t{3}, OddNet::length - 1}) {
      OddNet net;
      net.factor(0, place) = odd;
      INFO("factor of place " << place << " is " << odd);
      net.expect_like_evaluate();
      Executor<double> executor(compile(net.loss), {.max_samples = 2});
      executor.bind(net.row);
      executor.step();
      CHECK(std::isfinite(executor.gradients()[0]) == (place == 0));
      CHECK(std::isfinite(executor.gradients()[2]) == (place == OddNet::length - 1));
    }
  }
}

TEST_CASE("convolutions: data that are not finite are multiplied where they are") {
  for (const double odd : {inf, not_a_number}) {
    for (const std::size_t at : {std::size_t{0}, std::size_t{4}, OddNet::length - 1}) {
      OddNet net;
      net.row[at] = odd;
      INFO("number " << at << " is " << odd);
      net.expect_like_evaluate();
    }
  }
}

TEST_CASE("convolutions: zeros that are written down are multiplied") {
  Random random(3);
  Tape tape;
  const Values x = tape.inputs("x", 16);
  const Map y =
      by_hand(tape, {2, 1, 8, x}, 4,
              {.kernel = 3, .stride = 1, .padded = true, .zeros = Zeros::number, .activation = linear}, random);
  const Value loss = batch_mean(sum(y.values));
  tape.value(tape.parameters()[0].node).set_data(inf);
  const std::vector<double> row = some_numbers(16, 4);
  expect_programs_like_evaluate(loss, y.values, row, 1, 300.0);
  Executor<double> executor(compile_inference(y.values), {.max_samples = 2});
  executor.bind(row);
  executor.step();
  CHECK(std::isnan(executor.outputs()[0]));
}

TEST_CASE("convolutions: padded ones behind one another, without an activation, with values moved in between") {
  for (const unsigned seed : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u}) {
    INFO("seed " << seed);
    std::mt19937 random(seed);
    Tape tape;
    const std::size_t length = 6 + seed % 3;
    Signal s{1, length, tape.inputs("x", length)};
    s = Conv1d(tape, 1, 1 + seed % 2, {.kernel = 2, .padding = 1}, fan_in_uniform(random))(s);
    if (seed > 4) std::ranges::rotate(s.values, s.values.begin() + 2);
    s = Conv1d(tape, s.channels, 1, {.kernel = 4 + seed % 2, .padding = 3 + seed % 2}, fan_in_uniform(random))(s);
    Value loss = 0.0;
    for (const Value y : s.values) loss += square(y);
    expect_programs_like_evaluate(batch_mean(loss), {}, some_numbers(2 * length, seed), 2, 600.0);
  }
}
