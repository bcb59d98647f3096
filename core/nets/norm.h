// Normalisation over the numbers of one sample, under PyTorch's names and with its defaults.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/nets/module.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// (x - mean(x)) / sqrt(variance(x) + eps), the variance being mean((x - mean(x))^2). Ba, Kiros & Hinton, "Layer
/// Normalization", 2016. An empty list throws RecordingError, and so does an eps that is negative or NaN.
TAPELOOM_API std::vector<Value> layer_norm(std::span<const Value> x, double eps = 1e-5);

/// x / sqrt(mean(x^2) + eps). Zhang & Sennrich, "Root Mean Square Layer Normalization", NeurIPS 2019. The default is
/// float's epsilon, as torch.nn.RMSNorm has it for float. Throws as layer_norm.
TAPELOOM_API std::vector<Value> rms_norm(std::span<const Value> x, double eps = 0x1p-23);

struct LayerNormOptions {
  double eps = 1e-5;
  bool bias = true;
};

/// layer_norm times "weight" [features], which are ones, plus "bias" [features], zeros, element by element.
class TAPELOOM_API LayerNorm : public Module {
 public:
  LayerNorm(Tape& tape, std::size_t features, const LayerNormOptions& options = {});

  /// Throws RecordingError unless there is one x for each feature.
  std::vector<Value> operator()(std::span<const Value> x) const;

 private:
  LayerNormOptions options_;
};

/// rms_norm times "weight" [features], which are ones, element by element.
class TAPELOOM_API RMSNorm : public Module {
 public:
  RMSNorm(Tape& tape, std::size_t features, double eps = 0x1p-23);

  std::vector<Value> operator()(std::span<const Value> x) const;

 private:
  double eps_;
};

}  // namespace tapeloom::inline TAPELOOM_ABI
