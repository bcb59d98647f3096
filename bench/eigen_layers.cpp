// Training steps of recurrent and convolutional nets and of attention as one writes them by hand with Eigen:
// preallocated, what all steps of a sequence share as one product over all of them, convolutions as products with the
// windows side by side. The learning rate is multiplied into the derivative of the loss, as in eigen_nets.cpp.
#include "bench/eigen_layers.h"

#include <cmath>
#include <string>
#include <string_view>

#include "bench/eigen_attention.h"
#include "bench/eigen_convolutions.h"
#include "bench/eigen_handle.h"

namespace tapeloom::bench::by_hand {
namespace {

/// What a sequence of a batch is: the columns [t * n, (t + 1) * n) are its samples at step t.
template <class T>
class Recurrent {
 protected:
  Recurrent(Index gates, const double* x, Index n)
      : n_(n),
        x_(sequence_inputs, sequence_steps * n),
        w_(gates * sequence_hidden, sequence_inputs),
        u_(gates * sequence_hidden, sequence_hidden),
        b_(gates * sequence_hidden),
        b2_(gates * sequence_hidden),
        bias_(gates * sequence_hidden),
        z_(gates * sequence_hidden, sequence_steps * n),
        h_(sequence_hidden, sequence_steps * n),
        d_(sequence_hidden, n) {
    for (Index sample = 0; sample < n; ++sample) {
      for (Index t = 0; t < sequence_steps; ++t) {
        for (Index i = 0; i < sequence_inputs; ++i) x_(i, t * n + sample) = static_cast<T>(*x++);
      }
    }
  }

  auto at(Matrix<T>& m, Index t) { return m.middleCols(t * n_, n_); }
  /// Of all steps, but for what comes from the state before.
  void from_inputs() {
    bias_ = b_ + b2_;
    z_.noalias() = w_ * x_;
    z_.colwise() += bias_;
  }
  void add_state(Index t) {
    if (t > 0) at(z_, t).noalias() += u_ * at(h_, t - 1);
  }
  T loss(T lr) {
    d_ = (T(2) * lr / static_cast<T>(n_)) * at(h_, sequence_steps - 1);
    return at(h_, sequence_steps - 1).squaredNorm() / static_cast<T>(n_);
  }
  /// By the state before; z_ has the derivatives by the sums.
  void to_state(Index t) { d_.noalias() = u_.transpose() * at(z_, t); }
  void update() {
    const Index later = (sequence_steps - 1) * n_;
    w_.noalias() -= z_ * x_.transpose();
    u_.noalias() -= z_.rightCols(later) * h_.leftCols(later).transpose();
    bias_ = z_.rowwise().sum();
    b_ -= bias_, b2_ -= bias_;
  }

 public:
  template <class F>
  void each_parameter(F function) {
    each_of(w_, function), each_of(u_, function), each_of(b_, function), each_of(b2_, function);
  }

 protected:
  Index n_;
  Matrix<T> x_, w_, u_;
  Column<T> b_, b2_, bias_;
  Matrix<T> z_, h_, d_;
};

template <class T>
class Rnn : public Recurrent<T> {
 public:
  Rnn(const double* x, Index n) : Recurrent<T>(1, x, n) {}

  T step(T lr) {
    this->from_inputs();
    for (Index t = 0; t < sequence_steps; ++t) {
      this->add_state(t);
      this->at(this->h_, t) = this->at(this->z_, t).array().tanh();
    }
    const T loss = this->loss(lr);
    for (Index t = sequence_steps; t-- > 0;) {
      this->at(this->z_, t).array() = this->d_.array() * (T(1) - this->at(this->h_, t).array().square());
      if (t > 0) this->to_state(t);
    }
    this->update();
    return loss;
  }
};

template <class T>
class Lstm : public Recurrent<T> {
 public:
  Lstm(const double* x, Index n)
      : Recurrent<T>(4, x, n),
        c_(sequence_hidden, sequence_steps * n),
        t_(sequence_hidden, sequence_steps * n),
        dc_(sequence_hidden, n) {}

  T step(T lr) {
    this->from_inputs();
    for (Index t = 0; t < sequence_steps; ++t) {
      this->add_state(t);
      for (const Index sigmoid : {0, 1, 3}) gate(t, sigmoid) = gate(t, sigmoid).logistic();
      gate(t, 2) = gate(t, 2).tanh();
      auto c = this->at(c_, t).array();
      c = gate(t, 0) * gate(t, 2);
      if (t > 0) c += gate(t, 1) * this->at(c_, t - 1).array();
      this->at(t_, t) = c.tanh();
      this->at(this->h_, t).array() = gate(t, 3) * this->at(t_, t).array();
    }
    const T loss = this->loss(lr);
    dc_.setZero();
    for (Index t = sequence_steps; t-- > 0;) backward(t);
    this->update();
    return loss;
  }

 private:
  /// i, f, g, o.
  auto gate(Index t, Index which) {
    return this->z_.block(which * sequence_hidden, t * this->n_, sequence_hidden, this->n_).array();
  }
  void backward(Index t) {
    auto i = gate(t, 0), f = gate(t, 1), g = gate(t, 2), o = gate(t, 3);
    auto dc = dc_.array(), tanh_c = this->at(t_, t).array();
    dc += this->d_.array() * o * (T(1) - tanh_c.square());
    o = this->d_.array() * tanh_c * o * (T(1) - o);
    d_g_ = dc * i.array() * (T(1) - g.square());
    i = dc * g * i * (T(1) - i);
    g = d_g_;
    if (t == 0) {
      f.setZero();
      return;
    }
    d_g_ = dc * f;
    f = dc * this->at(c_, t - 1).array() * f * (T(1) - f);
    dc = d_g_;
    this->to_state(t);
  }

  Matrix<T> c_, t_, dc_;
  Eigen::Array<T, Dynamic, Dynamic> d_g_;
};

/// 4-32-16-4, tanh but for the last layer, half the mean of squared errors, by Adam.
template <class T>
class SmallNet {
 public:
  SmallNet(const double* x, const double* y, Index n) : n_(n), x_(4, n), y_(4, n), d_(4, n) {
    read_rows(x_, x);
    read_rows(y_, y);
    Index inputs = 4;
    for (const Index width : {32, 16, 4}) layers_.emplace_back(inputs, width, n), inputs = width;
  }

  T step(T lr) {
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      Layer& layer = layers_[l];
      layer.a.noalias() = layer.w * (l == 0 ? x_ : layers_[l - 1].a);
      if (l + 1 < layers_.size()) {
        for (Index i = 0; i < layer.a.rows(); ++i) layer.a.row(i) = (layer.a.row(i).array() + layer.b(i)).tanh();
      } else {
        layer.a.colwise() += layer.b;
      }
    }
    Layer& last = layers_.back();
    last.d = last.a - y_;
    const T loss = last.d.squaredNorm() / static_cast<T>(n_);
    last.d *= T(2) / static_cast<T>(n_);
    ++steps_;
    for (std::size_t l = layers_.size(); l-- > 0;) {
      Layer& layer = layers_[l];
      layer.dw.noalias() = layer.d * (l == 0 ? x_ : layers_[l - 1].a).transpose();
      layer.db = layer.d.rowwise().sum();
      if (l > 0) {
        Layer& before = layers_[l - 1];
        before.d.noalias() = layer.w.transpose() * layer.d;
        before.d.array() *= T(1) - before.a.array().square();
      }
      layer.move_w.update(layer.w, layer.dw, lr, steps_), layer.move_b.update(layer.b, layer.db, lr, steps_);
    }
    return loss;
  }

  template <class F>
  void each_parameter(F function) {
    for (Layer& layer : layers_) each_of(layer.w, function), each_of(layer.b, function);
  }

 private:
  template <class M>
  struct Adam {
    explicit Adam(const M& like) : m(M::Zero(like.rows(), like.cols())), v(m) {}
    void update(M& p, const M& g, T lr, int t) {
      m = T(0.9) * m + T(0.1) * g;
      v = T(0.999) * v + (T(0.001) * g.array().square()).matrix();
      const T of_m = lr / (T(1) - std::pow(T(0.9), T(t))), of_v = T(1) / (T(1) - std::pow(T(0.999), T(t)));
      p.array() -= of_m * m.array() / ((of_v * v.array()).sqrt() + T(1e-8));
    }
    M m, v;
  };
  // A unit's samples side by side.
  using Samples = Eigen::Matrix<T, Dynamic, Dynamic, Eigen::RowMajor>;
  struct Layer {
    Layer(Index inputs, Index outputs, Index n)
        : w(outputs, inputs),
          dw(outputs, inputs),
          b(outputs),
          db(outputs),
          a(outputs, n),
          d(outputs, n),
          move_w(w),
          move_b(b) {}
    Matrix<T> w, dw;
    Column<T> b, db;
    Samples a, d;
    Adam<Matrix<T>> move_w;
    Adam<Column<T>> move_b;
  };

  Index n_;
  Samples x_, y_, d_;
  std::vector<Layer> layers_;
  int steps_ = 0;
};

template <class Handle, class T>
Handle make(std::string_view net, const double* x, const double* y, std::size_t samples) {
  const auto n = static_cast<Index>(samples);
  if (net == "rnn") return handle_of<Handle, T>(new Rnn<T>(x, n));
  if (net == "lstm") return handle_of<Handle, T>(new Lstm<T>(x, n));
  if (net == "attention") return handle_of<Handle, T>(new Attention<T>(x, n));
  if (net == "conv") return handle_of<Handle, T>(new ConvolutionNet<T>(0, x, y, n));
  if (net == "conv padded") return handle_of<Handle, T>(new ConvolutionNet<T>(1, x, y, n));
  if (net == "conv list") return handle_of<Handle, T>(new ListNet<T>(x, n));
  if (net == "adam") return handle_of<Handle, T>(new SmallNet<T>(x, y, n));
  return {};
}

}  // namespace
}  // namespace tapeloom::bench::by_hand

tapeloom_bench_eigen_float tapeloom_bench_make_layers_float(const char* net, const double* x, const double* y,
                                                            std::size_t samples) {
  return tapeloom::bench::by_hand::make<tapeloom_bench_eigen_float, float>(net, x, y, samples);
}
tapeloom_bench_eigen_double tapeloom_bench_make_layers_double(const char* net, const double* x, const double* y,
                                                              std::size_t samples) {
  return tapeloom::bench::by_hand::make<tapeloom_bench_eigen_double, double>(net, x, y, samples);
}
