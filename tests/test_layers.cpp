// Layers and losses against PyTorch's: values and derivatives in layers.safetensors, which layers.py has written.
#include <cmath>
#include <cstdio>

#include "against_evaluate.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/nets/attention.h"
#include "tapeloom/core/nets/convolution.h"
#include "tapeloom/core/nets/loss.h"
#include "tapeloom/core/nets/norm.h"
#include "tapeloom/core/nets/recurrent.h"
#include "tapeloom/core/record/functions.h"
#include "tapeloom/runtime/train/weights.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

using Values = std::vector<Value>;
using Sequence = std::vector<Values>;

const Initializer ones = [](const Fan&) { return 1.0; };

/// Vectors of so many Values each.
Sequence cut(std::span<const Value> x, std::size_t size) {
  Sequence result;
  for (; !x.empty(); x = x.subspan(size)) result.emplace_back(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(size));
  return result;
}
Values joined(const Sequence& vectors) {
  Values all;
  for (const Values& each : vectors) all.insert(all.end(), each.begin(), each.end());
  return all;
}

const TensorFile& reference() {
  static const TensorFile file = read_safetensors(std::string(TAPELOOM_SOURCE_DIR) + "/tests/layers.safetensors");
  return file;
}

/// A tensor's numbers, one row a sample.
std::vector<double> numbers(const std::string& name) {
  INFO(name);
  const Tensor* tensor = reference().find(name);
  REQUIRE(tensor != nullptr);
  return std::get<std::vector<double>>(tensor->numbers);
}
std::size_t row_size(const std::string& name) {
  const Tensor* tensor = reference().find(name);
  REQUIRE(tensor != nullptr);
  return tensor->shape.at(1);
}

/// What a case records, and the module whose parameters it has, labelled.
struct Recorded {
  Values y;
  TensorLayout layout = {};
};

using Record = std::function<Recorded(Tape&, const Values& x, const std::string& prefix)>;

template <class M>
Recorded with(const M& module, const std::string& prefix, Values y) {
  module.set_labels(prefix);
  return {std::move(y), tensor_layout(module, prefix)};
}

/// Rows of the numbers of both lists by turns.
std::vector<double> side_by_side(const std::vector<double>& a, const std::vector<double>& b, std::size_t rows) {
  std::vector<double> both;
  for (std::size_t s = 0; s < rows; ++s) {
    for (const auto* list : {&a, &b}) {
      const auto size = static_cast<std::ptrdiff_t>(list->size() / rows);
      const auto first = list->begin() + static_cast<std::ptrdiff_t>(s) * size;
      both.insert(both.end(), first, first + size);
    }
  }
  return both;
}

template <class T>
void run(const std::string& name, const Record& record, bool exact) {
  INFO(name << (exact ? ", exact" : ""));
  const std::vector<double> x = numbers(name + ".x"), c = numbers(name + ".c"), y = numbers(name + ".y");
  const std::size_t samples = x.size() / row_size(name + ".x");
  Tape tape;
  const Values inputs = tape.inputs("x", row_size(name + ".x")), factors = tape.inputs("c", row_size(name + ".c"));
  const Recorded recorded = record(tape, inputs, name + ".");
  REQUIRE(recorded.y.size() == factors.size());
  const Value loss = batch_sum(dot(factors, recorded.y));
  Executor<T> executor(compile(loss, {.outputs = recorded.y, .input_gradients = true, .exact = exact}));
  // By the labels alone, as an application reads the file that has a compiled program and no module.
  if (!recorded.layout.empty()) import_weights(executor, reference());
  const std::vector<double> rows = side_by_side(x, c, samples);
  executor.bind(std::span<const double>(rows));
  executor.step();

  const double ulps = 40.0;
  expect_numbers<T>("outputs", executor.outputs(), y, ulps);
  const std::vector<double> by_x = side_by_side(numbers(name + ".grad.x"), y, samples);
  expect_numbers<T>("derivatives by the inputs", executor.input_gradients(), by_x, ulps);
  const TensorLayout by_labels = labelled_layout(executor.program());
  REQUIRE(by_labels.size() == recorded.layout.size());
  for (std::size_t i = 0; i < by_labels.size(); ++i) {
    const ParameterTensor& tensor = by_labels[i];
    INFO(tensor.name);
    CHECK(tensor.name == recorded.layout[i].name);
    CHECK(tensor.shape == recorded.layout[i].shape);
    CHECK(tensor.parameters == recorded.layout[i].parameters);
    std::vector<T> gradients;
    for (const ParameterId id : tensor.parameters) gradients.push_back(executor.gradients()[id.index]);
    const std::string own = name + ".grad." + tensor.name.substr(name.size() + 1);
    expect_numbers<T>("derivatives by parameters", gradients, numbers(own), ulps);
  }
}

void check(const std::string& name, const Record& record) {
  run<double>(name, record, false);
  run<float>(name, record, false);
  run<double>(name, record, true);
}

template <class Cell>
Record unrolled(std::size_t states) {
  return [states](Tape& tape, const Values& x, const std::string& prefix) {
    const Cell cell(tape, 2, 3, ones);
    typename Cell::State state;
    const auto rest = std::span(x).subspan(4);
    if constexpr (std::is_same_v<Cell, LSTMCell>) {
      if (states > 0) state = {{rest.begin(), rest.begin() + 3}, {rest.begin() + 3, rest.end()}};
    } else if (states > 0) {
      state = {rest.begin(), rest.end()};
    }
    Values y;
    for (const auto& each : unroll(cell, cut(std::span(x).first(4), 2), state)) {
      if constexpr (std::is_same_v<Cell, LSTMCell>) {
        y.insert(y.end(), each.h.begin(), each.h.end());
      } else {
        y.insert(y.end(), each.begin(), each.end());
      }
    }
    return with(cell, prefix, y);
  };
}

}  // namespace

TEST_CASE("layers: LayerNorm and RMSNorm are PyTorch's") {
  check("layer_norm", [](Tape& tape, const Values& x, const std::string& prefix) {
    const LayerNorm norm(tape, 5);
    return with(norm, prefix, norm(x));
  });
  check("rms_norm", [](Tape& tape, const Values& x, const std::string& prefix) {
    const RMSNorm norm(tape, 5);
    return with(norm, prefix, norm(x));
  });
}

TEST_CASE("layers: RNNCell, GRUCell and LSTMCell are PyTorch's, from zeros and from a state") {
  check("rnn", unrolled<RNNCell>(0));
  check("rnn_state", unrolled<RNNCell>(1));
  check("gru", unrolled<GRUCell>(0));
  check("gru_state", unrolled<GRUCell>(1));
  check("lstm", unrolled<LSTMCell>(0));
  check("lstm_state", unrolled<LSTMCell>(2));
  check("rnn_relu", [](Tape& tape, const Values& x, const std::string& prefix) {
    const RNNCell cell(tape, 2, 3, ones, {.nonlinearity = relu, .bias = false});
    return with(cell, prefix, joined(unroll(cell, cut(x, 2))));
  });
}

TEST_CASE("layers: Conv1d and Conv2d are PyTorch's, with strides, padding and channels") {
  check("conv1d", [](Tape& tape, const Values& x, const std::string& prefix) {
    const Conv1d conv(tape, 2, 3, {.kernel = 3, .stride = 2, .padding = 1}, ones);
    const Signal y = conv(Signal{2, 6, x});
    CHECK((y.channels == 3 && y.length == 3));
    return with(conv, prefix, y.values);
  });
  check("conv1d_plain", [](Tape& tape, const Values& x, const std::string& prefix) {
    const Conv1d conv(tape, 1, 2, {.kernel = 2, .bias = false}, ones);
    return with(conv, prefix, conv(Signal{1, 4, x}).values);
  });
  check("conv2d", [](Tape& tape, const Values& x, const std::string& prefix) {
    const Conv2d conv(tape, 2, 2, {.kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 0}}, ones);
    const Image y = conv(Image{2, 5, 4, x});
    CHECK((y.channels == 2 && y.height == 3 && y.width == 3));
    return with(conv, prefix, y.values);
  });
}

TEST_CASE("layers: windows that lie in the padding altogether are zeros") {
  Tape tape;
  const Values x = {tape.parameter(1.0), tape.parameter(2.0), tape.parameter(3.0)};
  const auto data = [](const Values& y) {
    std::vector<double> all;
    for (const Value& each : y) all.push_back(each.data());
    return all;
  };
  using Numbers = std::vector<double>;
  const Conv1d one(tape, 1, 1, {.kernel = 1, .padding = 3}, ones);
  CHECK(data(one(Signal{1, 3, x}).values) == Numbers{1, 1, 1, 2, 3, 4, 1, 1, 1});  // with a bias of 1
  const Conv1d two(tape, 1, 1, {.kernel = 2, .stride = 2, .padding = 4, .bias = false}, ones);
  CHECK(data(two(Signal{1, 3, x}).values) == Numbers{0, 0, 3, 3, 0});
  const Conv2d image(tape, 1, 1, {.kernel = {1, 2}, .padding = {2, 3}, .bias = false}, ones);
  CHECK(data(image(Image{1, 1, 3, x}).values) == Numbers{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  //
                                                         0, 0, 1, 3, 5, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  //
                                                         0, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("layers: pools are PyTorch's, with strides and padding") {
  check("max_pool1d", [](Tape&, const Values& x, const std::string&) {
    return Recorded{max_pool1d({2, 7, x}, {.kernel = 3, .stride = 2, .padding = 1}).values};
  });
  check("max_pool2d", [](Tape&, const Values& x, const std::string&) {
    return Recorded{max_pool2d({2, 4, 5, x}, {.kernel = 2}).values};
  });
  check("avg_pool1d", [](Tape&, const Values& x, const std::string&) {
    return Recorded{avg_pool1d({2, 7, x}, {.kernel = 3, .stride = 2, .padding = 1}).values};
  });
  check("avg_pool2d", [](Tape&, const Values& x, const std::string&) {
    return Recorded{avg_pool2d({1, 5, 4, x}, {.kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 0}}).values};
  });
  check("avg_pool2d_inside", [](Tape&, const Values& x, const std::string&) {
    return Recorded{avg_pool2d({1, 4, 4, x}, {.kernel = 3, .stride = 1, .padding = 1}, false).values};
  });
}

TEST_CASE("layers: attention is PyTorch's, causal or not, and softmax") {
  check("attention", [](Tape& tape, const Values& x, const std::string& prefix) {
    const MultiheadAttention attention(tape, 4, 2, ones);
    return with(attention, prefix, joined(attention(cut(x, 4))));
  });
  check("attention_causal", [](Tape& tape, const Values& x, const std::string& prefix) {
    const MultiheadAttention attention(tape, 4, 2, ones);
    return with(attention, prefix, joined(attention(cut(x, 4), {.causal = true})));
  });
  check("attention_cross", [](Tape& tape, const Values& x, const std::string& prefix) {
    const MultiheadAttention attention(tape, 4, 2, ones);
    const Sequence all = cut(x, 4);
    const std::span<const Values> list(all);
    return with(attention, prefix, joined(attention(list.first(2), list.subspan(2, 3), list.subspan(5))));
  });
  check("softmax", [](Tape&, const Values& x, const std::string&) { return Recorded{softmax(x)}; });
}

TEST_CASE("layers: losses are PyTorch's") {
  const auto pair = [](Value (*loss)(Value, Value)) {
    return [loss](Tape&, const Values& x, const std::string&) { return Recorded{{loss(x[0], x[1])}}; };
  };
  check("l1", pair([](Value y, Value t) { return l1(y, t); }));
  check("huber", pair([](Value y, Value t) { return huber(y, t); }));
  check("smooth_l1", pair([](Value y, Value t) { return smooth_l1(y, t, 0.5); }));
  check("kl_div", [](Tape&, const Values& x, const std::string&) {
    return Recorded{{kl_div(log_softmax(std::span(x).first(3)), std::span(x).subspan(3))}};
  });
  check("smoothed_class",
        [](Tape&, const Values& x, const std::string&) { return Recorded{{softmax_cross_entropy(x, 2, 1.0, 0.1)}}; });
  check("smoothed_class", [](Tape& tape, const Values& x, const std::string&) {
    return Recorded{{softmax_cross_entropy(x, tape.uniform_input(2.0, "class"), 1.0, 0.1)}};
  });
  check("smoothed_probabilities", [](Tape&, const Values& x, const std::string&) {
    return Recorded{{softmax_cross_entropy(std::span(x).first(3), std::span(x).subspan(3), 1.0, 0.25)}};
  });
}

TEST_CASE("layers: what PyTorch begins with") {
  Tape tape;
  const LayerNorm norm(tape, 3);
  for (const Value& weight : norm.tensors()[0].values) CHECK(weight.data() == 1.0);
  for (const Value& bias : norm.tensors()[1].values) CHECK(bias.data() == 0.0);
  Random random(1);
  const Initializer initial = fan_in_uniform(random);
  double largest = 0.0;
  for (int i = 0; i < 1000; ++i) largest = std::fmax(largest, std::fabs(initial({16, 4, i % 2 == 0})));
  CHECK((largest > 0.249 && largest <= 0.25));
}

TEST_CASE("layers: a sum of targets of 0 is 0 in kl_div, whatever the probability") {
  Tape tape;
  const Value none = tape.parameter(-inf), some = tape.parameter(std::log(0.5)), target = tape.input(0.0, "target");
  const Value loss = batch_sum(kl_div(Values{none, some}, Values{target, 1.0 - target}));
  const Evaluation result = evaluate(loss, {.rows = std::vector<double>{0.0}, .samples = 1});
  CHECK(close(result.root[0], std::log(2.0), 1e-15));
  CHECK(result.gradients == std::vector<double>{0.0, -1.0});
  CHECK(kl_div(Values{0.0, 0.0}, Values{0.0, 1.0}, 0.0).is_plain());
}

TEST_CASE("layers: lists of l1 and smoothed losses") {
  const Values y = {1.0, -2.0, 0.5}, t = {0.5, -1.0, 0.5}, w = {2.0, 1.0, 7.0};
  CHECK(l1_sum(y, t).data() == 1.5);
  CHECK(l1_mean(y, t, w).data() == 0.2);
  CHECK(l1(y[0], not_a_number, 0.0).data() == 0.0);
  CHECK(smooth_l1(y[0], t[0], 0.25).data() == 0.5 - 0.125);
  CHECK(smooth_l1(y[0], t[0], 0.0).data() == 0.5);
  const std::vector<Values> logits = {{1.0, 2.0}, {0.0, 3.0}};
  const std::vector<std::size_t> classes = {1, 0};
  const double by_hand =
      softmax_cross_entropy(logits[0], 1, 1.0, 0.5).data() + softmax_cross_entropy(logits[1], 0, 1.0, 0.5).data();
  CHECK(softmax_cross_entropy_sum(logits, classes, {}, 0.5).data() == by_hand);
  CHECK(softmax_cross_entropy_mean(logits, classes, {}, 0.5).data() == by_hand / 2.0);
  // Half of the targets is anywhere: -(3/4) log p - (1/4) log(1 - p).
  const double p = 1.0 / (1.0 + std::exp(-1.0));
  CHECK(
      close(softmax_cross_entropy(logits[0], 1, 1.0, 0.5).data(), -0.75 * std::log(p) - 0.25 * std::log(1 - p), 1e-15));
}

TEST_CASE("layers: softmax of large and infinite numbers") {
  const auto at = [](Values z) {
    std::vector<double> y;
    for (const Value& each : softmax(z)) y.push_back(each.data());
    return y;
  };
  CHECK(at({1000.0, 1000.0, -1000.0}) == std::vector<double>{0.5, 0.5, 0.0});
  CHECK(at({-inf, 0.0}) == std::vector<double>{0.0, 1.0});
  for (const double y : at({inf, 0.0})) CHECK(std::isnan(y));
  for (const double y : at({not_a_number, 0.0})) CHECK(std::isnan(y));
  CHECK_THROWS_SAYING(RecordingError, "empty", softmax(Values{}));
}

TEST_CASE("layers: tensors may be another layer's, or computed") {
  Tape tape;
  const Values x = tape.inputs("x", std::vector<double>{3.0, 4.0});
  const LayerNorm one(tape, 2);
  LayerNorm other(tape, 2);
  other.set_values(0, one.tensors()[0].values);
  tape.set_data(one.tensors()[0].values[1].id(), 5.0);
  CHECK(other(x)[1].data() == one(x)[1].data());
  CHECK(other.tensors()[1].values[0].id() != one.tensors()[1].values[0].id());
  const Value scale = tape.parameter(2.0);
  other.set_values(0, Values{scale * scale, scale});
  const double root = 1.0 / std::sqrt(0.25 + 1e-5);
  CHECK(std::abs(other(x)[0].data() + 0.5 * root * 4.0) < 1e-15);
  CHECK(std::abs(other(x)[1].data() - 0.5 * root * 2.0) < 1e-15);
  CHECK_THROWS_SAYING(RecordingError, "a layer's \"bias\" of 2 numbers was given 1",
                      other.set_values(1, Values{scale}));
  CHECK_THROWS_SAYING(RecordingError, "a layer's \"bias\" was given a plain number",
                      other.set_values(1, Values{scale, 2.0}));
  CHECK_THROWS_SAYING(RecordingError, "a layer with 2 tensors has no tensor 2", other.set_values(2, Values{scale}));
}

TEST_CASE("layers: sizes that do not fit are refused") {
  Tape tape;
  const Values x = tape.inputs("x", 6);
  CHECK_THROWS_SAYING(RecordingError, "a LayerNorm with 5 inputs was given 6", LayerNorm(tape, 5)(x));
  CHECK_THROWS_SAYING(RecordingError, "an RMSNorm with 5 inputs was given 6", RMSNorm(tape, 5)(x));
  CHECK_THROWS_SAYING(RecordingError, "is empty", LayerNorm(tape, 0));
  CHECK_THROWS_SAYING(RecordingError, "empty list", layer_norm(Values{}));
  CHECK_THROWS_SAYING(RecordingError, "empty list", rms_norm(Values{}));
  for (const double eps : {-1e-5, std::nan("")}) {
    CHECK_THROWS_SAYING(RecordingError, "LayerNormOptions::eps must not be negative", LayerNorm(tape, 6, {.eps = eps}));
    CHECK_THROWS_SAYING(RecordingError, "RMSNorm: eps must not be negative", RMSNorm(tape, 6, eps));
    CHECK_THROWS_SAYING(RecordingError, "layer_norm: eps must not be negative", layer_norm(x, eps));
    CHECK_THROWS_SAYING(RecordingError, "rms_norm: eps must not be negative", rms_norm(x, eps));
  }
  const GRUCell cell(tape, 6, 2, ones);
  CHECK_THROWS_SAYING(RecordingError, "with 6 inputs was given 5", cell(std::span(x).first(5)));
  CHECK_THROWS_SAYING(RecordingError, "state of a recurrent cell with 2 inputs was given 6", cell(x, x));
  CHECK_THROWS_SAYING(RecordingError, "state of an LSTMCell", LSTMCell(tape, 6, 2, ones)(x, {{}, x}));
  CHECK_THROWS_SAYING(RecordingError, "does not fit", RNNCell(tape, 6, std::size_t(-1), ones));
  CHECK_THROWS_SAYING(RecordingError, "Initializer", RNNCell(tape, 6, 2, Initializer()));
  CHECK_THROWS_SAYING(RecordingError, "stride of zero", Conv1d(tape, 1, 1, {.kernel = 2, .stride = 0}, ones));
  CHECK_THROWS_SAYING(RecordingError, "is empty", Conv2d(tape, 1, 1, {.kernel = 0}, ones));
  const Conv1d conv(tape, 2, 1, {.kernel = 5}, ones);
  CHECK_THROWS_SAYING(RecordingError, "of 2 channels was given 1", conv(Signal{1, 6, x}));
  CHECK_THROWS_SAYING(RecordingError, "6 Values, and not 2 channels of 1 x 4", conv(Signal{2, 4, x}));
  CHECK_THROWS_SAYING(RecordingError, "a kernel of 5 does not fit a length of 3", conv(Signal{2, 3, x}));
  CHECK_THROWS_SAYING(RecordingError, "more than half", max_pool1d({1, 6, x}, {.kernel = 3, .padding = 2}));
  CHECK_THROWS_SAYING(RecordingError, "more than half", avg_pool2d({1, 2, 3, x}, {.kernel = 2, .padding = 2}));
  CHECK_THROWS_SAYING(RecordingError, "kernel or a stride of zero", max_pool2d({1, 2, 3, x}, {.kernel = 0}));
  CHECK_THROWS_SAYING(RecordingError, "4 Values cannot be shared among 3 heads", MultiheadAttention(tape, 4, 3, ones));
  const MultiheadAttention attention(tape, 4, 2, ones);
  CHECK_THROWS_SAYING(RecordingError, "with 4 inputs was given 3", attention(cut(x, 3)));
  const Sequence three = cut(x, 3), two = cut(x, 2);
  CHECK_THROWS_SAYING(RecordingError, "2 keys and 3 values", scaled_dot_product_attention(three, three, two));
  CHECK_THROWS_SAYING(RecordingError, "0 keys", scaled_dot_product_attention(three, Sequence{}, Sequence{}));
  CHECK_THROWS_SAYING(RecordingError, "one of the keys has 2", scaled_dot_product_attention(three, two, two));
  CHECK_THROWS_SAYING(RecordingError, "smoothing is from 0 to 1, and not 1.5", softmax_cross_entropy(x, 1, 1.0, 1.5));
  CHECK_THROWS_SAYING(RecordingError, "5 targets for 6", kl_div(x, std::span(x).first(5)));
}
