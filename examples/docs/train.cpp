// Trains LeafNet on a CSV file and saves it.
#include <cstdio>

#include "leaves.h"

using namespace tapeloom;

int main() {
  Table table = read_csv("leaves.csv", {.header = true, .categories = {"kind"}});
  const Standardisation scale = standardise(std::span<const double>(table.values), 2, {}, table.columns);
  scale.apply(table.values, table.columns);

  LeafNet net;
  Executor<float> model(compile(net.loss, {.outputs = net.scores}));
  const DataView data(table.values);
  FitOptions options{.epochs = 100, .batch = 16, .optimizer = AdamOptions{.learning_rate = 0.02}, .seed = 1};
  options.validation_fraction = 0.2;
  options.patience = 10;
  options.on_epoch = [](const EpochReport& report) { return report.loss > 1e-3; };  // false stops the run
  const History history = fit(model, data, options);

  ConfusionMatrix matrix(3);
  const std::vector<float> scores = predict(model, data);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    matrix.add(static_cast<std::size_t>(table.at(i, 2)), largest_of(std::span(scores).subspan(3 * i, 3)));
  }
  std::printf("%zu leaves, %zu epochs or fewer, ", table.rows(), options.epochs);
  std::printf("accuracy %s 95%%\n", matrix.accuracy() > 0.95 ? "above" : "below");
  if (history.best_epoch == 0) return 1;

  TensorFile file{export_weights(model, tensor_layout(net.network)), {}};
  for (const Tensor& tensor : scale.tensors("scale")) file.tensors.push_back(tensor);
  for (const Tensor& tensor : table.categories.at(2).tensors("kinds")) file.tensors.push_back(tensor);
  write_safetensors("leaves.safetensors", file);
}
