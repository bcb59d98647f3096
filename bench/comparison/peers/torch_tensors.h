// What both sources of the LibTorch adapter make tensors with; compiled with LibTorch's flags, so nobody else may
// include it.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tapeloom::bench::peers {

using Tensors = std::vector<at::Tensor>;

inline void use_one_thread() {
  static const bool done = [] {
    at::set_num_threads(1);
    at::set_num_interop_threads(1);
    return true;
  }();
  static_cast<void>(done);
}

inline at::ScalarType type_of(bool in_float) { return in_float ? at::kFloat : at::kDouble; }

/// Numbers of those sizes, row-major, copied.
inline at::Tensor tensor_of(const double* numbers, at::IntArrayRef sizes, at::ScalarType type) {
  return at::from_blob(const_cast<double*>(numbers), sizes, at::kDouble).to(type, false, true);
}

/// `rows` x `columns` numbers, copied; of one dimension if there are no columns.
inline at::Tensor tensor_of(const double* numbers, std::size_t rows, std::size_t columns, at::ScalarType type) {
  std::vector<std::int64_t> sizes = {static_cast<std::int64_t>(rows)};
  if (columns > 0) sizes.push_back(static_cast<std::int64_t>(columns));
  return tensor_of(numbers, sizes, type);
}

}  // namespace tapeloom::bench::peers
