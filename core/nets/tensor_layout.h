// Which parameters belong together as a tensor, and in which order: what a file of weights calls them.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/base/ids.h"

namespace tapeloom::inline TAPELOOM_ABI {

class Layer;
class MLP;
class Value;
struct Program;

struct ParameterTensor {
  std::string name;
  std::vector<std::size_t> shape;  ///< none: a single number
  /// Row-major, as many as the shape says.
  std::vector<ParameterId> parameters;
};

/// No parameter is in it twice.
using TensorLayout = std::vector<ParameterTensor>;

/// Each layer's weights, [outputs, inputs], and biases, [outputs]: "layers.0.weight", "layers.0.bias", ... These are
/// names and shapes of torch.nn.Linear layers in a torch.nn.ModuleList or Sequential called `layers`.
TAPELOOM_API TensorLayout tensor_layout(const MLP& network, std::string_view prefix = "layers.");
/// The same for a layer by itself: prefix + "weight" and prefix + "bias".
TAPELOOM_API TensorLayout tensor_layout(const Layer& layer, std::string_view prefix = {});

/// Parameters of a net written by hand. An empty shape stands for {values.size()}. Throws RecordingError for a value
/// that is no parameter, and for numbers that do not fit the shape.
TAPELOOM_API ParameterTensor parameter_tensor(std::string name, std::span<const Value> values,
                                              std::vector<std::size_t> shape = {});

/// The layout that a program's labels tell of: parameters labelled w[0][0], w[0][1], ... make a tensor "w" with the
/// shape of their indices if every index is there once; other labels name a tensor of a single number, or of all that
/// have it, in recorded order. Parameters without a label make the tensor "parameters".
TAPELOOM_API TensorLayout labelled_layout(const Program& program);

/// The same, but what MLP::set_labels and Layer::set_labels have labelled makes the tensors of its layers, named as
/// tensor_layout(network) does behind what set_labels was given: after set_labels("net."), "net.layers.0.weight". For
/// programs from load_program, in an application that has no network. Names may be changed as a file has them.
TAPELOOM_API TensorLayout tensor_layout(const Program& program);

}  // namespace tapeloom::inline TAPELOOM_ABI
