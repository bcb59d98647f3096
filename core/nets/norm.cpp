#include "tapeloom/core/nets/norm.h"

#include "tapeloom/core/base/number_text.h"
#include "tapeloom/core/nets/inputs.h"

namespace tapeloom::inline TAPELOOM_ABI {

namespace {

/// Each by the root of the mean of all their squares.
std::vector<Value> by_root_mean_square(std::span<const Value> x, double eps) {
  std::vector<Value> squares, result;
  for (const Value& each : x) squares.push_back(square(each));
  const Value scale = 1.0 / sqrt(mean(squares) + eps);
  for (const Value& each : x) result.push_back(each * scale);
  return result;
}

void check_not_empty(const char* name, std::span<const Value> x) {
  if (x.empty()) throw RecordingError(std::string(name) + " of an empty list");
}

void check_eps(const char* name, double eps) {
  if (!(eps >= 0.0)) {
    throw RecordingError(std::string(name) + " must not be negative; it is " + number_text(eps));
  }
}

}  // namespace

std::vector<Value> layer_norm(std::span<const Value> x, double eps) {
  check_not_empty("layer_norm", x);
  check_eps("layer_norm: eps", eps);
  const Value middle = mean(x);
  std::vector<Value> centred;
  for (const Value& each : x) centred.push_back(each - middle);
  return by_root_mean_square(centred, eps);
}

std::vector<Value> rms_norm(std::span<const Value> x, double eps) {
  check_not_empty("rms_norm", x);
  check_eps("rms_norm: eps", eps);
  return by_root_mean_square(x, eps);
}

LayerNorm::LayerNorm(Tape& tape, std::size_t features, const LayerNormOptions& options) : options_(options) {
  check_eps("LayerNormOptions::eps", options.eps);
  add(tape, "weight", {features}, 1.0);
  if (options.bias) add(tape, "bias", {features}, 0.0);
}

std::vector<Value> LayerNorm::operator()(std::span<const Value> x) const {
  check_inputs("a LayerNorm", x.size(), values(0).size());
  std::vector<Value> y = layer_norm(x, options_.eps);
  for (std::size_t i = 0; i < y.size(); ++i) {
    const Value scaled = y[i] * values(0)[i];
    y[i] = options_.bias ? scaled + values(1)[i] : scaled;
  }
  return y;
}

RMSNorm::RMSNorm(Tape& tape, std::size_t features, double eps) : eps_(eps) {
  check_eps("RMSNorm: eps", eps);
  add(tape, "weight", {features}, 1.0);
}

std::vector<Value> RMSNorm::operator()(std::span<const Value> x) const {
  check_inputs("an RMSNorm", x.size(), values(0).size());
  std::vector<Value> y = rms_norm(x, eps_);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] *= values(0)[i];
  return y;
}

}  // namespace tapeloom::inline TAPELOOM_ABI
