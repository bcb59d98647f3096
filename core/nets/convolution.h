// Convolutions and pooling in one and two dimensions, under PyTorch's names and with its defaults.
//
//   Image image{1, 28, 28, tape.inputs("pixels", 28 * 28)};
//   Conv2d first(tape, 1, 8, {.kernel = 3, .padding = 1, .activation = relu}, fan_in_uniform(random));
//   image = max_pool2d(first(image), {.kernel = 2});
//   std::vector<Value> logits = layer(image.values);
//
// Zeros around a padded list are not recorded: sums at its ends have fewer terms.
#pragma once

#include <cstddef>
#include <vector>

#include "tapeloom/core/base/export.h"
#include "tapeloom/core/nets/module.h"

namespace tapeloom::inline TAPELOOM_ABI {

/// Channel after channel, each a list of `length` Values.
struct Signal {
  std::size_t channels, length;
  std::vector<Value> values;
};

/// Channel after channel, each row after row.
struct Image {
  std::size_t channels, height, width;
  std::vector<Value> values;
};

/// Rows and columns; one number stands for both.
struct Size2d {
  constexpr Size2d(std::size_t both) : height(both), width(both) {}  // NOLINT: `.kernel = 3` should work
  constexpr Size2d(std::size_t rows, std::size_t columns) : height(rows), width(columns) {}

  std::size_t height, width;
};

struct Conv1dOptions {
  std::size_t kernel;
  std::size_t stride = 1, padding = 0;
  Activation activation = linear;
  bool bias = true;
};

struct Conv2dOptions {
  Size2d kernel;
  Size2d stride = 1, padding = 0;
  Activation activation = linear;
  bool bias = true;
};

/// y[o][t] = activation(bias[o] + sum over c and k of weight[o][c][k] x[c][t stride + k - padding]), with zeros outside
/// of x, for as many t as windows fit: a cross-correlation, as everywhere in nets. "weight" [outputs, inputs, kernel]
/// and "bias" [outputs]; initializers are told inputs x kernel as the inputs.
class TAPELOOM_API Conv1d : public Module {
 public:
  /// Throws RecordingError for sizes and strides of zero.
  Conv1d(Tape& tape, std::size_t inputs, std::size_t outputs, const Conv1dOptions& options,
         const Initializer& initializer);

  /// Throws RecordingError for other channels than it was made for, a signal with more or fewer Values than it says,
  /// and one that is shorter than the kernel, padding included.
  Signal operator()(const Signal& x) const;

 private:
  std::size_t inputs_, outputs_;
  Conv1dOptions options_;
};

/// The same in rows and columns; "weight" [outputs, inputs, kernel rows, kernel columns].
class TAPELOOM_API Conv2d : public Module {
 public:
  Conv2d(Tape& tape, std::size_t inputs, std::size_t outputs, const Conv2dOptions& options,
         const Initializer& initializer);

  Image operator()(const Image& x) const;

 private:
  std::size_t inputs_, outputs_;
  Conv2dOptions options_;
};

struct Pool1dOptions {
  std::size_t kernel;
  std::size_t stride = 0;  ///< 0: the kernel's size
  std::size_t padding = 0;
};

struct Pool2dOptions {
  Size2d kernel;
  Size2d stride = 0;  ///< 0: the kernel's size
  Size2d padding = 0;
};

/// The largest of each window, whatever is outside of x being left out. Throws RecordingError as convolutions do, and
/// for a padding of more than half of the kernel.
TAPELOOM_API Signal max_pool1d(const Signal& x, const Pool1dOptions& options);
TAPELOOM_API Image max_pool2d(const Image& x, const Pool2dOptions& options);

/// The mean of each window, with zeros outside of x, which count unless `count_padding` is false: PyTorch's
/// count_include_pad.
TAPELOOM_API Signal avg_pool1d(const Signal& x, const Pool1dOptions& options, bool count_padding = true);
TAPELOOM_API Image avg_pool2d(const Image& x, const Pool2dOptions& options, bool count_padding = true);

}  // namespace tapeloom::inline TAPELOOM_ABI
