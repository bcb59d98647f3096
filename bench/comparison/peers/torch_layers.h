// The recurrent and convolutional nets of bench/eigen_layers.h, and the small one with Adam, by LibTorch; for torch.cpp
// alone, with whose flags it is compiled. Each in the fastest way of those tried, in CPU time of LibTorch 1.13:
//
//   - Recurrent: the inputs' part of all steps is one addmm, each step another. rnn_tanh takes 1.2 to 1.6 times as
//     long, rnn_tanh_cell 1.1 to 2.2 times, and lstm and lstm_cell, which no kernel fuses on a CPU, up to 1.3 times.
//   - Convolutions: see Convolutions::conv. Channels last and im2col with a product are slower, but for double
//     with 64 samples, where channels last saves a tenth.
//   - Adam as torch.optim.Adam has it with foreach=True. A unit's samples lie side by side; the other way takes 1.05
//     times as long.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bench/comparison/peers/peer_state.h"
#include "bench/comparison/peers/torch_tensors.h"
#include "bench/eigen_layers.h"

namespace tapeloom::bench::peers {

using Shapes = std::vector<std::vector<std::int64_t>>;

/// What RNN and LSTM have in common; parameters are weight_ih, weight_hh, bias_ih and bias_hh.
class Sequence {
 public:
  Sequence(std::int64_t gates, const tapeloom_bench_layers& net, at::ScalarType type)
      : rows_(gates * sequence_hidden), n_(static_cast<std::int64_t>(net.samples)) {
    x_ = tensor_of(net.x, {n_, sequence_steps, sequence_inputs}, type).transpose(0, 1).reshape({-1, sequence_inputs});
  }

  Shapes shapes() const { return {{rows_, sequence_inputs}, {rows_, sequence_hidden}, {rows_}, {rows_}}; }

 protected:
  /// A tensor of each step, but for what comes from the state before.
  Tensors from_inputs(const Tensors& p) const {
    return at::addmm(p[2] + p[3], x_, p[0].t()).view({sequence_steps, n_, rows_}).unbind(0);
  }
  at::Tensor loss_of(const at::Tensor& h) const { return at::square(h).sum().div(static_cast<double>(n_)); }

 private:
  std::int64_t rows_, n_;
  at::Tensor x_;
};

class Rnn : public Sequence {
 public:
  Rnn(const tapeloom_bench_layers& net, at::ScalarType type) : Sequence(1, net, type) {}

  at::Tensor loss(const Tensors& p) const {
    const Tensors sums = from_inputs(p);
    const at::Tensor u = p[1].t();
    at::Tensor h = at::tanh(sums[0]);
    for (std::size_t t = 1; t < sums.size(); ++t) h = at::addmm(sums[t], h, u).tanh_();
    return loss_of(h);
  }
};

class Lstm : public Sequence {
 public:
  Lstm(const tapeloom_bench_layers& net, at::ScalarType type) : Sequence(4, net, type) {}

  at::Tensor loss(const Tensors& p) const {
    const Tensors sums = from_inputs(p);
    const at::Tensor u = p[1].t();
    at::Tensor h, c;
    for (std::size_t t = 0; t < sums.size(); ++t) {
      const Tensors gates = (t == 0 ? sums[t] : at::addmm(sums[t], h, u)).chunk(4, 1);
      const at::Tensor i = gates[0].sigmoid(), f = gates[1].sigmoid(), g = gates[2].tanh(), o = gates[3].sigmoid();
      c = t == 0 ? i * g : at::addcmul(i * g, f, c);
      h = o * c.tanh();
    }
    return loss_of(h);
  }
};

class Convolutions {
 public:
  Convolutions(std::int64_t padding, const tapeloom_bench_layers& net, at::ScalarType type)
      : padding_(padding), by_onednn_(type == at::kFloat && net.samples >= samples_for_onednn) {
    const auto n = static_cast<std::int64_t>(net.samples);
    x_ = tensor_of(net.x, {n, 1, image_side, image_side}, type);
    y_ = tensor_of(net.y, {n}, at::kLong);
  }

  Shapes shapes() const {
    const std::int64_t channels = image_channels, side = image_side + 4 * padding_ - 4;
    return {{channels, 1, 3, 3},
            {channels},
            {channels, channels, 3, 3},
            {channels},
            {image_classes, channels * side * side},
            {image_classes}};
  }
  at::Tensor loss(const Tensors& p) const {
    const at::Tensor images = conv(conv(x_, p[0], p[1]), p[2], p[3]);
    return at::cross_entropy_loss(at::addmm(p[5], images.flatten(1), p[4].t()), y_);
  }

 private:
  // conv2d leaves float to oneDNN. What it calls otherwise, thnn_conv2d, takes 0.9 of that time with one sample, 0.4
  // (unpadded) and 0.7 (padded) with 8, and 1.05 and 1.35 with 64.
  static constexpr std::size_t samples_for_onednn = 32;

  at::Tensor conv(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) const {
    const std::array<std::int64_t, 2> kernel = {3, 3}, stride = {1, 1}, padding = {padding_, padding_};
    return (by_onednn_ ? at::conv2d(x, w, b, stride, padding) : at::thnn_conv2d(x, w, kernel, b, stride, padding))
        .relu_();
  }

  std::int64_t padding_;
  bool by_onednn_;
  at::Tensor x_, y_;
};

class Lists {
 public:
  Lists(const tapeloom_bench_layers& net, at::ScalarType type)
      : x_(tensor_of(net.x, {static_cast<std::int64_t>(net.samples), list_channels, list_length}, type)) {}

  Shapes shapes() const {
    Shapes all;
    for (int layer = 0; layer < 3; ++layer) {
      all.push_back({list_channels, list_channels, list_kernel});
      all.push_back({list_channels});
    }
    return all;
  }
  at::Tensor loss(const Tensors& p) const {
    at::Tensor h = x_;
    for (std::size_t i = 0; i < p.size(); i += 2) h = at::conv1d(h, p[i], p[i + 1]).relu_();
    return h.square().sum().div(static_cast<double>(x_.size(0)));
  }

 private:
  at::Tensor x_;
};

/// 4-32-16-4, tanh but for the last layer, the mean of squared errors.
class SmallNet {
 public:
  SmallNet(const tapeloom_bench_layers& net, at::ScalarType type)
      : x_(tensor_of(net.x, net.samples, 4, type).t().contiguous()),
        y_(tensor_of(net.y, net.samples, 4, type).t().contiguous()) {}

  Shapes shapes() const { return {{32, 4}, {32}, {16, 32}, {16}, {4, 16}, {4}}; }
  at::Tensor loss(const Tensors& p) const {
    at::Tensor h = x_;
    for (std::size_t i = 0; i < p.size(); i += 2) {
      h = at::addmm(p[i + 1].unsqueeze(1), p[i], h);
      if (i + 2 < p.size()) h.tanh_();
    }
    return at::mse_loss(h, y_, at::Reduction::Sum).div(static_cast<double>(y_.size(1)));
  }

 private:
  at::Tensor x_, y_;
};

class Adam {
 public:
  explicit Adam(const Tensors& parameters) {
    for (const at::Tensor& p : parameters) {
      m_.push_back(at::zeros_like(p.detach()));
      v_.push_back(at::zeros_like(p.detach()));
    }
  }

  void update(const Tensors& parameters, const Tensors& gradients, double rate) {
    ++steps_;
    at::_foreach_mul_(m_, 0.9);
    at::_foreach_add_(m_, gradients, 0.1);
    at::_foreach_mul_(v_, 0.999);
    at::_foreach_addcmul_(v_, gradients, gradients, 0.001);
    const Tensors roots = at::_foreach_sqrt(v_);
    at::_foreach_div_(roots, std::sqrt(1.0 - std::pow(0.999, steps_)));
    at::_foreach_add_(roots, 1e-8);
    at::_foreach_addcdiv_(parameters, m_, roots, -rate / (1.0 - std::pow(0.9, steps_)));
  }

 private:
  Tensors m_, v_;
  int steps_ = 0;
};

/// One of them in training: gradient descent, but for "adam".
class TorchLayers {
 public:
  TorchLayers(const tapeloom_bench_layers& net, bool in_float) {
    use_one_thread();
    const at::ScalarType type = type_of(in_float);
    const std::string name = net.name;
    if (name == "rnn") {
      take(Rnn(net, type), net.parameters, type);
    } else if (name == "lstm") {
      take(Lstm(net, type), net.parameters, type);
    } else if (name == "conv" || name == "conv padded") {
      take(Convolutions(name == "conv" ? 0 : 1, net, type), net.parameters, type);
    } else if (name == "conv list") {
      take(Lists(net, type), net.parameters, type);
    } else if (name == "adam") {
      take(SmallNet(net, type), net.parameters, type);
      adam_.emplace(parameters_);
    } else {
      throw std::invalid_argument("LibTorch: no net " + name);
    }
  }

  static double trace_seconds() { return not_a_number; }

  double step(double rate) {
    const at::Tensor loss = loss_(parameters_);
    const Tensors gradients = torch::autograd::grad({loss}, parameters_);
    const at::NoGradGuard guard;
    if (adam_) {
      adam_->update(parameters_, gradients, rate);
    } else {
      at::_foreach_add_(parameters_, gradients, -rate);
    }
    return loss.item<double>();
  }

  void read_parameters(double* numbers) const {
    for (const at::Tensor& p : parameters_) {
      const at::Tensor flat = p.detach().to(at::kDouble).contiguous();
      numbers = std::copy(flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel(), numbers);
    }
  }

 private:
  template <class Layers>
  void take(Layers layers, const double* numbers, at::ScalarType type) {
    for (const std::vector<std::int64_t>& shape : layers.shapes()) {
      parameters_.push_back(tensor_of(numbers, shape, type).requires_grad_(true));
      numbers += parameters_.back().numel();
    }
    loss_ = [layers = std::move(layers)](const Tensors& parameters) { return layers.loss(parameters); };
  }

  Tensors parameters_;
  std::function<at::Tensor(const Tensors&)> loss_;
  std::optional<Adam> adam_;
};

}  // namespace tapeloom::bench::peers
