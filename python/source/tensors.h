// Named tensors as dicts of arrays.
#pragma once

#include "compiled.h"

namespace tapeloom::python {

/// Copies.
py::dict dict_of(const std::vector<Tensor>& tensors);
/// Of a dict of arrays of float32 or float64, of any layout in memory.
std::vector<Tensor> tensors_of(py::handle dict, const std::string& what);
/// Of a TensorFile, or a dict as above.
TensorFile tensor_file_of(py::handle object);
/// The same, to take what is asked for: arrays of other types are refused then, by name, and not before.
TensorFile file_to_import(py::handle object);

}  // namespace tapeloom::python
