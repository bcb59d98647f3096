// What kind of leaf is it?    predict <file of weights> <length> <width>
#include <cstdio>
#include <cstdlib>

#include "leaves.h"

using namespace tapeloom;

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  try {
    const TensorFile file = read_safetensors(argv[1]);
    LeafNet net;
    Executor<float> model(compile_inference(net.scores));
    import_weights(model, file, tensor_layout(net.network));

    std::vector<float> leaf = {std::strtof(argv[2], nullptr), std::strtof(argv[3], nullptr)};
    Standardisation::from(file, "scale").apply(leaf);
    model.bind("x", leaf);  // a span: read in place at the next step
    model.step();
    std::printf("%s\n", Categories::from(file, "kinds")[largest_of(model.outputs())].c_str());
    for (const float score : model.outputs()) std::fprintf(stderr, "%.3f\n", static_cast<double>(score));
  } catch (const Error& error) {
    std::fprintf(stderr, "predict: %s\n", error.what());
    return 1;
  }
}
