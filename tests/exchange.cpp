// One half of the tests against PyTorch and NumPy; the others are exchange.py and exchange_derivatives.py.
//
//   exchange write <float|double> <directory>   a network, data, outputs, gradients, and weights after training
//   exchange read <float|double> <directory>    runs the network with PyTorch's weights and compares its outputs
//   exchange derivatives <float|double> <directory>  a net with its derivatives in the loss: gradients, and a product
//                                                    with the loss's Hessian
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>

#include <tapeloom/tapeloom.h>

namespace {

using namespace tapeloom;

constexpr std::size_t inputs = 5, hidden = 7, outputs = 3, samples = 12;

struct Net {
  Tape tape;
  SplitMix64 random{1};
  std::vector<Value> x = tape.inputs("x", inputs), y = tape.inputs("y", outputs);
  MLP network{tape, inputs, {{hidden, tanh}, {outputs}}, uniform_initializer(random, -1.0, 1.0)};
  std::vector<Value> predictions = network(x);
  Program program = compile(batch_mean(squared_error_mean(predictions, y)), {.outputs = predictions});
  TensorLayout layout = tensor_layout(network);
};

/// Numbers in [-1, 1).
template <class T>
std::vector<T> some_numbers(std::size_t count, std::uint64_t seed) {
  SplitMix64 random(seed);
  std::vector<T> numbers;
  for (std::size_t i = 0; i < count; ++i) numbers.push_back(static_cast<T>(2.0 * random_unit(random) - 1.0));
  return numbers;
}

template <class T>
void train(const std::string& directory, const std::string& name, const DataView& data, FitOptions options) {
  Net net;
  Executor<T> executor(net.program);
  options.epochs = 4;
  options.batch = 5;  // and one of 2
  options.shuffle = false;
  fit(executor, data, options);
  write_safetensors(directory + "/" + name + ".safetensors", {export_weights(executor, net.layout), {}});
}

template <class T>
int write(const std::string& directory) {
  Net net;
  Executor<T> executor(net.program);
  const std::vector<T> x = some_numbers<T>(samples * inputs, 2), y = some_numbers<T>(samples * outputs, 3);
  DataView data;
  data.add("x", x).add("y", y);
  write_npy<T>(directory + "/x.npy", x, {samples, inputs});
  write_npy<T>(directory + "/y.npy", y, {samples, outputs}, {.fortran_order = true});
  write_safetensors(directory + "/initial.safetensors", {export_weights(executor, net.layout), {{"format", "pt"}}});
  write_npy<T>(directory + "/outputs.npy", predict(executor, data), {samples, outputs});
  Executor<T> gradients(net.program);
  gradients.set_parameters(executor.gradients());
  write_safetensors(directory + "/gradients.safetensors", {export_weights(gradients, net.layout), {}});

  train<T>(directory, "sgd", data, {.optimizer = SgdOptions{.learning_rate = 0.1, .weight_decay = 0.01}});
  train<T>(directory, "momentum", data, {.optimizer = SgdOptions{.learning_rate = 0.1, .momentum = 0.9}});
  train<T>(directory, "nesterov", data,
           {.optimizer = SgdOptions{.learning_rate = 0.1, .momentum = 0.9, .nesterov = true}});
  train<T>(directory, "adam", data,
           {.optimizer = AdamOptions{.learning_rate = 0.05, .weight_decay = 0.01, .l2 = true}});
  train<T>(directory, "adamw", data, {.optimizer = AdamOptions{.learning_rate = 0.05, .weight_decay = 0.1}});
  train<T>(directory, "clipped", data, {.optimizer = SgdOptions{.learning_rate = 0.1}, .clip_norm = 0.2});
  train<T>(directory, "clamped", data, {.optimizer = SgdOptions{.learning_rate = 0.1}, .clip_value = 0.02});
  return 0;
}

template <class T>
int read(const std::string& directory) {
  Net net;
  Executor<T> executor(net.program);
  import_weights(executor, read_safetensors(directory + "/torch.safetensors"), net.layout);
  const NumberArray<T> x = read_npy<T>(directory + "/x.npy"), y = read_npy<T>(directory + "/y.npy");
  const std::string packed = directory + "/packed.npz";
  if (read_npz<T>(directory + "/stored.npz", "x").values != x.values || read_npz<T>(packed, "y").values != y.values ||
      read_npz<T>(packed, "half").values != std::vector<T>{T(0.5), T(-65504)}) {
    return std::puts("other numbers in the archives"), 1;
  }
  const NumberArray<T> expected = read_npy<T>(directory + "/torch_outputs.npy");
  DataView data;
  data.add("x", x.values).add("y", y.values);
  const std::vector<T> got = predict(executor, data);
  if (expected.shape != std::vector<std::size_t>{samples, outputs}) return std::puts("another shape of outputs"), 1;
  double largest = 0.0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    largest = std::fmax(largest, std::fabs(static_cast<double>(got[i] - expected.values[i])));
  }
  std::printf("outputs with PyTorch's weights: largest difference %.1e\n", largest);
  return largest <= (sizeof(T) == 8 ? 1e-13 : 2e-6) ? 0 : 1;
}

/// Burgers' equation of a net: what is left of it at some points, squared.
template <class T>
int write_derivatives(const std::string& directory) {
  constexpr std::size_t width = 16, points = 64;
  Tape tape;
  SplitMix64 random(4);
  const std::vector<Value> x = tape.inputs("x", 2);
  const MLP network(tape, 2, {{width, tanh}, {width, tanh}, {1}}, glorot(random));
  const Value u = network(x)[0], u_x = derivative(u, x[0]), u_t = derivative(u, x[1]);
  const Value u_xx = gradient(u_x, {x[0]})[0];
  const Value loss = batch_mean(square(u_t + u * u_x - 0.01 * u_xx));
  const std::vector<T> rows = some_numbers<T>(points * 2, 5), vector = some_numbers<T>(network.parameters().size(), 6);
  std::vector<Value> along;
  for (const T& number : vector) {
    along.push_back(tape.uniform_input(static_cast<double>(number), "v" + std::to_string(along.size())));
  }
  const TensorLayout layout = tensor_layout(network);
  const auto save = [&](const char* name, const Executor<T>& executor, std::span<const T> numbers) {
    Executor<T> holder(executor.program());
    holder.set_parameters(numbers);
    write_safetensors(directory + "/" + name + ".safetensors", {export_weights(holder, layout), {}});
  };

  Executor<T> executor(compile(loss, {.outputs = {u, u_x, u_t, u_xx}}));
  executor.bind(rows);
  const T residual = executor.step();
  write_npy<T>(directory + "/x.npy", rows, {points, 2});
  write_npy<T>(directory + "/loss.npy", std::span(&residual, 1), {1});
  write_npy<T>(directory + "/outputs.npy", executor.outputs(), {points, 4});
  save("weights", executor, executor.parameters());
  save("gradients", executor, executor.gradients());
  save("vector", executor, vector);
  Executor<T> product(compile(derivative(loss, network.parameters(), along)));
  product.bind(rows);
  product.step();
  save("product", executor, product.gradients());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc == 4 ? argv[1] : "", type = argc == 4 ? argv[2] : "";
  if ((mode != "write" && mode != "read" && mode != "derivatives") || (type != "float" && type != "double")) return 2;
  try {
    if (mode == "write") return type == "float" ? write<float>(argv[3]) : write<double>(argv[3]);
    if (mode == "derivatives") {
      return type == "float" ? write_derivatives<float>(argv[3]) : write_derivatives<double>(argv[3]);
    }
    return type == "float" ? read<float>(argv[3]) : read<double>(argv[3]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "exchange: %s\n", error.what());
    return 1;
  }
}
