#include "tapeloom/runtime/train/weights.h"

#include <algorithm>
#include <cmath>

#include "against_evaluate.h"
#include "tapeloom/core/base/error.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/runtime/files/program_file.h"

using namespace tapeloom;
using namespace tapeloom::test;

namespace {

struct Net {
  Tape tape;
  std::mt19937_64 random{1};
  std::vector<Value> x = tape.inputs("x", 3);
  Value scale = tape.parameter(1.5, "scale");  // so that the network's parameters are not the first ones
  MLP network{tape, 3, {{4, tanh}, {2, relu, false}}, glorot(random)};
  std::vector<Value> y = network(x);
  std::vector<Value> scaled = {scale * y[0], scale* y[1]};
};

std::vector<std::string> names_of(const TensorLayout& layout) {
  std::vector<std::string> names;
  for (const ParameterTensor& tensor : layout) names.push_back(tensor.name);
  return names;
}

Program labelled(const std::vector<std::string>& labels) {
  Tape tape;
  Value sum = 0.0;
  double number = 0.0;
  for (const std::string& label : labels) sum += tape.parameter(number++, label);
  return compile(square(sum));
}

std::vector<std::uint32_t> indices_of(const ParameterTensor& tensor) {
  std::vector<std::uint32_t> indices;
  for (ParameterId id : tensor.parameters) indices.push_back(id.index);
  return indices;
}

}  // namespace

TEMPLATE_TEST_CASE("weights: an MLP's tensors are torch.nn.Linear's", "", float, double) {
  Net net;
  Executor<TestType> executor(compile_inference(net.scaled));
  const std::vector<double> numbers = some_numbers(25, 5);
  std::vector<TestType> parameters(numbers.begin(), numbers.end());
  executor.set_parameters(parameters);
  const TensorFile file{export_weights(executor, tensor_layout(net.network)), {}};
  REQUIRE(file.tensors.size() == 3);
  const Tensor& w0 = *file.find("layers.0.weight");
  const Tensor& b0 = *file.find("layers.0.bias");
  const Tensor& w1 = *file.find("layers.1.weight");
  CHECK(w0.shape == std::vector<std::size_t>{4, 3});
  CHECK(b0.shape == std::vector<std::size_t>{4});
  CHECK(w1.shape == std::vector<std::size_t>{2, 4});
  CHECK(std::holds_alternative<std::vector<TestType>>(w0.numbers));

  // y = relu(W1 tanh(W0 x + b0)) with W[out, in]
  const std::vector<double> x = {0.5, -1.0, 0.25};
  executor.bind(std::span<const double>(x));
  executor.step();
  for (std::size_t o = 0; o < 2; ++o) {
    double y = 0.0;
    for (std::size_t j = 0; j < 4; ++j) {
      double h = b0.at(j);
      for (std::size_t i = 0; i < 3; ++i) h += w0.at(j * 3 + i) * x[i];
      y += w1.at(o * 4 + j) * std::tanh(h);
    }
    CHECK(executor.outputs()[o] == Approx(parameters[0] * std::max(y, 0.0)).epsilon(1e-5));
  }

  Executor<TestType> other(compile_inference(net.scaled));
  import_weights(other, file, tensor_layout(net.network));
  CHECK(std::equal(parameters.begin() + 1, parameters.end(), other.parameters().begin() + 1));
  CHECK(other.parameters()[0] == TestType(1.5));  // is not in the layout
}

TEST_CASE("weights: names of layers") {
  Net net;
  CHECK(names_of(tensor_layout(net.network)) ==
        std::vector<std::string>{"layers.0.weight", "layers.0.bias", "layers.1.weight"});
  CHECK(names_of(tensor_layout(net.network, "encoder.")) ==
        std::vector<std::string>{"encoder.0.weight", "encoder.0.bias", "encoder.1.weight"});
  CHECK(names_of(tensor_layout(net.network.layers()[0], "fc1.")) == std::vector<std::string>{"fc1.weight", "fc1.bias"});
}

TEST_CASE("weights: float and double are converted into each other") {
  Net net;
  Executor<double> in_double(compile_inference(net.scaled));
  Executor<float> in_float(compile_inference(net.scaled));
  import_weights(in_float, {export_weights(in_double), {}});
  for (std::size_t i = 0; i < 25; ++i) CHECK(in_float.parameters()[i] == static_cast<float>(in_double.parameters()[i]));
  import_weights(in_double, {export_weights(in_float), {}});
  for (std::size_t i = 0; i < 25; ++i)
    CHECK(in_double.parameters()[i] == static_cast<double>(in_float.parameters()[i]));
}

TEST_CASE("weights: labels make tensors") {
  const TensorLayout layout =
      labelled_layout(labelled({"w[0][1]",   "b[1]",    "w[0][0]", "",         "w[1][0]",
                                "b[0]",      "w[1][1]", "scale",   "",         "gap[0]",
                                "gap[2]",    "twin[0]", "twin[0]", "mixed[0]", "mixed[0][0]",
                                "same",      "same",    "odd[x]",  "[3]",      "far[4000000000][4000000000]",
                                "q[0][0][0]"}));
  CHECK(names_of(layout) == std::vector<std::string>{"w", "b", "parameters", "scale", "gap", "twin", "mixed", "same",
                                                     "odd[x]", "[3]", "far", "q"});
  using Indices = std::vector<std::uint32_t>;
  using Shape = std::vector<std::size_t>;
  CHECK(layout[0].shape == Shape{2, 2});
  CHECK(indices_of(layout[0]) == Indices{2, 0, 4, 6});
  CHECK(layout[1].shape == Shape{2});
  CHECK(indices_of(layout[1]) == Indices{5, 1});
  CHECK(layout[2].shape == Shape{2});
  CHECK(indices_of(layout[2]) == Indices{3, 8});
  CHECK(layout[3].shape == Shape{});
  CHECK(indices_of(layout[3]) == Indices{7});
  for (const std::size_t list : {4, 5, 6, 7}) CHECK(layout[list].shape == Shape{2});
  CHECK(indices_of(layout[5]) == Indices{11, 12});
  CHECK(layout[8].shape == Shape{});
  CHECK(layout[10].shape == Shape{1});
  CHECK(layout[11].shape == Shape{1, 1, 1});
}

TEST_CASE("weights: tensors of a net written by hand") {
  Tape tape;
  std::vector<Value> w;
  for (int i = 0; i < 6; ++i) w.push_back(tape.parameter(i));
  const ParameterTensor matrix = parameter_tensor("w", w, {2, 3});
  CHECK(matrix.shape == std::vector<std::size_t>{2, 3});
  CHECK(indices_of(matrix) == std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5});
  CHECK(parameter_tensor("w", w).shape == std::vector<std::size_t>{6});
  CHECK_THROWS_SAYING(RecordingError, "\"w\" has 6 parameters", parameter_tensor("w", w, {2, 2}));
  CHECK_THROWS_SAYING(RecordingError, "not as many", parameter_tensor("w", {}, {std::size_t{1} << 63, 2}));
  CHECK_THROWS_SAYING(RecordingError, "a plain number", parameter_tensor("w", std::vector<Value>{1.0}));
  w[0] = w[0] * 2.0;
  CHECK_THROWS_SAYING(RecordingError, "which is none", parameter_tensor("w", w));
}

TEST_CASE("weights: what does not fit is refused, and nothing is changed") {
  Net net;
  Executor<double> executor(compile_inference(net.scaled));
  const std::vector<double> before(executor.parameters().begin(), executor.parameters().end());
  const TensorLayout layout = tensor_layout(net.network);
  const TensorFile good{export_weights(executor, layout), {}};
  const auto refused = [&](const std::string& what, auto spoil) {
    TensorFile file = good;
    for (Tensor& tensor : file.tensors) std::get<1>(tensor.numbers).assign(tensor.size(), 9.0);
    TensorLayout spoiled = layout;
    spoil(file, spoiled);
    CHECK_THROWS_SAYING(BindError, what, import_weights(executor, file, spoiled));
    CHECK(std::equal(before.begin(), before.end(), executor.parameters().begin()));
  };
  refused("no tensor \"layers.1.weight\"", [](auto& file, auto&) { file.tensors.pop_back(); });
  refused("\"layers.1.weight\" has the shape [4, 2] in the file, but [2, 4] in the program", [](auto& file, auto&) {
    file.tensors[2].shape = {4, 2};
  });
  refused("has parameter 25; the program has 25", [](auto&, auto& l) { l[2].parameters[0] = ParameterId(25); });
  refused("parameter 1 is in tensor \"layers.0.weight\" of the layout twice",
          [](auto&, auto& l) { l[0].parameters[1] = ParameterId(1); });
  refused("\"layers.0.weight\" and \"layers.1.weight\" of the layout share parameter 1, but have different numbers",
          [](auto& file, auto& l) {
            l[2].parameters[0] = ParameterId(1);
            std::get<1>(file.tensors[2].numbers)[0] = 8.0;
          });
  refused("has 12 parameters, but the shape [12, 2]", [](auto&, auto& l) { l[0].shape = {12, 2}; });
  // Without a layout, labels name the tensors. The message tells what to do.
  refused(
      "no tensor \"scale\" in the file, but \"layers.0.weight\" \"layers.0.bias\" \"layers.1.weight\"; no "
      "TensorLayout was given, so the labels of the parameters name them: give the one the file was written with, "
      "such as tensor_layout(network), or tensor_layout(program) where there is no network but what set_labels has "
      "labelled",
      [](auto&, auto& l) { l.clear(); });
  refused("[12] in the file, but [] in the program; no TensorLayout was given",
          [](auto& file, auto& l) { file.tensors[0].name = "scale", file.tensors[0].shape = {12}, l.clear(); });
  refused("no tensor \"layers.0.weight\" in the file, which has none", [](auto& file, auto&) { file.tensors.clear(); });
}

TEST_CASE("weights: tensors that share parameters have the same numbers, out and in") {
  Tape tape;
  const std::vector<Value> w = {tape.parameter(2.0), tape.parameter(3.0), tape.parameter(5.0)};
  Executor<double> executor(compile_inference(w));
  const auto id = [](std::size_t i) { return ParameterId(i); };
  const TensorLayout layout = {{"all", {3}, {id(0), id(1), id(2)}}, {"back", {2}, {id(2), id(0)}}};
  TensorFile file{export_weights(executor, layout), {}};
  CHECK(std::get<1>(file.tensors[1].numbers) == std::vector{5.0, 2.0});
  file.tensors[0].numbers = std::vector{7.0, std::nan(""), 11.0};
  file.tensors[1].numbers = std::vector{11.0, 7.0};
  import_weights(executor, file, layout);
  CHECK(executor.parameters()[0] == 7.0);
  CHECK(executor.parameters()[2] == 11.0);
}

TEST_CASE("weights: of many tensors only those that are asked for need to be of a type that is read") {
  Net net;
  Executor<double> executor(compile_inference(net.scaled));
  const TensorLayout layout = tensor_layout(net.network);
  TensorFile file{export_weights(executor, layout), {}};
  file.others.push_back({"step", "I64", {1}, std::string(8, '\1')});
  import_weights(executor, file, layout);
  file.others.push_back({"layers.0.bias", "I64", {4}, std::string(32, '\1')});
  file.tensors.erase(file.tensors.begin() + 1);
  CHECK_THROWS_SAYING(BindError, "tensor \"layers.0.bias\" is of type \"I64\"", import_weights(executor, file, layout));
}

TEST_CASE("weights: a labelled program reads files named as PyTorch does, without its network") {
  const std::string prefix = GENERATE("", "net.");
  INFO("labelled behind \"" << prefix << "\"");
  Net net;
  net.network.set_labels(prefix);
  save_program("labelled.tapeloom", compile_inference(net.scaled));
  Executor<double> trained(compile_inference(net.scaled));
  const std::vector<double> numbers = some_numbers(25, 5);
  trained.set_parameters(numbers);
  const Program program = load_program("labelled.tapeloom");

  CHECK(names_of(tensor_layout(program)) == std::vector<std::string>{"scale", prefix + "layers.0.weight",
                                                                     prefix + "layers.0.bias",
                                                                     prefix + "layers.1.weight"});
  const TensorLayout of_network = tensor_layout(net.network);
  TensorLayout of_program = tensor_layout(program);
  of_program.erase(of_program.begin());
  for (std::size_t t = 0; t < 3; ++t) {
    CHECK(of_program[t].shape == of_network[t].shape);
    CHECK(indices_of(of_program[t]) == indices_of(of_network[t]));
  }
  // By a layout, and by the names that are in the file.
  const TensorFile file{export_weights(trained, of_network), {}};
  Executor<double> loaded(program);
  TensorLayout renamed = of_program;
  for (ParameterTensor& tensor : renamed) tensor.name.erase(0, prefix.size());
  import_weights(loaded, file, renamed);
  CHECK(std::equal(numbers.begin() + 1, numbers.end(), loaded.parameters().begin() + 1));
  TensorFile complete = file;
  complete.tensors.push_back({"scale", {}, std::vector<double>{numbers[0]}});
  for (const std::string& start : {std::string(), prefix}) {
    for (std::size_t t = 0; t < 3; ++t) complete.tensors[t].name = start + of_network[t].name;
    Executor<double> other(program);
    import_weights(other, complete);
    CHECK(std::equal(numbers.begin(), numbers.end(), other.parameters().begin()));
  }
  complete.tensors[0].name = "layers.0.weights";
  CHECK_THROWS_SAYING(BindError, "tensor_layout(program)", import_weights(loaded, complete));
}

TEST_CASE("weights: a program of one labelled network alone reads PyTorch's names whatever the labels begin with") {
  Tape tape;
  std::mt19937_64 random(1);
  const MLP network(tape, 2, {{11, tanh}, {1}}, glorot(random));
  network.set_labels("model.");
  Executor<float> executor(compile_inference(network(tape.inputs("x", 2))));
  TensorFile file{export_weights(executor, tensor_layout(network)), {}};
  for (Tensor& tensor : file.tensors) std::get<0>(tensor.numbers).assign(tensor.size(), 0.25f);
  REQUIRE(file.find("layers.0.weight")->shape == std::vector<std::size_t>{11, 2});
  import_weights(executor, file);
  for (const float number : executor.parameters()) CHECK(number == 0.25f);
}

TEST_CASE("weights: labels of layers and neurons by themselves") {
  const TensorLayout layout =
      tensor_layout(labelled({"head.neuron0.w[0]", "head.neuron0.b", "head.neuron1.w[0]", "head.neuron1.b", "w[0]",
                              "w[1]", "b", "neuronx.b", "neuron3.w[0]", "layer.neuron0.b", "x.layer2.neuron0.w[x]"}));
  CHECK(names_of(layout) == std::vector<std::string>{"head.weight", "head.bias", "w", "b", "neuronx.b", "weight",
                                                     "layer.bias", "x.layers.2.weight[0][x]"});
  CHECK(layout[0].shape == std::vector<std::size_t>{2, 1});
  CHECK(layout[1].shape == std::vector<std::size_t>{2});
  CHECK(layout[5].shape == std::vector<std::size_t>{1});  // no neuron 0, 1 and 2
}

TEST_CASE("weights: many tensors are found in little more time than few") {
  // Looking through all of them for each would take minutes.
  std::vector<std::string> labels;
  for (int i = 0; i < 100'000; ++i) labels.push_back("parameter" + std::to_string(i));
  Executor<float> executor(labelled(labels));
  const TensorFile file{export_weights(executor), {}};
  REQUIRE(file.tensors.size() == labels.size());
  std::fill(executor.parameters().begin(), executor.parameters().end(), 0.0f);
  import_weights(executor, file);
  CHECK(executor.parameters()[99'999] == 99'999.0f);
}
