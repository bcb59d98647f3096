// A training step as it is usually written with Eigen, layer by layer as in a textbook: the default layout
// (column-major), a sample a column, bias and activation as statements of their own, gradients kept in matrices and
// then subtracted. Preallocated, and noalias() for all products.
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "bench/eigen_handle.h"

namespace tapeloom::bench::by_hand {
namespace {

using Eigen::Index;

enum class Loss { squared, hinge, cross_entropy };

struct Spec {
  std::string_view name;
  Index inputs;
  std::vector<Index> widths;
  Loss loss;
};

/// Besides these, 64-W-V-10 relu for all W and V.
const std::vector<Spec>& specs() {
  static const std::vector<Spec> all = {
      {"3-4-4-1 tanh", 3, {4, 4, 1}, Loss::squared},
      {"2-16-16-1 relu", 2, {16, 16, 1}, Loss::hinge},
      {"64-32-10 tanh", 64, {32, 10}, Loss::squared},
      {"64-64-64-10 relu", 64, {64, 64, 10}, Loss::cross_entropy},
      {"784-128-10 relu", 784, {128, 10}, Loss::cross_entropy},
  };
  return all;
}

/// Nets with squared errors have tanh in all layers; those with a hinge have L2 of 1e-4, and like those with cross
/// entropy relu in all layers but the last.
template <class T>
class PlainNet {
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
  using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

  struct Layer {
    Layer(Index inputs, Index outputs, Index n)
        : w(outputs, inputs), dw(outputs, inputs), a(outputs, n), d(outputs, n), b(outputs), db(outputs) {}
    Matrix w, dw;
    Matrix a, d;  ///< activations, and the loss's derivatives by what they were computed from
    Vector b, db;
  };

 public:
  PlainNet(const Spec& spec, const double* x, const double* y, Index n)
      : loss_(spec.loss), n_(n), x_(spec.inputs, n), y_(loss_ == Loss::squared ? spec.widths.back() : 1, n) {
    read_rows(x_, x);
    read_rows(y_, y);
    Index inputs = spec.inputs;
    for (const Index width : spec.widths) {
      layers_.emplace_back(inputs, width, n);
      inputs = width;
    }
  }

  void set_rows(const float* const* x, const float* y) {
    read_rows(x_, x);
    y_ = Eigen::Map<const Eigen::MatrixXf>(y, y_.rows(), y_.cols()).template cast<T>();
  }

  T step(T lr) {
    forward();
    const T loss = loss_and_derivative() / static_cast<T>(n_);
    backward();
    const T penalty = loss_ == Loss::hinge ? T(1e-4) : T(0);
    T squares = 0;
    for (Layer& layer : layers_) {
      if (penalty > T(0)) {
        squares += layer.w.squaredNorm() + layer.b.squaredNorm();
        layer.dw += T(2) * penalty * layer.w;
        layer.db += T(2) * penalty * layer.b;
      }
      layer.w -= lr * layer.dw;
      layer.b -= lr * layer.db;
    }
    return loss + penalty * squares;
  }

  template <class F>
  void each_parameter(F function) {
    for (Layer& layer : layers_) {
      for (Index i = 0; i < layer.w.rows(); ++i) {
        for (Index j = 0; j < layer.w.cols(); ++j) function(layer.w(i, j));
        function(layer.b(i));
      }
    }
  }

 private:
  const Matrix& inputs_of(std::size_t layer) const { return layer == 0 ? x_ : layers_[layer - 1].a; }

  void forward() {
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      Layer& layer = layers_[i];
      layer.a.noalias() = layer.w * inputs_of(i);
      layer.a.colwise() += layer.b;
      if (loss_ == Loss::squared) {
        layer.a = layer.a.array().tanh();
      } else if (i + 1 < layers_.size()) {
        layer.a = layer.a.cwiseMax(T(0));
      }
    }
  }

  /// The sum over the samples; the derivatives of their mean go to the last layer's d.
  T loss_and_derivative() {
    const Matrix& a = layers_.back().a;
    Matrix& d = layers_.back().d;
    const T scale = T(1) / static_cast<T>(n_);
    switch (loss_) {
      case Loss::squared: {
        d = a - y_;
        const T loss = d.squaredNorm();
        d.array() *= T(2) * scale * (T(1) - a.array().square());
        return loss;
      }
      case Loss::hinge: {
        d = (T(1) - y_.array() * a.array()).cwiseMax(T(0));
        const T loss = d.sum();
        d = (d.array() > T(0)).select(-scale * y_, T(0));
        return loss;
      }
      case Loss::cross_entropy:
        break;
    }
    T loss = 0;
    for (Index j = 0; j < n_; ++j) {
      const Index target = static_cast<Index>(y_(0, j));
      const T largest = a.col(j).maxCoeff();
      d.col(j) = (a.col(j).array() - largest).exp();
      const T sum = d.col(j).sum();
      loss += std::log(sum) + largest - a(target, j);
      d.col(j) *= scale / sum;
      d(target, j) -= scale;
    }
    return loss;
  }

  void backward() {
    for (std::size_t i = layers_.size(); i-- > 0;) {
      Layer& layer = layers_[i];
      layer.dw.noalias() = layer.d * inputs_of(i).transpose();
      layer.db = layer.d.rowwise().sum();
      if (i == 0) return;
      Layer& before = layers_[i - 1];
      before.d.noalias() = layer.w.transpose() * layer.d;
      if (loss_ == Loss::squared) {
        before.d.array() *= T(1) - before.a.array().square();
      } else {
        before.d.array() *= (before.a.array() > T(0)).template cast<T>();
      }
    }
  }

  Loss loss_;
  Index n_;
  Matrix x_, y_;
  std::vector<Layer> layers_;
};

template <class Handle, class T>
Handle make_plain(std::string_view net, const double* x, const double* y, std::size_t samples) {
  for (const Spec& spec : specs()) {
    if (spec.name == net) {
      return handle_of<Handle, T>(new PlainNet<T>(spec, x, y, static_cast<Index>(samples)));
    }
  }
  int first = 0, second = 0, end = 0;
  const bool fits = std::sscanf(std::string(net).c_str(), "64-%d-%d-10 relu%n", &first, &second, &end) == 2;
  if (fits && end > 0 && static_cast<std::size_t>(end) == net.size() && first > 0 && second > 0) {
    const Spec spec = {net, 64, {first, second, 10}, Loss::cross_entropy};
    return handle_of<Handle, T>(new PlainNet<T>(spec, x, y, static_cast<Index>(samples)));
  }
  return {};
}

}  // namespace

tapeloom_bench_eigen_float make_plain_float(const char* net, const double* x, const double* y, std::size_t samples) {
  return make_plain<tapeloom_bench_eigen_float, float>(net, x, y, samples);
}

tapeloom_bench_eigen_double make_plain_double(const char* net, const double* x, const double* y, std::size_t samples) {
  return make_plain<tapeloom_bench_eigen_double, double>(net, x, y, samples);
}

}  // namespace tapeloom::bench::by_hand
