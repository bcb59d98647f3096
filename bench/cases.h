// The five nets that everything is timed on.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bench/nets.h"

namespace tapeloom::bench {

/// A net with the number of samples in one of its steps.
struct Case {
  Net net;
  std::size_t samples;
  std::size_t closure_check_samples;  ///< so few that the closure design takes them at once

  std::string name() const { return net.name + " / " + std::to_string(samples); }

  /// 2 for each weight and sample forward, 2 for its gradient, 2 for the derivative of the layer's inputs but for the
  /// first layer's; nothing else is counted.
  double flops() const {
    double count = 0.0;
    std::size_t fan_in = net.inputs;
    for (const std::size_t width : net.widths) {
      count += (fan_in == net.inputs && count == 0.0 ? 4.0 : 6.0) * static_cast<double>(fan_in * width);
      fan_in = width;
    }
    return count * static_cast<double>(samples);
  }
};

inline std::vector<Case> all_cases() {
  using closure::Activation;
  const Activation tanh = Activation::tanh, relu = Activation::relu, linear = Activation::linear;
  return {
      {{"3-4-4-1 tanh", 3, {4, 4, 1}, tanh, tanh, LossKind::squared}, 4, 4},
      {{"2-16-16-1 relu", 2, {16, 16, 1}, relu, linear, LossKind::hinge, 1e-4}, 100, 100},
      {{"64-32-10 tanh", 64, {32, 10}, tanh, tanh, LossKind::squared}, 32, 32},
      {{"64-64-64-10 relu", 64, {64, 64, 10}, relu, linear, LossKind::cross_entropy}, 128, 16},
      {{"784-128-10 relu", 784, {128, 10}, relu, linear, LossKind::cross_entropy}, 64, 3},
  };
}

}  // namespace tapeloom::bench
