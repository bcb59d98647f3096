// IDX files, the format of the MNIST data sets: http://yann.lecun.com/exdb/mnist
#pragma once

#include <string>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/runtime/files/number_array.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// Reads an IDX file, gzipped or not, as its content says, into numbers of type T (float or double). A `shape` is what
/// the file must have, with zeros where any size will do: read_idx<float>(path, {0, 28, 28}). Throws DataError with the
/// file, and with the byte (of the content, where that was gzipped) for one that is no IDX file, of another shape, cut
/// short, or longer than its shape says.
template <class T>
TAPELOOM_API NumberArray<T> read_idx(const std::string& path, const std::vector<std::size_t>& shape = {});

extern template NumberArray<float> read_idx(const std::string&, const std::vector<std::size_t>&);
extern template NumberArray<double> read_idx(const std::string&, const std::vector<std::size_t>&);

}  // namespace tapeloom::inline TAPELOOM_ABI
