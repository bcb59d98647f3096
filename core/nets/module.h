// What layers with tensors of parameters have in common: the names, shapes and order of PyTorch's.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/nets/nn.h"
#include "tapeloom/core/nets/tensor_layout.h"
#include "tapeloom/core/record/value.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// A tensor of parameters, row-major, before anything is compiled.
struct ModuleTensor {
  std::string name;
  std::vector<std::size_t> shape;
  std::vector<Value> values;
  bool is_trained = true;  ///< false: statistics, which torch.nn calls a buffer
};

/// The base of layers whose parameters are tensors: LayerNorm, Conv2d, LSTMCell, ...
class TAPELOOM_API Module {
 public:
  /// In the order of torch.nn's state_dict().
  std::span<const ModuleTensor> tensors() const& { return tensors_; }
  std::span<const ModuleTensor> tensors() const&& = delete;  // of a module that is gone after the statement
  /// Those that are trained, of one tensor after another, which is the order in which they were recorded.
  std::vector<Value> parameters() const;
  /// Puts other Values in the place of a tensor's, row-major: those of another layer, which two then share, or computed
  /// ones. Throws RecordingError for a tensor that is not there, for more or fewer of them, and for plain numbers.
  void set_values(std::size_t tensor, std::span<const Value> values);
  /// Labels every parameter as labelled_layout reads it: prefix + "weight[0][2]" and so on.
  void set_labels(std::string_view prefix = {}) const;

 protected:
  /// Records a tensor; throws RecordingError for an empty initializer, and for more parameters than a tape holds.
  void add(Tape& tape, std::string name, std::vector<std::size_t> shape, const Fan& fan,
           const Initializer& initializer);
  void add(Tape& tape, std::string name, std::vector<std::size_t> shape, double initial);
  /// The same of numbers that are frozen.
  void add_statistics(Tape& tape, std::string name, std::vector<std::size_t> shape, double initial);

  std::span<const Value> values(std::size_t tensor) const { return tensors_[tensor].values; }
  /// Of the first dimension.
  std::span<const Value> row(std::size_t tensor, std::size_t i) const;

 private:
  std::vector<ModuleTensor> tensors_;
};

/// prefix + "weight", prefix + "bias", ...: behind "norm1." what torch.nn calls them in a module `norm1`.
TAPELOOM_API TensorLayout tensor_layout(const Module& module, std::string_view prefix = {});

}  // namespace tapeloom::inline TAPELOOM_ABI
