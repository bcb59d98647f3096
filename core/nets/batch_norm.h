// Normalisation over the samples of a batch, under PyTorch's names and with its defaults.
//
//   Image image = BatchNorm2d(tape, 8)(first(image));
//
// In training (see Tape::training) means and variances are those of the batch, and running ones of both are kept; in
// inference those are used, so that a row's result does not depend on other rows. They are parameters, frozen: in files
// and checkpoints, and shared by executors like all others. Used twice in a loss, a layer would keep two: that is
// refused when it is compiled.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/nets/convolution.h"
#include "tapeloom/core/nets/module.h"

namespace tapeloom::inline TAPELOOM_ABI {

struct BatchNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;
  bool affine = true;  ///< weight and bias
};

/// (x - mean) / sqrt(variance + eps), times "weight", plus "bias", channel by channel: Ioffe & Szegedy, "Batch
/// Normalization", ICML 2015. In training mean and variance are those of the channel's numbers in all samples, and with
/// each update of an optimizer "running_mean" and "running_var" become (1 - momentum) of themselves and momentum of the
/// batch's mean and its variance with n / (n - 1), n being how many numbers there are; of one number there is no
/// variance, and that of before stays. All are [channels] and begin with ones (weight, running_var) or zeros.
class TAPELOOM_API BatchNorm : public Module {
 protected:
  /// Throws RecordingError for a momentum outside [0, 1] and an eps that is not above or at zero.
  BatchNorm(Tape& tape, std::size_t channels, const BatchNormOptions& options);

  /// Of `channels` lists of `places` numbers, one after another. Throws RecordingError unless there are so many, and if
  /// all are the same for every sample.
  std::vector<Value> normalise(const char* what, std::span<const Value> x, std::size_t channels,
                               std::size_t places) const;

 private:
  struct Statistics {
    Value mean, variance;
  };
  /// The tensor of the running means, which that of the variances follows.
  std::size_t running() const { return options_.affine ? 2 : 0; }
  Statistics statistics(std::size_t channel, std::span<const Value> x, Value samples) const;

  BatchNormOptions options_;
  std::size_t channels_;
};

/// Of one vector a sample, each of its numbers being a channel, or of a signal.
class TAPELOOM_API BatchNorm1d : public BatchNorm {
 public:
  BatchNorm1d(Tape& tape, std::size_t channels, const BatchNormOptions& options = {});

  /// Throws RecordingError unless there is one x for each channel.
  std::vector<Value> operator()(std::span<const Value> x) const;
  Signal operator()(const Signal& x) const;
};

/// Of an image.
class TAPELOOM_API BatchNorm2d : public BatchNorm {
 public:
  BatchNorm2d(Tape& tape, std::size_t channels, const BatchNormOptions& options = {});

  Image operator()(const Image& x) const;
};

}  // namespace tapeloom::inline TAPELOOM_ABI
