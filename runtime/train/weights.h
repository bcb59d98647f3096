// Parameters out of and into files of tensors.
#pragma once

#include <string>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/nets/tensor_layout.h"
#include "tapeloom/runtime/execute/executor.h"
#include "tapeloom/runtime/files/safetensors.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// The executor's parameters as tensors, float or double as they are: those of the layout, or without one all of them
/// by their labels (labelled_layout).
///
///   write_safetensors("net.safetensors", {export_weights(executor, tensor_layout(network)), {}});
///   import_weights(executor, read_safetensors("net.safetensors"), tensor_layout(network));
///
/// Throws BindError for a layout with a parameter that the program does not have or that one tensor has twice, and for
/// one whose shapes do not fit. Two tensors may share parameters, as tied weights do.
template <class T>
TAPELOOM_API std::vector<Tensor> export_weights(const Executor<T>& executor, const TensorLayout& layout = {});

/// Sets the parameters of the layout, converting between float and double. Without one it sets all of them, by the
/// first of these layouts whose names the file has: labelled_layout(program), tensor_layout(program), and the same
/// without what the names of all layers begin with (the "net." of "net.layers.0.weight"). The file may hold other
/// tensors besides, of any type. Throws BindError for a layout as above, for a tensor that is missing, of another shape
/// (naming both shapes) or of a type that is not read, and for tensors that share a parameter with different numbers;
/// then no parameter is changed.
template <class T>
TAPELOOM_API void import_weights(Executor<T>& executor, const TensorFile& file, const TensorLayout& layout = {});

}  // namespace tapeloom::inline TAPELOOM_ABI
