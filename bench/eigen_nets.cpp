// Training steps tuned for their net (eigen_plain.cpp has the usual way of writing). What they have in common:
//
//   - A sample is a column, in the data as in every layer's activations.
//   - The learning rate is multiplied into the derivative of the loss by the outputs, so that every derivative below is
//     already a step: W -= d x^T. Products are added to where they are wanted; no gradient is stored.
//   - Derivatives of a layer's inputs are taken before its weights change.
//   - Bias, activation and its derivative are single passes.
//
// Layouts tried: activations row-major (a unit's samples side by side) or column-major (a sample's units side by side),
// weights likewise. The tiny net is fastest with everything column-major; all others have their samples side by side,
// up to twice as fast as the other way in float; but for the inputs of the largest, which are as fast as they come, so
// that other rows need no transposition.
#include <string_view>

#include "bench/eigen_handle.h"

namespace {

using tapeloom::bench::by_hand::handle_of;
using tapeloom::bench::by_hand::read_rows;

using Eigen::ColMajor;
using Eigen::Dynamic;
using Eigen::Index;
using Eigen::RowMajor;

template <class T, int order>
using Matrix = Eigen::Matrix<T, Dynamic, Dynamic, order>;
template <class T>
using Column = Eigen::Matrix<T, Dynamic, 1>;
template <class T>
using Row = Eigen::Matrix<T, 1, Dynamic>;

/// Weights (outputs x inputs) and biases of a layer.
template <class T, int order>
struct Layer {
  Layer(Index inputs, Index outputs) : w(outputs, inputs), b(outputs) {}

  /// Neuron by neuron, its weights, then its bias.
  template <class F>
  void each_parameter(F function) {
    for (Index i = 0; i < w.rows(); ++i) {
      for (Index j = 0; j < w.cols(); ++j) function(w(i, j));
      function(b(i));
    }
  }
  T squares() const { return w.squaredNorm() + b.squaredNorm(); }

  Matrix<T, order> w;
  Column<T> b;
};

/// A layer of one neuron.
template <class T>
struct Neuron {
  explicit Neuron(Index inputs) : w(inputs) {}

  template <class F>
  void each_parameter(F function) {
    for (T& number : w) function(number);
    function(b);
  }
  T squares() const { return w.squaredNorm() + b * b; }

  Row<T> w;
  T b = 0;
};

template <class T>
using Samples = Matrix<T, RowMajor>;

/// z = tanh(z + b), a unit's samples at a time.
template <class T>
void add_bias_tanh(Samples<T>& z, const Column<T>& b) {
  for (Index i = 0; i < z.rows(); ++i) z.row(i) = (z.row(i).array() + b(i)).tanh();
}

template <class T>
void add_bias_relu(Samples<T>& z, const Column<T>& b) {
  for (Index i = 0; i < z.rows(); ++i) z.row(i) = (z.row(i).array() + b(i)).cwiseMax(T(0));
}

/// d = d * relu'(z), from a = relu(z).
template <class T>
void times_relu_derivative(Samples<T>& d, const Samples<T>& a) {
  d.array() = (a.array() > T(0)).select(d.array(), T(0));
}

/// z becomes lr times the derivative of the mean of -log softmax(z + b)[y] by z; returns that mean.
template <class T>
class SoftmaxCrossEntropy {
 public:
  SoftmaxCrossEntropy(const double* y, Index samples) : y_(samples), largest_(samples), sum_(samples) {
    set_targets(y);
  }

  template <class U>
  void set_targets(const U* y) {
    for (Index j = 0; j < y_.cols(); ++j) y_(j) = static_cast<Index>(y[j]);
  }

  T operator()(Samples<T>& z, const Column<T>& b, T lr) {
    const Index n = z.cols();
    const T scale = lr / static_cast<T>(n);
    largest_ = z.row(0).array() += b(0);
    for (Index i = 1; i < z.rows(); ++i) largest_ = largest_.cwiseMax((z.row(i).array() += b(i)).matrix());
    T loss = 0;
    for (Index j = 0; j < n; ++j) loss += largest_(j) - z(y_(j), j);
    sum_.setZero();
    for (Index i = 0; i < z.rows(); ++i) sum_ += z.row(i) = (z.row(i) - largest_).array().exp().matrix();
    loss += sum_.array().log().sum();
    sum_ = scale * sum_.cwiseInverse();
    for (Index i = 0; i < z.rows(); ++i) z.row(i).array() *= sum_.array();
    for (Index j = 0; j < n; ++j) z(y_(j), j) -= scale;
    return loss / static_cast<T>(n);
  }

 private:
  Eigen::Matrix<Index, 1, Dynamic> y_;
  Row<T> largest_, sum_;
};

template <class T>
class Tanh3_4_4_1 {
 public:
  Tanh3_4_4_1(const double* x, const double* y, Index n)
      : n_(static_cast<T>(n)), x_(3, n), a1_(4, n), a2_(4, n), d1_(4, n), d2_(4, n), y_(n), a3_(n), d3_(n) {
    read_rows(x_, x);
    read_rows(y_, y);
  }

  T step(T lr) {
    a1_.noalias() = l1_.w * x_;
    a1_ = (a1_.colwise() + l1_.b).array().tanh();
    a2_.noalias() = l2_.w * a1_;
    a2_ = (a2_.colwise() + l2_.b).array().tanh();
    a3_.noalias() = l3_.w * a2_;
    a3_ = (a3_.array() + l3_.b).tanh();
    d3_ = a3_ - y_;
    const T loss = d3_.squaredNorm() / n_;

    d3_.array() *= (T(2) * lr / n_) * (T(1) - a3_.array().square());
    d2_.noalias() = l3_.w.transpose() * d3_;
    d2_.array() *= T(1) - a2_.array().square();
    d1_.noalias() = l2_.w.transpose() * d2_;
    d1_.array() *= T(1) - a1_.array().square();

    l3_.w.noalias() -= d3_ * a2_.transpose();
    l3_.b -= d3_.sum();
    l2_.w.noalias() -= d2_ * a1_.transpose();
    l2_.b -= d2_.rowwise().sum();
    l1_.w.noalias() -= d1_ * x_.transpose();
    l1_.b -= d1_.rowwise().sum();
    return loss;
  }

  template <class F>
  void each_parameter(F function) {
    l1_.each_parameter(function);
    l2_.each_parameter(function);
    l3_.each_parameter(function);
  }

 private:
  T n_;
  Layer<T, ColMajor> l1_{3, 4}, l2_{4, 4};
  Neuron<T> l3_{4};
  Matrix<T, ColMajor> x_, a1_, a2_, d1_, d2_;
  Row<T> y_, a3_, d3_;
};

/// The mean of relu(1 - y z) with 1e-4 times the sum of the parameters' squares.
template <class T>
class Relu2_16_16_1 {
 public:
  Relu2_16_16_1(const double* x, const double* y, Index n)
      : n_(static_cast<T>(n)), x_(2, n), a1_(16, n), a2_(16, n), d1_(16, n), d2_(16, n), y_(n), margin_(n), d3_(n) {
    read_rows(x_, x);
    read_rows(y_, y);
  }

  T step(T lr) {
    const T l2 = T(1e-4);
    a1_.noalias() = l1_.w * x_;
    add_bias_relu(a1_, l1_.b);
    a2_.noalias() = l2_.w * a1_;
    add_bias_relu(a2_, l2_.b);
    margin_.noalias() = l3_.w * a2_;
    margin_ = (T(1) - y_.array() * (margin_.array() + l3_.b)).cwiseMax(T(0));
    const T loss = margin_.sum() / n_ + l2 * (l1_.squares() + l2_.squares() + l3_.squares());

    d3_ = (margin_.array() > T(0)).select(y_.array() * (-lr / n_), T(0));
    d2_.noalias() = l3_.w.transpose() * d3_;
    times_relu_derivative(d2_, a2_);
    d1_.noalias() = l2_.w.transpose() * d2_;
    times_relu_derivative(d1_, a1_);

    const T keep = T(1) - T(2) * lr * l2;
    l3_.w *= keep;
    l3_.w.noalias() -= d3_ * a2_.transpose();
    l3_.b = keep * l3_.b - d3_.sum();
    l2_.w *= keep;
    l2_.w.noalias() -= d2_ * a1_.transpose();
    l2_.b = keep * l2_.b - d2_.rowwise().sum();
    l1_.w *= keep;
    l1_.w.noalias() -= d1_ * x_.transpose();
    l1_.b = keep * l1_.b - d1_.rowwise().sum();
    return loss;
  }

  template <class F>
  void each_parameter(F function) {
    l1_.each_parameter(function);
    l2_.each_parameter(function);
    l3_.each_parameter(function);
  }

 private:
  T n_;
  Layer<T, ColMajor> l1_{2, 16}, l2_{16, 16};
  Neuron<T> l3_{16};
  Samples<T> x_, a1_, a2_, d1_, d2_;
  Row<T> y_, margin_, d3_;
};

template <class T>
class Tanh64_32_10 {
 public:
  Tanh64_32_10(const double* x, const double* y, Index n)
      : n_(static_cast<T>(n)), x_(64, n), y_(10, n), a1_(32, n), a2_(10, n), d1_(32, n), d2_(10, n) {
    read_rows(x_, x);
    read_rows(y_, y);
  }

  T step(T lr) {
    a1_.noalias() = l1_.w * x_;
    add_bias_tanh(a1_, l1_.b);
    a2_.noalias() = l2_.w * a1_;
    add_bias_tanh(a2_, l2_.b);
    d2_ = a2_ - y_;
    const T loss = d2_.squaredNorm() / n_;

    d2_.array() *= (T(2) * lr / n_) * (T(1) - a2_.array().square());
    d1_.noalias() = l2_.w.transpose() * d2_;
    d1_.array() *= T(1) - a1_.array().square();

    l2_.w.noalias() -= d2_ * a1_.transpose();
    l2_.b -= d2_.rowwise().sum();
    l1_.w.noalias() -= d1_ * x_.transpose();
    l1_.b -= d1_.rowwise().sum();
    return loss;
  }

  template <class F>
  void each_parameter(F function) {
    l1_.each_parameter(function);
    l2_.each_parameter(function);
  }

 private:
  T n_;
  Layer<T, RowMajor> l1_{64, 32}, l2_{32, 10};
  Samples<T> x_, y_, a1_, a2_, d1_, d2_;
};

template <class T>
class Relu64_64_64_10 {
 public:
  Relu64_64_64_10(const double* x, const double* y, Index n)
      : loss_(y, n), x_(64, n), a1_(64, n), a2_(64, n), d1_(64, n), d2_(64, n), d3_(10, n) {
    read_rows(x_, x);
  }

  T step(T lr) {
    a1_.noalias() = l1_.w * x_;
    add_bias_relu(a1_, l1_.b);
    a2_.noalias() = l2_.w * a1_;
    add_bias_relu(a2_, l2_.b);
    d3_.noalias() = l3_.w * a2_;
    const T loss = loss_(d3_, l3_.b, lr);

    d2_.noalias() = l3_.w.transpose() * d3_;
    times_relu_derivative(d2_, a2_);
    d1_.noalias() = l2_.w.transpose() * d2_;
    times_relu_derivative(d1_, a1_);

    l3_.w.noalias() -= d3_ * a2_.transpose();
    l3_.b -= d3_.rowwise().sum();
    l2_.w.noalias() -= d2_ * a1_.transpose();
    l2_.b -= d2_.rowwise().sum();
    l1_.w.noalias() -= d1_ * x_.transpose();
    l1_.b -= d1_.rowwise().sum();
    return loss;
  }

  template <class F>
  void each_parameter(F function) {
    l1_.each_parameter(function);
    l2_.each_parameter(function);
    l3_.each_parameter(function);
  }

 private:
  SoftmaxCrossEntropy<T> loss_;
  Layer<T, RowMajor> l1_{64, 64}, l2_{64, 64}, l3_{64, 10};
  Samples<T> x_, a1_, a2_, d1_, d2_, d3_;
};

template <class T>
class Relu784_128_10 {
 public:
  Relu784_128_10(const double* x, const double* y, Index n)
      : loss_(y, n), x_(784, n), a1_(128, n), d1_(128, n), d2_(10, n) {
    read_rows(x_, x);
  }

  void set_rows(const float* const* x, const float* y) {
    read_rows(x_, x);
    loss_.set_targets(y);
  }

  T step(T lr) {
    a1_.noalias() = l1_.w * x_;
    add_bias_relu(a1_, l1_.b);
    d2_.noalias() = l2_.w * a1_;
    const T loss = loss_(d2_, l2_.b, lr);

    d1_.noalias() = l2_.w.transpose() * d2_;
    times_relu_derivative(d1_, a1_);

    l2_.w.noalias() -= d2_ * a1_.transpose();
    l2_.b -= d2_.rowwise().sum();
    l1_.w.noalias() -= d1_ * x_.transpose();
    l1_.b -= d1_.rowwise().sum();
    return loss;
  }

  template <class F>
  void each_parameter(F function) {
    l1_.each_parameter(function);
    l2_.each_parameter(function);
  }

 private:
  SoftmaxCrossEntropy<T> loss_;
  Layer<T, RowMajor> l1_{784, 128}, l2_{128, 10};
  Matrix<T, ColMajor> x_;
  Samples<T> a1_, d1_, d2_;
};

template <class Handle, class T>
Handle make(std::string_view net, const double* x, const double* y, std::size_t samples) {
  const Index n = static_cast<Index>(samples);
  if (net == "3-4-4-1 tanh") return handle_of<Handle, T>(new Tanh3_4_4_1<T>(x, y, n));
  if (net == "2-16-16-1 relu") return handle_of<Handle, T>(new Relu2_16_16_1<T>(x, y, n));
  if (net == "64-32-10 tanh") return handle_of<Handle, T>(new Tanh64_32_10<T>(x, y, n));
  if (net == "64-64-64-10 relu") return handle_of<Handle, T>(new Relu64_64_64_10<T>(x, y, n));
  if (net == "784-128-10 relu") return handle_of<Handle, T>(new Relu784_128_10<T>(x, y, n));
  return {};
}

#define TAPELOOM_TEXT(x) #x
#define TAPELOOM_VERSION(world, major, minor) TAPELOOM_TEXT(world) "." TAPELOOM_TEXT(major) "." TAPELOOM_TEXT(minor)

}  // namespace

tapeloom_bench_eigen_float tapeloom_bench_make_eigen_float(const char* net, bool plain, const double* x,
                                                           const double* y, std::size_t samples) {
  if (plain) return tapeloom::bench::by_hand::make_plain_float(net, x, y, samples);
  return make<tapeloom_bench_eigen_float, float>(net, x, y, samples);
}

tapeloom_bench_eigen_double tapeloom_bench_make_eigen_double(const char* net, bool plain, const double* x,
                                                             const double* y, std::size_t samples) {
  if (plain) return tapeloom::bench::by_hand::make_plain_double(net, x, y, samples);
  return make<tapeloom_bench_eigen_double, double>(net, x, y, samples);
}

const char* tapeloom_bench_eigen_version() {
#if defined(EIGEN_VECTORIZE_AVX512)
#define TAPELOOM_EIGEN_VECTORS "AVX-512"
#elif defined(EIGEN_VECTORIZE_AVX2)
#define TAPELOOM_EIGEN_VECTORS "AVX2"
#elif defined(EIGEN_VECTORIZE)
#define TAPELOOM_EIGEN_VECTORS "128-bit vectors"
#else
#define TAPELOOM_EIGEN_VECTORS "no vectors"
#endif
  return TAPELOOM_VERSION(EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION) ", " TAPELOOM_EIGEN_VECTORS;
}
