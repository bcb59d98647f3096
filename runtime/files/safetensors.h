// Files of named tensors, as the safetensors format of Hugging Face has them:
// https://huggingface.co/docs/safetensors, "Format".
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/export.h"

namespace tapeloom::inline TAPELOOM_ABI {

struct Tensor {
  std::string name;
  std::vector<std::size_t> shape;  ///< none: a single number
  /// Row-major, as many as the shape says.
  std::variant<std::vector<float>, std::vector<double>> numbers;

  std::size_t size() const {
    return std::visit([](const auto& all) { return all.size(); }, numbers);
  }
  /// In that order. Throws BindError for a number that is not there.
  TAPELOOM_API double at(std::size_t i) const;
};

/// A tensor of a type whose numbers are not looked at, such as I64, BOOL or F8_E4M3.
struct OtherTensor {
  std::string name, type;
  std::vector<std::size_t> shape;
  std::string bytes;  ///< as they are in the file
};

struct TAPELOOM_API TensorFile {
  std::vector<Tensor> tensors;
  std::map<std::string, std::string> metadata;
  std::vector<OtherTensor> others = {};

  /// Null if there is none of that name. Throws BindError, naming the type, if it is among the others.
  const Tensor* find(std::string_view name) const&;
  const Tensor* find(std::string_view name) const&& = delete;  // of a file that is gone after the statement
};

/// Reads tensors of type F32 and F64, and F16 and BF16 as float, in the order of their data; others are kept as they
/// are, so that write_safetensors writes them again. Throws DataError with the file and the byte for one that is cut
/// short or damaged in any way the format can tell: a header longer than the file or 100 MB, no or wrong JSON, keys
/// that come twice, data that overlap, leave gaps, lie outside or are not as many as the shape says.
TAPELOOM_API TensorFile read_safetensors(const std::string& path);

/// Throws DataError if the file cannot be written (an older one of that name is still there then); BindError for names
/// that come twice, are "__metadata__" or no UTF-8, and for numbers that are not as many as the shape says.
TAPELOOM_API void write_safetensors(const std::string& path, const TensorFile& file);

}  // namespace tapeloom::inline TAPELOOM_ABI
