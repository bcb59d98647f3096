#include "tapeloom/core/nets/convolution.h"

#include <algorithm>

#include "tapeloom/core/nets/inputs.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

/// Windows along one dimension.
struct Axis {
  std::size_t length, kernel, stride, padding;

  std::size_t windows() const { return (length + 2 * padding - kernel) / stride + 1; }
  /// The part of a window that lies within: kernel elements from `first`, which meet the list from `at`. All zeros of a
  /// window that lies outside, as there are where the padding is more than the kernel.
  struct Part {
    std::size_t first, at, count;
  };
  Part part(std::size_t window) const {
    const std::size_t start = window * stride;  // counted from the padding's beginning
    if (start >= length + padding || start + kernel <= padding) return {0, 0, 0};
    const std::size_t first = start < padding ? padding - start : 0, end = std::min(kernel, length + padding - start);
    return {first, start + first - padding, end - first};
  }
};

/// A list of one dimension is an image of one row.
struct Windows {
  const char* name;
  Axis rows, columns;

  std::size_t count() const { return rows.windows() * columns.windows(); }
  std::size_t in_kernel() const { return rows.kernel * columns.kernel; }
  std::size_t in_channel() const { return rows.length * columns.length; }
};

void check(const Windows& w, std::size_t channels, std::size_t values) {
  const auto text = [](std::size_t number) { return std::to_string(number); };
  std::size_t expected = channels;
  const bool fits = !__builtin_mul_overflow(expected, w.rows.length, &expected) &&
                    !__builtin_mul_overflow(expected, w.columns.length, &expected);
  if (!fits || expected != values) {
    throw RecordingError(std::string(w.name) + " was given " + text(values) + " Values, and not " + text(channels) +
                         " channels of " + text(w.rows.length) + " x " + text(w.columns.length));
  }
  for (const Axis& axis : {w.rows, w.columns}) {
    if (axis.kernel == 0 || axis.stride == 0) {
      throw RecordingError(std::string(w.name) + " has a kernel or a stride of zero");
    }
    if (axis.padding > Tape::most_nodes || axis.length + 2 * axis.padding < axis.kernel) {
      throw RecordingError(std::string(w.name) + ": a kernel of " + text(axis.kernel) + " does not fit a length of " +
                           text(axis.length) + " with a padding of " + text(axis.padding));
    }
  }
}

/// Calls f(place, rows, columns), the parts of each window.
template <class F>
void for_each_window(const Windows& w, F&& f) {
  std::size_t place = 0;
  for (std::size_t i = 0; i < w.rows.windows(); ++i) {
    for (std::size_t j = 0; j < w.columns.windows(); ++j) f(place++, w.rows.part(i), w.columns.part(j));
  }
}

/// Adds to `out` what lies within one window of a channel.
void take(const Windows& w, std::span<const Value> channel, Axis::Part rows, Axis::Part columns,
          std::vector<Value>& out) {
  for (std::size_t i = 0; i < rows.count; ++i) {
    const auto row = channel.subspan((rows.at + i) * w.columns.length + columns.at, columns.count);
    out.insert(out.end(), row.begin(), row.end());
  }
}

/// The same of a kernel's elements.
void take_weights(const Windows& w, std::span<const Value> kernel, Axis::Part rows, Axis::Part columns,
                  std::vector<Value>& out) {
  for (std::size_t i = 0; i < rows.count; ++i) {
    const auto row = kernel.subspan((rows.first + i) * w.columns.kernel + columns.first, columns.count);
    out.insert(out.end(), row.begin(), row.end());
  }
}

/// The kernels of a layer, one after another for each output and input, and one bias an output or none.
struct Kernels {
  std::size_t inputs, outputs;
  std::span<const Value> weights, biases;
  const Activation& activation;
};

std::vector<Value> convolve(const Windows& w, std::span<const Value> x, const Kernels& layer) {
  std::vector<Value> storage;
  x = recorded(x, *layer.weights[0].tape(), storage);
  std::vector<Value> y(layer.outputs * w.count());
  for_each_window(w, [&](std::size_t place, Axis::Part rows, Axis::Part columns) {
    std::vector<Value> read;
    for (std::size_t c = 0; c < layer.inputs; ++c) {
      take(w, x.subspan(c * w.in_channel(), w.in_channel()), rows, columns, read);
    }
    for (std::size_t o = 0; o < layer.outputs; ++o) {
      std::vector<Value> weights;
      for (std::size_t c = 0; c < layer.inputs; ++c) {
        take_weights(w, layer.weights.subspan((o * layer.inputs + c) * w.in_kernel(), w.in_kernel()), rows, columns,
                     weights);
      }
      const Value sum = layer.biases.empty() ? dot(weights, read) : dot(weights, read, layer.biases[o]);
      y[o * w.count() + place] = layer.activation(sum);
    }
  });
  return y;
}

/// of(what lies within) for each window of each channel.
template <class Of>
std::vector<Value> pool(const Windows& w, std::span<const Value> x, std::size_t channels, Of of) {
  std::vector<Value> y;
  for (std::size_t c = 0; c < channels; ++c) {
    for_each_window(w, [&](std::size_t, Axis::Part rows, Axis::Part columns) {
      std::vector<Value> read;
      take(w, x.subspan(c * w.in_channel(), w.in_channel()), rows, columns, read);
      y.push_back(of(read));
    });
  }
  return y;
}

constexpr Axis no_rows = {1, 1, 1, 0};

/// No window of a pool lies outside altogether.
void check_pool(const Windows& w, std::size_t channels, std::size_t values) {
  check(w, channels, values);
  for (const Axis& axis : {w.rows, w.columns}) {
    if (axis.padding <= axis.kernel / 2) continue;
    throw RecordingError(std::string(w.name) + " has a padding of " + std::to_string(axis.padding) +
                         ", more than half of a kernel of " + std::to_string(axis.kernel));
  }
}

Windows windows_of(const char* name, const Signal& x, const Pool1dOptions& o) {
  const Windows w{name, no_rows, {x.length, o.kernel, o.stride == 0 ? o.kernel : o.stride, o.padding}};
  check_pool(w, x.channels, x.values.size());
  return w;
}

Windows windows_of(const char* name, const Image& x, const Pool2dOptions& o) {
  const auto stride = [](std::size_t given, std::size_t kernel) { return given == 0 ? kernel : given; };
  const Windows w{name,
                  {x.height, o.kernel.height, stride(o.stride.height, o.kernel.height), o.padding.height},
                  {x.width, o.kernel.width, stride(o.stride.width, o.kernel.width), o.padding.width}};
  check_pool(w, x.channels, x.values.size());
  return w;
}

std::vector<Value> max_pool(const Windows& w, std::span<const Value> x, std::size_t channels) {
  return pool(w, x, channels, [](const std::vector<Value>& read) {
    Value largest = read[0];
    for (std::size_t i = 1; i < read.size(); ++i) largest = max(largest, read[i]);
    return largest;
  });
}

std::vector<Value> avg_pool(const Windows& w, std::span<const Value> x, std::size_t channels, bool count_padding) {
  return pool(w, x, channels, [&](const std::vector<Value>& read) {
    return sum(read) / static_cast<double>(count_padding ? w.in_kernel() : read.size());
  });
}

void check_stride(const char* name, std::size_t stride) {
  if (stride == 0) throw RecordingError(std::string(name) + " has a stride of zero");
}

void check_channels(const char* name, std::size_t given, std::size_t expected) {
  if (given == expected) return;
  throw RecordingError(std::string(name) + " of " + std::to_string(expected) + " channels was given " +
                       std::to_string(given));
}

}  // namespace

Conv1d::Conv1d(Tape& tape, std::size_t inputs, std::size_t outputs, const Conv1dOptions& options,
               const Initializer& initializer)
    : inputs_(inputs), outputs_(outputs), options_(options) {
  check_stride("a Conv1d", options.stride);
  const Fan fan{inputs * options.kernel, outputs * options.kernel, false};
  add(tape, "weight", {outputs, inputs, options.kernel}, fan, initializer);
  if (options.bias) add(tape, "bias", {outputs}, {fan.inputs, fan.outputs, true}, initializer);
}

Signal Conv1d::operator()(const Signal& x) const {
  check_channels("a Conv1d", x.channels, inputs_);
  const Windows w{"a Conv1d", no_rows, {x.length, options_.kernel, options_.stride, options_.padding}};
  check(w, x.channels, x.values.size());
  const auto biases = options_.bias ? values(1) : std::span<const Value>();
  return {outputs_, w.columns.windows(),
          convolve(w, x.values, {inputs_, outputs_, values(0), biases, options_.activation})};
}

Conv2d::Conv2d(Tape& tape, std::size_t inputs, std::size_t outputs, const Conv2dOptions& options,
               const Initializer& initializer)
    : inputs_(inputs), outputs_(outputs), options_(options) {
  check_stride("a Conv2d", std::min(options.stride.height, options.stride.width));
  const std::size_t in_kernel = options.kernel.height * options.kernel.width;
  const Fan fan{inputs * in_kernel, outputs * in_kernel, false};
  add(tape, "weight", {outputs, inputs, options.kernel.height, options.kernel.width}, fan, initializer);
  if (options.bias) add(tape, "bias", {outputs}, {fan.inputs, fan.outputs, true}, initializer);
}

Image Conv2d::operator()(const Image& x) const {
  check_channels("a Conv2d", x.channels, inputs_);
  const Conv2dOptions& o = options_;
  const Windows w{"a Conv2d",
                  {x.height, o.kernel.height, o.stride.height, o.padding.height},
                  {x.width, o.kernel.width, o.stride.width, o.padding.width}};
  check(w, x.channels, x.values.size());
  const auto biases = o.bias ? values(1) : std::span<const Value>();
  return {outputs_, w.rows.windows(), w.columns.windows(),
          convolve(w, x.values, {inputs_, outputs_, values(0), biases, options_.activation})};
}

Signal max_pool1d(const Signal& x, const Pool1dOptions& options) {
  const Windows w = windows_of("max_pool1d", x, options);
  return {x.channels, w.columns.windows(), max_pool(w, x.values, x.channels)};
}
Image max_pool2d(const Image& x, const Pool2dOptions& options) {
  const Windows w = windows_of("max_pool2d", x, options);
  return {x.channels, w.rows.windows(), w.columns.windows(), max_pool(w, x.values, x.channels)};
}
Signal avg_pool1d(const Signal& x, const Pool1dOptions& options, bool count_padding) {
  const Windows w = windows_of("avg_pool1d", x, options);
  return {x.channels, w.columns.windows(), avg_pool(w, x.values, x.channels, count_padding)};
}
Image avg_pool2d(const Image& x, const Pool2dOptions& options, bool count_padding) {
  const Windows w = windows_of("avg_pool2d", x, options);
  return {x.channels, w.rows.windows(), w.columns.windows(), avg_pool(w, x.values, x.channels, count_padding)};
}

}  // namespace tapeloom::inline TAPELOOM_ABI
