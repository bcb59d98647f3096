// LibTorch, run eagerly in one thread, in the fastest of the ways that its documentation shows: layers by addmm,
// activations in place, gradients by autograd::grad, which needs no zeroing, the update by one call without recording.
// Of those tried, linear in place of addmm, backward() with gradients set to none, and an update for each tensor are
// slower by up to a tenth. The squares of the parameters are weight decay, as in its optimizers.
#include <dlfcn.h>
#include <torch/version.h>

#include <stdexcept>
#include <vector>

#include "bench/comparison/peers/peer_state.h"
#include "bench/comparison/peers/torch_layers.h"
#include "bench/comparison/peers/torch_tensors.h"

namespace {

using tapeloom::bench::ScalarExpression;
using tapeloom::bench::peers::not_a_number;
using tapeloom::bench::peers::tensor_of;
using tapeloom::bench::peers::Tensors;
using tapeloom::bench::peers::TorchLayers;
using tapeloom::bench::peers::type_of;
using tapeloom::bench::peers::use_one_thread;

/// A symbol of the OpenBLAS that LibTorch has loaded; null if it took another BLAS.
template <class F>
F* openblas(const char* name) {
  static void* const library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_NOLOAD);
  return library == nullptr ? nullptr : reinterpret_cast<F*>(dlsym(library, name));
}

class TorchNet {
 public:
  TorchNet(const tapeloom_bench_net& net, bool in_float) : net_(net), widths_(net.widths, net.widths + net.layers) {
    use_one_thread();
    const at::ScalarType type = type_of(in_float);
    x_ = tensor_of(net.x, net.samples, net.inputs, type).requires_grad_(net.loss == tapeloom_bench_equation);
    if (net.targets > 0) {
      const bool classes = net.loss == tapeloom_bench_cross_entropy;
      y_ = tensor_of(net.y, net.samples, classes ? 0 : net.targets, classes ? at::kLong : type);
    }
    const double* numbers = net.parameters;
    std::size_t fan_in = net.inputs;
    for (const std::size_t width : widths_) {
      // A row is a neuron: its weights, then its bias.
      const at::Tensor rows = tensor_of(numbers, width, fan_in + 1, type);
      const auto n = static_cast<std::int64_t>(fan_in);
      parameters_.push_back(rows.narrow(1, 0, n).clone().requires_grad_(true));
      parameters_.push_back(rows.select(1, n).clone().requires_grad_(true));
      numbers += width * (fan_in + 1);
      fan_in = width;
    }
  }

  static double trace_seconds() { return not_a_number; }

  double step(double rate) {
    const at::Tensor loss = loss_of(outputs());
    const Tensors gradients = torch::autograd::grad({loss}, parameters_);
    const at::NoGradGuard guard;
    double penalty = 0.0;
    if (net_.l2 > 0.0) {
      at::Tensor squares = at::zeros({}, x_.options());
      for (const at::Tensor& p : parameters_) squares.add_(at::dot(p.view(-1), p.view(-1)));
      penalty = net_.l2 * squares.item<double>();
      at::_foreach_mul_(parameters_, 1.0 - 2.0 * rate * net_.l2);
    }
    at::_foreach_add_(parameters_, gradients, -rate);
    return loss.item<double>() + penalty;
  }

  void read_parameters(double* numbers) const {
    for (std::size_t i = 0; i < widths_.size(); ++i) {
      const at::Tensor w = parameters_[2 * i], b = parameters_[2 * i + 1];
      const at::Tensor rows = at::cat({w, b.unsqueeze(1)}, 1).detach().to(at::kDouble).contiguous();
      const double* from = rows.data_ptr<double>();
      numbers = std::copy(from, from + rows.numel(), numbers);
    }
  }

  void set_rows(const float* const* x, const float* y) {
    const at::NoGradGuard guard;
    const auto inputs = static_cast<std::int64_t>(net_.inputs);
    for (std::size_t i = 0; i < net_.samples; ++i) {
      const auto row = static_cast<std::int64_t>(i);
      if (x_.scalar_type() == at::kFloat) {
        std::copy(x[i], x[i] + inputs, x_.data_ptr<float>() + row * inputs);
      } else {
        std::copy(x[i], x[i] + inputs, x_.data_ptr<double>() + row * inputs);
      }
    }
    if (y_.defined()) y_.copy_(at::from_blob(const_cast<float*>(y), y_.sizes(), at::kFloat));
  }

 private:
  at::Tensor outputs() const {
    at::Tensor h = x_;
    for (std::size_t i = 0; i < widths_.size(); ++i) {
      h = at::addmm(parameters_[2 * i + 1], h, parameters_[2 * i].t());
      switch (i + 1 < widths_.size() ? net_.hidden : net_.last) {
        case tapeloom_bench_tanh:
          h.tanh_();
          break;
        case tapeloom_bench_relu:
          h.relu_();
          break;
        case tapeloom_bench_linear:
          break;
      }
    }
    return h;
  }

  at::Tensor loss_of(const at::Tensor& h) const {
    switch (net_.loss) {
      case tapeloom_bench_squared:
        return at::mse_loss(h, y_, at::Reduction::Sum).div(static_cast<double>(net_.samples));
      case tapeloom_bench_hinge:
        return at::mul(h, y_).neg_().add_(1.0).clamp_min_(0.0).mean();
      case tapeloom_bench_cross_entropy:
        return at::cross_entropy_loss(h, y_);
      case tapeloom_bench_equation:
        return equation_loss(h);
    }
    throw std::invalid_argument("LibTorch: an unknown loss");
  }

  /// Both second derivatives, each of a sweep through the sweep that made the first ones.
  at::Tensor equation_loss(const at::Tensor& u) const {
    const auto slopes = [this](const at::Tensor& of) {
      return torch::autograd::grad({of.sum()}, {x_}, {}, c10::nullopt, /*create_graph=*/true)[0];
    };
    const at::Tensor first = slopes(u), u_x = first.select(1, 0), u_t = first.select(1, 1);
    const at::Tensor u_xx = slopes(u_x).select(1, 0), u_tt = slopes(u_t).select(1, 1);
    return at::square(u_tt + 0.1 * u_t + u.select(1, 0) * u_x - u_xx).mean();
  }

  tapeloom_bench_net net_;
  std::vector<std::size_t> widths_;
  at::Tensor x_, y_;
  Tensors parameters_;  // weights and biases of each layer
};

/// A tensor in an expression, with the operations that evaluate_expression asks for.
struct Number {
  at::Tensor t;

  friend Number operator+(const Number& a, const Number& b) { return {a.t + b.t}; }
  friend Number operator*(const Number& a, const Number& b) { return {a.t * b.t}; }
  friend Number operator/(const Number& a, const Number& b) { return {a.t / b.t}; }
  friend Number exp(const Number& a) { return {at::exp(a.t)}; }
  friend Number tanh(const Number& a) { return {at::tanh(a.t)}; }
  friend Number relu(const Number& a) { return {at::relu(a.t)}; }
  /// at::maximum shares the derivative between equal operands; here it is the first one's.
  friend Number max(const Number& a, const Number& b) { return {at::where(b.t > a.t, b.t, a.t)}; }
};

/// Each number is a tensor: an input one of all samples, a parameter one of no dimension.
class TorchExpression {
 public:
  TorchExpression(const tapeloom_bench_expression& e, bool in_float)
      : expression_(tapeloom::bench::peers::expression_of(e)) {
    use_one_thread();
    const at::ScalarType type = type_of(in_float);
    if (e.inputs > 0) inputs_ = tensor_of(e.rows, e.samples, e.inputs, type).t().contiguous().unbind(0);
    const at::Tensor start = tensor_of(e.start, e.parameters, 0, type);
    for (std::int64_t i = 0; i < start.numel(); ++i) parameters_.push_back(start[i].clone().requires_grad_(true));
  }

  static double trace_seconds() { return not_a_number; }

  double evaluate(const double* parameters, double* gradients) {
    if (parameters != nullptr) {
      const at::NoGradGuard guard;
      for (std::size_t i = 0; i < parameters_.size(); ++i) parameters_[i].fill_(parameters[i]);
    }
    std::vector<Number> numbers;
    for (const Tensors* tensors : {&inputs_, &parameters_}) {
      for (const at::Tensor& t : *tensors) numbers.push_back({t});
    }
    at::Tensor root = evaluate_expression(expression_, std::move(numbers)).t;
    if (!inputs_.empty()) root = root.mean();
    const Tensors derivatives = torch::autograd::grad({root}, parameters_);
    if (gradients != nullptr) {
      for (const at::Tensor& d : derivatives) *gradients++ = d.item<double>();
    }
    return root.item<double>();
  }

 private:
  ScalarExpression expression_;
  Tensors inputs_, parameters_;
};

}  // namespace

tapeloom_bench_peer_state tapeloom_bench_make_net(const tapeloom_bench_net* net, bool in_float) {
  return tapeloom::bench::peers::make_net<TorchNet>(net, in_float);
}

tapeloom_bench_peer_state tapeloom_bench_make_layers(const tapeloom_bench_layers* net, bool in_float) {
  return tapeloom::bench::peers::make_net<TorchLayers>(net, in_float);
}

tapeloom_bench_peer_state tapeloom_bench_make_expression(const tapeloom_bench_expression* expression, bool in_float) {
  return tapeloom::bench::peers::make_expression<TorchExpression>(expression, in_float);
}

const char* tapeloom_bench_peer_version() {
  static const std::string version = [] {
    std::string text = TORCH_VERSION;
    auto* core = openblas<char*()>("openblas_get_corename");
    auto* config = openblas<char*()>("openblas_get_config");
    if (core == nullptr || config == nullptr) return text + " without OpenBLAS: its matrix products are slow";
    const std::string configuration = config();
    return text + " with " + configuration.substr(0, configuration.find(' ', sizeof "OpenBLAS")) + ", kernels for " +
           core();
  }();
  return version.c_str();
}

const char* tapeloom_bench_peer_error() { return tapeloom::bench::peers::last_error().c_str(); }
