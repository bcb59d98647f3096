#include "tapeloom/core/nets/batch_norm.h"

#include <algorithm>
#include <string>

#include "tapeloom/core/base/error.h"
#include "tapeloom/core/base/number_text.h"
#include "tapeloom/core/nets/inputs.h"
#include "tapeloom/core/record/functions.h"

namespace tapeloom::inline TAPELOOM_ABI {

BatchNorm::BatchNorm(Tape& tape, std::size_t channels, const BatchNormOptions& options)
    : options_(options), channels_(channels) {
  if (!(options.momentum >= 0.0 && options.momentum <= 1.0)) {
    throw RecordingError("BatchNormOptions::momentum must be in [0, 1]; it is " + number_text(options.momentum));
  }
  if (!(options.eps >= 0.0)) {
    throw RecordingError("BatchNormOptions::eps must not be negative; it is " + number_text(options.eps));
  }
  if (options.affine) {
    add(tape, "weight", {channels}, 1.0);
    add(tape, "bias", {channels}, 0.0);
  }
  add_statistics(tape, "running_mean", {channels}, 0.0);
  add_statistics(tape, "running_var", {channels}, 1.0);
}

BatchNorm::Statistics BatchNorm::statistics(std::size_t channel, std::span<const Value> x, Value samples) const {
  const Value running_mean = values(running())[channel], running_variance = values(running() + 1)[channel];
  Tape& tape = *running_mean.tape();
  const Value middle = batch_mean(mean(x));
  std::vector<Value> squares;
  for (const Value& each : x) squares.push_back(square(each - middle));
  const Value variance = batch_mean(mean(squares));

  const double momentum = options_.momentum;
  const auto mixed = [&](Value running, Value now) { return (1.0 - momentum) * running + momentum * now; };
  const Value count = samples * static_cast<double>(x.size());
  const Value unbiased = variance * (count / max(count - 1.0, 1.0));
  tape.assign(running_mean, mixed(running_mean, middle), middle);
  tape.assign(running_variance, where(count > 1.0, mixed(running_variance, unbiased), running_variance), variance);
  const Value training = tape.training();
  return {where(training, middle, running_mean), where(training, variance, running_variance)};
}

std::vector<Value> BatchNorm::normalise(const char* what, std::span<const Value> x, std::size_t channels,
                                        std::size_t places) const {
  check_inputs(what, channels, channels_);
  if (places == 0 || x.size() != channels * places) {
    throw RecordingError(std::string(what) + " was given " + std::to_string(x.size()) + " Values for " +
                         std::to_string(channels) + " channels of " + std::to_string(places));
  }
  const auto varying = std::ranges::find_if(x, &Value::varying);
  if (varying == x.end()) {
    throw RecordingError(std::string(what) + " was given Values that are the same for every sample");
  }
  // A number for each sample that is 1 whatever x is, NaN included.
  const Value samples = batch_sum((*varying == *varying) + (*varying != *varying));
  std::vector<Value> y;
  for (std::size_t c = 0; c < channels; ++c) {
    const std::span<const Value> of_channel = x.subspan(c * places, places);
    const auto [middle, variance] = statistics(c, of_channel, samples);
    Value scale = 1.0 / sqrt(variance + options_.eps);
    if (options_.affine) scale *= values(0)[c];
    for (const Value& each : of_channel) {
      const Value scaled = (each - middle) * scale;
      y.push_back(options_.affine ? scaled + values(1)[c] : scaled);
    }
  }
  return y;
}

BatchNorm1d::BatchNorm1d(Tape& tape, std::size_t channels, const BatchNormOptions& options)
    : BatchNorm(tape, channels, options) {}

std::vector<Value> BatchNorm1d::operator()(std::span<const Value> x) const {
  return normalise("a BatchNorm1d", x, x.size(), 1);
}

Signal BatchNorm1d::operator()(const Signal& x) const {
  return {x.channels, x.length, normalise("a BatchNorm1d", x.values, x.channels, x.length)};
}

BatchNorm2d::BatchNorm2d(Tape& tape, std::size_t channels, const BatchNormOptions& options)
    : BatchNorm(tape, channels, options) {}

Image BatchNorm2d::operator()(const Image& x) const {
  return {x.channels, x.height, x.width, normalise("a BatchNorm2d", x.values, x.channels, x.height * x.width)};
}

}  // namespace tapeloom::inline TAPELOOM_ABI
