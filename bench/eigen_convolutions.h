// Convolutions by hand with Eigen, as products with the windows side by side; for eigen_layers.cpp alone, with whose
// flags it is compiled.
#pragma once

#include <cmath>
#include <vector>

#include "bench/eigen_handle.h"
#include "bench/eigen_layers.h"

namespace tapeloom::bench::by_hand {
namespace {

using Eigen::Dynamic;
using Eigen::Index;

template <class T>
using Matrix = Eigen::Matrix<T, Dynamic, Dynamic>;
template <class T>
using Column = Eigen::Matrix<T, Dynamic, 1>;

/// Row by row, as PyTorch stores a tensor.
template <class M, class F>
void each_of(M& matrix, F& function) {
  for (Index i = 0; i < matrix.rows(); ++i) {
    for (Index j = 0; j < matrix.cols(); ++j) function(matrix(i, j));
  }
}

/// 3 x 3 windows of images; a column of n images is image * places + place.
struct ImageWindows {
  static constexpr Index size = 9;
  Index side, padding, n;

  Index out() const { return side + 2 * padding - 2; }
  Index columns() const { return out() * out() * n; }
  /// f(row of a window, its column, the images' column or -1 in the padding).
  template <class F>
  void each(F function) const {
    for (Index image = 0, column = 0; image < n; ++image) {
      for (Index y = 0; y < out(); ++y) {
        for (Index x = 0; x < out(); ++x, ++column) {
          for (Index k = 0; k < size; ++k) {
            const Index from_y = y + k / 3 - padding, from_x = x + k % 3 - padding;
            const bool inside = from_y >= 0 && from_y < side && from_x >= 0 && from_x < side;
            function(k, column, inside ? (image * side + from_y) * side + from_x : -1);
          }
        }
      }
    }
  }
};

/// Windows of lists; a column of n lists is list * length + place.
struct ListWindows {
  static constexpr Index size = list_kernel;
  Index length, n;

  Index out() const { return length - size + 1; }
  Index columns() const { return out() * n; }
  template <class F>
  void each(F function) const {
    for (Index list = 0, column = 0; list < n; ++list) {
      for (Index place = 0; place < out(); ++place, ++column) {
        for (Index k = 0; k < size; ++k) function(k, column, list * length + place + k);
      }
    }
  }
};

/// With relu.
template <class T, class Windows>
class Convolution {
 public:
  Convolution(Index channels, Index outputs, Windows windows)
      : w(outputs, channels * Windows::size),
        b(outputs),
        of_(windows),
        windows_(channels * Windows::size, windows.columns()),
        a(outputs, windows.columns()),
        d(outputs, windows.columns()) {}

  Index out() const { return of_.out(); }

  void forward(const Matrix<T>& x) {
    of_.each([&](Index row, Index column, Index from) {
      if (from < 0) {
        for (Index c = 0; c < x.rows(); ++c) windows_(c * Windows::size + row, column) = T(0);
      } else {
        for (Index c = 0; c < x.rows(); ++c) windows_(c * Windows::size + row, column) = x(c, from);
      }
    });
    a.noalias() = w * windows_;
    a.colwise() += b;
    a = a.cwiseMax(T(0));
  }

  /// d is the derivative by a; puts the one by x there, unless dx is null, and then changes the weights.
  void backward(Matrix<T>* dx) {
    d.array() = (a.array() > T(0)).select(d.array(), T(0));
    if (dx != nullptr) {
      back_.noalias() = w.transpose() * d;
      dx->setZero();
      of_.each([&](Index row, Index column, Index from) {
        if (from < 0) return;
        for (Index c = 0; c < dx->rows(); ++c) (*dx)(c, from) += back_(c * Windows::size + row, column);
      });
    }
    w.noalias() -= d * windows_.transpose();
    b -= d.rowwise().sum();
  }

  Matrix<T> w;
  Column<T> b;

 private:
  Windows of_;
  Matrix<T> windows_, back_;

 public:
  Matrix<T> a, d;
};

/// Two convolutions with relu and a linear layer of the pixels, channel by channel; cross entropy.
template <class T>
class ConvolutionNet {
 public:
  ConvolutionNet(Index padding, const double* x, const double* y, Index n)
      : n_(n),
        x_(1, image_side * image_side * n),
        y_(y, y + n),
        first_(1, image_channels, {image_side, padding, n}),
        second_(image_channels, image_channels, {first_.out(), padding, n}),
        places_(second_.out() * second_.out()),
        w_(image_classes, image_channels * places_),
        b_(image_classes),
        flat_(image_channels * places_, n),
        z_(image_classes, n) {
    for (Index i = 0; i < x_.cols(); ++i) x_(0, i) = static_cast<T>(x[i]);
  }

  T step(T lr) {
    first_.forward(x_);
    second_.forward(first_.a);
    for (Index s = 0; s < n_; ++s) {
      for (Index c = 0; c < image_channels; ++c) {
        flat_.col(s).segment(c * places_, places_) = second_.a.row(c).segment(s * places_, places_).transpose();
      }
    }
    z_.noalias() = w_ * flat_;
    z_.colwise() += b_;
    const T loss = loss_and_derivative(lr);
    flat_d_.noalias() = w_.transpose() * z_;
    w_.noalias() -= z_ * flat_.transpose();
    b_ -= z_.rowwise().sum();
    for (Index s = 0; s < n_; ++s) {
      for (Index c = 0; c < image_channels; ++c) {
        second_.d.row(c).segment(s * places_, places_) = flat_d_.col(s).segment(c * places_, places_).transpose();
      }
    }
    second_.backward(&first_.d);
    first_.backward(nullptr);
    return loss;
  }

  template <class F>
  void each_parameter(F function) {
    each_of(first_.w, function), each_of(first_.b, function);
    each_of(second_.w, function), each_of(second_.b, function);
    each_of(w_, function), each_of(b_, function);
  }

 private:
  T loss_and_derivative(T lr) {
    const T scale = lr / static_cast<T>(n_);
    T loss = 0;
    for (Index s = 0; s < n_; ++s) {
      const Index target = static_cast<Index>(y_[static_cast<std::size_t>(s)]);
      const T largest = z_.col(s).maxCoeff(), score = z_(target, s);
      z_.col(s) = (z_.col(s).array() - largest).exp();
      const T sum = z_.col(s).sum();
      loss += std::log(sum) + largest - score;
      z_.col(s) *= scale / sum;
      z_(target, s) -= scale;
    }
    return loss / static_cast<T>(n_);
  }

  Index n_;
  Matrix<T> x_;
  std::vector<double> y_;
  Convolution<T, ImageWindows> first_, second_;
  Index places_;
  Matrix<T> w_;
  Column<T> b_;
  Matrix<T> flat_, flat_d_, z_;
};

/// Three convolutions of lists with relu; the squares of the last one's numbers.
template <class T>
class ListNet {
 public:
  ListNet(const double* x, Index n) : n_(n), x_(list_channels, list_length * n) {
    layers_.reserve(3);
    for (int i = 0; i < 3; ++i) {
      const Index length = i == 0 ? list_length : layers_.back().out();
      layers_.emplace_back(list_channels, list_channels, ListWindows{length, n});
    }
    for (Index list = 0; list < n; ++list) {
      for (Index c = 0; c < list_channels; ++c) {
        for (Index place = 0; place < list_length; ++place) x_(c, list * list_length + place) = static_cast<T>(*x++);
      }
    }
  }

  T step(T lr) {
    layers_[0].forward(x_);
    layers_[1].forward(layers_[0].a), layers_[2].forward(layers_[1].a);
    const T loss = layers_[2].a.squaredNorm() / static_cast<T>(n_);
    layers_[2].d = (2 * lr / static_cast<T>(n_)) * layers_[2].a;
    layers_[2].backward(&layers_[1].d), layers_[1].backward(&layers_[0].d), layers_[0].backward(nullptr);
    return loss;
  }

  template <class F>
  void each_parameter(F function) {
    for (auto& layer : layers_) each_of(layer.w, function), each_of(layer.b, function);
  }

 private:
  Index n_;
  Matrix<T> x_;
  std::vector<Convolution<T, ListWindows>> layers_;
};

}  // namespace
}  // namespace tapeloom::bench::by_hand
